/* The bounds of this folder, each with its reason. */
#ifndef CYPHONIC_QUIC_LIMITS_H
#define CYPHONIC_QUIC_LIMITS_H

enum {
  /* Every Connection ID of ours, so that a short header can be routed (design 5 divides it
     further). */
  CONNECTION_ID_SIZE = 8,
  /* The largest UDP payload ever sent: a 1,500-byte IPv6 underlay, 40 + 8 bytes of headers. Path
   * MTU discovery finds what fits; larger underlays gain nothing that a TUN MTU of 1,420 could use.
   */
  UDP_PAYLOAD_MAX = 1452,
  /* Short header with an 8-byte Connection ID and the longest packet number, AEAD tag, and the
   * DATAGRAM frame's type and length: what a datagram's packet spends beside its data. */
  DATAGRAM_OVERHEAD = 1 + CONNECTION_ID_SIZE + 4 + 16 + 3,
  /* Remote addresses a connection remembers: the one in use, those being validated, a few that
   * strangers may try. The one longest unheard gives way. */
  ROUTES_MAX = 8,
  /* Packets with datagrams before an acknowledgement is sent at once (RFC 9000 section 13.2.2
   * suggests two). What answers what, as an echo or inner TCP does, carries it along within the
   * time that others wait; a packet for it alone would wake the peer once more. */
  ACKNOWLEDGE_AFTER = 4,
  STREAMS_MAX = 100,             /* open at once that the peer began */
  STREAM_WINDOW = 64 << 10,      /* unread bytes a stream; signalling messages are smaller */
  CONNECTION_WINDOW = 512 << 10, /* unread bytes a connection */
  STREAM_PENDING_MAX = 1 << 20,  /* bytes of ours not yet acknowledged, a stream */
  CANDIDATES_MAX = 16,           /* addresses of a peer tried at the same time */
  FLIGHT_PACKETS = 2,            /* of a client's first flight, kept to be said again elsewhere */
  ROUTE_ID_SIZE = 4,             /* bytes of a Connection ID by which a TRS routes (design 5) */
  SERVICES_MAX = 16,
  EARLY_DATAGRAMS = 32,     /* kept while there is nobody yet to take them */
  LANES_MAX = 64,           /* endpoints on one port; more would not share a byte's values evenly */
  SHARED_PORT_ATTEMPTS = 8, /* at a port that is free for both IP versions */
  /* Bytes under way on a short path (FLIGHT_SHORT_PATH). Nothing but the peer's processor is slow
   * there: more would only wait in its socket, where CoDel cannot see it and no flow goes ahead of
   * another, and all that both ends remember of it grows cold. 1 MiB is 2 ms at 4 Gbit/s. */
  FLIGHT_MAX = 1 << 20,
  TIME_SHARED = 16,     /* packets that share a time stamp within a turn of the loop */
  TRANSMIT_BATCH = 132, /* packets gathered before a system call: three trains of the largest */
  CLOSED_MAX = 1024,    /* connections kept for their late packets; about 2 KiB each */
};

/* Nanoseconds. */
#define ACKNOWLEDGE_WITHIN        (UINT64_C(10) * 1000 * 1000) /* less than the 25 ms we announce */
#define FLIGHT_SHORT_PATH         (UINT64_C(1) * 1000 * 1000)  /* round trip */
#define CLOSING_PERIOD_MAX        (UINT64_C(3) * 1000 * 1000 * 1000)
#define HANDSHAKE_TIMEOUT_DEFAULT (UINT64_C(10) * 1000 * 1000 * 1000)
#define RETRY_TOKEN_LIFETIME      (UINT64_C(10) * 1000 * 1000 * 1000)

#endif
