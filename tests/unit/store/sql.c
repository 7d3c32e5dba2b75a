#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct sql *opened(const struct place *place, enum sql_mode mode) {
  struct error error = {0};
  struct sql *sql;
  must(sql_open(place->path, mode, 20, &sql, &error), &error);
  return sql;
}

static struct sql *with_table(const struct place *place) {
  struct error error = {0};
  struct sql *sql = opened(place, SQL_CREATE);
  must(sql_execute(sql, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b BLOB, c BIGINT)",
                   &error),
       &error);
  return sql;
}

static int insert(struct sql *sql, const char *text, struct error *error) {
  struct sql_statement *statement;
  must(sql_prepare(sql, "INSERT INTO t (a) VALUES (?1)", &statement, error), error);
  sql_bind_text(statement, 1, text);
  return sql_run(statement, error);
}

static int64_t count(struct sql *sql) {
  struct error error = {0};
  struct sql_statement *statement;
  must(sql_prepare(sql, "SELECT count(*) FROM t", &statement, &error), &error);
  assert_int_equal(sql_step(statement, &error), 1);
  int64_t number = sql_integer(statement, 0);
  sql_reset(statement);
  return number;
}

static void a_new_database_is_for_its_owner_alone(void **state) {
  const struct place *place = *state;
  mode_t before = umask(0);
  struct sql *sql = with_table(place);
  umask(before);
  struct stat status;
  assert_int_equal(stat(place->path, &status), 0);
  assert_int_equal(status.st_mode & 0777, 0600);
  char wal[160];
  snprintf(wal, sizeof(wal), "%s-wal", place->path);
  assert_int_equal(stat(wal, &status), 0);
  assert_int_equal(status.st_mode & 0777, 0600);
  sql_close(sql);
}

static void values_come_back_as_they_were_bound(void **state) {
  struct sql *sql = with_table(*state);
  struct error error = {0};
  struct sql_statement *statement;
  must(sql_prepare(sql, "INSERT INTO t (a, b, c) VALUES (?1, ?2, ?3)", &statement, &error), &error);
  sql_bind_text(statement, 1, "text");
  sql_bind_bytes(statement, 2, "by\0tes", 6);
  sql_bind_integer(statement, 3, INT64_MIN);
  must(sql_run(statement, &error), &error);
  assert_int_equal(sql_last_id(sql), 1);
  assert_int_equal(sql_changes(sql), 1);
  must(sql_prepare(sql, "SELECT a, b, c FROM t", &statement, &error), &error);
  assert_int_equal(sql_step(statement, &error), 1);
  assert_string_equal(sql_text(statement, 0), "text");
  struct span bytes = sql_bytes(statement, 1);
  assert_int_equal(bytes.size, 6);
  assert_memory_equal(bytes.data, "by\0tes", 6);
  assert_int_equal(sql_integer(statement, 2), INT64_MIN);
  assert_int_equal(sql_step(statement, &error), 0);
  sql_close(sql);
}

static void null_reads_as_nothing_but_empty_bytes_are_not_null(void **state) {
  struct sql *sql = with_table(*state);
  struct error error = {0};
  struct sql_statement *statement;
  must(sql_prepare(sql, "INSERT INTO t (a, b, c) VALUES (?1, ?2, ?3)", &statement, &error), &error);
  sql_bind_null(statement, 1);
  sql_bind_bytes(statement, 2, NULL, 0);
  must(sql_run(statement, &error), &error);
  must(sql_prepare(sql, "SELECT a, b, c FROM t", &statement, &error), &error);
  assert_int_equal(sql_step(statement, &error), 1);
  assert_true(sql_is_null(statement, 0));
  assert_string_equal(sql_text(statement, 0), "");
  assert_false(sql_is_null(statement, 1));
  assert_int_equal(sql_bytes(statement, 1).size, 0);
  assert_true(sql_is_null(statement, 2));
  assert_int_equal(sql_integer(statement, 2), 0);
  sql_close(sql);
}

static void a_text_is_prepared_once_and_comes_back_reset(void **state) {
  struct sql *sql = with_table(*state);
  struct error error = {0};
  static const char text[] = "INSERT INTO t (a) VALUES (?1)";
  struct sql_statement *first, *second;
  must(sql_prepare(sql, text, &first, &error), &error);
  sql_bind_text(first, 1, "left over");
  must(sql_prepare(sql, text, &second, &error), &error);
  assert_ptr_equal(first, second);
  must(sql_run(second, &error), &error);
  must(sql_prepare(sql, "SELECT a FROM t", &first, &error), &error);
  assert_int_equal(sql_step(first, &error), 1);
  assert_true(sql_is_null(first, 0));
  sql_close(sql);
}

static void a_parameter_that_does_not_exist_shows_in_the_step(void **state) {
  struct sql *sql = with_table(*state);
  struct error error = {0};
  struct sql_statement *statement;
  must(sql_prepare(sql, "SELECT ?1", &statement, &error), &error);
  sql_bind_integer(statement, 7, 1);
  assert_int_equal(sql_step(statement, &error), ERROR_DATABASE);
  sql_reset(statement);
  assert_int_equal(sql_step(statement, &error), 1);
  sql_close(sql);
}

static void a_syntax_error_names_the_database(void **state) {
  const struct place *place = *state;
  struct sql *sql = with_table(place);
  struct error error = {0};
  struct sql_statement *statement;
  must_fail(sql_prepare(sql, "SELEKT", &statement, &error), ERROR_DATABASE, &error, place->path);
  assert_null(statement);
  must_fail(sql_execute(sql, "SELECT * FROM nowhere", &error), ERROR_DATABASE, &error, "nowhere");
  sql_close(sql);
}

static void a_violated_uniqueness_is_told_apart(void **state) {
  struct sql *sql = with_table(*state);
  struct error error = {0};
  must(insert(sql, "x", &error), &error);
  must_fail(insert(sql, "x", &error), ERROR_EXISTS, &error, "t.a");
  assert_int_equal(count(sql), 1);
  sql_close(sql);
}

static void foreign_keys_hold(void **state) {
  struct sql *sql = with_table(*state);
  struct error error = {0};
  must(sql_execute(sql, "CREATE TABLE u (t INTEGER REFERENCES t (id))", &error), &error);
  must_fail(sql_execute(sql, "INSERT INTO u VALUES (99)", &error), ERROR_DATABASE, &error,
            "FOREIGN KEY");
  sql_close(sql);
}

static void a_rollback_undoes_and_a_commit_keeps(void **state) {
  struct sql *sql = with_table(*state);
  struct error error = {0};
  must(sql_begin(sql, &error), &error);
  assert_true(sql_in_transaction(sql));
  must(insert(sql, "undone", &error), &error);
  sql_rollback(sql);
  assert_false(sql_in_transaction(sql));
  assert_int_equal(count(sql), 0);
  must(sql_begin(sql, &error), &error);
  must(insert(sql, "kept", &error), &error);
  must(sql_commit(sql, &error), &error);
  assert_int_equal(count(sql), 1);
  sql_rollback(sql);
  assert_int_equal(count(sql), 1);
  sql_close(sql);
}

static void a_transaction_in_a_transaction_is_refused(void **state) {
  struct sql *sql = with_table(*state);
  struct error error = {0};
  must(sql_begin(sql, &error), &error);
  assert_int_equal(sql_begin(sql, &error), ERROR_DATABASE);
  sql_rollback(sql);
  assert_int_equal(sql_commit(sql, &error), ERROR_DATABASE);
  sql_close(sql);
}

static void what_another_connection_holds_is_locked(void **state) {
  struct sql *sql = with_table(*state);
  struct sql *other = opened(*state, SQL_READ_WRITE);
  struct error error = {0};
  must(sql_begin(other, &error), &error);
  must_fail(insert(sql, "x", &error), ERROR_DATABASE, &error, "locked by another process");
  must_fail(sql_begin(sql, &error), ERROR_DATABASE, &error, "waited 20 ms");
  must_fail(sql_try_begin(sql, &error), ERROR_AGAIN, &error, "another process is writing");
  must_fail(sql_begin(sql, &error), ERROR_DATABASE, &error, "waited 20 ms");
  assert_int_equal(count(sql), 0); /* reading goes on */
  must(sql_commit(other, &error), &error);
  must(insert(sql, "x", &error), &error);
  must(sql_try_begin(sql, &error), &error);
  must_fail(sql_begin(other, &error), ERROR_DATABASE, &error, "waited 20 ms");
  must_fail(sql_try_begin(sql, &error), ERROR_DATABASE, &error, "transaction");
  must(sql_commit(sql, &error), &error);
  sql_close(other);
  sql_close(sql);
}

enum { SYNCHRONOUS_NORMAL = 1, SYNCHRONOUS_FULL = 2 }; /* as SQLite numbers them */

static int64_t synchronous(struct sql *sql) {
  struct sql_statement *statement;
  struct error error = {0};
  must(sql_prepare(sql, "PRAGMA synchronous", &statement, &error), &error);
  assert_int_equal(sql_step(statement, &error), 1);
  int64_t level = sql_integer(statement, 0);
  sql_reset(statement);
  return level;
}

static void only_what_was_tried_does_not_wait_for_the_disk(void **state) {
  struct sql *sql = with_table(*state);
  struct sql *other = opened(*state, SQL_READ_WRITE);
  struct error error = {0};
  must(sql_try_begin(sql, &error), &error);
  assert_int_equal(synchronous(sql), SYNCHRONOUS_NORMAL);
  must(insert(sql, "x", &error), &error);
  must(sql_commit(sql, &error), &error);
  assert_int_equal(synchronous(sql), SYNCHRONOUS_FULL);
  must(sql_try_begin(sql, &error), &error);
  sql_rollback(sql);
  assert_int_equal(synchronous(sql), SYNCHRONOUS_FULL);
  must(sql_begin(other, &error), &error);
  assert_int_equal(sql_try_begin(sql, &error), ERROR_AGAIN);
  assert_int_equal(synchronous(sql), SYNCHRONOUS_FULL);
  sql_rollback(other);
  sql_close(other);
  sql_close(sql);
}

static void a_database_opened_for_reading_is_not_written(void **state) {
  sql_close(with_table(*state));
  struct sql *sql = opened(*state, SQL_READ_ONLY);
  struct error error = {0};
  assert_int_equal(count(sql), 0);
  must_fail(insert(sql, "x", &error), ERROR_DATABASE, &error, "cannot be written");
  sql_close(sql);
}

static void what_does_not_exist_is_opened_by_no_mode_but_create(void **state) {
  const struct place *place = *state;
  struct error error = {0};
  struct sql *sql;
  must_fail(sql_open(place->path, SQL_READ_WRITE, 20, &sql, &error), ERROR_NOT_FOUND, &error,
            place->path);
  assert_null(sql);
  must_fail(sql_open(place->path, SQL_READ_ONLY, 20, &sql, &error), ERROR_NOT_FOUND, &error,
            place->path);
  assert_int_equal(access(place->path, F_OK), -1);
  must(sql_open(place->path, SQL_CREATE, 20, &sql, &error), &error);
  sql_close(sql);
}

static void what_exists_is_not_made_anew(void **state) {
  const struct place *place = *state;
  struct sql *sql = with_table(place);
  struct error error = {0};
  must(insert(sql, "x", &error), &error);
  sql_close(sql);
  must_fail(sql_open(place->path, SQL_CREATE_NEW, 20, &sql, &error), ERROR_EXISTS, &error,
            "never overwritten");
  sql = opened(place, SQL_CREATE);
  assert_int_equal(count(sql), 1);
  sql_close(sql);
}

static void a_folder_that_is_missing_is_named(void **state) {
  const struct place *place = *state;
  char path[160];
  snprintf(path, sizeof(path), "%s/none/network.db", place->folder);
  struct error error = {0};
  struct sql *sql;
  must_fail(sql_open(path, SQL_CREATE, 20, &sql, &error), ERROR_NOT_FOUND, &error, path);
}

static void a_file_that_is_no_database_is_said_to_be_none(void **state) {
  const struct place *place = *state;
  FILE *file = fopen(place->path, "w");
  assert_non_null(file);
  for (int i = 0; i < 200; i++) {
    fputs("this is a letter to a friend\n", file);
  }
  assert_int_equal(fclose(file), 0);
  struct error error = {0};
  struct sql *sql;
  must_fail(sql_open(place->path, SQL_READ_WRITE, 20, &sql, &error), ERROR_DATABASE, &error,
            "not a database");
  assert_null(sql);
}

static void a_folder_is_no_database(void **state) {
  const struct place *place = *state;
  struct error error = {0};
  struct sql *sql;
  assert_int_equal(sql_open(place->folder, SQL_READ_WRITE, 20, &sql, &error), ERROR_DATABASE);
}

static void tables_are_found_by_name(void **state) {
  struct sql *sql = with_table(*state);
  struct error error = {0};
  bool has;
  must(sql_has_table(sql, "t", &has, &error), &error);
  assert_true(has);
  must(sql_has_table(sql, "nowhere", &has, &error), &error);
  assert_false(has);
  sql_close(sql);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_empty, place_clear)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_new_database_is_for_its_owner_alone),
      TEST(values_come_back_as_they_were_bound),
      TEST(null_reads_as_nothing_but_empty_bytes_are_not_null),
      TEST(a_text_is_prepared_once_and_comes_back_reset),
      TEST(a_parameter_that_does_not_exist_shows_in_the_step),
      TEST(a_syntax_error_names_the_database),
      TEST(a_violated_uniqueness_is_told_apart),
      TEST(foreign_keys_hold),
      TEST(a_rollback_undoes_and_a_commit_keeps),
      TEST(a_transaction_in_a_transaction_is_refused),
      TEST(what_another_connection_holds_is_locked),
      TEST(only_what_was_tried_does_not_wait_for_the_disk),
      TEST(a_database_opened_for_reading_is_not_written),
      TEST(what_does_not_exist_is_opened_by_no_mode_but_create),
      TEST(what_exists_is_not_made_anew),
      TEST(a_folder_that_is_missing_is_named),
      TEST(a_file_that_is_no_database_is_said_to_be_none),
      TEST(a_folder_is_no_database),
      TEST(tables_are_found_by_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
