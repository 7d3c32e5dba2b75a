#include "node/errand.h"

#include <stdlib.h>
#include <string.h>

struct errand {
  struct dial *dial;
  struct quic_connection *connection;
  struct control *control;
  uint8_t *request; /* packed; may hold an invitation's secret */
  size_t request_size;
  errand_callback callback;
  errand_ended ended;
  void *context;
  bool over; /* the callback has come, or is not wanted any more */
  struct error end;
};

static void errand_free(struct errand *errand) {
  explicit_bzero(errand->request, errand->request_size);
  free(errand->request);
  free(errand);
}

static void end(void *context) {
  struct errand *errand = context;
  if (errand->ended)
    errand->ended(errand->context);
  errand_free(errand);
}

static void finish(struct errand *errand, int code, const control_message *reply,
                   const struct error *error) {
  if (errand->over)
    return;
  errand->over = true;
  struct address server = {0};
  if (errand->connection)
    server = quic_connection_remote(errand->connection);
  errand->callback(code, reply, &server, error, errand->context);
}

static void replied(UNUSED struct control *control, int code, const control_message *reply,
                    const struct error *error, void *context) {
  struct errand *errand = context;
  /* Why the connection ended says more than that it did. */
  if (code == ERROR_CLOSED && errand->end.code != ERROR_NONE)
    finish(errand, errand->end.code, NULL, &errand->end);
  else
    finish(errand, code, reply, error);
  if (errand->connection)
    quic_connection_close(errand->connection, 0, "done");
}

static void closed(UNUSED struct quic_connection *connection, const struct quic_close *close,
                   void *context) {
  struct errand *errand = context;
  error_set(&errand->end, close->code == ERROR_NONE ? ERROR_CLOSED : close->code, "%s",
            close->message);
  if (errand->control)
    control_free(errand->control);
  finish(errand, errand->end.code, NULL, &errand->end);
  end(errand);
}

static const struct quic_handler handler = {.closed = closed};

static int ask(struct errand *errand, struct error *error) {
  errand->control = control_new(errand->connection, NULL, NULL);
  control_message *message =
      errand->control ? cyphonic__message__unpack(NULL, errand->request_size, errand->request)
                      : NULL;
  if (!message)
    return error_set(error, ERROR_NO_MEMORY, "no memory to ask a service");
  int code = control_request(errand->control, message, ERRAND_TIMEOUT, replied, errand, error);
  cyphonic__message__free_unpacked(message, NULL);
  return code;
}

static void dialled(int code, struct quic_connection *connection, const struct error *error,
                    void *context) {
  struct errand *errand = context;
  errand->dial = NULL;
  if (code) {
    finish(errand, code, NULL, error);
    end(errand);
    return;
  }
  errand->connection = connection;
  quic_connection_set_handler(connection, &handler, errand);
  struct error fault = {0};
  code = ask(errand, &fault);
  if (code) {
    finish(errand, code, NULL, &fault);
    quic_connection_close(connection, 0, "cannot ask");
  }
}

int errand_start(const struct dial_target *target, const struct service_addresses *addresses,
                 const control_message *request, errand_callback callback, errand_ended ended,
                 void *context, struct errand **out, struct error *error) {
  struct errand *errand = calloc(1, sizeof *errand);
  size_t size = cyphonic__message__get_packed_size(request);
  uint8_t *packed = malloc(size > 0 ? size : 1);
  if (!errand || !packed) {
    free(errand);
    free(packed);
    return error_set(error, ERROR_NO_MEMORY, "no memory to ask a service");
  }
  errand->request = packed;
  errand->request_size = cyphonic__message__pack(request, packed);
  errand->callback = callback;
  errand->ended = ended;
  errand->context = context;
  int code = dial_start(target, addresses, dialled, errand, &errand->dial, error);
  if (code) {
    errand_free(errand);
    return code;
  }
  *out = errand;
  return 0;
}

void errand_cancel(struct errand *errand) {
  errand->over = true;
  if (errand->dial) {
    dial_cancel(errand->dial, end, errand);
    return;
  }
  struct control *control = errand->control;
  errand->control = NULL;
  if (control)
    control_free(control);
  quic_connection_close(errand->connection, 0, "no longer wanted");
}
