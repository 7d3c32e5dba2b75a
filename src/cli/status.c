#include <stdio.h>

#include "cli/cli.h"
#include "cli/render.h"
#include "command/command.h"

static const struct cli_form form = {
    .arguments = "",
    .text = "Shows this node, its connections to AS and NMS, and its peers.",
};

int cli_status(int argc, char **argv, void *context) {
  struct cli_options *options = context;
  int status = cli_options_parse(&form, argc, argv, options, NULL);
  if (status != COMMAND_OK) {
    return status;
  }
  json_t *data;
  status = cli_ask(options, json_pack("{s:s}", "command", "status"), CLIENT_SECONDS, &data);
  if (status != COMMAND_OK) {
    return status;
  }
  if (options->json) {
    render_json(stdout, data);
  } else {
    render_status(stdout, data);
  }
  json_decref(data);
  return COMMAND_OK;
}
