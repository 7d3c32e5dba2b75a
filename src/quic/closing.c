/* The end of a connection (RFC 9000 section 10): why it comes, who is told, and what remains while
 * packets of it may still be on their way: its Connection IDs and its last words. Without them each
 * late packet would be one of a connection that nobody knows, and answered with a stateless reset.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "quic/connection_internal.h"

/* TLS alerts that speak of certificates (RFC 8446 section 6.2). */
enum {
  ALERT_BAD_CERTIFICATE = 42,
  ALERT_CERTIFICATE_UNKNOWN = 46,
  ALERT_UNKNOWN_CA = 48,
  ALERT_ACCESS_DENIED = 49,
  ALERT_CERTIFICATE_REQUIRED = 116,
  ALERT_NO_APPLICATION_PROTOCOL = 120,
};

/* --- why --- */

/* Says why, once: the first reason is the true one. */
static void connection_end(struct quic_connection *connection, enum error_code code,
                           const char *message) {
  if (!connection->is_client && connection->state == CONNECTION_HANDSHAKE) {
    connection->endpoint->counters.half_open--;
  }
  connection->state = CONNECTION_ENDING;
  connection->close.code = code;
  snprintf(connection->close.message, sizeof(connection->close.message), "%.255s", message);
  endpoint_mark_ready(connection->endpoint, connection);
}

/* The peer sent CONNECTION_CLOSE or a stateless reset. */
static void connection_end_by_peer(struct quic_connection *connection) {
  struct quic_close *close = &connection->close;
  close->by_peer = true;
  if (close->reset) {
    connection_end(connection, ERROR_CLOSED, "the peer has lost its state (stateless reset)");
    return;
  }
  const ngtcp2_ccerr *reason = ngtcp2_conn_get_ccerr(connection->conn);
  char message[sizeof(close->message)];
  int size = (int)(reason->reasonlen < 200 ? reason->reasonlen : 200);
  const char *text = size > 0 ? (const char *)reason->reason : "";
  if (reason->type == NGTCP2_CCERR_TYPE_APPLICATION) {
    close->application_code = reason->error_code;
    snprintf(message, sizeof(message), "closed by the peer%s%.*s", size > 0 ? ": " : "", size,
             text);
    connection_end(connection, ERROR_CLOSED, message);
    return;
  }
  uint64_t alert = reason->error_code - NGTCP2_CRYPTO_ERROR;
  bool is_alert = reason->error_code >= NGTCP2_CRYPTO_ERROR && alert <= 255;
  if (is_alert && ((alert >= ALERT_BAD_CERTIFICATE && alert <= ALERT_CERTIFICATE_UNKNOWN) ||
                   alert == ALERT_UNKNOWN_CA || alert == ALERT_ACCESS_DENIED ||
                   alert == ALERT_CERTIFICATE_REQUIRED)) {
    snprintf(message, sizeof(message), "the peer refused our certificate (%s)%s%.*s",
             gnutls_alert_get_strname((gnutls_alert_description_t)alert), size > 0 ? ": " : "",
             size, text);
    connection_end(connection, ERROR_CERTIFICATE, message);
  } else if (is_alert && alert == ALERT_NO_APPLICATION_PROTOCOL) {
    snprintf(message, sizeof(message), "the peer does not serve %s", connection->tls.alpn);
    connection_end(connection, ERROR_NOT_FOUND, message);
  } else if (is_alert) {
    const char *name = gnutls_alert_get_strname((gnutls_alert_description_t)alert);
    snprintf(message, sizeof(message), "the peer refused TLS (%s)%s%.*s",
             name == NULL ? "unknown alert" : name, size > 0 ? ": " : "", size, text);
    connection_end(connection, ERROR_TLS, message);
  } else {
    snprintf(message, sizeof(message), "the peer broke off with error 0x%llx%s%.*s",
             (unsigned long long)reason->error_code, size > 0 ? ": " : "", size, text);
    connection_end(connection, reason->error_code == 0 ? ERROR_CLOSED : ERROR_PROTOCOL, message);
  }
}

static void connection_reason(struct quic_connection *connection) {
  connection->close_error.reason = (const uint8_t *)connection->close.message;
  connection->close_error.reasonlen = strlen(connection->close.message);
  connection->close_send = true;
}

void connection_fail(struct quic_connection *connection, int liberr) {
  if (connection->state == CONNECTION_ENDING) {
    return;
  }
  bool early = connection->state == CONNECTION_HANDSHAKE;
  const struct tls_handshake *handshake = connection->tls.handshake;
  char message[160], remote[ADDRESS_TEXT_SIZE];
  struct address address = quic_connection_remote(connection);
  address_text(&address, remote);
  ngtcp2_ccerr_default(&connection->close_error);
  switch (liberr) {
  case NGTCP2_ERR_DRAINING:
    connection_end_by_peer(connection);
    return;
  case NGTCP2_ERR_IDLE_CLOSE:
    /* ngtcp2 counts a handshake that nobody answers as idle, too. */
    snprintf(message, sizeof(message),
             early ? "%s does not answer" : "%s has been silent for too long", remote);
    connection_end(connection, ERROR_TIMEOUT, message);
    return;
  case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
    snprintf(message, sizeof(message), "%s does not answer", remote);
    connection_end(connection, ERROR_TIMEOUT, message);
    return;
  case NGTCP2_ERR_DROP_CONN:
  case NGTCP2_ERR_RETRY:
    connection_end(connection, ERROR_PROTOCOL, "the peer's first packet is of no use");
    return;
  case NGTCP2_ERR_CRYPTO:
  case NGTCP2_ERR_CALLBACK_FAILURE:
    if (handshake != NULL && handshake->error.code != ERROR_NONE) {
      uint8_t alert = ngtcp2_conn_get_tls_alert(connection->conn);
      connection_end(connection, handshake->error.code, handshake->error.message);
      ngtcp2_ccerr_set_tls_alert(&connection->close_error,
                                 alert == 0 ? ALERT_BAD_CERTIFICATE : alert, NULL, 0);
      connection_reason(connection);
      return;
    }
    if (liberr == NGTCP2_ERR_CRYPTO) {
      uint8_t alert = ngtcp2_conn_get_tls_alert(connection->conn);
      const char *name = gnutls_alert_get_strname((gnutls_alert_description_t)alert);
      snprintf(message, sizeof(message), "the TLS handshake with %s failed: %s", remote,
               name == NULL ? "no alert" : name);
      connection_end(connection, ERROR_TLS, message);
      ngtcp2_ccerr_set_tls_alert(&connection->close_error, alert, NULL, 0);
      connection_reason(connection);
      return;
    }
    break;
  case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
    snprintf(message, sizeof(message), "%s does not speak QUIC version 1", remote);
    connection_end(connection, ERROR_PROTOCOL, message);
    return;
  default:
    break;
  }
  snprintf(message, sizeof(message), "QUIC with %s failed: %s", remote, ngtcp2_strerror(liberr));
  connection_end(connection, liberr == NGTCP2_ERR_NOMEM ? ERROR_NO_MEMORY : ERROR_PROTOCOL,
                 message);
  ngtcp2_ccerr_set_liberr(&connection->close_error, liberr, NULL, 0);
  connection_reason(connection);
}

void quic_connection_close(struct quic_connection *connection, uint64_t application_code,
                           const char *reason) {
  if (connection->state == CONNECTION_ENDING) {
    return;
  }
  connection_end(connection, ERROR_CLOSED, reason == NULL ? "" : reason);
  connection->close.application_code = application_code;
  ngtcp2_ccerr_set_application_error(&connection->close_error, application_code, NULL, 0);
  connection_reason(connection);
}

/* --- what remains --- */

/* Three probe time-outs, as the RFC asks; bounded, since one on a path that lost much is long. */
static uint64_t period(const struct quic_connection *connection) {
  uint64_t period = 3 * ngtcp2_conn_get_pto(connection->conn);
  return period < CLOSING_PERIOD_MAX ? period : CLOSING_PERIOD_MAX;
}

void closing_keep_words(struct quic_connection *connection, const uint8_t *packet, size_t size) {
  connection->last_words = malloc(size);
  if (connection->last_words != NULL) {
    memcpy(connection->last_words, packet, size);
    connection->last_words_size = size;
  }
}

bool closing_begin(struct quic_connection *connection) {
  /* Without last words the peer spoke the last ones (draining), or there is nobody to hear any. */
  bool told = connection->last_words != NULL || connection->close.by_peer;
  struct quic_endpoint *endpoint = connection->endpoint;
  if (!told || endpoint->closing || endpoint->closed_count >= CLOSED_MAX) {
    return false;
  }
  uint64_t end = clock_now() + period(connection);
  if (timer_set_put(endpoint->timers, &connection->timer, end) != 0) {
    return false;
  }
  connection->state = CONNECTION_CLOSED;
  connection->received_packets = 0; /* counts the late ones from now on */
  return true;
}

void closing_receive(struct quic_connection *connection, const struct udp_packet *packet) {
  uint64_t count = ++connection->received_packets;
  bool due = (count & (count - 1)) == 0; /* the first, the second, the fourth, ... */
  /* Who sends it need not be the peer: he gets no more than he gave. */
  if (!due || connection->last_words_size == 0 || packet->size < connection->last_words_size) {
    return;
  }
  struct transmit *transmit = &connection->endpoint->transmit;
  uint8_t *slot = transmit_slot(transmit);
  if (slot != NULL) {
    memcpy(slot, connection->last_words, connection->last_words_size);
    transmit_commit(transmit, &packet->remote, &packet->local, 0, connection->last_words_size);
  }
}
