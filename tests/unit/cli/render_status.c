#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/render.h"

static void expect(const char *json, const char *expected) {
  json_t *data = json_loads(json, 0, NULL);
  assert_non_null(data);
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  render_status(stream, data);
  fclose(stream);
  json_decref(data);
  assert_string_equal(text, expected);
  free(text);
}

static void a_node_that_has_not_joined_is_told_how_to(void **state) {
  (void)state;
  expect("{\"state\":\"not-joined\"}",
         "This node has not joined a network. Get an invitation from its operator "
         "('cyphonic-server token create'), then: cyphonic join INVITATION\n");
}

static void a_node_that_is_down_is_told_how_to_come_up(void **state) {
  (void)state;
  expect("{\"state\":\"down\",\"fqdn\":\"a.x\",\"ipv4\":\"10.20.0.2\"}",
         "Node         a.x\n"
         "State        down\n"
         "IPv4         10.20.0.2\n"
         "\n"
         "The node is down. Bring it up with: cyphonic up\n");
}

static void a_node_without_peers_is_told_what_to_try(void **state) {
  (void)state;
  expect("{\"state\":\"up\",\"fqdn\":\"a.x\",\"peers\":[]}",
         "Node         a.x\n"
         "State        up\n"
         "\n"
         "No tunnels yet. Try: cyphonic ping OTHER\n");
}

static void all_that_is_known_is_shown_in_columns(void **state) {
  (void)state;
  expect(
      "{\"state\":\"up\",\"fqdn\":\"laptop.x.internal\",\"domain\":\"x.internal\","
      "\"ipv4\":\"10.20.0.2\",\"ipv6\":\"fd12::2\",\"interface\":\"cyphonic0\",\"port\":443,"
      "\"as\":{\"state\":\"connected\",\"address\":\"192.0.2.1:443\"},"
      "\"nms\":{\"state\":\"retrying\",\"address\":\"192.0.2.1:443\",\"behind_nat\":true,"
      "\"observed\":[\"203.0.113.5:4433\",\"[2001:db8::5]:443\"],\"message\":\"no answer\"},"
      "\"certificate\":{\"not_after\":\"2027-02-22T15:04:05Z\"},"
      "\"warnings\":[\"the network 10.20.0.0/16 of eth0 overlaps\"],"
      "\"peers\":[{\"fqdn\":\"server.x.internal\",\"ipv4\":\"10.20.0.3\",\"state\":\"up\","
      "\"path\":\"direct\",\"remote\":\"198.51.100.7:443\",\"rtt_ms\":12.345,"
      "\"sent_bytes\":2048,\"received_bytes\":1048576},"
      "{\"fqdn\":\"b.x.internal\",\"ipv4\":\"10.20.0.4\",\"state\":\"failed\","
      "\"message\":\"the two nodes need a relay\"}]}",
      "Node         laptop.x.internal\n"
      "State        up\n"
      "IPv4         10.20.0.2\n"
      "IPv6         fd12::2\n"
      "Interface    cyphonic0\n"
      "UDP port     443\n"
      "AS           connected (192.0.2.1:443)\n"
      "NMS          retrying (192.0.2.1:443): no answer\n"
      "NAT          behind a NAT; seen as 203.0.113.5:4433, [2001:db8::5]:443\n"
      "Certificate  until 2027-02-22T15:04:05Z\n"
      "Warning      the network 10.20.0.0/16 of eth0 overlaps\n"
      "\n"
      "PEER               ADDRESS    STATE   PATH                     RTT       SENT / RECEIVED\n"
      "server.x.internal  10.20.0.3  up      direct 198.51.100.7:443  12.35 ms  2.0 KiB / 1.0 MiB\n"
      "b.x.internal       10.20.0.4  failed  -                        -         -\n"
      "  the two nodes need a relay\n");
}

static void a_relayed_peer_is_shown_with_the_reason(void **state) {
  (void)state;
  expect("{\"state\":\"up\",\"fqdn\":\"a.x\",\"peers\":[{\"fqdn\":\"b.x\",\"ipv4\":\"10.20.0.3\","
         "\"state\":\"up\",\"path\":\"relay\",\"relay\":\"trs.x\",\"remote\":\"192.0.2.1:443\","
         "\"rtt_ms\":30,\"reason\":\"no direct address of the peer answered\","
         "\"last_change\":\"2026-11-24T17:00:00Z\"}]}",
         "Node         a.x\n"
         "State        up\n"
         "\n"
         "PEER  ADDRESS    STATE  PATH         RTT       SENT / RECEIVED\n"
         "b.x   10.20.0.3  up     relay trs.x  30.00 ms  -\n"
         "  not direct since 2026-11-24T17:00:00Z: no direct address of the peer answered\n");
}

static void a_peer_that_moved_is_shown_with_the_last_move(void **state) {
  (void)state;
  expect("{\"state\":\"up\",\"fqdn\":\"a.x\",\"peers\":[{\"fqdn\":\"b.x\",\"ipv4\":\"10.20.0.3\","
         "\"state\":\"up\",\"path\":\"direct\",\"remote\":\"192.0.2.1:443\",\"rtt_ms\":30,"
         "\"moves\":{\"count\":2,\"last\":{\"kind\":\"peer-address\","
         "\"time\":\"2026-11-24T17:00:00Z\",\"from\":\"192.0.2.9:443\","
         "\"to\":\"192.0.2.1:443\",\"pause_ms\":12.6}}},"
         "{\"fqdn\":\"c.x\",\"state\":\"up\",\"moves\":{\"count\":1,"
         "\"last\":{\"kind\":\"own-address\",\"time\":\"2026-11-24T17:00:01Z\","
         "\"from\":null,\"to\":\"192.0.2.7\",\"pause_ms\":null}}},"
         "{\"fqdn\":\"d.x\",\"state\":\"up\",\"moves\":{\"count\":0,\"last\":null}}]}",
         "Node         a.x\n"
         "State        up\n"
         "\n"
         "PEER  ADDRESS    STATE  PATH                  RTT       SENT / RECEIVED\n"
         "b.x   10.20.0.3  up     direct 192.0.2.1:443  30.00 ms  -\n"
         "  moved 2 times, last at 2026-11-24T17:00:00Z: the peer's address 192.0.2.9:443 -> "
         "192.0.2.1:443, 13 ms without an answer\n"
         "c.x   -          up     -                     -         -\n"
         "  moved 1 time, last at 2026-11-24T17:00:01Z: this node's address none -> 192.0.2.7\n"
         "d.x   -          up     -                     -         -\n");
}

static void members_of_other_types_are_left_out(void **state) {
  (void)state;
  expect("{\"state\":\"connecting\",\"fqdn\":5,\"port\":\"x\",\"as\":\"y\",\"nms\":{\"observed\":"
         "[1]},\"peers\":{},\"warnings\":[3],\"certificate\":[]}",
         "Node         (name unknown)\n"
         "State        connecting\n"
         "NMS          unknown\n"
         "NAT          unknown\n");
  expect("{}", "Node         (name unknown)\n"
               "State        unknown\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_node_that_has_not_joined_is_told_how_to),
      cmocka_unit_test(a_node_that_is_down_is_told_how_to_come_up),
      cmocka_unit_test(a_node_without_peers_is_told_what_to_try),
      cmocka_unit_test(all_that_is_known_is_shown_in_columns),
      cmocka_unit_test(a_relayed_peer_is_shown_with_the_reason),
      cmocka_unit_test(a_peer_that_moved_is_shown_with_the_last_move),
      cmocka_unit_test(members_of_other_types_are_left_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
