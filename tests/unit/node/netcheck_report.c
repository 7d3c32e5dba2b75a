/* What a netcheck makes of the answers it got. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "node/netcheck_report.h"

static struct address place(const char *ip, uint16_t port) {
  struct address address = {.port = port};
  assert_int_equal(ip_address_parse(ip, &address.ip), 0);
  return address;
}

static struct netcheck_result answer(const char *server, const char *local, const char *observed,
                                     uint16_t observed_port) {
  struct netcheck_result result = {
      .service = "NMS",
      .where = {.host = "nms.example", .port = 443},
      .reachable = true,
      .remote = place(server, 443),
      .local = place(local, 443),
      .observed = place(observed, observed_port),
      .round_trip = 1500000,
  };
  result.family = result.remote.ip.family;
  return result;
}

static void one_port_towards_two_servers_is_endpoint_independent(void **state) {
  (void)state;
  struct netcheck_result results[] = {
      answer("198.51.100.1", "192.168.1.2", "192.0.2.1", 443),
      answer("198.51.100.2", "192.168.1.2", "192.0.2.1", 443),
  };
  assert_int_equal(netcheck_mapping(results, 2, 4), NETCHECK_MAPPING_ENDPOINT_INDEPENDENT);
  assert_int_equal(netcheck_mapping(results, 2, 6), NETCHECK_MAPPING_UNKNOWN);
}

static void another_port_towards_another_server_is_endpoint_dependent(void **state) {
  (void)state;
  struct netcheck_result results[] = {
      answer("198.51.100.1", "192.168.1.2", "192.0.2.1", 1000),
      answer("198.51.100.1", "192.168.1.2", "192.0.2.1", 1000),
      answer("198.51.100.2", "192.168.1.2", "192.0.2.1", 1001),
  };
  assert_int_equal(netcheck_mapping(results, 3, 4), NETCHECK_MAPPING_ENDPOINT_DEPENDENT);
}

static void one_server_address_tells_nothing_of_the_mapping(void **state) {
  (void)state;
  struct netcheck_result results[] = {
      answer("198.51.100.1", "192.168.1.2", "192.0.2.1", 1000),
      answer("198.51.100.1", "192.168.1.2", "192.0.2.1", 1000),
      {.service = "AS", .family = 4, .reachable = true, .remote = place("198.51.100.9", 443)},
      {.service = "NMS", .family = 4, .remote = place("198.51.100.8", 443)},
  };
  assert_int_equal(netcheck_mapping(results, 4, 4), NETCHECK_MAPPING_UNKNOWN);
  assert_int_equal(netcheck_mapping(results, 0, 4), NETCHECK_MAPPING_UNKNOWN);
}

static const char *text_of(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text != NULL ? text : "null";
}

static void the_report_tells_of_each_ip_version_and_service(void **state) {
  (void)state;
  struct netcheck_result results[] = {
      answer("198.51.100.1", "192.168.1.2", "192.0.2.1", 443),
      {.service = "NMS",
       .where = {.host = "2001:db8::1", .port = 443},
       .family = 6,
       .message = "no route"},
  };
  json_t *report = netcheck_report(results, 2, 443);
  assert_non_null(report);
  assert_int_equal(json_integer_value(json_object_get(report, "port")), 443);
  const json_t *ipv4 = json_object_get(report, "ipv4"), *ipv6 = json_object_get(report, "ipv6");
  assert_true(json_is_true(json_object_get(ipv4, "works")));
  assert_true(json_is_true(json_object_get(ipv4, "behind_nat")));
  assert_string_equal(text_of(ipv4, "observed"), "192.0.2.1:443");
  assert_string_equal(text_of(ipv4, "mapping"), "unknown");
  assert_true(json_is_false(json_object_get(ipv6, "works")));
  assert_true(json_is_null(json_object_get(ipv6, "behind_nat")));
  const json_t *services = json_object_get(report, "services");
  assert_int_equal(json_array_size(services), 2);
  const json_t *first = json_array_get(services, 0), *second = json_array_get(services, 1);
  assert_string_equal(text_of(first, "where"), "nms.example:443");
  assert_string_equal(text_of(first, "address"), "198.51.100.1:443");
  assert_true(json_real_value(json_object_get(first, "rtt_ms")) > 1.49);
  assert_true(json_is_false(json_object_get(second, "reachable")));
  assert_string_equal(text_of(second, "where"), "[2001:db8::1]:443");
  assert_string_equal(text_of(second, "message"), "no route");
  json_decref(report);
}

static void without_a_nat_the_address_seen_is_our_own(void **state) {
  (void)state;
  struct netcheck_result results[] = {answer("198.51.100.1", "192.0.2.1", "192.0.2.1", 443)};
  json_t *report = netcheck_report(results, 1, 443);
  assert_true(json_is_false(json_object_get(json_object_get(report, "ipv4"), "behind_nat")));
  json_decref(report);
}

static void nothing_tried_gives_a_report_that_says_so(void **state) {
  (void)state;
  json_t *report = netcheck_report(NULL, 0, 0);
  assert_non_null(report);
  assert_true(json_is_false(json_object_get(json_object_get(report, "ipv4"), "works")));
  assert_int_equal(json_array_size(json_object_get(report, "services")), 0);
  json_decref(report);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_port_towards_two_servers_is_endpoint_independent),
      cmocka_unit_test(another_port_towards_another_server_is_endpoint_dependent),
      cmocka_unit_test(one_server_address_tells_nothing_of_the_mapping),
      cmocka_unit_test(the_report_tells_of_each_ip_version_and_service),
      cmocka_unit_test(without_a_nat_the_address_seen_is_our_own),
      cmocka_unit_test(nothing_tried_gives_a_report_that_says_so),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
