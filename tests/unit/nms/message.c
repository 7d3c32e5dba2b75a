#include "../store/fixture.h"

#include <string.h>

#include "nms/message.h"

static int read_endpoint(const void *ip, size_t size, uint32_t port, struct address *address) {
  Cyphonic__Endpoint endpoint = CYPHONIC__ENDPOINT__INIT;
  endpoint.ip = nms_message_data(ip, size);
  endpoint.port = port;
  return nms_endpoint_read(&endpoint, address);
}

static void an_endpoint_survives_the_way_there_and_back(void **state UNUSED) {
  static const char *const texts[] = {"192.0.2.1:1", "[2001:db8::1]:65535"};
  for (size_t i = 0; i < 2; i++) {
    struct address address, read;
    assert_int_equal(address_parse(texts[i], 0, &address), 0);
    Cyphonic__Endpoint endpoint = nms_message_endpoint(&address);
    assert_int_equal(nms_endpoint_read(&endpoint, &read), 0);
    assert_true(address_equal(&address, &read));
  }
}

static void an_endpoint_that_cannot_be_is_refused(void **state UNUSED) {
  struct address address;
  const uint8_t ip4[] = {192, 0, 2, 1}, zero[16] = {0}, multicast[] = {224, 0, 0, 1};
  assert_int_equal(read_endpoint(ip4, 4, 0, &address), ERROR_INVALID);
  assert_int_equal(read_endpoint(ip4, 4, 65536, &address), ERROR_INVALID);
  assert_int_equal(read_endpoint(ip4, 3, 443, &address), ERROR_INVALID);
  assert_int_equal(read_endpoint(NULL, 0, 443, &address), ERROR_INVALID);
  assert_int_equal(read_endpoint(zero, 4, 443, &address), ERROR_INVALID);
  assert_int_equal(read_endpoint(zero, 16, 443, &address), ERROR_INVALID);
  assert_int_equal(read_endpoint(multicast, 4, 443, &address), ERROR_INVALID);
  assert_false(ip_address_is_set(&address.ip));
}

static void a_prefix_is_written_with_its_length(void **state UNUSED) {
  struct ip_prefix prefix;
  assert_int_equal(ip_prefix_parse("10.77.0.0/16", &prefix), 0);
  Cyphonic__Prefix message = nms_message_prefix(&prefix);
  assert_int_equal(message.length, 16);
  assert_int_equal(message.ip.len, 4);
  assert_memory_equal(message.ip.data, "\x0a\x4d\0\0", 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_endpoint_survives_the_way_there_and_back),
      cmocka_unit_test(an_endpoint_that_cannot_be_is_refused),
      cmocka_unit_test(a_prefix_is_written_with_its_length),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
