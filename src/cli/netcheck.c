#include <stdio.h>

#include "cli/cli.h"
#include "cli/render.h"
#include "cli/render_netcheck.h"
#include "command/command.h"

static const struct cli_form form = {
    .arguments = "",
    .text = "Tries each server over IPv4 and IPv6, and tells what this network lets through.\v"
            "The exit code is 0 if any server answers.",
};

int cli_netcheck(int argc, char **argv, void *context) {
  struct cli_options *options = context;
  int status = cli_options_parse(&form, argc, argv, options, NULL);
  if (status != COMMAND_OK) {
    return status;
  }
  json_t *data;
  status = cli_ask(options, json_pack("{s:s}", "command", "netcheck"), CLIENT_SECONDS, &data);
  if (status != COMMAND_OK) {
    return status;
  }
  if (options->json) {
    render_json(stdout, data);
  } else {
    render_netcheck(stdout, data);
  }
  status = netcheck_works(data) ? COMMAND_OK : COMMAND_FAILED;
  json_decref(data);
  return status;
}
