#include <stdio.h>

#include "cli/cli.h"
#include "cli/render.h"
#include "command/command.h"

static const struct cli_form up_form = {
    .arguments = "",
    .text = "Connects this node to its network.\v"
            "Ends when the node is registered. While the servers can't be reached, the daemon goes "
            "on trying after this command has given up.",
};

static const struct cli_form down_form = {
    .arguments = "",
    .text = "Closes the tunnels and disconnects this node from its network.\v"
            "The node stays down, also over restarts, until 'cyphonic up'.",
};

static int run(const struct cli_form *form, const char *command, int argc, char **argv,
               struct cli_options *options, json_t **data) {
  int status = cli_options_parse(form, argc, argv, options, NULL);
  if (status != COMMAND_OK) {
    return status;
  }
  return cli_ask(options, json_pack("{s:s}", "command", command), CLIENT_LONG_SECONDS, data);
}

int cli_up(int argc, char **argv, void *context) {
  struct cli_options *options = context;
  json_t *data;
  int status = run(&up_form, "up", argc, argv, options, &data);
  if (status != COMMAND_OK) {
    return status;
  }
  if (options->json) {
    render_json(stdout, data);
  } else {
    render_joined(stdout, data);
  }
  json_decref(data);
  return COMMAND_OK;
}

int cli_down(int argc, char **argv, void *context) {
  struct cli_options *options = context;
  json_t *data;
  int status = run(&down_form, "down", argc, argv, options, &data);
  if (status != COMMAND_OK) {
    return status;
  }
  if (options->json) {
    render_json(stdout, data);
  } else {
    printf("The node is down. Bring it up again with: cyphonic up\n");
  }
  json_decref(data);
  return COMMAND_OK;
}
