/* A folder of its own for each test, with a network's database in it. */
#ifndef CYPHONIC_TEST_STORE_FIXTURE_H
#define CYPHONIC_TEST_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/sql.h"
#include "store/store.h"

struct place {
  char folder[64];
  char path[128]; /* of the database */
  struct store *store;
};

/* cmocka's set-up and tear-down: an empty folder; the same with a new database open. */
int place_empty(void **state);
int place_with_store(void **state);
int place_clear(void **state);

/* Fails the test with the error's message unless code is 0. */
void must(int code, const struct error *error);
/* Fails unless the code is as expected and the message contains `words`. */
void must_fail(int code, enum error_code expected, const struct error *error, const char *words);

struct store_network some_network(void);
/* A device whose name, key and so on derive from `name`; added by the second. */
struct store_device some_device(const char *name);
struct store_device added_device(struct store *store, const char *name);
struct ip_address ip(const char *text);

/* Runs SQL beside the store, as another program would. */
void meddle(const struct place *place, const char *text);

#endif
