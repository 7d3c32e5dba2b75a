#include <stdlib.h>
#include <string.h>

#include "quic/connection_internal.h"

/* ngtcp2 keeps pointers to stream bytes until they are acknowledged, so they may not move. */
struct stream_chunk {
  struct stream_chunk *next;
  size_t size;
  uint8_t data[];
};

struct quic_stream *stream_new(struct quic_connection *connection, int64_t id) {
  struct quic_stream *stream = calloc(1, sizeof(*stream));
  if (stream == NULL) {
    return NULL;
  }
  stream->connection = connection;
  stream->id = id;
  stream->next = connection->streams;
  if (stream->next != NULL) {
    stream->next->previous = stream;
  }
  connection->streams = stream;
  return stream;
}

static void stream_drop_chunk(struct quic_stream *stream) {
  struct stream_chunk *chunk = stream->first;
  stream->first = chunk->next;
  if (stream->first == NULL) {
    stream->last = NULL;
  }
  stream->pending -= chunk->size;
  free(chunk);
}

void stream_close(struct quic_stream *stream, bool reset) {
  struct quic_connection *connection = stream->connection;
  if (stream->previous != NULL) {
    stream->previous->next = stream->next;
  } else {
    connection->streams = stream->next;
  }
  if (stream->next != NULL) {
    stream->next->previous = stream->previous;
  }
  if (connection->stream_handler.closed != NULL) {
    connection->stream_handler.closed(stream, reset || stream->reset, connection->stream_context);
  }
  while (stream->first != NULL) {
    stream_drop_chunk(stream);
  }
  free(stream);
}

int quic_stream_open(struct quic_connection *connection, struct quic_stream **out) {
  if (connection->state != CONNECTION_ESTABLISHED) {
    return connection->state == CONNECTION_HANDSHAKE ? ERROR_AGAIN : ERROR_CLOSED;
  }
  struct quic_stream *stream = stream_new(connection, -1);
  if (stream == NULL) {
    return ERROR_NO_MEMORY;
  }
  int status = ngtcp2_conn_open_bidi_stream(connection->conn, &stream->id, stream);
  if (status != 0) {
    connection->streams = stream->next;
    if (stream->next != NULL) {
      stream->next->previous = NULL;
    }
    free(stream);
    connection->stream_refused = status == NGTCP2_ERR_STREAM_ID_BLOCKED;
    return connection->stream_refused ? ERROR_AGAIN : ERROR_NO_MEMORY;
  }
  *out = stream;
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
  if (stream->fin || stream->reset || connection->state == CONNECTION_ENDING) {
    return ERROR_CLOSED;
  }
  if (data.size > STREAM_PENDING_MAX - stream->pending) {
    return ERROR_LIMIT;
  }
  if (data.size > 0) {
    struct stream_chunk *chunk = malloc(sizeof(*chunk) + data.size);
    if (chunk == NULL) {
      return ERROR_NO_MEMORY;
    }
    chunk->next = NULL;
    chunk->size = data.size;
    memcpy(chunk->data, data.data, data.size);
    if (stream->last != NULL) {
      stream->last->next = chunk;
    } else {
      stream->first = chunk;
    }
    stream->last = chunk;
    stream->pending += data.size;
    if (stream->unsent == NULL) {
      stream->unsent = chunk;
      stream->unsent_offset = 0;
    }
  }
  stream->fin = fin;
  endpoint_mark_ready(connection->endpoint, connection);
  return 0;
}

void quic_stream_reset(struct quic_stream *stream, uint64_t application_code) {
  struct quic_connection *connection = stream->connection;
  if (stream->reset || connection->state == CONNECTION_ENDING) {
    return;
  }
  stream->reset = true;
  stream->unsent = NULL;
  ngtcp2_conn_shutdown_stream(connection->conn, 0, stream->id, application_code);
  endpoint_mark_ready(connection->endpoint, connection);
}

bool stream_has_unsent(const struct quic_stream *stream) {
  return !stream->reset && (stream->unsent != NULL || (stream->fin && !stream->fin_sent));
}

size_t stream_unsent(const struct quic_stream *stream, ngtcp2_vec *pieces, size_t max, bool *fin) {
  size_t count = 0;
  size_t offset = stream->unsent_offset;
  struct stream_chunk *chunk = stream->unsent;
  for (; chunk != NULL && count < max; chunk = chunk->next) {
    pieces[count++] = (ngtcp2_vec){.base = chunk->data + offset, .len = chunk->size - offset};
    offset = 0;
  }
  *fin = chunk == NULL && stream->fin;
  return count;
}

void stream_sent(struct quic_stream *stream, size_t size, bool fin) {
  while (stream->unsent != NULL && size > 0) {
    size_t rest = stream->unsent->size - stream->unsent_offset;
    if (size < rest) {
      stream->unsent_offset += size;
      return;
    }
    size -= rest;
    stream->unsent = stream->unsent->next;
    stream->unsent_offset = 0;
  }
  if (fin && stream->unsent == NULL) {
    stream->fin_sent = true;
  }
}

void stream_acknowledged(struct quic_stream *stream, uint64_t offset) {
  while (stream->first != NULL && stream->first != stream->unsent &&
         stream->acknowledged + stream->first->size <= offset) {
    stream->acknowledged += stream->first->size;
    stream_drop_chunk(stream);
  }
}
