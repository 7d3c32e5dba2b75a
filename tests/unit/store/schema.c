#include "fixture.h"

#include "store/internal.h"

static int64_t version_of(const struct place *place) {
  struct error error = {0};
  struct sql *sql;
  must(sql_open(place->path, SQL_READ_ONLY, 1000, &sql, &error), &error);
  struct sql_statement *statement;
  must(sql_prepare(sql, "SELECT version FROM schema_version", &statement, &error), &error);
  assert_int_equal(sql_step(statement, &error), 1);
  int64_t version = sql_integer(statement, 0);
  assert_int_equal(sql_step(statement, &error), 0);
  sql_close(sql);
  return version;
}

static void a_new_database_has_the_newest_schema(void **state) {
  assert_int_equal(version_of(*state), STORE_SCHEMA_VERSION);
}

static void opening_again_changes_nothing(void **state) {
  struct place *place = *state;
  struct error error = {0};
  store_close(place->store);
  must(store_open(place->path, false, &place->store, &error), &error);
  assert_int_equal(version_of(place), STORE_SCHEMA_VERSION);
}

static void a_newer_schema_is_refused_with_both_versions(void **state) {
  const struct place *place = *state;
  meddle(place, "UPDATE schema_version SET version = 4711");
  struct error error = {0};
  struct store *store;
  must_fail(store_open(place->path, false, &store, &error), ERROR_DATABASE, &error,
            "schema version 4711, this program knows up to 2");
  assert_null(store);
  must_fail(store_open(place->path, true, &store, &error), ERROR_DATABASE, &error, "4711");
  assert_int_equal(version_of(place), 4711);
}

static void an_older_schema_is_brought_up_to_date(void **state) {
  const struct place *place = *state;
  struct error error = {0};
  struct sql *sql;
  must(sql_open(place->path, SQL_CREATE, 1000, &sql, &error), &error);
  must(sql_execute(sql,
                   "CREATE TABLE schema_version (version BIGINT NOT NULL);"
                   "INSERT INTO schema_version VALUES (0)",
                   &error),
       &error);
  must(schema_migrate(sql, false, &error), &error);
  sql_close(sql);
  assert_int_equal(version_of(place), STORE_SCHEMA_VERSION);
}

static void an_older_schema_is_not_read_without_the_right_to_write(void **state) {
  const struct place *place = *state;
  meddle(place, "UPDATE schema_version SET version = 0");
  struct error error = {0};
  struct store *store;
  must_fail(store_open(place->path, true, &store, &error), ERROR_DATABASE, &error,
            "older schema version 0");
}

static void a_migration_that_fails_leaves_the_old_version(void **state) {
  const struct place *place = *state;
  /* Its tables are there: making them again fails half-way through. */
  meddle(place, "UPDATE schema_version SET version = 0; DROP TABLE network");
  struct error error = {0};
  struct store *store;
  must_fail(store_open(place->path, false, &store, &error), ERROR_DATABASE, &error, "devices");
  assert_int_equal(version_of(place), 0);
  struct sql *sql;
  bool has;
  must(sql_open(place->path, SQL_READ_ONLY, 1000, &sql, &error), &error);
  must(sql_has_table(sql, "network", &has, &error), &error);
  sql_close(sql);
  assert_false(has);
}

static void an_impossible_version_is_refused(void **state) {
  const struct place *place = *state;
  meddle(place, "UPDATE schema_version SET version = -3");
  struct error error = {0};
  struct store *store;
  must_fail(store_open(place->path, false, &store, &error), ERROR_DATABASE, &error, "impossible");
}

static void a_database_of_something_else_is_left_alone(void **state) {
  const struct place *place = *state;
  struct error error = {0};
  struct sql *sql;
  must(sql_open(place->path, SQL_CREATE, 1000, &sql, &error), &error);
  must(sql_execute(sql, "CREATE TABLE recipes (name TEXT)", &error), &error);
  sql_close(sql);
  struct store *store;
  must_fail(store_open(place->path, false, &store, &error), ERROR_DATABASE, &error,
            "no database of a CYPHONIC network");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_new_database_has_the_newest_schema, place_with_store,
                                      place_clear),
      cmocka_unit_test_setup_teardown(opening_again_changes_nothing, place_with_store, place_clear),
      cmocka_unit_test_setup_teardown(a_newer_schema_is_refused_with_both_versions,
                                      place_with_store, place_clear),
      cmocka_unit_test_setup_teardown(an_older_schema_is_brought_up_to_date, place_empty,
                                      place_clear),
      cmocka_unit_test_setup_teardown(an_older_schema_is_not_read_without_the_right_to_write,
                                      place_with_store, place_clear),
      cmocka_unit_test_setup_teardown(a_migration_that_fails_leaves_the_old_version,
                                      place_with_store, place_clear),
      cmocka_unit_test_setup_teardown(an_impossible_version_is_refused, place_with_store,
                                      place_clear),
      cmocka_unit_test_setup_teardown(a_database_of_something_else_is_left_alone, place_empty,
                                      place_clear),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
