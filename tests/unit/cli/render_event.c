#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/render_event.h"

static void expect(const char *event, const char *line) {
  json_t *data = json_loads(event, 0, NULL);
  assert_non_null(data);
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  render_event(stream, data);
  fclose(stream);
  assert_string_equal(text, line);
  free(text);
  json_decref(data);
}

static void a_node_is_told_with_why_it_is_not_up(void **state) {
  (void)state;
  expect("{\"event\":\"node\",\"time\":\"T\",\"node\":{\"fqdn\":\"a.x\",\"state\":\"up\","
         "\"nms\":{\"message\":\"old\"}}}",
         "T  a.x: up\n");
  expect("{\"event\":\"node\",\"time\":\"T\",\"node\":{\"fqdn\":\"a.x\",\"state\":\"connecting\","
         "\"nms\":{\"message\":\"does not answer\"}}}",
         "T  a.x: connecting: does not answer\n");
  expect("{\"event\":\"node\",\"time\":\"T\",\"node\":{\"fqdn\":null,\"state\":\"not-joined\"}}",
         "T  this node: not-joined\n");
}

static void a_peer_is_told_with_its_path_or_its_failure(void **state) {
  (void)state;
  expect("{\"event\":\"peer\",\"time\":\"T\",\"peer\":{\"fqdn\":\"b.x\",\"state\":\"up\","
         "\"path\":\"direct\",\"remote\":\"192.0.2.1:443\"}}",
         "T  b.x: up, direct 192.0.2.1:443\n");
  expect("{\"event\":\"peer\",\"time\":\"T\",\"peer\":{\"fqdn\":\"b.x\",\"state\":\"up\","
         "\"path\":\"relay\",\"relay\":\"trs.x\",\"remote\":\"198.51.100.1:443\"}}",
         "T  b.x: up, relay trs.x\n");
  expect("{\"event\":\"peer\",\"time\":\"T\",\"peer\":{\"fqdn\":\"b.x\",\"state\":\"failed\","
         "\"path\":null,\"message\":\"no answer\"}}",
         "T  b.x: failed: no answer\n");
}

static void a_move_is_told_with_its_ends_and_its_pause(void **state) {
  (void)state;
  expect("{\"event\":\"moved\",\"time\":\"T\",\"peer\":{\"fqdn\":\"b.x\",\"moves\":{\"count\":1,"
         "\"last\":{\"kind\":\"own-address\",\"from\":\"192.0.2.1\",\"to\":\"192.0.2.2\","
         "\"pause_ms\":17.2}}}}",
         "T  b.x moved: this node's address 192.0.2.1 -> 192.0.2.2, 17 ms without an answer\n");
  expect("{\"event\":\"moved\",\"time\":\"T\",\"peer\":{\"fqdn\":\"b.x\",\"moves\":{\"count\":2,"
         "\"last\":{\"kind\":\"route\",\"from\":\"relay 198.51.100.1:443\","
         "\"to\":\"192.0.2.2:443\",\"pause_ms\":0}}}}",
         "T  b.x moved: route relay 198.51.100.1:443 -> 192.0.2.2:443\n");
}

static void what_a_later_daemon_tells_is_told_by_its_name(void **state) {
  (void)state;
  expect("{\"event\":\"weather\",\"time\":\"T\"}", "T  weather\n");
  expect("{\"event\":\"moved\",\"peer\":[]}", "-  (name unknown) moved: path none -> none\n");
  expect("[]", "-  \n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_node_is_told_with_why_it_is_not_up),
      cmocka_unit_test(a_peer_is_told_with_its_path_or_its_failure),
      cmocka_unit_test(a_move_is_told_with_its_ends_and_its_pause),
      cmocka_unit_test(what_a_later_daemon_tells_is_told_by_its_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
