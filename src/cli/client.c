#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

struct client {
  int descriptor;
  size_t size, capacity;
  char *line; /* and what has come behind it */
};

enum { CLIENT_LINE_FIRST = 65536, CLIENT_FOR_EVER = -1 };

static int fail(struct client_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(struct client_error *error, int code, const char *format, ...) {
  snprintf(error->code, sizeof(error->code), "%s", error_name(code));
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error->message, sizeof(error->message), format, arguments);
  va_end(arguments);
  return code;
}

static int fail_connect(const char *socket, int reason, struct client_error *error) {
  if (reason == ENOENT || reason == ECONNREFUSED || reason == ENOTDIR) {
    error->no_daemon = true;
    return fail(error, ERROR_UNREACHABLE,
                "cyphonicd does not run (nobody listens on %s). Start it with 'systemctl start "
                "cyphonic', or 'cyphonicd' as root; if it uses another socket, say --socket PATH",
                socket);
  }
  if (reason == EACCES || reason == EPERM) {
    return fail(error, ERROR_PERMISSION,
                "you may not command cyphonicd over %s; become root, or join the group that owns "
                "that socket",
                socket);
  }
  return fail(error, ERROR_SYSTEM, "cannot talk to cyphonicd over %s: %s", socket,
              strerror(reason));
}

int client_open(const char *socket_path, struct client **client, struct client_error *error) {
  memset(error, 0, sizeof(*error));
  *client = NULL;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t size = strlen(socket_path);
  if (size >= sizeof(address.sun_path)) {
    return fail(error, ERROR_CONFIG, "the path '%s' is too long for a local socket", socket_path);
  }
  memcpy(address.sun_path, socket_path, size + 1);
  struct client *made = calloc(1, sizeof(*made));
  if (made == NULL) {
    return fail(error, ERROR_NO_MEMORY, "no memory");
  }
  made->descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (made->descriptor < 0 ||
      connect(made->descriptor, (const struct sockaddr *)&address, sizeof(address)) != 0) {
    int reason = errno;
    client_close(made);
    return fail_connect(socket_path, reason, error);
  }
  *client = made;
  return ERROR_NONE;
}

void client_close(struct client *client) {
  if (client == NULL) {
    return;
  }
  if (client->descriptor >= 0) {
    close(client->descriptor);
  }
  free(client->line);
  free(client);
}

static int send_all(struct client *client, const char *data, size_t size,
                    struct client_error *error) {
  while (size > 0) {
    ssize_t sent = send(client->descriptor, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) {
      continue;
    }
    if (sent < 0 && errno == EPIPE) {
      /* The daemon may have said why before it closed: the answer is read next. */
      return ERROR_NONE;
    }
    if (sent < 0) {
      return fail(error, ERROR_CLOSED, "cyphonicd does not take the request: %s", strerror(errno));
    }
    data += sent;
    size -= (size_t)sent;
  }
  return ERROR_NONE;
}

static int request_send(struct client *client, const json_t *request, struct client_error *error) {
  char *text = json_dumps(request, JSON_COMPACT);
  if (text == NULL) {
    return fail(error, ERROR_INVALID, "the arguments are not UTF-8");
  }
  size_t size = strlen(text);
  int code = size + 1 > CLIENT_REQUEST_MAX ? fail(error, ERROR_LIMIT, "the arguments are too long")
                                           : send_all(client, text, size, error);
  if (code == ERROR_NONE) {
    code = send_all(client, "\n", 1, error);
  }
  free(text);
  return code;
}

/* Milliseconds until `deadline` (nanoseconds; 0: there is none), as poll has them. */
static int left(uint64_t deadline) {
  if (deadline == 0) {
    return -1;
  }
  uint64_t now = clock_now();
  return now >= deadline ? 0 : (int)((deadline - now) / NANOSECONDS_PER_MILLISECOND) + 1;
}

/* Waits for bytes until `deadline`. */
static int await(const struct client *client, int interrupt, uint64_t deadline,
                 struct client_error *error) {
  for (;;) {
    int milliseconds = left(deadline);
    struct pollfd descriptors[2] = {
        {.fd = client->descriptor, .events = POLLIN},
        {.fd = interrupt, .events = POLLIN}, /* a negative one is ignored */
    };
    int ready = poll(descriptors, 2, milliseconds);
    if (ready < 0 && errno != EINTR) {
      return fail(error, ERROR_SYSTEM, "cannot wait for cyphonicd: %s", strerror(errno));
    }
    if (ready > 0 && descriptors[1].revents != 0) {
      error->interrupted = true;
      return fail(error, ERROR_CLOSED, "interrupted");
    }
    if (ready > 0) {
      return ERROR_NONE;
    }
    if (ready == 0 && milliseconds == 0) {
      return fail(error, ERROR_TIMEOUT, "cyphonicd does not answer; see its log");
    }
  }
}

static int make_room(struct client *client, struct client_error *error) {
  if (client->size < client->capacity) {
    return ERROR_NONE;
  }
  if (client->capacity >= CLIENT_ANSWER_MAX) {
    return fail(error, ERROR_PROTOCOL, "the answer of cyphonicd is longer than 16 MiB");
  }
  size_t capacity = client->capacity > 0 ? 2 * client->capacity : CLIENT_LINE_FIRST;
  char *line = realloc(client->line, capacity);
  if (line == NULL) {
    return fail(error, ERROR_NO_MEMORY, "no memory for the answer of cyphonicd");
  }
  client->line = line;
  client->capacity = capacity;
  return ERROR_NONE;
}

static int line_receive(struct client *client, int seconds, int interrupt, size_t *line_size,
                        struct client_error *error) {
  uint64_t deadline =
      seconds == CLIENT_FOR_EVER ? 0 : clock_now() + (uint64_t)seconds * NANOSECONDS_PER_SECOND;
  for (size_t seen = 0;;) {
    const char *end =
        client->size > seen ? memchr(client->line + seen, '\n', client->size - seen) : NULL;
    if (end != NULL) {
      *line_size = (size_t)(end - client->line);
      return ERROR_NONE;
    }
    seen = client->size;
    int code = make_room(client, error);
    if (code == ERROR_NONE) {
      code = await(client, interrupt, deadline, error);
    }
    if (code != ERROR_NONE) {
      return code;
    }
    ssize_t received =
        recv(client->descriptor, client->line + client->size, client->capacity - client->size, 0);
    if (received < 0 && errno == EINTR) {
      continue;
    }
    if (received <= 0) {
      return fail(error, ERROR_CLOSED, "cyphonicd ended before it answered; see its log");
    }
    client->size += (size_t)received;
  }
}

/* Takes `answer` apart. */
static int answer_read(const json_t *answer, json_t **data, struct client_error *error) {
  const json_t *ok = json_object_get(answer, "ok");
  if (json_is_true(ok)) {
    json_t *given = json_object_get(answer, "data");
    *data = given != NULL ? json_incref(given) : json_object();
    return ERROR_NONE;
  }
  const json_t *fault = json_object_get(answer, "error");
  const char *code = json_string_value(json_object_get(fault, "code"));
  const char *message = json_string_value(json_object_get(fault, "message"));
  if (!json_is_false(ok) || code == NULL || message == NULL) {
    return fail(error, ERROR_PROTOCOL,
                "the answer of cyphonicd makes no sense; is it of this version? ('cyphonic "
                "version' tells)");
  }
  error->answered = true;
  snprintf(error->code, sizeof(error->code), "%s", code);
  snprintf(error->message, sizeof(error->message), "%s", message);
  return ERROR_INVALID;
}

static int answer_receive(struct client *client, int seconds, int interrupt, json_t **data,
                          struct client_error *error) {
  size_t size = 0;
  int code = line_receive(client, seconds, interrupt, &size, error);
  if (code != ERROR_NONE) {
    return code;
  }
  json_t *answer = json_loadb(client->line, size, 0, NULL);
  client->size -= size + 1;
  memmove(client->line, client->line + size + 1, client->size);
  code = answer_read(answer, data, error);
  json_decref(answer);
  return code;
}

int client_call(struct client *client, const json_t *request, int seconds, int interrupt,
                json_t **data, struct client_error *error) {
  memset(error, 0, sizeof(*error));
  *data = NULL;
  int code = request_send(client, request, error);
  if (code != ERROR_NONE) {
    return code;
  }
  return answer_receive(client, seconds, interrupt, data, error);
}

int client_more(struct client *client, int interrupt, json_t **data, struct client_error *error) {
  memset(error, 0, sizeof(*error));
  *data = NULL;
  return answer_receive(client, CLIENT_FOR_EVER, interrupt, data, error);
}
