/* One QUIC connection with another node: its handshake, its TunnelRequest, and, once its peer is
 * authorised, the tunnel on it. Which peer it belongs to, and which of two links is used, its owner
 * decides. */
#ifndef CYPHONIC_NODE_LINK_H
#define CYPHONIC_NODE_LINK_H

#include "control/control.h"
#include "tunnel/tunnel.h"

#define LINK_ALPN "cyphonic-tun/1"

enum {
  /* What fits a 1,500-byte IPv6 underlay whole: 1,452 bytes of UDP payload, less the QUIC short
   * header with an 8-byte Connection ID (9), the longest packet number (4), the AEAD's tag (16) and
   * the DATAGRAM frame's type and length (3). Used over IPv4 too: a tunnel may move between them.
   */
  LINK_MTU = 1420,
  LINK_REQUEST_TIMEOUT = 5000, /* milliseconds for the TunnelResponse and for a PingResponse */
};
/* Of one candidate: an address that swallows packets must not delay the next for long. */
#define LINK_HANDSHAKE_TIMEOUT (UINT64_C(3000000000)) /* nanoseconds */

/* Application codes with which nodes close a tunnel (docs/protocol.md). */
enum link_close_code {
  LINK_CLOSE_DONE = 0,
  LINK_CLOSE_IDLE = 1,         /* no inner packets for a while; it comes back on demand */
  LINK_CLOSE_SUPERSEDED = 2,   /* another connection of the same pair is used */
  LINK_CLOSE_NOT_DIRECTED = 3, /* no Route Direction allows it */
  LINK_CLOSE_IDENTITY = 4,     /* the certificate is not the one that the Route Direction names */
};

struct link;

struct link_handler {
  /* Client: the handshake is complete; link_identity tells with whom. */
  void (*established)(struct link *link, void *context);
  /* Server: a TunnelRequest came; it awaits link_grant or link_refuse. */
  void (*requested)(struct link *link, void *context);
  /* Client: the peer refused the TunnelRequest; the link closes by itself. */
  void (*refused)(struct link *link, const struct error *error, void *context);
  /* A packet for the TUN device, from the peer or about one given to link_send. */
  void (*received)(struct link *link, struct span packet, void *context);
  /* The last word: the pointer is dead afterwards. Not after link_abandon. */
  void (*closed)(struct link *link, const struct error *error, void *context);
};

/* What every link of this node shares. It goes after link_abandon_all; what it points to, after the
 * endpoint. */
struct link_shared {
  uv_loop_t *loop;
  const struct log *log;
  struct quic_endpoint *endpoint;
  const struct pki_credentials *credentials;
  const struct pki_trust *trust;
  struct ip_address ipv4, ipv6; /* our virtual addresses */
  uint64_t idle_timeout;        /* nanoseconds, of the QUIC connection */
  struct link *links;           /* all that are not abandoned; NULL at first */
};

/* Begins as client with a peer whose certificate must bear `fqdn`. */
int link_connect(struct link_shared *shared, const struct address *remote, const char *fqdn,
                 uint64_t keep_alive, uint64_t direction_id, const struct link_handler *handler,
                 void *context, struct link **link, struct error *error) MUST_CHECK;
/* A connection that the service accepted. On failure the connection is closed. */
int link_accept(struct link_shared *shared, struct quic_connection *connection,
                const struct link_handler *handler, void *context, struct link **link,
                struct error *error) MUST_CHECK;

/* The peer is who it must be: the tunnel begins. */
int link_authorise(struct link *link, struct error *error) MUST_CHECK;
bool link_is_authorised(const struct link *link);
/* Client, after link_authorise: sends the TunnelRequest; data may follow without waiting. */
int link_request(struct link *link, struct error *error) MUST_CHECK;
/* Server: answer to the TunnelRequest, if one waits. link_refuse closes the link too. */
void link_grant(struct link *link);
void link_refuse(struct link *link, enum link_close_code code, const char *text);

/* Only after link_authorise. */
void link_send(struct link *link, struct span packet);
int link_ping(struct link *link, control_reply_callback callback, void *context,
              struct error *error) MUST_CHECK;

/* `closed` follows from the loop. */
void link_close(struct link *link, enum link_close_code code, const char *reason);
/* Closes; no callback of the handler comes any more, pings under way end with ERROR_CLOSED now, and
 * the link frees itself from the loop. */
void link_abandon(struct link *link);
void link_abandon_all(struct link_shared *shared);

/* Whom the owner takes it for; NULL at first. */
void link_set_owner(struct link *link, void *owner);
void *link_owner(const struct link *link);

/* Borrowed from the connection; only after `established` or link_accept. */
const struct pki_identity *link_identity(const struct link *link);
bool link_is_client(const struct link *link);
/* 0 for a server's before its TunnelRequest. */
uint64_t link_direction(const struct link *link);
/* The peer has answered, or asked, the TunnelRequest: the tunnel has worked. */
bool link_is_confirmed(const struct link *link);
struct quic_connection *link_connection(const struct link *link);
/* Zeros before link_authorise. */
void link_counters(const struct link *link, struct tunnel_counters *counters);

#endif
