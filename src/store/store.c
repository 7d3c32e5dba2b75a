#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/internal.h"

static int store_new(struct sql *sql, struct store **out, struct error *error) {
  struct store *store = calloc(1, sizeof(*store));
  if (store == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "%s: out of memory", sql_path(sql));
  }
  store->sql = sql;
  *out = store;
  return 0;
}

static int network_put(struct sql *sql, const struct store_network *network, struct error *error) {
  struct sql_statement *statement;
  int code = sql_prepare(sql, "INSERT INTO network (id, domain, ipv4, ipv6) VALUES (1, ?1, ?2, ?3)",
                         &statement, error);
  if (code != 0) {
    return code;
  }
  char ipv4[ADDRESS_TEXT_SIZE], ipv6[ADDRESS_TEXT_SIZE];
  sql_bind_text(statement, 1, network->domain);
  sql_bind_text(statement, 2, ip_prefix_text(&network->ipv4, ipv4));
  sql_bind_text(statement, 3, ip_prefix_text(&network->ipv6, ipv6));
  return sql_run(statement, error);
}

/* Half a database would only stand in the way of the next attempt. */
static void remove_files(const char *path) {
  static const char *const suffixes[] = {"", "-wal", "-shm"};
  for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
    char *name;
    if (asprintf(&name, "%s%s", path, suffixes[i]) >= 0) {
      unlink(name);
      free(name);
    }
  }
}

int store_create(const char *path, const struct store_network *network, struct store **store,
                 struct error *error) {
  *store = NULL;
  if (network->domain[0] == '\0' || network->ipv4.address.family != 4 ||
      network->ipv6.address.family != 6) {
    return error_set(error, ERROR_INVALID,
                     "a network needs a domain, an IPv4 prefix and an IPv6 prefix");
  }
  struct sql *sql;
  int code = sql_open(path, SQL_CREATE_NEW, STORE_BUSY_MILLISECONDS, &sql, error);
  if (code != 0) {
    return code;
  }
  code = schema_create(sql, error);
  if (code == 0) {
    code = network_put(sql, network, error);
  }
  if (code == 0) {
    code = store_new(sql, store, error);
  }
  if (code != 0) {
    sql_close(sql);
    remove_files(path);
  }
  return code;
}

int store_open(const char *path, bool read_only, struct store **store, struct error *error) {
  *store = NULL;
  struct sql *sql;
  int code = sql_open(path, read_only ? SQL_READ_ONLY : SQL_READ_WRITE, STORE_BUSY_MILLISECONDS,
                      &sql, error);
  if (code != 0) {
    return code;
  }
  code = schema_migrate(sql, read_only, error);
  if (code == 0) {
    code = store_new(sql, store, error);
  }
  if (code != 0) {
    sql_close(sql);
  }
  return code;
}

void store_close(struct store *store) {
  if (store != NULL) {
    sql_close(store->sql);
    free(store);
  }
}

int store_network_get(struct store *store, struct store_network *network, struct error *error) {
  memset(network, 0, sizeof(*network));
  struct sql_statement *statement;
  int code = sql_prepare(store->sql, "SELECT domain, ipv4, ipv6 FROM network WHERE id = 1",
                         &statement, error);
  if (code != 0) {
    return code;
  }
  code = sql_step(statement, error);
  if (code == 0) {
    code = error_set(error, ERROR_DATABASE,
                     "%s: the database has no network record: its init was interrupted; remove the "
                     "file and run init again",
                     sql_path(store->sql));
  } else if (code > 0) {
    code = 0;
    store_read_text(statement, 0, network->domain, sizeof(network->domain));
    if (ip_prefix_parse(sql_text(statement, 1), &network->ipv4) != 0 ||
        ip_prefix_parse(sql_text(statement, 2), &network->ipv6) != 0) {
      code =
          error_set(error, ERROR_DATABASE, "%s: the network's prefixes %s and %s are no prefixes",
                    sql_path(store->sql), sql_text(statement, 1), sql_text(statement, 2));
    }
  }
  sql_reset(statement);
  return code;
}

int store_begin(struct store *store, struct error *error) {
  return sql_begin(store->sql, error);
}

int store_try_begin(struct store *store, struct error *error) {
  return sql_try_begin(store->sql, error);
}

int store_commit(struct store *store, struct error *error) {
  return sql_commit(store->sql, error);
}

void store_rollback(struct store *store) {
  sql_rollback(store->sql);
}

int store_scope_begin(struct store *store, bool *own, struct error *error) {
  *own = !sql_in_transaction(store->sql);
  return *own ? sql_begin(store->sql, error) : 0;
}

int store_scope_end(struct store *store, bool own, int code, struct error *error) {
  if (!own) {
    return code;
  }
  if (code != 0) {
    sql_rollback(store->sql);
    return code;
  }
  return sql_commit(store->sql, error);
}

void store_read_text(struct sql_statement *statement, int column, char *text, size_t size) {
  snprintf(text, size, "%s", sql_text(statement, column));
}

static int foreign(struct store *store, int column, struct error *error) {
  return error_set(error, ERROR_DATABASE,
                   "%s: a value (column %d) has an impossible size; the database was edited or is "
                   "damaged: restore a backup",
                   sql_path(store->sql), column);
}

int store_read_bytes(struct store *store, struct sql_statement *statement, int column,
                     uint8_t *bytes, size_t size, struct error *error) {
  struct span value = sql_bytes(statement, column);
  if (value.size != size) {
    return foreign(store, column, error);
  }
  memcpy(bytes, value.data, size);
  return 0;
}

int store_read_ip(struct store *store, struct sql_statement *statement, int column,
                  struct ip_address *ip, struct error *error) {
  memset(ip, 0, sizeof(*ip));
  if (sql_is_null(statement, column)) {
    return 0;
  }
  struct span value = sql_bytes(statement, column);
  if (ip_address_from_bytes(ip, value.data, value.size) != 0) {
    return foreign(store, column, error);
  }
  return 0;
}

void store_bind_ip(struct sql_statement *statement, int index, const struct ip_address *ip) {
  sql_bind_bytes(statement, index, ip->bytes, ip_address_size(ip));
}
