/* What people read of a netcheck. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/render_netcheck.h"

static void expect(const char *json, bool works, const char *expected) {
  json_t *data = json_loads(json, 0, NULL);
  assert_non_null(data);
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  render_netcheck(stream, data);
  fclose(stream);
  assert_string_equal(text, expected);
  assert_int_equal(netcheck_works(data), works);
  free(text);
  json_decref(data);
}

static void a_nat_is_told_with_what_it_means(void **state) {
  (void)state;
  expect("{\"port\":443,\"ipv4\":{\"works\":true,\"observed\":\"192.0.2.2:443\","
         "\"behind_nat\":true,\"mapping\":\"endpoint-independent\"},"
         "\"ipv6\":{\"works\":false},\"services\":["
         "{\"service\":\"AS\",\"where\":\"198.51.100.10:443\",\"address\":\"198.51.100.10:443\","
         "\"family\":4,\"reachable\":true,\"rtt_ms\":0.5},"
         "{\"service\":\"NMS\",\"where\":\"nms.example:443\",\"address\":\"198.51.100.10:443\","
         "\"family\":4,\"reachable\":true},"
         "{\"service\":\"NMS\",\"where\":\"[2001:db8::1]:443\",\"family\":6,"
         "\"reachable\":false,\"message\":\"no route\"}]}",
         true,
         "UDP port     443\n"
         "IPv4         works; seen from outside as 192.0.2.2:443, behind a NAT\n"
         "             It shows the same port to everyone, so most other nodes can be reached "
         "directly.\n"
         "IPv6         does not work: no route\n"
         "\n"
         "SERVICE  ADDRESS                              OVER  ANSWERS\n"
         "AS       198.51.100.10:443                    IPv4  in 0.50 ms\n"
         "NMS      nms.example:443 (198.51.100.10:443)  IPv4  yes\n"
         "NMS      [2001:db8::1]:443                    IPv6  no: no route\n");
}

static void a_symmetric_nat_and_none_are_told(void **state) {
  (void)state;
  expect("{\"ipv4\":{\"works\":true,\"observed\":\"192.0.2.2:9\",\"behind_nat\":true,"
         "\"mapping\":\"endpoint-dependent\"},\"ipv6\":{\"works\":true,"
         "\"observed\":\"[2001:db8::2]:443\",\"behind_nat\":false,\"mapping\":\"unknown\"}}",
         true,
         "IPv4         works; seen from outside as 192.0.2.2:9, behind a NAT\n"
         "             It shows another port to everyone (symmetric NAT), so many nodes behind "
         "other NATs are reached through a relay.\n"
         "IPv6         works; seen from outside as [2001:db8::2]:443, no NAT\n");
}

static void no_answer_at_all_is_explained(void **state) {
  (void)state;
  const char *text = "IPv4         does not work: no server has an address of this kind\n"
                     "IPv6         does not work: no server has an address of this kind\n"
                     "\nNo server answers. This network may be down, or its firewall lets no UDP "
                     "packets out to the servers' port (443 if nothing else was chosen).\n";
  expect("{}", false, text);
  expect("{\"ipv4\":7,\"services\":\"x\"}", false, text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_nat_is_told_with_what_it_means),
      cmocka_unit_test(a_symmetric_nat_and_none_are_told),
      cmocka_unit_test(no_answer_at_all_is_explained),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
