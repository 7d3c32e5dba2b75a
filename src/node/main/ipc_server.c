#include "node/main/ipc_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { IPC_BACKLOG = 16, MILLISECONDS_PER_SECOND = 1000 };

struct ipc_client {
  uv_pipe_t pipe;
  uv_timer_t timer;
  uv_write_t write;
  struct ipc_server *server; /* NULL once the server is closed */
  struct ipc_client *previous, *next;
  struct ipc_call *call; /* under way */
  char *reply;           /* being written */
  unsigned open_handles;
  bool closing, reading, streaming, last_reply;
  size_t size;
  char line[IPC_LINE_MAX];
};

struct ipc_call {
  struct ipc_client *client; /* NULL: void, the client is gone */
};

struct ipc_server {
  uv_pipe_t pipe;
  const struct log *log;
  void (*request)(struct ipc_call *call, const struct ipc_request *request, void *context);
  void *context;
  struct ipc_client *clients;
  size_t client_count;
  char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static void client_next(struct ipc_client *client);
static void client_send(struct ipc_client *client, char *line);

static void on_client_closed(uv_handle_t *handle) {
  struct ipc_client *client = handle->data;
  if (--client->open_handles == 0) {
    /* Lines may hold an invitation. */
    explicit_bzero(client->line, sizeof(client->line));
    free(client->reply);
    free(client);
  }
}

static void client_close(struct ipc_client *client) {
  if (client->closing) {
    return;
  }
  client->closing = true;
  if (client->call != NULL) {
    client->call->client = NULL;
    client->call = NULL;
  }
  if (client->server != NULL) {
    if (client->previous != NULL) {
      client->previous->next = client->next;
    } else {
      client->server->clients = client->next;
    }
    if (client->next != NULL) {
      client->next->previous = client->previous;
    }
    client->server->client_count--;
  }
  uv_close((uv_handle_t *)&client->pipe, on_client_closed);
  uv_close((uv_handle_t *)&client->timer, on_client_closed);
}

static void on_client_late(uv_timer_t *timer) {
  client_close(timer->data);
}

static void client_await(struct ipc_client *client) {
  uv_timer_start(&client->timer, on_client_late,
                 (uint64_t)IPC_CLIENT_SECONDS * MILLISECONDS_PER_SECOND, 0);
}

static void on_client_allocate(uv_handle_t *handle, size_t suggested UNUSED, uv_buf_t *buffer) {
  struct ipc_client *client = handle->data;
  *buffer =
      uv_buf_init(client->line + client->size, (unsigned)(sizeof(client->line) - client->size));
}

static void on_client_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer UNUSED) {
  struct ipc_client *client = stream->data;
  if (size < 0) {
    client_close(client);
    return;
  }
  if (client->streaming) {
    return; /* read only to notice its end */
  }
  client->size += (size_t)size;
  client_next(client);
}

/* The time runs from when the wait began: bytes that trickle in do not lengthen it. */
static void client_read(struct ipc_client *client) {
  if (client->reading) {
    return;
  }
  client->reading = true;
  if (uv_read_start((uv_stream_t *)&client->pipe, on_client_allocate, on_client_read) < 0) {
    client_close(client);
    return;
  }
  client_await(client);
}

static void line_run(struct ipc_client *client, size_t size) {
  struct ipc_server *server = client->server;
  struct error error = {0};
  struct ipc_request *request = malloc(sizeof(*request));
  struct ipc_call *call = malloc(sizeof(*call));
  if (request == NULL || call == NULL) {
    client_close(client);
    goto out;
  }
  int code = ipc_request_parse(client->line, size, request, &error);
  explicit_bzero(client->line, size + 1);
  client->size -= size + 1;
  memmove(client->line, client->line + size + 1, client->size);
  if (code != ERROR_NONE) {
    client_send(client, ipc_failure(code, error.message));
    goto out;
  }
  call->client = client;
  client->call = call;
  call = NULL; /* the answer frees it, maybe before `request` returns */
  server->request(client->call, request, server->context);
out:
  if (request != NULL) {
    explicit_bzero(request, sizeof(*request));
  }
  free(request);
  free(call);
}

static void client_read_stop(struct ipc_client *client) {
  client->reading = false;
  uv_read_stop((uv_stream_t *)&client->pipe);
  uv_timer_stop(&client->timer);
}

/* Runs the next whole line, or reads on. */
static void client_next(struct ipc_client *client) {
  const char *end = memchr(client->line, '\n', client->size);
  if (end != NULL) {
    client_read_stop(client);
    line_run(client, (size_t)(end - client->line));
    return;
  }
  if (client->size == sizeof(client->line)) {
    client_read_stop(client);
    client->last_reply = true;
    client_send(client, ipc_failure(ERROR_LIMIT, "the request is longer than 64 KiB"));
    return;
  }
  client_read(client);
}

static void on_client_written(uv_write_t *write, int status) {
  struct ipc_client *client = write->data;
  free(client->reply);
  client->reply = NULL;
  if (client->closing) {
    return;
  }
  if (status < 0 || client->last_reply) {
    client_close(client);
    return;
  }
  client_next(client);
}

/* Takes over `line`. */
static void client_send(struct ipc_client *client, char *line) {
  if (line != NULL && strlen(line) > IPC_ANSWER_MAX) {
    free(line);
    line = ipc_failure(ERROR_LIMIT, "the answer is longer than 16 MiB");
  }
  if (line == NULL) {
    client_close(client);
    return;
  }
  client->reply = line;
  client->write.data = client;
  uv_buf_t buffer = uv_buf_init(line, (unsigned)strlen(line));
  if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &buffer, 1, on_client_written) < 0) {
    client_close(client);
    return;
  }
  client_await(client);
}

/* Takes over `line`. */
static void call_finish(struct ipc_call *call, char *line) {
  struct ipc_client *client = call->client;
  free(call);
  if (client == NULL) {
    free(line);
    return;
  }
  client->call = NULL;
  client->last_reply = client->streaming;
  client_send(client, line);
}

void ipc_reply(struct ipc_call *call, json_t *data) {
  char *line = ipc_success(data);
  if (line == NULL) {
    line = ipc_failure(ERROR_NO_MEMORY, "the answer cannot be written");
  }
  call_finish(call, line);
}

void ipc_fail(struct ipc_call *call, int code, const char *message) {
  call_finish(call, ipc_failure(code, message));
}

/* --- calls that are streamed --- */

struct streamed {
  uv_write_t write;
  char *line;
};

static void on_streamed(uv_write_t *write, int status) {
  struct streamed *streamed = write->data;
  struct ipc_client *client = write->handle->data;
  free(streamed->line);
  free(streamed);
  if (status < 0) {
    client_close(client);
  }
}

/* Takes over `line`. */
static void stream_line(struct ipc_client *client, char *line) {
  struct streamed *streamed = calloc(1, sizeof(*streamed));
  uv_stream_t *pipe = (uv_stream_t *)&client->pipe;
  if (streamed == NULL || line == NULL || uv_stream_get_write_queue_size(pipe) > IPC_STREAM_MAX) {
    free(line);
    free(streamed);
    client_close(client);
    return;
  }
  streamed->line = line;
  streamed->write.data = streamed;
  uv_buf_t buffer = uv_buf_init(line, (unsigned)strlen(line));
  if (uv_write(&streamed->write, pipe, &buffer, 1, on_streamed) < 0) {
    free(line);
    free(streamed);
    client_close(client);
  }
}

void ipc_stream(struct ipc_call *call, json_t *data) {
  struct ipc_client *client = call->client;
  if (client == NULL) {
    return;
  }
  if (!client->streaming) {
    client->streaming = true;
    client->size = 0;
    if (uv_read_start((uv_stream_t *)&client->pipe, on_client_allocate, on_client_read) < 0) {
      client_close(client);
      return;
    }
  }
  stream_line(client, ipc_success(json_incref(data)));
}

bool ipc_is_void(const struct ipc_call *call) {
  return call->client == NULL;
}

static void on_connection(uv_stream_t *stream, int status) {
  struct ipc_server *server = stream->data;
  if (status < 0) {
    log_warning(server->log, "local-socket", "reason=\"%s\"", uv_strerror(status));
    return;
  }
  struct ipc_client *client = calloc(1, sizeof(*client));
  if (client == NULL) {
    return;
  }
  uv_pipe_init(stream->loop, &client->pipe, 0);
  uv_timer_init(stream->loop, &client->timer);
  client->open_handles = 2;
  client->pipe.data = client;
  client->timer.data = client;
  client->server = server;
  client->next = server->clients;
  if (client->next != NULL) {
    client->next->previous = client;
  }
  server->clients = client;
  server->client_count++;
  if (uv_accept(stream, (uv_stream_t *)&client->pipe) < 0) {
    client_close(client);
    return;
  }
  if (server->client_count > IPC_CLIENTS_MAX) {
    client->last_reply = true;
    client_send(client, ipc_failure(ERROR_LIMIT, "too many programs talk to the daemon at once"));
    return;
  }
  client_read(client);
}

/* Removes a socket file that a dead daemon left. */
static int stale_remove(const char *path, struct error *error) {
  struct stat status;
  if (lstat(path, &status) != 0) {
    return errno == ENOENT ? ERROR_NONE
                           : error_set_errno(error, errno, "cannot look at the socket %s", path);
  }
  if (!S_ISSOCK(status.st_mode)) {
    return error_set(error, ERROR_EXISTS,
                     "%s is in the way and no socket; remove it or set another 'socket'", path);
  }
  int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) {
    return error_set_errno(error, errno, "cannot make a local socket");
  }
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  memcpy(address.sun_path, path, strlen(path) + 1);
  int result = connect(descriptor, (const struct sockaddr *)&address, sizeof(address));
  int reason = errno;
  close(descriptor);
  if (result == 0 || reason == EAGAIN || reason == EINPROGRESS) {
    return error_set(error, ERROR_EXISTS,
                     "a daemon is already running on %s; stop it, or give this one a configuration "
                     "with another 'socket', 'state' and 'interface'",
                     path);
  }
  if (reason != ECONNREFUSED) {
    return error_set_errno(error, reason, "cannot tell whether a daemon runs on %s", path);
  }
  if (unlink(path) != 0 && errno != ENOENT) {
    return error_set_errno(error, errno, "cannot remove the stale socket %s", path);
  }
  return ERROR_NONE;
}

static void on_server_closed(uv_handle_t *handle) {
  free(handle->data);
}

static int server_listen(struct ipc_server *server, struct error *error) {
  /* The mode must hold from the first moment, not from a chmod after it. */
  mode_t mask = umask(0777 & ~IPC_SOCKET_MODE);
  int result = uv_pipe_bind(&server->pipe, server->path);
  umask(mask);
  if (result == 0) {
    result = uv_listen((uv_stream_t *)&server->pipe, IPC_BACKLOG, on_connection);
  }
  if (result < 0) {
    return error_set_errno(error, -result, "cannot listen on the local socket %s", server->path);
  }
  return ERROR_NONE;
}

int ipc_server_new(const struct ipc_server_config *config, struct ipc_server **server,
                   struct error *error) {
  *server = NULL;
  struct ipc_server *made = calloc(1, sizeof(*made));
  if (made == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "no memory for the local socket");
  }
  if (strlen(config->path) >= sizeof(made->path)) {
    free(made);
    return error_set(error, ERROR_CONFIG, "the path '%s' is too long for a local socket",
                     config->path);
  }
  memcpy(made->path, config->path, strlen(config->path) + 1);
  made->log = config->log;
  made->request = config->request;
  made->context = config->context;
  int code = stale_remove(made->path, error);
  if (code != ERROR_NONE) {
    free(made);
    return code;
  }
  uv_pipe_init(config->loop, &made->pipe, 0);
  made->pipe.data = made;
  code = server_listen(made, error);
  if (code != ERROR_NONE) {
    uv_close((uv_handle_t *)&made->pipe, on_server_closed);
    return code;
  }
  *server = made;
  return ERROR_NONE;
}

void ipc_server_close(struct ipc_server *server) {
  if (server == NULL) {
    return;
  }
  while (server->clients != NULL) {
    client_close(server->clients);
  }
  /* libuv removes the socket file with it. */
  uv_close((uv_handle_t *)&server->pipe, on_server_closed);
}
