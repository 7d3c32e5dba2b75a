#include "node/peer_book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct peer_book {
  struct peer_table *table;
  const struct peer_environment *environment;
  char fqdn[FQDN_SIZE], domain[FQDN_SIZE];
};

struct peer_book *peer_book_new(const struct peer_environment *environment, const char *fqdn,
                                const char *domain) {
  struct peer_book *book = calloc(1, sizeof *book);
  struct peer_table *table = peer_table_new();
  if (!book || !table) {
    peer_table_free(table);
    free(book);
    return NULL;
  }
  book->table = table;
  book->environment = environment;
  snprintf(book->fqdn, sizeof book->fqdn, "%s", fqdn);
  snprintf(book->domain, sizeof book->domain, "%s", domain);
  return book;
}

void peer_book_free(struct peer_book *book) {
  if (!book)
    return;
  for (struct peer *peer; (peer = peer_book_first(book));)
    peer_book_remove(book, peer);
  peer_table_free(book->table);
  free(book);
}

struct peer *peer_book_first(const struct peer_book *book) {
  return (struct peer *)peer_table_first(book->table);
}

struct peer *peer_book_find(const struct peer_book *book, const char *fqdn,
                            const struct ip_address *address) {
  struct peer_entry *entry = fqdn ? peer_table_find_fqdn(book->table, fqdn)
                                  : peer_table_find_address(book->table, address);
  return (struct peer *)entry; /* the entry is the peer's first member */
}

void peer_book_remove(struct peer_book *book, struct peer *peer) {
  peer_table_remove(book->table, &peer->entry);
  peer_free(peer);
}

/* The table is full: the one longest there that nobody uses gives way. */
static bool make_room(struct peer_book *book) {
  struct peer_entry *entry = peer_table_first(book->table);
  for (; entry; entry = entry->next) {
    struct peer *peer = (struct peer *)entry;
    if ((peer->state == PEER_IDLE || peer->state == PEER_FAILED) && !peer->waiters && !peer->link &&
        !peer->attempt.under_way) {
      peer_book_remove(book, peer);
      return true;
    }
  }
  return false;
}

struct peer *peer_book_find_or_add(struct peer_book *book, const char *fqdn,
                                   const struct ip_address *address) {
  struct peer *peer = peer_book_find(book, fqdn, address);
  if (peer)
    return peer;
  if (peer_table_count(book->table) >= PEER_TABLE_MAX && !make_room(book))
    return NULL;
  peer = peer_new(book->environment);
  if (!peer)
    return NULL;
  if (fqdn)
    snprintf(peer->entry.fqdn, sizeof peer->entry.fqdn, "%s", fqdn);
  else if (address->family == 4)
    peer->entry.ipv4 = *address;
  else
    peer->entry.ipv6 = *address;
  if (peer_table_add(book->table, &peer->entry)) {
    peer_free(peer);
    return NULL;
  }
  return peer;
}

struct peer *peer_book_identify(struct peer_book *book, struct peer *peer,
                                const struct direction_peer *is, struct error *error) {
  const struct peer_entry *asked = &peer->entry;
  if (!fqdn_is_valid(is->fqdn, book->domain) || strcmp(is->fqdn, book->fqdn) == 0 ||
      (asked->fqdn[0] != '\0' && strcmp(asked->fqdn, is->fqdn) != 0) ||
      (asked->fqdn[0] == '\0' && !ip_address_equal(&asked->ipv4, &is->ipv4) &&
       !ip_address_equal(&asked->ipv6, &is->ipv6))) {
    error_set(error, ERROR_PROTOCOL, "NMS answered with '%.100s', who was not asked for", is->fqdn);
    return NULL;
  }
  struct peer *keep = peer_book_find(book, is->fqdn, NULL);
  if (!keep)
    keep = peer;
  if (keep->link && (!ip_address_equal(&keep->entry.ipv4, &is->ipv4) ||
                     !ip_address_equal(&keep->entry.ipv6, &is->ipv6))) {
    error_set(error, ERROR_PROTOCOL, "NMS gives %s other addresses than its certificate bears",
              is->fqdn);
    return NULL;
  }
  struct peer *others[] = {peer, peer_book_find(book, NULL, &is->ipv4),
                           peer_book_find(book, NULL, &is->ipv6)};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (others[i] && others[i] != keep && others[i]->link) {
      error_set(error, ERROR_PROTOCOL, "NMS gives %s an address that the certificate of %s bears",
                is->fqdn, others[i]->entry.fqdn);
      return NULL;
    }
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    struct peer *other = others[i];
    if (!other || other == keep)
      continue;
    for (size_t j = i + 1; j < sizeof others / sizeof *others; j++)
      if (others[j] == other)
        others[j] = NULL;
    if (other->entry.fqdn[0] == '\0')
      peer_absorb(keep, other);
    peer_book_remove(book, other);
  }
  if (peer_table_set_keys(book->table, &keep->entry, is->fqdn, &is->ipv4, &is->ipv6)) {
    error_set(error, ERROR_LIMIT, "the table of peers refused %s", is->fqdn);
    return NULL;
  }
  return keep;
}
