#include <string.h>

#include "store/internal.h"

/* A device with its two virtual addresses; callers append a WHERE. */
#define SELECT_DEVICE                                                                              \
  "SELECT d.id, d.name, d.fqdn, d.public_key, d.hardware, d.os, d.version, d.revoked, d.created, " \
  "d.first_seen, d.last_seen, a4.address, a6.address FROM devices d "                              \
  "LEFT JOIN addresses a4 ON a4.device_id = d.id AND a4.family = 4 "                               \
  "LEFT JOIN addresses a6 ON a6.device_id = d.id AND a6.family = 6 "

static int read_device(struct store *store, struct sql_statement *statement,
                       struct store_device *device, struct error *error) {
  device->id = sql_integer(statement, 0);
  store_read_text(statement, 1, device->name, sizeof(device->name));
  store_read_text(statement, 2, device->fqdn, sizeof(device->fqdn));
  int code =
      store_read_bytes(store, statement, 3, device->public_key, sizeof(device->public_key), error);
  store_read_text(statement, 4, device->hardware, sizeof(device->hardware));
  store_read_text(statement, 5, device->os, sizeof(device->os));
  store_read_text(statement, 6, device->version, sizeof(device->version));
  device->revoked = sql_integer(statement, 7) != 0;
  device->created = sql_integer(statement, 8);
  device->first_seen = sql_integer(statement, 9);
  device->last_seen = sql_integer(statement, 10);
  if (code == 0) {
    code = store_read_ip(store, statement, 11, &device->ipv4, error);
  }
  if (code == 0) {
    code = store_read_ip(store, statement, 12, &device->ipv6, error);
  }
  return code;
}

/* The one row of a bound statement; `what` names what was looked for. Resets. */
static int find_device(struct store *store, struct sql_statement *statement, const char *what,
                       struct store_device *device, struct error *error) {
  memset(device, 0, sizeof(*device));
  int code = sql_step(statement, error);
  if (code > 0) {
    code = read_device(store, statement, device, error);
  } else if (code == 0) {
    code = error_set(error, ERROR_NOT_FOUND, "there is no device %s", what);
  }
  sql_reset(statement);
  return code;
}

/* Says which of the two is taken, where SQLite would name a column. */
static int taken(struct store *store, const struct store_device *device, struct error *error) {
  struct store_device other;
  int code = store_device_by_name(store, device->name, &other, error);
  if (code == 0) {
    return error_set(error, ERROR_EXISTS, "there is a device named %s already", device->name);
  }
  if (code != ERROR_NOT_FOUND) {
    return code;
  }
  return error_set(error, ERROR_EXISTS, "there is a device with the key or the FQDN of %s already",
                   device->fqdn);
}

int store_device_add(struct store *store, struct store_device *device, struct error *error) {
  struct sql_statement *statement;
  int code = sql_prepare(store->sql,
                         "INSERT INTO devices (name, fqdn, public_key, hardware, os, version, "
                         "revoked, created, first_seen, last_seen) "
                         "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                         &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_text(statement, 1, device->name);
  sql_bind_text(statement, 2, device->fqdn);
  sql_bind_bytes(statement, 3, device->public_key, sizeof(device->public_key));
  sql_bind_text(statement, 4, device->hardware);
  sql_bind_text(statement, 5, device->os);
  sql_bind_text(statement, 6, device->version);
  sql_bind_integer(statement, 7, device->revoked);
  sql_bind_integer(statement, 8, device->created);
  sql_bind_integer(statement, 9, device->first_seen);
  sql_bind_integer(statement, 10, device->last_seen);
  code = sql_run(statement, error);
  if (code == ERROR_EXISTS) {
    return taken(store, device, error);
  }
  if (code == 0) {
    device->id = sql_last_id(store->sql);
  }
  return code;
}

int store_device_by_name(struct store *store, const char *name, struct store_device *device,
                         struct error *error) {
  struct sql_statement *statement;
  int code = sql_prepare(store->sql, SELECT_DEVICE "WHERE d.name = ?1", &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_text(statement, 1, name);
  return find_device(store, statement, name, device, error);
}

int store_device_by_fqdn(struct store *store, const char *fqdn, struct store_device *device,
                         struct error *error) {
  struct sql_statement *statement;
  int code = sql_prepare(store->sql, SELECT_DEVICE "WHERE d.fqdn = ?1", &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_text(statement, 1, fqdn);
  return find_device(store, statement, fqdn, device, error);
}

int store_device_by_key(struct store *store, const uint8_t public_key[static PKI_HASH_SIZE],
                        struct store_device *device, struct error *error) {
  struct sql_statement *statement;
  int code = sql_prepare(store->sql, SELECT_DEVICE "WHERE d.public_key = ?1", &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_bytes(statement, 1, public_key, PKI_HASH_SIZE);
  return find_device(store, statement, "with this key", device, error);
}

int store_device_by_address(struct store *store, const struct ip_address *address,
                            struct store_device *device, struct error *error) {
  struct sql_statement *statement;
  int code = sql_prepare(
      store->sql, SELECT_DEVICE "WHERE d.id = (SELECT device_id FROM addresses WHERE address = ?1)",
      &statement, error);
  if (code != 0) {
    return code;
  }
  char text[ADDRESS_TEXT_SIZE];
  store_bind_ip(statement, 1, address);
  return find_device(store, statement, ip_address_text(address, text), device, error);
}

int store_device_seen(struct store *store, int64_t id, const char *hardware, const char *os,
                      const char *version, int64_t now, struct error *error) {
  struct sql_statement *statement;
  int code = sql_prepare(store->sql,
                         "UPDATE devices SET hardware = ?2, os = ?3, version = ?4, last_seen = ?5, "
                         "first_seen = CASE WHEN first_seen = 0 THEN ?5 ELSE first_seen END "
                         "WHERE id = ?1",
                         &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_integer(statement, 1, id);
  sql_bind_text(statement, 2, hardware);
  sql_bind_text(statement, 3, os);
  sql_bind_text(statement, 4, version);
  sql_bind_integer(statement, 5, now);
  code = sql_run(statement, error);
  if (code == 0 && sql_changes(store->sql) == 0) {
    code = error_set(error, ERROR_NOT_FOUND, "there is no device number %lld", (long long)id);
  }
  return code;
}

int store_device_each(struct store *store, store_device_visitor visitor, void *context,
                      struct error *error) {
  struct sql_statement *statement;
  int code = sql_prepare(store->sql, SELECT_DEVICE "ORDER BY d.name", &statement, error);
  if (code != 0) {
    return code;
  }
  while ((code = sql_step(statement, error)) > 0) {
    struct store_device device = {0};
    code = read_device(store, statement, &device, error);
    if (code == 0) {
      code = visitor(&device, context);
    }
    if (code != 0) {
      break;
    }
  }
  sql_reset(statement);
  return code;
}
