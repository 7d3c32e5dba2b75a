#include <stdio.h>

#include "cli/cli.h"
#include "cli/render.h"
#include "cli/render_event.h"
#include "command/command.h"

static const struct argp_option form_options[] = {
    {.name = "watch", .key = 'w', .doc = "Go on, and print each change as it happens"},
    {0},
};

static error_t form_parse(int key, char *argument UNUSED, struct argp_state *state UNUSED,
                          void *input) {
  if (key != 'w') {
    return ARGP_ERR_UNKNOWN;
  }
  *(bool *)input = true;
  return 0;
}

static const struct cli_form form = {
    .arguments = "",
    .text = "Shows this node, its connections to AS and NMS, and its peers.",
    .options = form_options,
    .parse = form_parse,
};

static void print_event(const struct cli_options *options, json_t *event) {
  if (options->json) {
    render_json_line(stdout, event);
  } else {
    render_event(stdout, event);
  }
  fflush(stdout);
  json_decref(event);
}

static int watch(const struct cli_options *options) {
  struct client_error error;
  struct client *client;
  int code = client_open(options->socket, &client, &error);
  if (code != ERROR_NONE) {
    return cli_fail(options, &error);
  }
  json_t *request = json_pack("{s:s}", "command", "watch"), *event;
  code = client_call(client, request, CLIENT_SECONDS, -1, &event, &error);
  json_decref(request);
  while (code == ERROR_NONE) {
    print_event(options, event);
    code = client_more(client, -1, &event, &error);
  }
  client_close(client);
  return cli_fail(options, &error);
}

int cli_status(int argc, char **argv, void *context) {
  struct cli_options *options = context;
  bool watching = false;
  int status = cli_options_parse(&form, argc, argv, options, &watching);
  if (status != COMMAND_OK) {
    return status;
  }
  if (watching) {
    return watch(options);
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
