/* The daemon's local socket: a Unix stream socket, one JSON object a line each way
 * (docs/operations.md). A client has one request under way at a time; further lines wait in its
 * socket. A client that sends no whole request, or takes no reply, within IPC_CLIENT_SECONDS is
 * closed, so that none can hold a place for ever. One whose call is streamed may stay, and has
 * nothing more to say. */
#ifndef CYPHONIC_NODE_MAIN_IPC_SERVER_H
#define CYPHONIC_NODE_MAIN_IPC_SERVER_H

#include <jansson.h>
#include <uv.h>

#include "base/error.h"
#include "base/log.h"
#include "node/main/ipc_request.h"

struct ipc_server;
struct ipc_call; /* a request that awaits its reply */

enum {
  IPC_CLIENTS_MAX = 16, /* at once; one more is told so and closed */
  IPC_CLIENT_SECONDS = 30,
  /* Bytes that may wait for a client whose call is streamed; one that is slower is closed. */
  IPC_STREAM_MAX = 4 << 20,
  IPC_SOCKET_MODE = 0660, /* the daemon's user and group may command it */
};

struct ipc_server_config {
  uv_loop_t *loop;
  const struct log *log;
  const char *path;
  /* Answer by exactly one of ipc_reply and ipc_fail, now or later, after any number of ipc_stream;
   * `request` lives until this returns. */
  void (*request)(struct ipc_call *call, const struct ipc_request *request, void *context);
  void *context;
};

/* A socket file that nobody answers on is replaced; with a daemon behind it: ERROR_EXISTS. */
int ipc_server_new(const struct ipc_server_config *config, struct ipc_server **server,
                   struct error *error) MUST_CHECK;
/* Removes the socket file; calls not answered become void. Frees from the loop. */
void ipc_server_close(struct ipc_server *server);

/* One answer of several. `data` is borrowed. */
void ipc_stream(struct ipc_call *call, json_t *data);
/* The client has gone: nobody reads the answer, which must be given all the same. */
bool ipc_is_void(const struct ipc_call *call);
/* Takes over `data`, which may be NULL. */
void ipc_reply(struct ipc_call *call, json_t *data);
void ipc_fail(struct ipc_call *call, int code, const char *message);

#endif
