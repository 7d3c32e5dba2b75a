#include <string.h>

#include "store/internal.h"

int store_address_add(struct store *store, int64_t device_id, const struct ip_address *address,
                      int64_t now, struct error *error) {
  struct sql_statement *statement;
  int code = sql_prepare(store->sql,
                         "INSERT INTO addresses (device_id, family, address, created) "
                         "VALUES (?1, ?2, ?3, ?4)",
                         &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_integer(statement, 1, device_id);
  sql_bind_integer(statement, 2, address->family);
  store_bind_ip(statement, 3, address);
  sql_bind_integer(statement, 4, now);
  code = sql_run(statement, error);
  if (code == ERROR_EXISTS) {
    char text[ADDRESS_TEXT_SIZE];
    return error_set(error, ERROR_EXISTS,
                     "the virtual address %s is taken, or the device has one of IPv%d already",
                     ip_address_text(address, text), address->family);
  }
  return code;
}

int store_address_get(struct store *store, int64_t device_id, int family,
                      struct ip_address *address, struct error *error) {
  memset(address, 0, sizeof(*address));
  struct sql_statement *statement;
  int code =
      sql_prepare(store->sql, "SELECT address FROM addresses WHERE device_id = ?1 AND family = ?2",
                  &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_integer(statement, 1, device_id);
  sql_bind_integer(statement, 2, family);
  code = sql_step(statement, error);
  if (code > 0) {
    code = store_read_ip(store, statement, 0, address, error);
  } else if (code == 0) {
    code = error_set(error, ERROR_NOT_FOUND, "the device has no virtual IPv%d address", family);
  }
  sql_reset(statement);
  return code;
}

int store_address_is_taken(struct store *store, const struct ip_address *address, bool *taken,
                           struct error *error) {
  *taken = false;
  struct sql_statement *statement;
  int code =
      sql_prepare(store->sql, "SELECT 1 FROM addresses WHERE address = ?1", &statement, error);
  if (code != 0) {
    return code;
  }
  store_bind_ip(statement, 1, address);
  code = sql_step(statement, error);
  *taken = code > 0;
  sql_reset(statement);
  return code < 0 ? code : 0;
}
