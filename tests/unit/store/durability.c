/* What the store has acknowledged survives a death at any moment. */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ACKNOWLEDGED_MAX = 400 };

/* Adds devices for ever, and tells each id once the store has said that it is kept. Leaves only by
 * being killed or by a failure. */
static void add_for_ever(const char *path, int descriptor, bool in_transactions) {
  struct error error = {0};
  struct store *store;
  if (store_open(path, false, &store, &error) != 0) {
    _exit(1);
  }
  for (unsigned i = 0;; i++) {
    char name[STORE_NAME_SIZE];
    snprintf(name, sizeof(name), "device-%u", i);
    struct store_device device = some_device(name);
    struct ip_address address = {.family = 4, .bytes = {10, 77, (uint8_t)(i >> 8), (uint8_t)i}};
    bool done = in_transactions ? store_begin(store, &error) == 0 : true;
    done = done && store_device_add(store, &device, &error) == 0 &&
           store_address_add(store, device.id, &address, 1, &error) == 0;
    done = done && (!in_transactions || store_commit(store, &error) == 0);
    if (!done || write(descriptor, &device.id, sizeof(device.id)) != sizeof(device.id)) {
      _exit(1);
    }
  }
}

struct expected {
  int64_t ids[ACKNOWLEDGED_MAX];
  size_t count, found, whole;
  size_t devices;
};

static int look_for(const struct store_device *device, void *context) {
  struct expected *expected = context;
  expected->devices++;
  expected->whole += ip_address_is_set(&device->ipv4);
  for (size_t i = 0; i < expected->count; i++) {
    expected->found += expected->ids[i] == device->id;
  }
  return 0;
}

static void kill_after(struct place *place, size_t acknowledgements, bool in_transactions) {
  struct expected *expected = calloc(1, sizeof(*expected));
  assert_non_null(expected);
  struct error error = {0};
  /* A connection must not cross a fork. */
  store_close(place->store);
  place->store = NULL;
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    close(ends[0]);
    add_for_ever(place->path, ends[1], in_transactions);
  }
  close(ends[1]);
  int64_t id;
  while (expected->count < acknowledgements &&
         read(ends[0], &id, sizeof(id)) == (ssize_t)sizeof(id)) {
    expected->ids[expected->count++] = id;
  }
  assert_int_equal(expected->count, acknowledgements);
  assert_int_equal(kill(child, SIGKILL), 0);
  /* What it acknowledged between our last reading and its death counts too. */
  while (expected->count < ACKNOWLEDGED_MAX &&
         read(ends[0], &id, sizeof(id)) == (ssize_t)sizeof(id)) {
    expected->ids[expected->count++] = id;
  }
  close(ends[0]);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status));
  must(store_open(place->path, false, &place->store, &error), &error);
  must(store_device_each(place->store, look_for, expected, &error), &error);
  assert_int_equal(expected->found, expected->count);
  if (in_transactions) {
    assert_int_equal(expected->whole, expected->devices); /* no half of a transaction */
  }
  added_device(place->store, "after"); /* no lock outlives the dead */
  free(expected);
}

static void every_acknowledged_device_survives_a_kill(void **state) {
  kill_after(*state, 60, false);
}

static void a_transaction_survives_a_kill_whole_or_not_at_all(void **state) {
  kill_after(*state, 37, true);
}

static void a_kill_at_once_leaves_a_database_that_opens(void **state) {
  kill_after(*state, 1, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_with_store, place_clear)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(every_acknowledged_device_survives_a_kill),
      TEST(a_transaction_survives_a_kill_whole_or_not_at_all),
      TEST(a_kill_at_once_leaves_a_database_that_opens),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
