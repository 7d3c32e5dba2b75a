#include "cli/cli.h"
#include "cli/client.h"
#include "cli/render.h"
#include "command/command.h"

int cli_fail(const struct cli_options *options, const struct client_error *error) {
  if (options->json) {
    render_error_json(stdout, error);
  }
  render_error(stderr, error);
  return error->no_daemon ? COMMAND_NO_DAEMON : COMMAND_FAILED;
}

int cli_ask(const struct cli_options *options, json_t *request, int seconds, json_t **data) {
  *data = NULL;
  struct client_error error;
  struct client *client;
  int code = client_open(options->socket, &client, &error);
  if (code == ERROR_NONE) {
    code = client_call(client, request, seconds, -1, data, &error);
    client_close(client);
  }
  json_decref(request);
  return code == ERROR_NONE ? COMMAND_OK : cli_fail(options, &error);
}
