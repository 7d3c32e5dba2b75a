#include "cli/options.h"

#include <errno.h>

#include "command/command.h"

enum { KEY_SOCKET = 's', KEY_JSON = 'j' };

static const struct argp_option options[] = {
    {.name = "socket", .key = KEY_SOCKET, .arg = "PATH", .doc = "Where cyphonicd listens"},
    {.name = "json", .key = KEY_JSON, .doc = "Print JSON"},
    {0},
};

static error_t options_parse(int key, char *argument, struct argp_state *state) {
  struct cli_options *chosen = state->input;
  switch (key) {
  case KEY_SOCKET:
    chosen->socket = argument;
    return 0;
  case KEY_JSON:
    chosen->json = true;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

const struct argp cli_options_argp = {.options = options, .parser = options_parse};

struct parse_context {
  const struct cli_form *form;
  struct cli_options *options;
  void *input;
};

static error_t form_parse(int key, char *argument, struct argp_state *state) {
  struct parse_context *context = state->input;
  if (key == ARGP_KEY_INIT) {
    state->child_inputs[0] = context->options;
    return 0;
  }
  error_t result = context->form->parse != NULL
                       ? context->form->parse(key, argument, state, context->input)
                       : ARGP_ERR_UNKNOWN;
  if (result == ARGP_ERR_UNKNOWN && key == ARGP_KEY_ARG) {
    argp_error(state, "'%s' is one argument too many", argument);
    return EINVAL;
  }
  return result;
}

int cli_options_parse(const struct cli_form *form, int argc, char **argv,
                      struct cli_options *chosen, void *input) {
  const struct argp_child children[] = {{.argp = &cli_options_argp}, {0}};
  const struct argp argp = {
      .options = form->options,
      .parser = form_parse,
      .args_doc = form->arguments,
      .doc = form->text,
      .children = children,
  };
  struct parse_context context = {.form = form, .options = chosen, .input = input};
  return argp_parse(&argp, argc, argv, 0, NULL, &context) == 0 ? COMMAND_OK : COMMAND_USAGE;
}
