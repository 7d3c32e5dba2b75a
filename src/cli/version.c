#include <stdio.h>

#include "cli/cli.h"
#include "cli/render.h"
#include "command/command.h"

static const struct cli_form form = {
    .arguments = "",
    .text = "Prints the versions of this command and of the daemon, if it runs.",
};

/* The daemon's version as a new reference, or NULL: that it does not run is no failure here. */
static json_t *daemon_version(const struct cli_options *options) {
  struct client_error error;
  struct client *client;
  if (client_open(options->socket, &client, &error) != ERROR_NONE) {
    return NULL;
  }
  json_t *request = json_pack("{s:s}", "command", "version");
  json_t *data;
  int code = client_call(client, request, CLIENT_SECONDS, -1, &data, &error);
  json_decref(request);
  client_close(client);
  if (code != ERROR_NONE) {
    return NULL;
  }
  json_t *version = json_string(render_text(data, "version", "unknown"));
  json_decref(data);
  return version;
}

int cli_version(int argc, char **argv, void *context) {
  struct cli_options *options = context;
  int status = cli_options_parse(&form, argc, argv, options, NULL);
  if (status != COMMAND_OK) {
    return status;
  }
  json_t *daemon = daemon_version(options);
  if (options->json) {
    json_t *data = json_pack("{s:s, s:O?}", "cyphonic", CYPHONIC_VERSION, "cyphonicd", daemon);
    render_json(stdout, data);
    json_decref(data);
  } else {
    printf("cyphonic %s\n", CYPHONIC_VERSION);
    printf("cyphonicd %s\n", daemon != NULL ? json_string_value(daemon) : "does not run");
  }
  json_decref(daemon);
  return COMMAND_OK;
}
