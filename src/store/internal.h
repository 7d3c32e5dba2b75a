/* What the files of this folder share. */
#ifndef CYPHONIC_STORE_INTERNAL_H
#define CYPHONIC_STORE_INTERNAL_H

#include "store/sql.h"
#include "store/store.h"

struct store {
  struct sql *sql;
};

/* --- schema.c --- */

/* A new database: all migrations. */
int schema_create(struct sql *sql, struct error *error) MUST_CHECK;
/* Brings an existing database to STORE_SCHEMA_VERSION. Read-only: an older one is an error too. */
int schema_migrate(struct sql *sql, bool read_only, struct error *error) MUST_CHECK;

/* --- store.c --- */

/* A transaction of the function's own, unless its caller has one: then that one decides. `own` says
 * which, for store_scope_end, which commits (code 0) or rolls back and returns the code. */
int store_scope_begin(struct store *store, bool *own, struct error *error) MUST_CHECK;
int store_scope_end(struct store *store, bool own, int code, struct error *error) MUST_CHECK;

/* Columns into fields. Bytes of another size than the field's are ERROR_DATABASE: somebody else
 * wrote into the database. */
void store_read_text(struct sql_statement *statement, int column, char *text, size_t size);
int store_read_bytes(struct store *store, struct sql_statement *statement, int column,
                     uint8_t *bytes, size_t size, struct error *error) MUST_CHECK;
/* NULL reads as no address. */
int store_read_ip(struct store *store, struct sql_statement *statement, int column,
                  struct ip_address *ip, struct error *error) MUST_CHECK;
void store_bind_ip(struct sql_statement *statement, int index, const struct ip_address *ip);

#endif
