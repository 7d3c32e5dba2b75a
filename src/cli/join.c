#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/render.h"
#include "command/command.h"

enum { INVITATION_MAX = 4096 };

struct join {
  const char *invitation;
  const char *name;
};

static const struct argp_option options[] = {
    {.name = "name",
     .key = 'n',
     .arg = "NAME",
     .doc = "The node's name in the network (default: this host's name)"},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state, void *input) {
  struct join *join = input;
  switch (key) {
  case 'n':
    join->name = argument;
    return 0;
  case ARGP_KEY_ARG:
    if (join->invitation != NULL) {
      return ARGP_ERR_UNKNOWN;
    }
    join->invitation = argument;
    return 0;
  case ARGP_KEY_NO_ARGS:
    argp_error(state, "an invitation is needed; the network's operator makes one with "
                      "'cyphonic-server token create'");
    return EINVAL;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct cli_form form = {
    .options = options,
    .arguments = "INVITATION",
    .text = "Joins a network and brings the node up.\v"
            "INVITATION is the line that 'cyphonic-server token create' printed; '-' reads it from "
            "standard input, which keeps it out of the list of processes.",
    .parse = parse,
};

int cli_join(int argc, char **argv, void *context) {
  struct cli_options *chosen = context;
  struct join join = {0};
  int status = cli_options_parse(&form, argc, argv, chosen, &join);
  if (status != COMMAND_OK) {
    return status;
  }
  char typed[INVITATION_MAX];
  if (strcmp(join.invitation, "-") == 0) {
    if (fgets(typed, sizeof(typed), stdin) == NULL) {
      fprintf(stderr, "cyphonic: no invitation on standard input\n");
      return COMMAND_USAGE;
    }
    join.invitation = typed;
  }
  json_t *request = json_pack("{s:s, s:s, s:s*}", "command", "join", "invitation", join.invitation,
                              "name", join.name);
  explicit_bzero(typed, sizeof(typed));
  json_t *data;
  status = cli_ask(chosen, request, CLIENT_LONG_SECONDS, &data);
  if (status != COMMAND_OK) {
    return status;
  }
  if (chosen->json) {
    render_json(stdout, data);
  } else {
    render_joined(stdout, data);
  }
  json_decref(data);
  return COMMAND_OK;
}
