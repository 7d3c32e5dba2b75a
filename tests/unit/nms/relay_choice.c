#include "../store/fixture.h"

#include <stdio.h>

#include "nms/relay_choice.h"

/* A row's TRSs are called a, b and c. */
struct row {
  const char *what;
  uint32_t pairs[3];
  size_t relays;
  Cyphonic__RelayReport one[3], other[3]; /* end where the name is NULL */
  const char *failed[3];                  /* ends with NULL */
  const char *chosen;                     /* NULL: none */
};

#define REPORT(relay, microseconds)                                                                \
  { .name = (char[]){relay}, .round_trip = (microseconds) }

static void set_reports(struct relay_reports *reports, const Cyphonic__RelayReport row[3]) {
  Cyphonic__RelayReport copies[3], *messages[3];
  size_t count = 0;
  for (; count < 3 && row[count].name != NULL; count++) {
    copies[count] = row[count];
    messages[count] = &copies[count];
  }
  relay_reports_set(reports, messages, count);
}

static void choose(const struct row *row) {
  struct relay relays[3] = {0};
  for (size_t i = 0; i < row->relays; i++) {
    snprintf(relays[i].name, sizeof(relays[i].name), "%c", (char)('a' + i));
    relays[i].pairs = row->pairs[i];
    relays[i].next = i + 1 < row->relays ? &relays[i + 1] : NULL;
  }
  struct relay_reports one = {0}, other = {0};
  set_reports(&one, row->one);
  set_reports(&other, row->other);
  char failed[3][8], *names[3];
  size_t count = 0;
  for (; count < 3 && row->failed[count] != NULL; count++) {
    snprintf(failed[count], sizeof(failed[count]), "%s", row->failed[count]);
    names[count] = failed[count];
  }
  print_message("%s\n", row->what);
  const struct relay *relay =
      relay_choose(row->relays == 0 ? NULL : &relays[0], &one, &other, names, count);
  if (row->chosen == NULL) {
    assert_null(relay);
  } else {
    assert_non_null(relay);
    assert_string_equal(relay->name, row->chosen);
  }
  relay_reports_clear(&one);
  relay_reports_clear(&other);
}

static void the_relay_of_a_pair_follows_a_table(void **state UNUSED) {
  const struct row rows[] = {
      {.what = "there is none", .relays = 0, .chosen = NULL},
      {.what = "there is one", .relays = 1, .chosen = "a"},
      {.what = "the only one has failed", .relays = 1, .failed = {"a"}, .chosen = NULL},
      {.what = "another one has failed", .relays = 2, .failed = {"a"}, .chosen = "b"},
      {.what = "all have failed", .relays = 3, .failed = {"c", "a", "b"}, .chosen = NULL},
      {.what = "a stranger has failed", .relays = 1, .failed = {"x"}, .chosen = "a"},
      {.what = "the least sum of round trips",
       .relays = 3,
       .one = {REPORT("a", 10000), REPORT("b", 20000), REPORT("c", 50000)},
       .other = {REPORT("a", 60000), REPORT("b", 20000), REPORT("c", 1000)},
       .chosen = "b"},
      {.what = "round trips go before load",
       .relays = 2,
       .pairs = {1000, 0},
       .one = {REPORT("a", 1000), REPORT("b", 2000)},
       .other = {REPORT("a", 1000), REPORT("b", 2000)},
       .chosen = "a"},
      {.what = "the least load where the round trips are the same",
       .relays = 3,
       .pairs = {7, 3, 5},
       .one = {REPORT("a", 10), REPORT("b", 20), REPORT("c", 15)},
       .other = {REPORT("a", 20), REPORT("b", 10), REPORT("c", 15)},
       .chosen = "b"},
      {.what = "the least load where nothing is known",
       .relays = 3,
       .pairs = {7, 3, 2},
       .chosen = "c"},
      {.what = "the first where all is the same", .relays = 3, .chosen = "a"},
      {.what = "unknown counts as 100 ms: better than 201 ms",
       .relays = 2,
       .one = {REPORT("a", 100500)},
       .other = {REPORT("a", 100500)},
       .chosen = "b"},
      {.what = "unknown counts as 100 ms: worse than 199 ms",
       .relays = 2,
       .pairs = {9, 0},
       .one = {REPORT("a", 99500)},
       .other = {REPORT("a", 99500)},
       .chosen = "a"},
      {.what = "one side's word counts where the other has none",
       .relays = 2,
       .one = {REPORT("b", 20000)},
       .chosen = "b"},
      {.what = "what does not answer one of them is the last choice",
       .relays = 2,
       .pairs = {0, 50},
       .one = {REPORT("a", 1000), REPORT("b", 900000)},
       .other = {REPORT("a", 0), REPORT("b", 900000)},
       .chosen = "b"},
      {.what = "but it is a choice",
       .relays = 2,
       .one = {REPORT("a", 0)},
       .other = {REPORT("a", 0)},
       .failed = {"b"},
       .chosen = "a"},
      {.what = "a round trip beyond reason is none",
       .relays = 2,
       .one = {REPORT("a", UINT32_MAX), REPORT("b", 0)},
       .other = {REPORT("a", UINT32_MAX), REPORT("b", 1000)},
       .chosen = "b"},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    choose(&rows[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_relay_of_a_pair_follows_a_table),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
