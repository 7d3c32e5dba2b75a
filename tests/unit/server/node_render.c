#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/node_render.h"

static char *text_of(void (*render)(FILE *stream, const json_t *data), const json_t *data) {
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  render(stream, data);
  fclose(stream);
  return text;
}

static struct store_device device(void) {
  return (struct store_device){
      .id = 1,
      .name = "laptop",
      .fqdn = "laptop.x.internal",
      .os = "Linux\033[2J",
      .created = 1764000000,
      .ipv4 = {.family = 4, .bytes = {10, 20, 0, 2}},
      .ipv6 = {.family = 6, .bytes = {0xfd, [15] = 2}},
  };
}

static void an_empty_network_says_what_to_do(void **state) {
  (void)state;
  json_t *devices = json_array();
  char *text = text_of(node_render_table, devices);
  assert_string_equal(text,
                      "The network has no nodes yet. Invite one: cyphonic-server token create\n");
  free(text);
  json_decref(devices);
}

static void nodes_are_listed_in_columns(void **state) {
  (void)state;
  json_t *devices = json_array();
  struct store_device one = device();
  json_array_append_new(devices, node_render_device(&one));
  strcpy(one.name, "b");
  one.revoked = true;
  one.last_seen = 1764000000;
  json_array_append_new(devices, node_render_device(&one));
  char *text = text_of(node_render_table, devices);
  assert_string_equal(text, "NAME    IPV4       IPV6     LAST SEEN             STATE\n"
                            "laptop  10.20.0.2  fd00::2  never                 valid\n"
                            "b       10.20.0.2  fd00::2  2025-11-24T16:00:00Z  revoked\n");
  free(text);
  json_decref(devices);
}

static void a_node_in_full_has_certificate_and_endpoints(void **state) {
  (void)state;
  struct store_device one = device();
  json_t *data = node_render_device(&one);
  struct store_certificate certificate = {.serial = {0xab}, .not_after = 1764000000};
  json_object_set_new(data, "certificate", node_render_certificate(&certificate));
  struct store_endpoint endpoint = {
      .observed = {.ip = {.family = 4, .bytes = {192, 0, 2, 1}}, .port = 443},
      .behind_nat = true,
      .seen = 1764000000,
  };
  json_t *endpoints = json_array();
  json_array_append_new(endpoints, node_render_endpoint(&endpoint));
  json_object_set_new(data, "endpoints", endpoints);
  char *text = text_of(node_render_full, data);
  assert_non_null(strstr(text, "laptop.x.internal"));
  assert_non_null(strstr(text, "until 2025-11-24T16:00:00Z, serial ab00"));
  assert_non_null(strstr(text, "192.0.2.1:443, behind a NAT"));
  assert_non_null(strstr(text, "(unprintable)"));
  assert_null(strchr(text, '\033'));
  free(text);
  json_decref(data);
}

static void what_never_was_is_absent_from_the_json(void **state) {
  (void)state;
  struct store_device one = device();
  json_t *data = node_render_device(&one);
  assert_null(json_object_get(data, "last_seen"));
  assert_null(json_object_get(data, "hardware"));
  assert_true(json_is_false(json_object_get(data, "revoked")));
  assert_string_equal(json_string_value(json_object_get(data, "created")), "2025-11-24T16:00:00Z");
  json_decref(data);
}

static void words_of_a_node_that_are_no_text_are_left_out(void **state) {
  (void)state;
  struct store_device one = device();
  strcpy(one.os, "\xff\xfe");
  json_t *data = node_render_device(&one);
  assert_non_null(data);
  assert_null(json_object_get(data, "os"));
  json_decref(data);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_empty_network_says_what_to_do),
      cmocka_unit_test(nodes_are_listed_in_columns),
      cmocka_unit_test(a_node_in_full_has_certificate_and_endpoints),
      cmocka_unit_test(what_never_was_is_absent_from_the_json),
      cmocka_unit_test(words_of_a_node_that_are_no_text_are_left_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
