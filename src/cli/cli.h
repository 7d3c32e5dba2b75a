/* The commands of `cyphonic`; each is a struct command's `run` with struct cli_options as context,
 * and returns the exit code. */
#ifndef CYPHONIC_CLI_CLI_H
#define CYPHONIC_CLI_CLI_H

#include <jansson.h>

#include "cli/client.h"
#include "cli/options.h"

int cli_join(int argc, char **argv, void *context);
int cli_up(int argc, char **argv, void *context);
int cli_down(int argc, char **argv, void *context);
int cli_status(int argc, char **argv, void *context);
int cli_ping(int argc, char **argv, void *context);
int cli_resolve(int argc, char **argv, void *context);
int cli_netcheck(int argc, char **argv, void *context);
int cli_version(int argc, char **argv, void *context);

/* Opens, asks once, closes. On failure the error is printed; returns the exit code. Takes over
 * `request`. *data is a new reference. */
int cli_ask(const struct cli_options *options, json_t *request, int seconds, json_t **data);

/* Prints the error and returns the exit code. */
int cli_fail(const struct cli_options *options, const struct client_error *error);

#endif
