#include "fake_quic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

enum event_type { EVENT_DATA, EVENT_RESET, EVENT_CLOSED, EVENT_DATAGRAM };

/* Under way to the connection that has it in its queue. */
struct event {
  struct event *next;
  enum event_type type;
  uint64_t stream_id;
  bool fin;
  size_t size;
  uint8_t data[];
};

struct quic_stream {
  struct quic_stream *next;
  struct quic_connection *connection;
  uint64_t id; /* even: opened by a */
  void *context;
  bool fin_sent, fin_received, reset;
};

struct quic_connection {
  struct fake_quic *fake;
  struct quic_connection *peer;
  struct quic_handler handler;
  struct quic_stream_handler stream_handler;
  struct quic_datagram_handler datagram_handler;
  void *context, *stream_context, *datagram_context;
  struct quic_stream *streams;
  struct event *first, **last;
  uint64_t next_own, next_peer; /* stream ids */
  size_t split, stream_limit;
  size_t room, budget;
  uint64_t silence;
  bool settled, blocked, ended, answer_awaited, stream_refused;
};

static struct quic_connection *connection_new(struct fake_quic *fake, uint64_t first_id) {
  struct quic_connection *connection = calloc(1, sizeof(*connection));
  connection->fake = fake;
  connection->last = &connection->first;
  connection->next_own = first_id;
  connection->next_peer = 1 - first_id;
  connection->stream_limit = SIZE_MAX;
  connection->room = 1420;
  connection->settled = true;
  connection->budget = SIZE_MAX;
  return connection;
}

void fake_quic_init(struct fake_quic *fake) {
  assert_int_equal(uv_loop_init(&fake->loop), 0);
  fake->a = connection_new(fake, 0);
  fake->b = connection_new(fake, 1);
  fake->a->peer = fake->b;
  fake->b->peer = fake->a;
}

static void push(struct quic_connection *to, enum event_type type, uint64_t stream_id,
                 struct span head, struct span body, bool fin) {
  struct event *event = malloc(sizeof(*event) + head.size + body.size);
  event->next = NULL;
  event->type = type;
  event->stream_id = stream_id;
  event->fin = fin;
  event->size = head.size + body.size;
  if (head.size > 0) {
    memcpy(event->data, head.data, head.size);
  }
  if (body.size > 0) {
    memcpy(event->data + head.size, body.data, body.size);
  }
  *to->last = event;
  to->last = &event->next;
}

static struct event *pop(struct quic_connection *connection) {
  struct event *event = connection->first;
  if (event != NULL) {
    connection->first = event->next;
    if (connection->first == NULL) {
      connection->last = &connection->first;
    }
  }
  return event;
}

static struct quic_stream *stream_new(struct quic_connection *connection, uint64_t id) {
  struct quic_stream *stream = calloc(1, sizeof(*stream));
  stream->connection = connection;
  stream->id = id;
  stream->next = connection->streams;
  connection->streams = stream;
  return stream;
}

static void stream_close(struct quic_stream *stream, bool reset) {
  struct quic_connection *connection = stream->connection;
  struct quic_stream **link = &connection->streams;
  while (*link != stream) {
    link = &(*link)->next;
  }
  *link = stream->next;
  if (connection->stream_handler.closed != NULL) {
    connection->stream_handler.closed(stream, reset || stream->reset, connection->stream_context);
  }
  free(stream);
}

/* The stream of an event, made and announced if the peer has just opened it; NULL: closed. */
static struct quic_stream *find_stream(struct quic_connection *connection, uint64_t id) {
  for (struct quic_stream *stream = connection->streams; stream != NULL; stream = stream->next) {
    if (stream->id == id) {
      return stream;
    }
  }
  if ((id - connection->next_peer) % 2 != 0 || id < connection->next_peer) {
    return NULL;
  }
  connection->next_peer = id + 2;
  struct quic_stream *stream = stream_new(connection, id);
  if (connection->stream_handler.opened != NULL) {
    connection->stream_handler.opened(connection, stream, connection->stream_context);
  }
  return stream;
}

static void stream_hand_over(struct quic_stream *stream, struct span data, bool fin) {
  struct quic_connection *connection = stream->connection;
  if (!stream->reset && connection->stream_handler.received != NULL) {
    connection->stream_handler.received(stream, data, fin, connection->stream_context);
  }
}

static void stream_data(struct quic_stream *stream, struct span data, bool fin) {
  size_t split = stream->connection->split;
  while (split != 0 && data.size > split) {
    stream_hand_over(stream, (struct span){.data = data.data, .size = split}, false);
    data.data += split;
    data.size -= split;
  }
  if (split != 0 && fin) { /* QUIC may bring the end by itself */
    stream_hand_over(stream, data, false);
    data = (struct span){0};
  }
  stream_hand_over(stream, data, fin);
  stream->fin_received = stream->fin_received || fin;
  if (stream->fin_received && stream->fin_sent && !stream->reset) {
    stream_close(stream, false);
  }
}

static void deliver(struct quic_connection *connection, const struct event *event) {
  struct span data = {.data = event->data, .size = event->size};
  if (event->type == EVENT_DATAGRAM) {
    if (connection->datagram_handler.received != NULL) {
      connection->datagram_handler.received(connection, data, connection->datagram_context);
    }
    return;
  }
  struct quic_stream *stream = find_stream(connection, event->stream_id);
  if (stream == NULL) {
    return;
  }
  switch (event->type) {
  case EVENT_DATA:
    stream_data(stream, data, event->fin);
    break;
  case EVENT_RESET:
    stream_close(stream, true);
    break;
  case EVENT_CLOSED:
    stream_close(stream, false);
    break;
  case EVENT_DATAGRAM:
    break;
  }
}

static bool run_connection(struct quic_connection *connection) {
  struct event *event = pop(connection);
  if (event == NULL) {
    return false;
  }
  if (!connection->ended) {
    deliver(connection, event);
  }
  free(event);
  return true;
}

void fake_quic_run(struct fake_quic *fake) {
  bool moved;
  do {
    moved = run_connection(fake->a);
    moved = run_connection(fake->b) || moved;
    uv_run(&fake->loop, UV_RUN_NOWAIT);
  } while (moved);
}

void fake_quic_run_until(struct fake_quic *fake, const bool *done) {
  fake_quic_run(fake);
  while (!*done) {
    if (uv_run(&fake->loop, UV_RUN_ONCE) == 0 && !*done) {
      fail_msg("nothing is left on the loop to wait for");
    }
    fake_quic_run(fake);
  }
}

static void end(struct quic_connection *connection) {
  if (connection->ended) {
    return;
  }
  connection->ended = true;
  while (connection->streams != NULL) {
    stream_close(connection->streams, true);
  }
  if (connection->handler.closed != NULL) {
    struct quic_close close = {.code = ERROR_CLOSED};
    connection->handler.closed(connection, &close, connection->context);
  }
}

void fake_quic_disconnect(struct fake_quic *fake) {
  end(fake->a);
  end(fake->b);
}

static void connection_free(struct quic_connection *connection) {
  struct event *event;
  while ((event = pop(connection)) != NULL) {
    free(event);
  }
  free(connection);
}

void fake_quic_clear(struct fake_quic *fake) {
  fake_quic_disconnect(fake);
  connection_free(fake->a);
  connection_free(fake->b);
  uv_run(&fake->loop, UV_RUN_NOWAIT);
  assert_int_equal(uv_loop_close(&fake->loop), 0);
}

void fake_quic_split(struct fake_quic *fake, size_t size) {
  fake->a->split = fake->b->split = size;
}

void fake_quic_limit_streams(struct quic_connection *connection, size_t limit) {
  connection->stream_limit = limit;
  bool room = connection->stream_refused && fake_quic_streams(connection) < limit;
  if (room && connection->stream_handler.room != NULL) {
    connection->stream_refused = false;
    connection->stream_handler.room(connection, connection->stream_context);
  }
}

size_t fake_quic_streams(const struct quic_connection *connection) {
  size_t count = 0;
  for (struct quic_stream *stream = connection->streams; stream != NULL; stream = stream->next) {
    count++;
  }
  return count;
}

void fake_quic_set_room(struct quic_connection *connection, size_t room, bool settled) {
  connection->room = room;
  connection->settled = settled;
}

void fake_quic_set_budget(struct quic_connection *connection, size_t budget) {
  connection->budget = budget;
}

void fake_quic_writable(struct quic_connection *connection) {
  if (connection->blocked) {
    connection->blocked = false;
    if (connection->datagram_handler.writable != NULL) {
      connection->datagram_handler.writable(connection, connection->datagram_context);
    }
  }
}

static const struct event *datagram_at(const struct quic_connection *connection, size_t index) {
  const struct event *event = connection->peer->first;
  for (; event != NULL; event = event->next) {
    if (event->type == EVENT_DATAGRAM && index-- == 0) {
      return event;
    }
  }
  return NULL;
}

size_t fake_quic_datagrams(const struct quic_connection *connection) {
  size_t count = 0;
  while (datagram_at(connection, count) != NULL) {
    count++;
  }
  return count;
}

struct span fake_quic_datagram(const struct quic_connection *connection, size_t index) {
  const struct event *event = datagram_at(connection, index);
  assert_non_null(event);
  return (struct span){.data = event->data, .size = event->size};
}

/* --- the functions of quic/quic.h --- */

void quic_connection_set_handler(struct quic_connection *connection,
                                 const struct quic_handler *handler, void *context) {
  connection->handler = handler == NULL ? (struct quic_handler){0} : *handler;
  connection->context = context;
}

void quic_connection_set_stream_handler(struct quic_connection *connection,
                                        const struct quic_stream_handler *handler, void *context) {
  connection->stream_handler = handler == NULL ? (struct quic_stream_handler){0} : *handler;
  connection->stream_context = context;
}

void quic_connection_set_datagram_handler(struct quic_connection *connection,
                                          const struct quic_datagram_handler *handler,
                                          void *context) {
  connection->datagram_handler = handler == NULL ? (struct quic_datagram_handler){0} : *handler;
  connection->datagram_context = context;
}

uv_loop_t *quic_connection_loop(const struct quic_connection *connection) {
  return &connection->fake->loop;
}

const struct log *quic_connection_log(const struct quic_connection *connection UNUSED) {
  return NULL;
}

int quic_stream_open(struct quic_connection *connection, struct quic_stream **stream) {
  if (connection->ended) {
    return ERROR_CLOSED;
  }
  connection->stream_refused = fake_quic_streams(connection) >= connection->stream_limit;
  if (connection->stream_refused) {
    return ERROR_AGAIN;
  }
  *stream = stream_new(connection, connection->next_own);
  connection->next_own += 2;
  return 0;
}

void quic_stream_set_context(struct quic_stream *stream, void *context) {
  stream->context = context;
}

void *quic_stream_context(const struct quic_stream *stream) {
  return stream->context;
}

struct quic_connection *quic_stream_connection(const struct quic_stream *stream) {
  return stream->connection;
}

int quic_stream_send(struct quic_stream *stream, struct span data, bool fin) {
  struct quic_connection *connection = stream->connection;
  if (stream->fin_sent || stream->reset || connection->ended) {
    return ERROR_CLOSED;
  }
  stream->fin_sent = fin;
  push(connection->peer, EVENT_DATA, stream->id, (struct span){0}, data, fin);
  if (fin && stream->fin_received) {
    push(connection, EVENT_CLOSED, stream->id, (struct span){0}, (struct span){0}, false);
  }
  return 0;
}

void quic_stream_reset(struct quic_stream *stream, uint64_t application_code UNUSED) {
  struct quic_connection *connection = stream->connection;
  if (stream->reset || connection->ended) {
    return;
  }
  stream->reset = true;
  push(connection->peer, EVENT_RESET, stream->id, (struct span){0}, (struct span){0}, false);
  push(connection, EVENT_CLOSED, stream->id, (struct span){0}, (struct span){0}, false);
}

size_t quic_connection_datagram_room(const struct quic_connection *connection) {
  return connection->room;
}

bool quic_connection_path_mtu_settled(const struct quic_connection *connection) {
  return connection->settled;
}

uint64_t quic_connection_time(const struct quic_connection *connection UNUSED) {
  return clock_now();
}

int quic_connection_send_datagram(struct quic_connection *connection, struct span head,
                                  struct span body) {
  if (connection->ended) {
    return ERROR_CLOSED;
  }
  if (head.size + body.size > connection->room) {
    return ERROR_LIMIT;
  }
  if (connection->budget == 0) {
    connection->blocked = true;
    return ERROR_AGAIN;
  }
  if (connection->budget != SIZE_MAX) {
    connection->budget--;
  }
  push(connection->peer, EVENT_DATAGRAM, 0, head, body, false);
  return 0;
}

uint64_t quic_connection_silence(const struct quic_connection *connection, uint64_t now UNUSED) {
  return connection->silence;
}

uint64_t quic_connection_probe_timeout(const struct quic_connection *connection UNUSED) {
  return 10 * NANOSECONDS_PER_MILLISECOND;
}

void quic_connection_await_answer(struct quic_connection *connection) {
  connection->answer_awaited = true;
}

void fake_quic_set_silence(struct quic_connection *connection, uint64_t nanoseconds) {
  connection->silence = nanoseconds;
}

void fake_quic_answer(struct quic_connection *connection) {
  connection->silence = 0;
  bool tell = connection->answer_awaited && connection->datagram_handler.answered != NULL;
  connection->answer_awaited = false;
  if (tell) {
    connection->datagram_handler.answered(connection, connection->datagram_context);
  }
}
