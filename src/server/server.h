/* The commands of `cyphonic-server`; each is a struct command's `run` and returns the exit code. */
#ifndef CYPHONIC_SERVER_SERVER_H
#define CYPHONIC_SERVER_SERVER_H

#include "base/error.h"

int server_init(int argc, char **argv, void *context);
int server_run(int argc, char **argv, void *context);
int server_token_create(int argc, char **argv, void *context);
int server_relay_create(int argc, char **argv, void *context);
int server_node_list(int argc, char **argv, void *context);
int server_node_show(int argc, char **argv, void *context);

/* Prints the error and returns the exit code of a command that failed. */
int server_fail(const struct error *error);

#endif
