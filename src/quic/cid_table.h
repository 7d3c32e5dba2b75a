/* Which connection a packet belongs to: by the Connection IDs we issued, by the ones clients chose
 * for their first packets, and by the stateless reset tokens that peers gave us (RFC 9000
 * sections 5.2 and 10.3). */
#ifndef CYPHONIC_QUIC_CID_TABLE_H
#define CYPHONIC_QUIC_CID_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct cid_table;
struct quic_connection;

enum { CID_KEY_MAX = 20, RESET_TOKEN_SIZE = 16 };

/* An entry knows its connection; a connection holds its entries as a list, to forget them all. */
struct cid_entry;

struct cid_table *cid_table_new(void); /* NULL without memory */
void cid_table_free(struct cid_table *table);

/* Adds `key` (a Connection ID of up to 20 bytes) to the connection's list. ERROR_EXISTS if taken.
 */
int cid_table_add(struct cid_table *table, const uint8_t *key, size_t size,
                  struct quic_connection *connection, struct cid_entry **list) MUST_CHECK;
void cid_table_remove(struct cid_table *table, const uint8_t *key, size_t size,
                      struct cid_entry **list);
struct quic_connection *cid_table_find(struct cid_table *table, const uint8_t *key, size_t size);

/* The same for reset tokens, which live in a table of their own but in the same list. */
int cid_table_add_token(struct cid_table *table, const uint8_t token[static RESET_TOKEN_SIZE],
                        struct quic_connection *connection, struct cid_entry **list) MUST_CHECK;
void cid_table_remove_token(struct cid_table *table, const uint8_t token[static RESET_TOKEN_SIZE],
                            struct cid_entry **list);
struct quic_connection *cid_table_find_token(const struct cid_table *table,
                                             const uint8_t token[static RESET_TOKEN_SIZE]);

/* Forgets every entry of the list. */
void cid_table_remove_all(struct cid_table *table, struct cid_entry **list);

#endif
