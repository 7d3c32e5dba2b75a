/* The peers of a node by name and by virtual address. One that is known by an address alone becomes
 * one with its name when NMS or a certificate tells which it is. */
#ifndef CYPHONIC_NODE_PEER_BOOK_H
#define CYPHONIC_NODE_PEER_BOOK_H

#include "node/direction.h"
#include "node/peer.h"

struct peer_book;

/* The environment is every peer's, and borrowed; `fqdn` and `domain`, our own, are copied. NULL
 * without memory. */
struct peer_book *peer_book_new(const struct peer_environment *environment, const char *fqdn,
                                const char *domain);
/* With all peers in it, as peer_free does. NULL is allowed. */
void peer_book_free(struct peer_book *book);

/* By name, or by address if that is NULL. NULL: it is not there. */
struct peer *peer_book_find(const struct peer_book *book, const char *fqdn,
                            const struct ip_address *address);
/* Likewise; NULL: there is no room, or no memory. */
struct peer *peer_book_find_or_add(struct peer_book *book, const char *fqdn,
                                   const struct ip_address *address);
/* As peer_free does. */
void peer_book_remove(struct peer_book *book, struct peer *peer);

/* Gives the peer what NMS says it is called, and makes one of the entries that turn out to be the
 * same. Returns the one that remains, NULL with an error if what NMS says contradicts what a
 * certificate has proved or what was asked. */
struct peer *peer_book_identify(struct peer_book *book, struct peer *peer,
                                const struct direction_peer *is, struct error *error);

/* The first; the others follow by entry.next. NULL: there is none. */
struct peer *peer_book_first(const struct peer_book *book);

#endif
