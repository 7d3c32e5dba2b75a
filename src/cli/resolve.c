#include <errno.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/render.h"
#include "command/command.h"

static error_t parse(int key, char *argument, struct argp_state *state, void *input) {
  const char **name = input;
  switch (key) {
  case ARGP_KEY_ARG:
    if (*name != NULL) {
      return ARGP_ERR_UNKNOWN;
    }
    *name = argument;
    return 0;
  case ARGP_KEY_NO_ARGS:
    argp_error(state, "a name or a virtual address is needed");
    return EINVAL;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct cli_form form = {
    .arguments = "NAME",
    .text = "Tells a node's full name and virtual addresses.\v"
            "NAME is a full name, a bare name of this network, or a virtual address.",
    .parse = parse,
};

int cli_resolve(int argc, char **argv, void *context) {
  struct cli_options *options = context;
  const char *name = NULL;
  int status = cli_options_parse(&form, argc, argv, options, &name);
  if (status != COMMAND_OK) {
    return status;
  }
  json_t *data;
  status = cli_ask(options, json_pack("{s:s, s:s}", "command", "resolve", "name", name),
                   CLIENT_SECONDS, &data);
  if (status != COMMAND_OK) {
    return status;
  }
  if (options->json) {
    render_json(stdout, data);
  } else {
    render_resolve(stdout, data);
  }
  json_decref(data);
  return COMMAND_OK;
}
