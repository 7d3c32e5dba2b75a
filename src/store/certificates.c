#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

#define SELECT_CERTIFICATE                                                                         \
  "SELECT id, device_id, serial, fingerprint, not_before, not_after, revoked, der "                \
  "FROM certificates "

int store_certificate_add(struct store *store, struct store_certificate *certificate,
                          struct error *error) {
  struct sql_statement *statement;
  int code = sql_prepare(store->sql,
                         "INSERT INTO certificates (device_id, serial, fingerprint, not_before, "
                         "not_after, revoked, der) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                         &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_integer(statement, 1, certificate->device_id);
  sql_bind_bytes(statement, 2, certificate->serial, sizeof(certificate->serial));
  sql_bind_bytes(statement, 3, certificate->fingerprint, sizeof(certificate->fingerprint));
  sql_bind_integer(statement, 4, certificate->not_before);
  sql_bind_integer(statement, 5, certificate->not_after);
  sql_bind_integer(statement, 6, certificate->revoked);
  sql_bind_bytes(statement, 7, certificate->der, certificate->der_size);
  code = sql_run(statement, error);
  if (code == 0) {
    certificate->id = sql_last_id(store->sql);
  }
  return code;
}

static int read_certificate(struct store *store, struct sql_statement *statement,
                            struct store_certificate *certificate, struct error *error) {
  certificate->id = sql_integer(statement, 0);
  certificate->device_id = sql_integer(statement, 1);
  int code = store_read_bytes(store, statement, 2, certificate->serial, sizeof(certificate->serial),
                              error);
  if (code == 0) {
    code = store_read_bytes(store, statement, 3, certificate->fingerprint,
                            sizeof(certificate->fingerprint), error);
  }
  certificate->not_before = sql_integer(statement, 4);
  certificate->not_after = sql_integer(statement, 5);
  certificate->revoked = sql_integer(statement, 6) != 0;
  if (code != 0) {
    return code;
  }
  struct span der = sql_bytes(statement, 7);
  certificate->der = malloc(der.size == 0 ? 1 : der.size);
  if (certificate->der == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for a certificate of %zu bytes",
                     der.size);
  }
  if (der.size > 0) {
    memcpy(certificate->der, der.data, der.size);
  }
  certificate->der_size = der.size;
  return 0;
}

static int find_certificate(struct store *store, struct sql_statement *statement, const char *what,
                            struct store_certificate *certificate, struct error *error) {
  memset(certificate, 0, sizeof(*certificate));
  int code = sql_step(statement, error);
  if (code > 0) {
    code = read_certificate(store, statement, certificate, error);
  } else if (code == 0) {
    code = error_set(error, ERROR_NOT_FOUND, "there is no certificate %s", what);
  }
  sql_reset(statement);
  return code;
}

int store_certificate_by_fingerprint(struct store *store,
                                     const uint8_t fingerprint[static PKI_HASH_SIZE],
                                     struct store_certificate *certificate, struct error *error) {
  struct sql_statement *statement;
  int code =
      sql_prepare(store->sql, SELECT_CERTIFICATE "WHERE fingerprint = ?1", &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_bytes(statement, 1, fingerprint, PKI_HASH_SIZE);
  return find_certificate(store, statement, "with this fingerprint", certificate, error);
}

int store_certificate_newest(struct store *store, int64_t device_id,
                             struct store_certificate *certificate, struct error *error) {
  struct sql_statement *statement;
  int code = sql_prepare(store->sql,
                         SELECT_CERTIFICATE
                         "WHERE device_id = ?1 ORDER BY not_after DESC, id DESC LIMIT 1",
                         &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_integer(statement, 1, device_id);
  return find_certificate(store, statement, "of this device", certificate, error);
}
