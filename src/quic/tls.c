#include "quic/tls.h"

#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pki/gnutls_handle.h"
#include "quic/endpoint_internal.h"

/* AES-128-GCM first (paper 4.1); ChaCha20 for machines without AES instructions. */
static const char priority[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+CHACHA20-POLY1305:"
    "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:%DISABLE_TLS13_COMPAT_MODE";

enum { CHAIN_MAX = 8 };

static struct tls *tls_of(gnutls_session_t session) {
  ngtcp2_crypto_conn_ref *reference = gnutls_session_get_ptr(session);
  return (struct tls *)((char *)reference - offsetof(struct tls, reference));
}

static int tls_verify_peer(gnutls_session_t session) {
  struct tls *tls = tls_of(session);
  unsigned count = 0;
  const gnutls_datum_t *certificates = gnutls_certificate_get_peers(session, &count);
  if (certificates == NULL || count == 0) {
    error_set(&tls->handshake->error, ERROR_CERTIFICATE, "the peer showed no certificate");
    return GNUTLS_E_CERTIFICATE_ERROR;
  }
  if (count > CHAIN_MAX) {
    error_set(&tls->handshake->error, ERROR_CERTIFICATE,
              "the peer's certificate chain has %u certificates", count);
    return GNUTLS_E_CERTIFICATE_ERROR;
  }
  struct span chain[CHAIN_MAX];
  for (unsigned i = 0; i < count; i++) {
    chain[i] = (struct span){certificates[i].data, certificates[i].size};
  }
  if (pki_trust_verify(tls->trust, chain, count, tls->peer_purpose, clock_wall(), &tls->peer,
                       &tls->handshake->error) != 0) {
    return GNUTLS_E_CERTIFICATE_ERROR;
  }
  if (tls->handshake->peer_name[0] != '\0' &&
      strcmp(tls->handshake->peer_name, tls->peer.name) != 0) {
    error_set(&tls->handshake->error, ERROR_CERTIFICATE,
              "the peer's certificate is for %s, not for %s", tls->peer.name,
              tls->handshake->peer_name);
    return GNUTLS_E_CERTIFICATE_ERROR;
  }
  tls->verified = true;
  return 0;
}

/* As the library's own, but for the keys that packet_protection.h is about. */
static int tls_install_keys(gnutls_session_t session, gnutls_record_encryption_level_t record_level,
                            const void *rx_secret, const void *tx_secret, size_t size) {
  struct tls *tls = tls_of(session);
  ngtcp2_conn *conn = tls->reference.get_conn(&tls->reference);
  ngtcp2_encryption_level level =
      ngtcp2_crypto_gnutls_from_gnutls_record_encryption_level(record_level);
  if (gnutls_cipher_get(session) != GNUTLS_CIPHER_AES_128_GCM) {
    tls->protection = NULL;
  }
  if (level == NGTCP2_ENCRYPTION_LEVEL_1RTT && tls->protection != NULL) {
    return packet_protection_install(tls->protection, conn, rx_secret, tx_secret, size) == 0 ? 0
                                                                                             : -1;
  }
  if (rx_secret != NULL && ngtcp2_crypto_derive_and_install_rx_key(conn, NULL, NULL, NULL, level,
                                                                   rx_secret, size) != 0) {
    return -1;
  }
  if (tx_secret != NULL && ngtcp2_crypto_derive_and_install_tx_key(conn, NULL, NULL, NULL, level,
                                                                   tx_secret, size) != 0) {
    return -1;
  }
  return 0;
}

/* ALPN is known by now, certificates are not chosen yet. */
static int tls_choose_service(gnutls_session_t session) {
  struct tls *tls = tls_of(session);
  gnutls_datum_t alpn;
  if (gnutls_alpn_get_selected_protocol(session, &alpn) != 0 || alpn.size >= sizeof(tls->alpn)) {
    return GNUTLS_E_NO_APPLICATION_PROTOCOL;
  }
  memcpy(tls->alpn, alpn.data, alpn.size);
  tls->alpn[alpn.size] = '\0';
  const struct quic_service *service = endpoint_service(tls->endpoint, tls->alpn);
  if (service == NULL) {
    return GNUTLS_E_NO_APPLICATION_PROTOCOL;
  }
  tls->service = service;
  tls->protection = service->parameters.datagrams ? tls->endpoint->protection : NULL;
  tls->trust = service->trust;
  tls->peer_purpose = service->peer_purpose;
  gnutls_certificate_server_set_request(session, service->anonymous ? GNUTLS_CERT_IGNORE
                                                                    : GNUTLS_CERT_REQUIRE);
  return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE,
                                pki_credentials_handle(service->credentials));
}

int tls_priority_new(gnutls_priority_t *out, struct error *error) {
  int status = gnutls_priority_init(out, priority, NULL);
  return status == 0 ? 0
                     : error_set(error, ERROR_TLS, "cannot choose ciphers for TLS: %s",
                                 gnutls_strerror(status));
}

static int tls_common_init(struct tls *tls, unsigned flags, struct error *error) {
  tls->handshake = calloc(1, sizeof(*tls->handshake));
  if (tls->handshake == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "no memory for TLS");
  }
  int status = gnutls_init(&tls->session, flags | GNUTLS_NO_END_OF_EARLY_DATA);
  if (status != 0) {
    tls->session = NULL;
  } else {
    status = gnutls_priority_set(tls->session, tls->endpoint->priority);
  }
  if (status != 0) {
    return error_set(error, ERROR_TLS, "cannot start TLS: %s", gnutls_strerror(status));
  }
  gnutls_session_set_ptr(tls->session, &tls->reference);
  gnutls_session_set_verify_function(tls->session, tls_verify_peer);
  return 0;
}

int tls_client_init(struct tls *tls, const struct tls_client *client,
                    gnutls_certificate_credentials_t anonymous, struct error *error) {
  size_t alpn_size = strlen(client->alpn);
  if (alpn_size >= sizeof(tls->alpn) ||
      (client->peer_name != NULL && strlen(client->peer_name) >= PKI_NAME_SIZE)) {
    return error_set(error, ERROR_INVALID, "an ALPN or peer name is too long");
  }
  int code = tls_common_init(tls, GNUTLS_CLIENT, error);
  if (code != 0) {
    return code;
  }
  memcpy(tls->alpn, client->alpn, alpn_size + 1);
  if (client->peer_name != NULL) {
    strcpy(tls->handshake->peer_name, client->peer_name);
  }
  tls->trust = client->trust;
  tls->peer_purpose = client->peer_purpose;
  gnutls_certificate_credentials_t credentials =
      client->credentials == NULL ? anonymous : pki_credentials_handle(client->credentials);
  gnutls_datum_t alpn = {.data = (unsigned char *)tls->alpn, .size = (unsigned)alpn_size};
  tls->protection = client->datagrams ? tls->endpoint->protection : NULL;
  if (ngtcp2_crypto_gnutls_configure_client_session(tls->session) != 0 ||
      gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, credentials) != 0 ||
      gnutls_alpn_set_protocols(tls->session, &alpn, 1, GNUTLS_ALPN_MANDATORY) != 0) {
    return error_set(error, ERROR_TLS, "cannot configure a TLS client");
  }
  gnutls_handshake_set_secret_function(tls->session, tls_install_keys);
  return 0;
}

int tls_server_init(struct tls *tls, struct error *error) {
  int code = tls_common_init(tls, GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET, error);
  if (code != 0) {
    return code;
  }
  gnutls_datum_t alpn[SERVICES_MAX];
  unsigned count = endpoint_alpns(tls->endpoint, alpn);
  gnutls_handshake_set_post_client_hello_function(tls->session, tls_choose_service);
  if (ngtcp2_crypto_gnutls_configure_server_session(tls->session) != 0 ||
      gnutls_alpn_set_protocols(tls->session, alpn, count,
                                GNUTLS_ALPN_MANDATORY | GNUTLS_ALPN_SERVER_PRECEDENCE) != 0) {
    return error_set(error, ERROR_TLS, "cannot configure a TLS server");
  }
  gnutls_handshake_set_secret_function(tls->session, tls_install_keys);
  return 0;
}

void tls_clear(struct tls *tls) {
  if (tls->session != NULL) {
    gnutls_deinit(tls->session);
    tls->session = NULL;
  }
  free(tls->handshake);
  tls->handshake = NULL;
}

bool tls_accepts(struct tls *tls) {
  gnutls_datum_t alpn;
  if (gnutls_alpn_get_selected_protocol(tls->session, &alpn) != 0 ||
      alpn.size != strlen(tls->alpn) || memcmp(alpn.data, tls->alpn, alpn.size) != 0) {
    error_set(&tls->handshake->error, ERROR_PROTOCOL, "the peer did not agree on the protocol %s",
              tls->alpn);
    return false;
  }
  if (tls->service != NULL && tls->service->anonymous) {
    return true;
  }
  if (!tls->verified) {
    error_set(&tls->handshake->error, ERROR_CERTIFICATE, "the peer's certificate was not verified");
  }
  return tls->verified;
}
