#include <string.h>

#include "store/internal.h"

/* Each brings the schema from its index to the next version. What has been released is never
 * edited: a change is a new entry. */
static const char *const migrations[] = {
    "CREATE TABLE network ("
    "  id INTEGER PRIMARY KEY CHECK (id = 1),"
    "  domain TEXT NOT NULL,"
    "  ipv4 TEXT NOT NULL,"
    "  ipv6 TEXT NOT NULL);"

    "CREATE TABLE devices ("
    "  id INTEGER PRIMARY KEY,"
    "  name TEXT NOT NULL UNIQUE,"
    "  fqdn TEXT NOT NULL UNIQUE,"
    "  public_key BLOB NOT NULL UNIQUE,"
    "  hardware TEXT NOT NULL,"
    "  os TEXT NOT NULL,"
    "  version TEXT NOT NULL,"
    "  revoked INTEGER NOT NULL,"
    "  created BIGINT NOT NULL,"
    "  first_seen BIGINT NOT NULL,"
    "  last_seen BIGINT NOT NULL);"

    "CREATE TABLE invitations ("
    "  id INTEGER PRIMARY KEY,"
    "  secret_hash BLOB NOT NULL UNIQUE,"
    "  name TEXT NOT NULL,"
    "  uses_left BIGINT NOT NULL CHECK (uses_left >= 0),"
    "  created BIGINT NOT NULL,"
    "  expires BIGINT NOT NULL);"

    "CREATE TABLE redemptions ("
    "  invitation_id INTEGER NOT NULL REFERENCES invitations (id),"
    "  device_id INTEGER NOT NULL REFERENCES devices (id),"
    "  redeemed BIGINT NOT NULL,"
    "  PRIMARY KEY (invitation_id, device_id));"

    "CREATE TABLE certificates ("
    "  id INTEGER PRIMARY KEY,"
    "  device_id INTEGER NOT NULL REFERENCES devices (id),"
    "  serial BLOB NOT NULL UNIQUE,"
    "  fingerprint BLOB NOT NULL UNIQUE,"
    "  not_before BIGINT NOT NULL,"
    "  not_after BIGINT NOT NULL,"
    "  revoked INTEGER NOT NULL,"
    "  der BLOB NOT NULL);"
    "CREATE INDEX certificates_of_device ON certificates (device_id, not_after);"

    "CREATE TABLE addresses ("
    "  device_id INTEGER NOT NULL REFERENCES devices (id),"
    "  family INTEGER NOT NULL CHECK (family IN (4, 6)),"
    "  address BLOB NOT NULL UNIQUE,"
    "  created BIGINT NOT NULL,"
    "  PRIMARY KEY (device_id, family));"

    "CREATE TABLE endpoints ("
    "  device_id INTEGER NOT NULL REFERENCES devices (id),"
    "  family INTEGER NOT NULL CHECK (family IN (4, 6)),"
    "  ip BLOB NOT NULL,"
    "  port INTEGER NOT NULL,"
    "  behind_nat INTEGER NOT NULL,"
    "  seen BIGINT NOT NULL,"
    "  PRIMARY KEY (device_id, family));",

    "CREATE TABLE connections ("
    "  device_id INTEGER PRIMARY KEY REFERENCES devices (id),"
    "  ip BLOB NOT NULL,"
    "  port INTEGER NOT NULL,"
    "  connection_id BLOB NOT NULL);",
};

_Static_assert(sizeof(migrations) / sizeof(migrations[0]) == STORE_SCHEMA_VERSION,
               "each schema version has its migration");

static int version_get(struct sql *sql, int64_t *version, struct error *error) {
  struct sql_statement *statement;
  int code = sql_prepare(sql, "SELECT version FROM schema_version", &statement, error);
  if (code != 0) {
    return code;
  }
  code = sql_step(statement, error);
  *version = code > 0 ? sql_integer(statement, 0) : 0;
  sql_reset(statement);
  return code < 0 ? code : 0;
}

static int version_set(struct sql *sql, int64_t version, struct error *error) {
  struct sql_statement *statement;
  int code = sql_prepare(sql, "UPDATE schema_version SET version = ?1", &statement, error);
  if (code == 0) {
    sql_bind_integer(statement, 1, version);
    code = sql_run(statement, error);
  }
  return code;
}

static int newer(struct sql *sql, int64_t version, struct error *error) {
  return error_set(error, ERROR_DATABASE,
                   "%s: the database has schema version %lld, this program knows up to %d; install "
                   "the newer program that wrote it",
                   sql_path(sql), (long long)version, STORE_SCHEMA_VERSION);
}

/* One step up, in a transaction of its own. Another process may have made the step since we
 * looked, so the version is read again under the lock. */
static int migrate_once(struct sql *sql, struct error *error) {
  int code = sql_begin(sql, error);
  if (code != 0) {
    return code;
  }
  int64_t version = 0;
  code = version_get(sql, &version, error);
  if (code == 0 && version < 0) {
    code = error_set(error, ERROR_DATABASE,
                     "%s: the database has the impossible schema version "
                     "%lld; restore a backup",
                     sql_path(sql), (long long)version);
  }
  if (code == 0 && version < STORE_SCHEMA_VERSION) {
    code = sql_execute(sql, migrations[version], error);
    if (code == 0) {
      code = version_set(sql, version + 1, error);
    }
  }
  if (code != 0) {
    sql_rollback(sql);
    return code;
  }
  return sql_commit(sql, error);
}

int schema_create(struct sql *sql, struct error *error) {
  int code = sql_execute(sql,
                         "BEGIN IMMEDIATE;"
                         "CREATE TABLE schema_version (version BIGINT NOT NULL);"
                         "INSERT INTO schema_version (version) VALUES (0);"
                         "COMMIT",
                         error);
  if (code != 0) {
    sql_rollback(sql);
    return code;
  }
  return schema_migrate(sql, false, error);
}

int schema_migrate(struct sql *sql, bool read_only, struct error *error) {
  bool ours = false;
  int64_t version = 0;
  int code = sql_has_table(sql, "schema_version", &ours, error);
  if (code != 0) {
    return code;
  }
  if (!ours) {
    return error_set(error, ERROR_DATABASE,
                     "%s: this is no database of a CYPHONIC network, or its init was interrupted; "
                     "check the path, or remove the file and run init again",
                     sql_path(sql));
  }
  for (;;) {
    code = version_get(sql, &version, error);
    if (code != 0) {
      return code;
    }
    if (version > STORE_SCHEMA_VERSION) {
      return newer(sql, version, error);
    }
    if (version == STORE_SCHEMA_VERSION) {
      return 0;
    }
    if (read_only) {
      return error_set(error, ERROR_DATABASE,
                       "%s: the database has the older schema version %lld, this program needs %d; "
                       "start the server once, which brings it up to date",
                       sql_path(sql), (long long)version, STORE_SCHEMA_VERSION);
    }
    code = migrate_once(sql, error);
    if (code != 0) {
      return code;
    }
  }
}
