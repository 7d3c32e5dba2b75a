#include "command/command.h"

#include <stdlib.h>
#include <string.h>

enum { COMMAND_NAME_SIZE = 128, COMMAND_COLUMN = 16 };

/* What stands before the command. */
struct front {
  const struct command_program *program;
  void *context;
  int command_index; /* in argv; 0: none */
  int done;          /* help or version was printed */
};

enum { KEY_VERSION = 'V', KEY_HELP = '?', KEY_USAGE = 0x100 };

static const struct argp_option front_options[] = {
    {.name = "help", .key = KEY_HELP, .doc = "Give this help"},
    {.name = "version", .key = KEY_VERSION, .doc = "Print the program's version"},
    {0},
};

/* The command that argv[0..argc) begins with; *words is how many words its name takes. NULL if
 * there is none. */
static const struct command *find(const struct command_program *program, int argc, char **argv,
                                  int *words) {
  *words = 0;
  if (argc < 1) {
    return NULL;
  }
  for (size_t i = 0; i < program->command_count; i++) {
    const char *name = program->commands[i].name;
    const char *space = strchr(name, ' ');
    if (space == NULL) {
      if (strcmp(name, argv[0]) == 0) {
        *words = 1;
        return &program->commands[i];
      }
    } else if (argc >= 2 && strlen(argv[0]) == (size_t)(space - name) &&
               strncmp(name, argv[0], (size_t)(space - name)) == 0 &&
               strcmp(space + 1, argv[1]) == 0) {
      *words = 2;
      return &program->commands[i];
    }
  }
  return NULL;
}

void command_help(const struct command_program *program, FILE *stream) {
  fprintf(stream, "Usage: %s [OPTION...] COMMAND [ARGUMENT...]\n%s\n\nCommands:\n", program->name,
          program->summary);
  for (size_t i = 0; i < program->command_count; i++) {
    fprintf(stream, "  %-*s %s\n", COMMAND_COLUMN, program->commands[i].name,
            program->commands[i].summary);
  }
  fprintf(stream, "\nOptions:\n");
  if (program->options != NULL) {
    for (const struct argp_option *option = program->options->options; option->name != NULL;
         option++) {
      char name[COMMAND_NAME_SIZE];
      snprintf(name, sizeof(name), "--%s%s%s", option->name, option->arg != NULL ? "=" : "",
               option->arg != NULL ? option->arg : "");
      fprintf(stream, "  %-*s %s\n", COMMAND_COLUMN, name, option->doc);
    }
  }
  fprintf(stream, "  %-*s %s\n", COMMAND_COLUMN, "--help", "Give this help");
  fprintf(stream, "  %-*s %s\n", COMMAND_COLUMN, "--version", "Print the program's version");
  fprintf(stream, "\n'%s COMMAND --help' tells a command's own options.\n", program->name);
  if (program->footer != NULL) {
    fprintf(stream, "%s\n", program->footer);
  }
}

static error_t front_parse(int key, char *argument __attribute__((unused)),
                           struct argp_state *state) {
  struct front *front = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    if (front->program->options != NULL) {
      state->child_inputs[0] = front->context;
    }
    return 0;
  case KEY_HELP:
    command_help(front->program, stdout);
    front->done = 1;
    state->next = state->argc;
    return 0;
  case KEY_VERSION:
    printf("%s %s\n", front->program->name, CYPHONIC_VERSION);
    front->done = 1;
    state->next = state->argc;
    return 0;
  case ARGP_KEY_ARG:
    /* All that follows is the command's. */
    front->command_index = state->next - 1;
    state->next = state->argc;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static int unknown_command(const struct command_program *program, int argc, char **argv) {
  fprintf(stderr, "%s: there is no command '%s", program->name, argv[0]);
  for (size_t i = 0; i < program->command_count; i++) {
    /* The first word of "token create" alone is a question for the second. */
    const char *space = strchr(program->commands[i].name, ' ');
    if (space != NULL && strlen(argv[0]) == (size_t)(space - program->commands[i].name) &&
        strncmp(argv[0], program->commands[i].name, strlen(argv[0])) == 0) {
      fprintf(stderr, "%s%s", argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
      break;
    }
  }
  fprintf(stderr, "'; '%s --help' lists them\n", program->name);
  return COMMAND_USAGE;
}

int command_run(const struct command_program *program, int argc, char **argv, void *context) {
  argp_err_exit_status = COMMAND_USAGE;
  struct argp_child children[] = {{.argp = program->options}, {0}};
  const struct argp argp = {
      .options = front_options,
      .parser = front_parse,
      .args_doc = "COMMAND [ARGUMENT...]",
      .doc = program->summary,
      .children = program->options != NULL ? children : NULL,
  };
  struct front front = {.program = program, .context = context};
  error_t result = argp_parse(&argp, argc, argv, ARGP_IN_ORDER | ARGP_NO_HELP, NULL, &front);
  if (result != 0) {
    fprintf(stderr, "%s: %s\n", program->name, strerror(result));
    return COMMAND_USAGE;
  }
  if (front.done != 0) {
    return COMMAND_OK;
  }
  if (front.command_index == 0) {
    command_help(program, stderr);
    return COMMAND_USAGE;
  }
  int rest = argc - front.command_index;
  char **words = argv + front.command_index;
  int word_count;
  const struct command *command = find(program, rest, words, &word_count);
  if (command == NULL) {
    return unknown_command(program, rest, words);
  }
  char name[COMMAND_NAME_SIZE];
  snprintf(name, sizeof(name), "%s %s", program->name, command->name);
  words[word_count - 1] = name;
  return command->run(rest - word_count + 1, words + word_count - 1, context);
}
