#include "store/sql.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

struct sql_statement {
  UT_hash_handle hh;
  const char *text; /* the key: its address, not what it says */
  struct sql *sql;
  sqlite3_stmt *stmt;
  int bind_result; /* the first failure to bind since the last reset */
};

struct sql {
  sqlite3 *database;
  char *path;
  int busy_milliseconds;
  bool hasty; /* the transaction that was begun does not wait for the disk */
  struct sql_statement *statements;
};

/* What SQLite's `result` means to an operator. */
static int fail(const struct sql *sql, int result, const char *detail, struct error *error) {
  const char *path = sql->path;
  if (result == SQLITE_CONSTRAINT_UNIQUE || result == SQLITE_CONSTRAINT_PRIMARYKEY) {
    return error_set(error, ERROR_EXISTS, "%s: there is one already: %s", path, detail);
  }
  switch (result & 0xff) {
  case SQLITE_NOMEM:
    return error_set(error, ERROR_NO_MEMORY, "%s: out of memory", path);
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return error_set(error, ERROR_DATABASE,
                     "%s: the database is locked by another process (waited %d ms); end the "
                     "program that holds it, or try again when it is done",
                     path, sql->busy_milliseconds);
  case SQLITE_READONLY:
  case SQLITE_PERM:
    return error_set(error, ERROR_DATABASE,
                     "%s: the database cannot be written (%s); it was opened for reading, or its "
                     "owner, its folder's owner or the mount does not allow writing",
                     path, detail);
  case SQLITE_NOTADB:
    return error_set(error, ERROR_DATABASE,
                     "%s: this file is not a database; check the path, or restore a backup", path);
  case SQLITE_CORRUPT:
    return error_set(error, ERROR_DATABASE, "%s: the database is damaged (%s); restore a backup",
                     path, detail);
  case SQLITE_CANTOPEN:
    return error_set(error, ERROR_DATABASE,
                     "%s: the database cannot be opened (%s); the file and its folder must be "
                     "accessible to this user",
                     path, detail);
  case SQLITE_FULL:
    return error_set(error, ERROR_DATABASE, "%s: no space left on the device; nothing was written",
                     path);
  case SQLITE_IOERR:
    return error_set(error, ERROR_DATABASE,
                     "%s: reading or writing failed (%s); check the device it is on", path, detail);
  default:
    return error_set(error, ERROR_DATABASE, "%s: %s", path, detail);
  }
}

static int fail_now(const struct sql *sql, int result, struct error *error) {
  return fail(sql, result, sqlite3_errmsg(sql->database), error);
}

/* The new name must survive a power cut as well as what SQLite will write under it. */
static int sync_folder(const char *path, struct error *error) {
  char *copy = strdup(path);
  if (copy == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "%s: out of memory", path);
  }
  const char *folder = dirname(copy);
  int code = 0;
  int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0 || fsync(descriptor) != 0) {
    code = error_set_errno(error, errno, "%s: cannot be synchronised", folder);
  }
  if (descriptor >= 0) {
    close(descriptor);
  }
  free(copy);
  return code;
}

/* Makes the file itself: SQLite would make it with the umask's mode, open to others until a chmod.
 * Its -wal and -shm files inherit the mode. A file that exists is never opened here, since closing
 * a descriptor drops the locks that this process holds on the same file through SQLite. */
static int create_file(const char *path, enum sql_mode mode, struct error *error) {
  int descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor >= 0) {
    close(descriptor);
    return sync_folder(path, error);
  }
  if (errno != EEXIST) {
    return error_set_errno(error, errno, "%s: the database cannot be created", path);
  }
  if (mode == SQL_CREATE_NEW) {
    return error_set(error, ERROR_EXISTS,
                     "%s: there is a database already; it is never overwritten: move it away if a "
                     "new network is wanted",
                     path);
  }
  return 0;
}

static int pragma(struct sql *sql, const char *text, struct error *error) {
  int result = sqlite3_exec(sql->database, text, NULL, NULL, NULL);
  return result == SQLITE_OK ? 0 : fail_now(sql, result, error);
}

static int configure(struct sql *sql, enum sql_mode mode, struct error *error) {
  /* Reads the header: tells at once whether this is a database, and one that is not locked. */
  int code = pragma(sql, "SELECT count(*) FROM sqlite_master", error);
  if (code == 0 && mode != SQL_READ_ONLY) {
    code = pragma(sql, "PRAGMA journal_mode = WAL", error);
  }
  if (code == 0) {
    code = pragma(sql, "PRAGMA foreign_keys = ON", error);
  }
  if (code == 0) {
    /* A commit is on the disk when it returns, also in a power cut. */
    code = pragma(sql, "PRAGMA synchronous = FULL", error);
  }
  return code;
}

int sql_open(const char *path, enum sql_mode mode, int busy_milliseconds, struct sql **out,
             struct error *error) {
  *out = NULL;
  if (mode == SQL_CREATE || mode == SQL_CREATE_NEW) {
    int code = create_file(path, mode, error);
    if (code != 0) {
      return code;
    }
  } else if (access(path, F_OK) != 0) {
    return error_set_errno(error, errno, "%s: the database cannot be opened", path);
  }
  struct sql *sql = calloc(1, sizeof(*sql));
  if (sql == NULL || (sql->path = strdup(path)) == NULL) {
    free(sql);
    return error_set(error, ERROR_NO_MEMORY, "%s: out of memory", path);
  }
  sql->busy_milliseconds = busy_milliseconds;
  int flags = mode == SQL_READ_ONLY ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  flags |= SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  int result = sqlite3_open_v2(path, &sql->database, flags, NULL);
  int code = 0;
  if (result != SQLITE_OK) {
    code =
        fail(sql, result,
             sql->database == NULL ? sqlite3_errstr(result) : sqlite3_errmsg(sql->database), error);
  } else if ((result = sqlite3_busy_timeout(sql->database, busy_milliseconds)) != SQLITE_OK) {
    code = fail_now(sql, result, error);
  } else {
    code = configure(sql, mode, error);
  }
  if (code != 0) {
    sql_close(sql);
    return code;
  }
  *out = sql;
  return 0;
}

void sql_close(struct sql *sql) {
  if (sql == NULL) {
    return;
  }
  struct sql_statement *statement, *next;
  HASH_ITER(hh, sql->statements, statement, next) {
    HASH_DEL(sql->statements, statement);
    sqlite3_finalize(statement->stmt);
    free(statement);
  }
  sqlite3_close(sql->database);
  free(sql->path);
  free(sql);
}

const char *sql_path(const struct sql *sql) {
  return sql->path;
}

int sql_prepare(struct sql *sql, const char *text, struct sql_statement **out,
                struct error *error) {
  struct sql_statement *statement;
  HASH_FIND_PTR(sql->statements, &text, statement);
  if (statement != NULL) {
    sql_reset(statement);
    *out = statement;
    return 0;
  }
  *out = NULL;
  statement = calloc(1, sizeof(*statement));
  if (statement == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "%s: out of memory", sql->path);
  }
  int result = sqlite3_prepare_v3(sql->database, text, -1, SQLITE_PREPARE_PERSISTENT,
                                  &statement->stmt, NULL);
  if (result != SQLITE_OK) {
    free(statement);
    return fail_now(sql, result, error);
  }
  statement->text = text;
  statement->sql = sql;
  HASH_ADD_PTR(sql->statements, text, statement);
  *out = statement;
  return 0;
}

static void bound(struct sql_statement *statement, int result) {
  if (statement->bind_result == SQLITE_OK) {
    statement->bind_result = result;
  }
}

void sql_bind_text(struct sql_statement *statement, int index, const char *text) {
  bound(statement, sqlite3_bind_text(statement->stmt, index, text, -1, SQLITE_TRANSIENT));
}

void sql_bind_bytes(struct sql_statement *statement, int index, const void *data, size_t size) {
  /* A null pointer would bind NULL where an empty value is meant. */
  bound(statement, sqlite3_bind_blob64(statement->stmt, index, size == 0 ? "" : data,
                                       (sqlite3_uint64)size, SQLITE_TRANSIENT));
}

void sql_bind_integer(struct sql_statement *statement, int index, int64_t value) {
  bound(statement, sqlite3_bind_int64(statement->stmt, index, value));
}

void sql_bind_null(struct sql_statement *statement, int index) {
  bound(statement, sqlite3_bind_null(statement->stmt, index));
}

int sql_step(struct sql_statement *statement, struct error *error) {
  if (statement->bind_result != SQLITE_OK) {
    return fail(statement->sql, statement->bind_result, sqlite3_errstr(statement->bind_result),
                error);
  }
  int result = sqlite3_step(statement->stmt);
  if (result == SQLITE_ROW) {
    return 1;
  }
  return result == SQLITE_DONE ? 0 : fail_now(statement->sql, result, error);
}

int sql_run(struct sql_statement *statement, struct error *error) {
  int code;
  do {
    code = sql_step(statement, error);
  } while (code > 0);
  sql_reset(statement);
  return code;
}

void sql_reset(struct sql_statement *statement) {
  /* Both only repeat what sql_step has told. */
  sqlite3_reset(statement->stmt);
  sqlite3_clear_bindings(statement->stmt);
  statement->bind_result = SQLITE_OK;
}

const char *sql_text(struct sql_statement *statement, int column) {
  const unsigned char *text = sqlite3_column_text(statement->stmt, column);
  return text == NULL ? "" : (const char *)text;
}

struct span sql_bytes(struct sql_statement *statement, int column) {
  /* The order matters: the size is that of the last conversion. */
  const void *data = sqlite3_column_blob(statement->stmt, column);
  int size = sqlite3_column_bytes(statement->stmt, column);
  return data == NULL ? (struct span){0} : (struct span){.data = data, .size = (size_t)size};
}

int64_t sql_integer(struct sql_statement *statement, int column) {
  return sqlite3_column_int64(statement->stmt, column);
}

bool sql_is_null(struct sql_statement *statement, int column) {
  return sqlite3_column_type(statement->stmt, column) == SQLITE_NULL;
}

int64_t sql_last_id(struct sql *sql) {
  return sqlite3_last_insert_rowid(sql->database);
}

int64_t sql_changes(struct sql *sql) {
  return sqlite3_changes64(sql->database);
}

/* Outside a transaction only, as SQLite wants it. */
static int set_hasty(struct sql *sql, bool hasty, struct error *error) {
  int code =
      sql_execute(sql, hasty ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL", error);
  if (code == 0) {
    sql->hasty = hasty;
  }
  return code;
}

/* What could not be put back now is put back before the next transaction, or there is none. */
static void end_haste(struct sql *sql) {
  struct error later;
  if (sql->hasty) {
    (void)set_hasty(sql, false, &later);
  }
}

int sql_begin(struct sql *sql, struct error *error) {
  int code = sql->hasty ? set_hasty(sql, false, error) : 0;
  return code != 0 ? code : sql_execute(sql, "BEGIN IMMEDIATE", error);
}

int sql_try_begin(struct sql *sql, struct error *error) {
  int code = set_hasty(sql, true, error);
  if (code != 0) {
    return code;
  }
  (void)sqlite3_busy_timeout(sql->database, 0);
  int result = sqlite3_exec(sql->database, "BEGIN IMMEDIATE", NULL, NULL, NULL);
  if ((result & 0xff) == SQLITE_BUSY) {
    code = error_set(error, ERROR_AGAIN, "%s: another process is writing", sql->path);
  } else if (result != SQLITE_OK) {
    code = fail_now(sql, result, error);
  }
  (void)sqlite3_busy_timeout(sql->database, sql->busy_milliseconds);
  if (code != 0) {
    end_haste(sql);
  }
  return code;
}

int sql_commit(struct sql *sql, struct error *error) {
  int code = sql_execute(sql, "COMMIT", error);
  if (code != 0) {
    sql_rollback(sql);
  }
  end_haste(sql);
  return code;
}

void sql_rollback(struct sql *sql) {
  /* Some failures (a full disk) have rolled back already. */
  if (sql_in_transaction(sql)) {
    sqlite3_exec(sql->database, "ROLLBACK", NULL, NULL, NULL);
  }
  end_haste(sql);
}

bool sql_in_transaction(const struct sql *sql) {
  return sqlite3_get_autocommit(sql->database) == 0;
}

int sql_execute(struct sql *sql, const char *text, struct error *error) {
  int result = sqlite3_exec(sql->database, text, NULL, NULL, NULL);
  return result == SQLITE_OK ? 0 : fail_now(sql, result, error);
}

int sql_has_table(struct sql *sql, const char *name, bool *has, struct error *error) {
  struct sql_statement *statement;
  *has = false;
  int code = sql_prepare(sql, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1",
                         &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_text(statement, 1, name);
  code = sql_step(statement, error);
  *has = code > 0;
  sql_reset(statement);
  return code < 0 ? code : 0;
}
