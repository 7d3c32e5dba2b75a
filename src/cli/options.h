/* Options that every command of `cyphonic` takes, before the command or after it. */
#ifndef CYPHONIC_CLI_OPTIONS_H
#define CYPHONIC_CLI_OPTIONS_H

#include <argp.h>
#include <stdbool.h>

#define CLI_SOCKET_PATH "/run/cyphonic/cyphonicd.sock"

struct cli_options {
  const char *socket;
  bool json;
};

/* --socket and --json; input: struct cli_options. */
extern const struct argp cli_options_argp;

/* Parses a command's arguments. `parser` gets `input`; its state's child_inputs[0] is set from
 * `options` here, so that it has no ARGP_KEY_INIT to handle. Returns 0 or the exit code; argp ends
 * the process for --help and for wrong options. */
struct cli_form {
  const struct argp_option *options; /* or NULL */
  const char *arguments;             /* for the usage line; "" for none */
  const char *text;                  /* what the command does; after \v what else to know */
  /* Returns 0, EINVAL (after argp_error) or ARGP_ERR_UNKNOWN; NULL: no options, no arguments. */
  error_t (*parse)(int key, char *argument, struct argp_state *state, void *input);
};
int cli_options_parse(const struct cli_form *form, int argc, char **argv,
                      struct cli_options *options, void *input);

#endif
