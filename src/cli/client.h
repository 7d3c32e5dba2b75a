/* Talks to cyphonicd: one request, one answer, over its local socket. Blocking. */
#ifndef CYPHONIC_CLI_CLIENT_H
#define CYPHONIC_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

struct client;

enum {
  CLIENT_REQUEST_MAX = 65536,   /* bytes */
  CLIENT_ANSWER_MAX = 16 << 20, /* bytes: the status of a node with ten thousand peers */
  CLIENT_SECONDS = 30,          /* for a command that only looks or sends one ping */
  CLIENT_LONG_SECONDS = 120,    /* for join, up and down, which wait for servers */
};

/* What went wrong, beyond struct error: the daemon's own code is text. */
struct client_error {
  bool no_daemon;    /* nobody listens: exit code 3 */
  bool answered;     /* the daemon itself said so; the connection is good */
  bool interrupted;  /* by `interrupt` */
  char code[32];     /* such as "not-found" */
  char message[512]; /* for people */
};

int client_open(const char *socket, struct client **client, struct client_error *error) MUST_CHECK;
void client_close(struct client *client);

/* Sends `request` (borrowed) and waits for the answer. *data is a new reference to what the daemon
 * gave. `interrupt` is a descriptor that ends the wait when it becomes readable; -1: none. */
int client_call(struct client *client, const json_t *request, int seconds, int interrupt,
                json_t **data, struct client_error *error) MUST_CHECK;
/* The next answer to a request that has several, whenever it comes. */
int client_more(struct client *client, int interrupt, json_t **data,
                struct client_error *error) MUST_CHECK;

#endif
