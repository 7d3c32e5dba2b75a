#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "quic/cid_table.h"

/* The table never looks inside a connection. */
static struct quic_connection *connection(uintptr_t number) {
  return (struct quic_connection *)(number * 64);
}

static void a_connection_id_leads_to_its_connection(void **state UNUSED) {
  struct cid_table *table = cid_table_new();
  struct cid_entry *first = NULL, *second = NULL;
  assert_int_equal(cid_table_add(table, (const uint8_t *)"12345678", 8, connection(1), &first), 0);
  assert_int_equal(cid_table_add(table, (const uint8_t *)"12345679", 8, connection(2), &second), 0);
  assert_ptr_equal(cid_table_find(table, (const uint8_t *)"12345678", 8), connection(1));
  assert_ptr_equal(cid_table_find(table, (const uint8_t *)"12345679", 8), connection(2));
  assert_null(cid_table_find(table, (const uint8_t *)"1234567", 7));
  cid_table_remove_all(table, &first);
  assert_null(first);
  assert_null(cid_table_find(table, (const uint8_t *)"12345678", 8));
  assert_ptr_equal(cid_table_find(table, (const uint8_t *)"12345679", 8), connection(2));
  cid_table_remove_all(table, &second);
  cid_table_free(table);
}

static void an_id_that_is_taken_is_refused(void **state UNUSED) {
  struct cid_table *table = cid_table_new();
  struct cid_entry *list = NULL;
  assert_int_equal(cid_table_add(table, (const uint8_t *)"12345678", 8, connection(1), &list), 0);
  assert_int_equal(cid_table_add(table, (const uint8_t *)"12345678", 8, connection(2), &list),
                   ERROR_EXISTS);
  assert_int_equal(cid_table_add(table, (const uint8_t *)"", 0, connection(2), &list),
                   ERROR_INVALID);
  uint8_t longest[CID_KEY_MAX + 1] = {0};
  assert_int_equal(cid_table_add(table, longest, CID_KEY_MAX + 1, connection(2), &list),
                   ERROR_INVALID);
  cid_table_remove_all(table, &list);
  cid_table_free(table);
}

static void tokens_and_ids_are_kept_apart(void **state UNUSED) {
  struct cid_table *table = cid_table_new();
  struct cid_entry *list = NULL;
  uint8_t token[RESET_TOKEN_SIZE];
  memset(token, 7, sizeof(token));
  assert_int_equal(cid_table_add_token(table, token, connection(3), &list), 0);
  assert_null(cid_table_find(table, token, sizeof(token)));
  assert_ptr_equal(cid_table_find_token(table, token), connection(3));
  cid_table_remove(table, token, sizeof(token), &list);
  assert_ptr_equal(cid_table_find_token(table, token), connection(3));
  cid_table_remove_token(table, token, &list);
  assert_null(cid_table_find_token(table, token));
  assert_null(list);
  cid_table_free(table);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_connection_id_leads_to_its_connection),
      cmocka_unit_test(an_id_that_is_taken_is_refused),
      cmocka_unit_test(tokens_and_ids_are_kept_apart),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
