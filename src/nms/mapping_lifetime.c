#include <stdlib.h>

#include "nms/service.h"

/* A question that is answered when its silence is over. */
struct nms_silence {
  uv_timer_t timer;
  struct nms_connection *client;
  struct control_exchange *exchange;
};

static void timer_closed(uv_handle_t *handle) {
  free(handle->data);
}

static void silence_over(uv_timer_t *timer) {
  struct nms_silence *silence = timer->data;
  silence->client->silence = NULL;
  Cyphonic__MappingLifetimeResponse response = CYPHONIC__MAPPING_LIFETIME_RESPONSE__INIT;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_MAPPING_LIFETIME_RESPONSE;
  message.mapping_lifetime_response = &response;
  control_reply(silence->exchange, &message);
  uv_close((uv_handle_t *)timer, timer_closed);
}

void nms_answer_mapping_lifetime(struct nms_request *request,
                                 const Cyphonic__MappingLifetimeRequest *message) {
  struct nms_connection *client = request->client;
  if (message->silence == 0 || message->silence > NMS_SILENCE_MAX_SECONDS) {
    control_refuse(request->exchange, CYPHONIC__ERROR__CODE__MALFORMED,
                   "a silence of %u seconds cannot be kept: 1 to %d", (unsigned)message->silence,
                   NMS_SILENCE_MAX_SECONDS);
    return;
  }
  if (client->silence != NULL) {
    control_refuse(request->exchange, CYPHONIC__ERROR__CODE__UNAVAILABLE,
                   "a connection keeps one silence at a time, and this one breaks it");
    return;
  }
  struct nms_silence *silence = calloc(1, sizeof(*silence));
  if (silence == NULL) {
    struct error error = {0};
    error_set(&error, ERROR_NO_MEMORY, "out of memory for a mapping's life time");
    nms_refuse_fault(request->nms, request->exchange, &error);
    return;
  }
  silence->client = client;
  silence->exchange = request->exchange;
  uv_timer_init(quic_connection_loop(client->connection), &silence->timer);
  silence->timer.data = silence;
  uv_timer_start(&silence->timer, silence_over, UINT64_C(1000) * message->silence, 0);
  client->silence = silence;
}

void nms_forget_silence(struct nms_connection *client) {
  struct nms_silence *silence = client->silence;
  if (silence == NULL) {
    return;
  }
  client->silence = NULL;
  control_refuse(silence->exchange, CYPHONIC__ERROR__CODE__UNAVAILABLE, "the connection is over");
  uv_close((uv_handle_t *)&silence->timer, timer_closed);
}
