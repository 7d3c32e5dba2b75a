#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/packet_verdict.h"

static struct ip_address ip(const char *text) {
  struct ip_address address;
  assert_int_equal(ip_address_parse(text, &address), 0);
  return address;
}

static struct packet_scope scope(void) {
  struct packet_scope scope = {.ipv4 = ip("10.9.0.5"), .ipv6 = ip("fd12::5")};
  assert_int_equal(ip_prefix_parse("10.9.0.0/16", &scope.ipv4_prefix), 0);
  assert_int_equal(ip_prefix_parse("fd12::/64", &scope.ipv6_prefix), 0);
  return scope;
}

static void each_packet_gets_what_it_deserves(void **state) {
  (void)state;
  const struct {
    const char *source, *destination;
    enum packet_verdict verdict;
  } cases[] = {
      {"10.9.0.5", "10.9.0.6", PACKET_FORWARD},
      {"10.9.0.5", "10.9.255.254", PACKET_FORWARD},
      {"fd12::5", "fd12::6", PACKET_FORWARD},
      {"fd12::5", "fd12::ffff:ffff:ffff:ffff", PACKET_FORWARD}, /* IPv6 has no broadcast */
      {"10.9.0.7", "10.9.0.6", PACKET_DROP},                    /* not our source */
      {"192.0.2.1", "10.9.0.6", PACKET_DROP},
      {"fe80::1", "fd12::6", PACKET_DROP},
      {"10.9.0.5", "10.9.0.5", PACKET_DROP}, /* ourselves */
      {"10.9.0.5", "10.9.255.255", PACKET_DROP},
      {"10.9.0.5", "10.9.0.0", PACKET_DROP},
      {"fd12::5", "fd12::", PACKET_DROP},
      {"10.9.0.5", "224.0.0.251", PACKET_DROP},
      {"fd12::5", "ff02::2", PACKET_DROP},
      {"10.9.0.5", "10.10.0.1", PACKET_REJECT},
      {"10.9.0.5", "8.8.8.8", PACKET_REJECT},
      {"fd12::5", "2001:db8::1", PACKET_REJECT},
  };
  struct packet_scope here = scope();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct ip_packet packet = {.source = ip(cases[i].source),
                               .destination = ip(cases[i].destination)};
    if (packet_verdict(&here, &packet) != cases[i].verdict)
      fail_msg("%s to %s: %d", cases[i].source, cases[i].destination,
               packet_verdict(&here, &packet));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_packet_gets_what_it_deserves),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
