/* A command line of commands: `program [--global] command [--options] arguments`. Each command
 * parses its own part with argp; this finds the command and lists them. */
#ifndef CYPHONIC_COMMAND_COMMAND_H
#define CYPHONIC_COMMAND_COMMAND_H

#include <argp.h>
#include <stddef.h>
#include <stdio.h>

/* Exit codes of the programs. */
enum command_exit {
  COMMAND_OK = 0,
  COMMAND_FAILED = 1,
  COMMAND_USAGE = 2,
  COMMAND_NO_DAEMON = 3,
};

struct command {
  const char *name;    /* one word, or two such as "token create" */
  const char *summary; /* one line for the list */
  /* argv[0] is the program's name with the command's, argv[argc] NULL. Returns the exit code. */
  int (*run)(int argc, char **argv, void *context);
};

struct command_program {
  const char *name;
  const char *summary;
  const struct command *commands;
  size_t command_count;
  /* Options that stand before the command, or NULL. Its parser gets the context as input and sees
   * neither --help nor --version nor arguments. */
  const struct argp *options;
  const char *footer; /* ends the help; or NULL */
};

/* Runs what the command line asks for and returns the exit code. Errors go to stderr. Sets argp's
 * own exit code to COMMAND_USAGE for the commands' parsers. */
int command_run(const struct command_program *program, int argc, char **argv, void *context);

/* The list of commands, as --help prints it. */
void command_help(const struct command_program *program, FILE *stream);

#endif
