/* The TLS 1.3 session of one connection (GnuTLS): ALPN chooses the service and with it the
 * credentials; both ends show certificates; the peer's chain is checked by pki/ during the
 * handshake. */
#ifndef CYPHONIC_QUIC_TLS_H
#define CYPHONIC_QUIC_TLS_H

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <stdbool.h>

#include "base/error.h"
#include "pki/credentials.h"
#include "pki/identity.h"
#include "pki/trust.h"
#include "quic/packet_protection.h"
#include "quic/quic.h"

/* What only the handshake needs. */
struct tls_handshake {
  char peer_name[PKI_NAME_SIZE]; /* "": any */
  struct error error;            /* why the peer was refused */
};

/* What the handshake needs and what it found; part of a connection. */
struct tls {
  struct tls_handshake *handshake;  /* goes with the session */
  gnutls_session_t session;         /* NULL: not begun, or cleared */
  ngtcp2_crypto_conn_ref reference; /* ngtcp2's glue finds its connection through this */
  const struct quic_endpoint *endpoint;
  /* The client's side: whom we expect. The server's side: filled when ALPN has chosen. */
  const struct quic_service *service;
  const struct pki_trust *trust;
  enum pki_purpose peer_purpose;
  char alpn[32];
  struct packet_protection *protection; /* for the 1-RTT keys, of the endpoint; NULL: GnuTLS's */
  bool verified;
  struct pki_identity peer;
};

struct tls_client {
  const char *alpn;
  const struct pki_credentials *credentials; /* NULL: anonymous */
  const struct pki_trust *trust;
  enum pki_purpose peer_purpose;
  const char *peer_name;
  bool datagrams;
};

/* The ciphers and groups that all sessions of an endpoint share (8 KiB); freed with
 * gnutls_priority_deinit after the last of them. */
int tls_priority_new(gnutls_priority_t *priority, struct error *error) MUST_CHECK;

/* `tls->reference` and `tls->endpoint` are set by the caller before; `anonymous` is the endpoint's
 * empty credentials. tls_clear is due after success and failure alike. */
int tls_client_init(struct tls *tls, const struct tls_client *client,
                    gnutls_certificate_credentials_t anonymous, struct error *error) MUST_CHECK;
int tls_server_init(struct tls *tls, struct error *error) MUST_CHECK;
/* Frees the session, 15 KiB of which nothing is needed once the handshake is confirmed: keys are
 * updated by QUIC, and what TLS might still say, its session tickets, is not wanted here. */
void tls_clear(struct tls *tls);

/* Once the handshake is complete: true if the ALPN is the one asked for and the peer was verified,
 * or may be anonymous. */
bool tls_accepts(struct tls *tls);

#endif
