#include <string.h>

#include "store/internal.h"

int store_endpoint_put(struct store *store, int64_t device_id,
                       const struct store_endpoint *endpoint, struct error *error) {
  struct sql_statement *statement;
  /* The WHERE spares the disk a synchronisation when a node registers again unchanged. */
  int code = sql_prepare(
      store->sql,
      "INSERT INTO endpoints (device_id, family, ip, port, behind_nat, seen) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
      "ON CONFLICT (device_id, family) DO UPDATE SET ip = excluded.ip, port = excluded.port, "
      "behind_nat = excluded.behind_nat, seen = excluded.seen "
      "WHERE endpoints.ip <> excluded.ip OR endpoints.port <> excluded.port "
      "OR endpoints.behind_nat <> excluded.behind_nat",
      &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_integer(statement, 1, device_id);
  sql_bind_integer(statement, 2, endpoint->observed.ip.family);
  store_bind_ip(statement, 3, &endpoint->observed.ip);
  sql_bind_integer(statement, 4, endpoint->observed.port);
  sql_bind_integer(statement, 5, endpoint->behind_nat);
  sql_bind_integer(statement, 6, endpoint->seen);
  return sql_run(statement, error);
}

int store_endpoint_get(struct store *store, int64_t device_id, int family,
                       struct store_endpoint *endpoint, struct error *error) {
  memset(endpoint, 0, sizeof(*endpoint));
  struct sql_statement *statement;
  int code = sql_prepare(store->sql,
                         "SELECT ip, port, behind_nat, seen FROM endpoints "
                         "WHERE device_id = ?1 AND family = ?2",
                         &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_integer(statement, 1, device_id);
  sql_bind_integer(statement, 2, family);
  code = sql_step(statement, error);
  if (code > 0) {
    code = store_read_ip(store, statement, 0, &endpoint->observed.ip, error);
    endpoint->observed.port = (uint16_t)sql_integer(statement, 1);
    endpoint->behind_nat = sql_integer(statement, 2) != 0;
    endpoint->seen = sql_integer(statement, 3);
  } else if (code == 0) {
    code = error_set(error, ERROR_NOT_FOUND, "the device was never seen over IPv%d", family);
  }
  sql_reset(statement);
  return code;
}
