/* What a line on the daemon's local socket asks for. Pure: a fuzz target. */
#ifndef CYPHONIC_NODE_MAIN_IPC_REQUEST_H
#define CYPHONIC_NODE_MAIN_IPC_REQUEST_H

#include <jansson.h>
#include <stddef.h>

#include "base/error.h"
#include "pki/invitation.h"

enum ipc_command {
  IPC_STATUS,
  IPC_WATCH, /* answered again and again, until the client goes */
  IPC_JOIN,  /* invitation; name or "" */
  IPC_UP,
  IPC_DOWN,
  IPC_RESOLVE, /* name */
  IPC_PING,    /* name */
  IPC_NETCHECK,
  IPC_VERSION,
};

enum {
  IPC_LINE_MAX = 65536, /* bytes of a request, its end included */
  /* Bytes of an answer: the status of a node with ten thousand peers. */
  IPC_ANSWER_MAX = 16 << 20,
  IPC_NAME_SIZE = 254,
};

/* Plain data. */
struct ipc_request {
  enum ipc_command command;
  char name[IPC_NAME_SIZE];
  char invitation[INVITATION_TEXT_SIZE];
};

/* One JSON object, without the line's end. An unknown command, a missing, empty or overlong value
 * or one of another type is ERROR_INVALID; unknown members pass, so that a newer client can say
 * more. */
int ipc_request_parse(const char *line, size_t size, struct ipc_request *request,
                      struct error *error) MUST_CHECK;

/* {"ok":true,"data":...} and {"ok":false,"error":{"code":...,"message":...}} as one line with its
 * end, in a new buffer that the caller frees with free(); NULL without memory. ipc_success takes
 * over `data` (a NULL becomes an empty object). */
char *ipc_success(json_t *data);
char *ipc_failure(int code, const char *message);

#endif
