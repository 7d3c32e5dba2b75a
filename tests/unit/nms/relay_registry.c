#include "../store/fixture.h"

#include <stdio.h>
#include <string.h>

#include "nms/relay_registry.h"

/* The registry only compares these. */
static char controls[4];

static struct control *control(size_t number) {
  return (struct control *)(void *)&controls[number];
}

static int open_registry(void **state) {
  *state = relay_registry_new();
  return *state == NULL;
}

static int close_registry(void **state) {
  relay_registry_free(*state);
  return 0;
}

/* `count` addresses, all with this host and port. */
static int put_at(struct relay_registry *registry, const char *name, size_t connection,
                  uint32_t pairs, const char *host, uint32_t port, size_t count,
                  struct control **replaced, struct error *error) {
  Cyphonic__ServiceAddress address[RELAY_ADDRESSES_MAX + 4], *addresses[RELAY_ADDRESSES_MAX + 4];
  char text[300];
  snprintf(text, sizeof(text), "%s", host);
  for (size_t i = 0; i < count; i++) {
    address[i] = (Cyphonic__ServiceAddress)CYPHONIC__SERVICE_ADDRESS__INIT;
    address[i].host = text;
    address[i].port = port;
    addresses[i] = &address[i];
  }
  Cyphonic__RelayRegistrationRequest message = CYPHONIC__RELAY_REGISTRATION_REQUEST__INIT;
  message.n_addresses = count;
  message.addresses = addresses;
  message.pairs = pairs;
  return relay_registry_put(registry, name, control(connection), &message, replaced, error);
}

static void put(struct relay_registry *registry, const char *name, size_t connection,
                uint32_t pairs) {
  struct control *replaced;
  struct error error = {0};
  must(put_at(registry, name, connection, pairs, "192.0.2.1", 443, 1, &replaced, &error), &error);
  assert_null(replaced);
}

/* The names in the registry's order, one letter each. */
static void expect(const struct relay_registry *registry, const char *names) {
  const struct relay *relay = relay_registry_first(registry);
  for (; *names != '\0'; names++, relay = relay->next) {
    assert_non_null(relay);
    assert_int_equal(relay->name[0], *names);
  }
  assert_null(relay);
}

static void what_registers_is_there_with_all_it_said(void **state) {
  struct control *replaced;
  struct error error = {0};
  must(put_at(*state, "trs.test.internal", 0, 5, "relay.example.net", 8443, 2, &replaced, &error),
       &error);
  const struct relay *relay = relay_registry_first(*state);
  assert_non_null(relay);
  assert_string_equal(relay->name, "trs.test.internal");
  assert_int_equal(relay->pairs, 5);
  assert_int_equal(relay->address_count, 2);
  assert_string_equal(relay->address[1].host, "relay.example.net");
  assert_int_equal(relay->address[1].port, 8443);
  assert_int_equal(relay_registry_count(*state), 1);
}

static void they_are_in_the_order_of_their_load(void **state) {
  expect(*state, "");
  put(*state, "a", 0, 7);
  put(*state, "b", 1, 3);
  put(*state, "c", 2, 3);
  expect(*state, "bca");
  put(*state, "c", 2, 9);
  expect(*state, "bac");
  assert_int_equal(relay_registry_count(*state), 3);
}

static void a_lost_connection_takes_its_trs_along(void **state) {
  put(*state, "a", 0, 0);
  put(*state, "b", 1, 0);
  relay_registry_remove(*state, control(0));
  expect(*state, "b");
  relay_registry_remove(*state, control(0));
  assert_int_equal(relay_registry_count(*state), 1);
}

static void a_newer_connection_takes_the_place_of_an_older_one(void **state) {
  put(*state, "a", 0, 0);
  struct control *replaced;
  struct error error = {0};
  must(put_at(*state, "a", 1, 4, "192.0.2.2", 443, 1, &replaced, &error), &error);
  assert_ptr_equal(replaced, control(0));
  relay_registry_remove(*state, control(0)); /* the old one's end changes nothing */
  expect(*state, "a");
  assert_string_equal(relay_registry_first(*state)->address[0].host, "192.0.2.2");
}

static void addresses_that_cannot_be_are_refused_and_change_nothing(void **state) {
  put(*state, "a", 0, 7);
  char long_host[PKI_NAME_SIZE + 1];
  memset(long_host, 'x', sizeof(long_host) - 1);
  long_host[sizeof(long_host) - 1] = '\0';
  const struct {
    const char *host;
    uint32_t port;
    size_t count;
  } rows[] = {
      {"192.0.2.9", 443, 0}, {"", 443, 1},           {"192.0.2.9", 0, 1}, {"192.0.2.9", 65536, 1},
      {"a b", 443, 1},       {"evil\nline", 443, 1}, {"quote\"", 443, 1}, {long_host, 443, 1},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    struct control *replaced;
    struct error error = {0};
    must_fail(
        put_at(*state, "a", 1, 0, rows[i].host, rows[i].port, rows[i].count, &replaced, &error),
        ERROR_INVALID, &error, "address");
    assert_null(replaced);
  }
  assert_int_equal(relay_registry_first(*state)->pairs, 7);
  assert_string_equal(relay_registry_first(*state)->address[0].host, "192.0.2.1");
  assert_ptr_equal(relay_registry_first(*state)->control, control(0));
}

static void the_longest_host_and_the_last_port_are_fine(void **state) {
  char host[PKI_NAME_SIZE];
  memset(host, 'x', sizeof(host) - 1);
  host[sizeof(host) - 1] = '\0';
  struct control *replaced;
  struct error error = {0};
  must(put_at(*state, "a", 0, 0, host, 65535, 1, &replaced, &error), &error);
  must(put_at(*state, "b", 1, 0, "2001:db8::1", 1, 1, &replaced, &error), &error);
}

static void addresses_beyond_the_bound_are_ignored(void **state) {
  struct control *replaced;
  struct error error = {0};
  must(put_at(*state, "a", 0, 0, "192.0.2.1", 443, RELAY_ADDRESSES_MAX + 4, &replaced, &error),
       &error);
  assert_int_equal(relay_registry_first(*state)->address_count, RELAY_ADDRESSES_MAX);
}

static void one_more_than_can_be_is_refused_and_a_known_one_is_not(void **state) {
  char name[16];
  for (unsigned i = 0; i < RELAYS_MAX; i++) {
    snprintf(name, sizeof(name), "trs-%u", i);
    put(*state, name, 0, i);
  }
  struct control *replaced;
  struct error error = {0};
  must_fail(put_at(*state, "more", 1, 0, "192.0.2.1", 443, 1, &replaced, &error), ERROR_LIMIT,
            &error, "64 TRSs");
  put(*state, "trs-0", 0, 1000);
  assert_int_equal(relay_registry_count(*state), RELAYS_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_registry, close_registry)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(what_registers_is_there_with_all_it_said),
      TEST(they_are_in_the_order_of_their_load),
      TEST(a_lost_connection_takes_its_trs_along),
      TEST(a_newer_connection_takes_the_place_of_an_older_one),
      TEST(addresses_that_cannot_be_are_refused_and_change_nothing),
      TEST(the_longest_host_and_the_last_port_are_fine),
      TEST(addresses_beyond_the_bound_are_ignored),
      TEST(one_more_than_can_be_is_refused_and_a_known_one_is_not),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
