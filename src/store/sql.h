/* The small SQL interface that all state goes through: SQLite here, PostgreSQL later. Texts use
 * the SQL that both understand, with ?1, ?2 ... for parameters. One thread uses one struct sql. */
#ifndef CYPHONIC_STORE_SQL_H
#define CYPHONIC_STORE_SQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/span.h"

struct sql;
struct sql_statement; /* prepared; owned by its struct sql */

enum sql_mode {
  SQL_CREATE,     /* open, or create with mode 0600 */
  SQL_CREATE_NEW, /* as SQL_CREATE, but ERROR_EXISTS if the file is there */
  SQL_READ_WRITE, /* must exist */
  SQL_READ_ONLY,
};

/* WAL, foreign keys, full synchronisation, a busy time-out of `busy_milliseconds`. Locked,
 * read-only, damaged or not-a-database files are ERROR_DATABASE with the path and what to do. */
int sql_open(const char *path, enum sql_mode mode, int busy_milliseconds, struct sql **sql,
             struct error *error) MUST_CHECK;
void sql_close(struct sql *sql);
const char *sql_path(const struct sql *sql);

/* Prepared once per text (the text must outlive `sql`: a literal) and reset on each call. */
int sql_prepare(struct sql *sql, const char *text, struct sql_statement **statement,
                struct error *error) MUST_CHECK;

/* Parameters count from 1. Bytes are copied or outlive the statement's next reset, as SQLite
 * static binding is not used. A failure to bind shows in sql_step. */
void sql_bind_text(struct sql_statement *statement, int index, const char *text);
void sql_bind_bytes(struct sql_statement *statement, int index, const void *data, size_t size);
void sql_bind_integer(struct sql_statement *statement, int index, int64_t value);
void sql_bind_null(struct sql_statement *statement, int index);

/* 1: a row, 0: done, negative: error (ERROR_EXISTS for a violated uniqueness). */
int sql_step(struct sql_statement *statement, struct error *error) MUST_CHECK;
/* Runs to its end, rows ignored; resets. */
int sql_run(struct sql_statement *statement, struct error *error) MUST_CHECK;
void sql_reset(struct sql_statement *statement);

/* Columns count from 0 and live until the next step or reset. NULL reads as "", empty or 0. */
const char *sql_text(struct sql_statement *statement, int column);
struct span sql_bytes(struct sql_statement *statement, int column);
int64_t sql_integer(struct sql_statement *statement, int column);
bool sql_is_null(struct sql_statement *statement, int column);

int64_t sql_last_id(struct sql *sql);
int64_t sql_changes(struct sql *sql);

/* Takes the write lock at once (BEGIN IMMEDIATE), so that what is read inside holds at commit. */
int sql_begin(struct sql *sql, struct error *error) MUST_CHECK;
/* Does not wait for another process that writes (ERROR_AGAIN), nor its commit for the disk: that
 * outlives this process, but perhaps not a power cut. */
int sql_try_begin(struct sql *sql, struct error *error) MUST_CHECK;
int sql_commit(struct sql *sql, struct error *error) MUST_CHECK;
/* A commit that fails has been rolled back. */
void sql_rollback(struct sql *sql); /* outside a transaction: nothing */
bool sql_in_transaction(const struct sql *sql);

/* Whether the database has such a table: asked of each engine in its own way. */
int sql_has_table(struct sql *sql, const char *name, bool *has, struct error *error) MUST_CHECK;

/* Several statements in one text, without parameters: for migrations. */
int sql_execute(struct sql *sql, const char *text, struct error *error) MUST_CHECK;

#endif
