#include "fixture.h"

struct taken {
  size_t count;
  struct store_connection last;
  int refuses;
};

static int take(const struct store_connection *connection, void *context) {
  struct taken *taken = context;
  taken->count++;
  taken->last = *connection;
  return taken->refuses;
}

static struct store_connection connection(const char *text, uint8_t first) {
  struct store_connection made = {.id = {first, 2, 3, 4, 5, 6, 7, 8}, .id_size = 8};
  assert_int_equal(address_parse(text, 443, &made.remote), 0);
  return made;
}

static void each_devices_last_connection_is_handed_out_once(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device device = added_device(place->store, "a");
  struct store_connection first = connection("192.0.2.1:4000", 1),
                          second = connection("[2001:db8::1]:443", 9);
  must(store_connection_put(place->store, device.id, &first, &error), &error);
  must(store_connection_put(place->store, device.id, &second, &error), &error);
  struct taken taken = {0};
  must(store_connections_take(place->store, take, &taken, &error), &error);
  assert_int_equal(taken.count, 1);
  assert_true(address_equal(&taken.last.remote, &second.remote));
  assert_int_equal(taken.last.id_size, 8);
  assert_memory_equal(taken.last.id, second.id, 8);
  must(store_connections_take(place->store, take, &taken, &error), &error);
  assert_int_equal(taken.count, 1);
}

static void what_cannot_be_taken_is_kept(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device one = added_device(place->store, "a"),
                      other = added_device(place->store, "b");
  struct store_connection made = connection("192.0.2.1:4000", 1);
  must(store_connection_put(place->store, one.id, &made, &error), &error);
  must(store_connection_put(place->store, other.id, &made, &error), &error);
  struct taken taken = {.refuses = ERROR_NO_MEMORY};
  assert_int_equal(store_connections_take(place->store, take, &taken, &error), ERROR_NO_MEMORY);
  assert_int_equal(taken.count, 1);
  taken = (struct taken){0};
  must(store_connections_take(place->store, take, &taken, &error), &error);
  assert_int_equal(taken.count, 2);
}

static void a_connection_that_ended_is_removed(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_device device = added_device(place->store, "a");
  struct store_connection made = connection("192.0.2.1:4000", 1);
  must(store_connection_put(place->store, device.id, &made, &error), &error);
  must(store_connection_remove(place->store, device.id, &error), &error);
  must(store_connection_remove(place->store, device.id, &error), &error);
  struct taken taken = {0};
  must(store_connections_take(place->store, take, &taken, &error), &error);
  assert_int_equal(taken.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_with_store, place_clear)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(each_devices_last_connection_is_handed_out_once),
      TEST(what_cannot_be_taken_is_kept),
      TEST(a_connection_that_ended_is_removed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
