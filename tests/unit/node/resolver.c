#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/resolver.h"

enum { TYPE_A = 1, TYPE_MX = 15, TYPE_PTR = 12, TYPE_AAAA = 28, HELD_MAX = RESOLVER_QUERIES_MAX };

/* A resolver and a client on the loopback, on one loop. */
struct world {
  uv_loop_t loop;
  struct log log;
  struct resolver *resolver;
  uv_udp_t client;
  uint16_t port;
  /* what ask does */
  bool hold;
  int answer;
  struct resolver_query *held[HELD_MAX];
  size_t held_count;
  size_t asked;
  struct dns_question question;
  /* what the client got */
  uint8_t reply[2048];
  size_t reply_size;
  uint8_t buffer[2048];
};

static const struct ip_address node_ipv4 = {.family = 4, .bytes = {10, 20, 0, 7}};

static void on_ask(struct resolver_query *query, const struct dns_question *question,
                   void *context) {
  struct world *world = context;
  world->asked++;
  world->question = *question;
  if (world->hold) {
    assert_true(world->held_count < HELD_MAX);
    world->held[world->held_count++] = query;
    return;
  }
  resolver_answer(query, world->answer, "laptop.x.internal", &node_ipv4, NULL);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  (void)suggested;
  struct world *world = handle->data;
  *buffer = uv_buf_init((char *)world->buffer, sizeof(world->buffer));
}

static void on_reply(uv_udp_t *socket, ssize_t size, const uv_buf_t *buffer,
                     const struct sockaddr *from, unsigned flags) {
  (void)flags;
  struct world *world = socket->data;
  if (size <= 0 || from == NULL) {
    return;
  }
  memcpy(world->reply, buffer->base, (size_t)size);
  world->reply_size = (size_t)size;
  uv_stop(&world->loop);
}

/* The kernel picks a port for this socket, which the resolver then takes. */
static uint16_t free_port(uv_loop_t *loop) {
  uv_udp_t probe;
  struct sockaddr_in address;
  int size = sizeof(address);
  uv_ip4_addr("127.0.0.1", 0, &address);
  uv_udp_init(loop, &probe);
  assert_int_equal(uv_udp_bind(&probe, (const struct sockaddr *)&address, 0), 0);
  assert_int_equal(uv_udp_getsockname(&probe, (struct sockaddr *)&address, &size), 0);
  uv_close((uv_handle_t *)&probe, NULL);
  uv_run(loop, UV_RUN_DEFAULT);
  return ntohs(address.sin_port);
}

static struct resolver_config config_of(struct world *world) {
  struct resolver_config config = {
      .loop = &world->loop,
      .log = &world->log,
      .listen = {.ip = {.family = 4, .bytes = {127, 0, 0, 1}}, .port = world->port},
      .domain = "X.internal",
      .ipv4_prefix = {.address = {.family = 4, .bytes = {10, 20}}, .length = 16},
      .ipv6_prefix = {.address = {.family = 6, .bytes = {0xfd, 0x34}}, .length = 64},
      .ask = on_ask,
      .context = world,
  };
  return config;
}

static int set_up(void **state) {
  struct world *world = calloc(1, sizeof(*world));
  assert_non_null(world);
  world->log = (struct log){.stream = stderr, .level = LOG_LEVEL_ERROR};
  assert_int_equal(uv_loop_init(&world->loop), 0);
  world->port = free_port(&world->loop);
  struct resolver_config config = config_of(world);
  struct error error = {0};
  if (resolver_new(&config, &world->resolver, &error) != ERROR_NONE) {
    fail_msg("%s", error.message);
  }
  struct sockaddr_in any;
  uv_ip4_addr("127.0.0.1", 0, &any);
  uv_udp_init(&world->loop, &world->client);
  world->client.data = world;
  assert_int_equal(uv_udp_bind(&world->client, (const struct sockaddr *)&any, 0), 0);
  assert_int_equal(uv_udp_recv_start(&world->client, on_allocate, on_reply), 0);
  *state = world;
  return 0;
}

static int tear_down(void **state) {
  struct world *world = *state;
  resolver_close(world->resolver);
  uv_close((uv_handle_t *)&world->client, NULL);
  uv_run(&world->loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&world->loop), 0);
  free(world);
  return 0;
}

static void send_query(struct world *world, const char *name, unsigned type) {
  uint8_t message[512] = {0x12, 0x34, 1, 0, 0, 1};
  size_t size = 12;
  while (*name != '\0') {
    size_t label = strcspn(name, ".");
    message[size++] = (uint8_t)label;
    memcpy(message + size, name, label);
    size += label;
    name += label + (name[label] == '.' ? 1 : 0);
  }
  message[size++] = 0;
  message[size++] = 0;
  message[size++] = (uint8_t)type;
  message[size++] = 0;
  message[size++] = 1;
  struct sockaddr_in to;
  uv_ip4_addr("127.0.0.1", world->port, &to);
  uv_buf_t buffer = uv_buf_init((char *)message, (unsigned)size);
  assert_int_equal(uv_udp_try_send(&world->client, &buffer, 1, (const struct sockaddr *)&to),
                   (int)size);
}

static void on_late(uv_timer_t *timer) {
  (void)timer;
  fail_msg("no reply within 5 s");
}

static void await_reply(struct world *world) {
  uv_timer_t timer;
  uv_timer_init(&world->loop, &timer);
  uv_timer_start(&timer, on_late, 5000, 0);
  world->reply_size = 0;
  while (world->reply_size == 0) {
    uv_run(&world->loop, UV_RUN_DEFAULT);
  }
  uv_close((uv_handle_t *)&timer, NULL);
  uv_run(&world->loop, UV_RUN_NOWAIT);
}

static int rcode_of(const struct world *world) {
  return world->reply[3] & 0x0f;
}

static int answers_of(const struct world *world) {
  return world->reply[6] << 8 | world->reply[7];
}

static void ask_and_expect(struct world *world, const char *name, unsigned type, int rcode,
                           int answers) {
  send_query(world, name, type);
  await_reply(world);
  assert_int_equal(rcode_of(world), rcode);
  assert_int_equal(answers_of(world), answers);
}

static void a_name_of_the_domain_is_answered_with_its_address(void **state) {
  struct world *world = *state;
  ask_and_expect(world, "laptop.x.internal", TYPE_A, DNS_RCODE_OK, 1);
  assert_memory_equal(world->reply + world->reply_size - 4, node_ipv4.bytes, 4);
  assert_string_equal(world->question.name, "laptop.x.internal");
  assert_int_equal(world->reply[2] & 0x04, 0x04); /* AA */
}

static void the_case_of_the_name_is_of_no_account(void **state) {
  struct world *world = *state;
  ask_and_expect(world, "LAPTOP.X.Internal", TYPE_A, DNS_RCODE_OK, 1);
  assert_memory_equal(world->reply + 13, "LAPTOP", 6);
}

static void a_node_without_ipv6_has_no_such_data(void **state) {
  struct world *world = *state;
  ask_and_expect(world, "laptop.x.internal", TYPE_AAAA, DNS_RCODE_OK, 0);
}

static void another_type_of_a_name_that_exists_has_no_data(void **state) {
  struct world *world = *state;
  ask_and_expect(world, "laptop.x.internal", TYPE_MX, DNS_RCODE_OK, 0);
  assert_int_equal(world->question.kind, DNS_OTHER);
}

static void a_name_that_does_not_exist_is_told_so(void **state) {
  struct world *world = *state;
  world->answer = ERROR_NOT_FOUND;
  ask_and_expect(world, "nobody.x.internal", TYPE_A, DNS_RCODE_NO_NAME, 0);
}

static void a_failure_is_a_server_failure(void **state) {
  struct world *world = *state;
  world->answer = ERROR_TIMEOUT;
  ask_and_expect(world, "laptop.x.internal", TYPE_A, DNS_RCODE_FAILURE, 0);
}

static void the_domain_itself_is_asked_for(void **state) {
  struct world *world = *state;
  world->answer = ERROR_NOT_FOUND;
  ask_and_expect(world, "x.internal", TYPE_A, DNS_RCODE_NO_NAME, 0);
  assert_int_equal(world->asked, 1);
}

static void names_outside_the_domain_are_refused_without_asking(void **state) {
  struct world *world = *state;
  ask_and_expect(world, "example.org", TYPE_A, DNS_RCODE_REFUSED, 0);
  ask_and_expect(world, "notx.internal", TYPE_A, DNS_RCODE_REFUSED, 0);
  ask_and_expect(world, "internal", TYPE_A, DNS_RCODE_REFUSED, 0);
  ask_and_expect(world, "1.0.21.10.in-addr.arpa", TYPE_PTR, DNS_RCODE_REFUSED, 0);
  ask_and_expect(world, "10.in-addr.arpa", TYPE_PTR, DNS_RCODE_REFUSED, 0);
  assert_int_equal(world->asked, 0);
}

static void an_address_of_the_overlay_gives_its_name(void **state) {
  struct world *world = *state;
  ask_and_expect(world, "7.0.20.10.in-addr.arpa", TYPE_PTR, DNS_RCODE_OK, 1);
  assert_int_equal(world->question.kind, DNS_REVERSE);
  assert_true(ip_address_equal(&world->question.address, &node_ipv4));
}

static void other_data_of_the_reverse_zones_is_none(void **state) {
  struct world *world = *state;
  ask_and_expect(world, "7.0.20.10.in-addr.arpa", TYPE_A, DNS_RCODE_OK, 0);
  ask_and_expect(world, "20.10.in-addr.arpa", TYPE_PTR, DNS_RCODE_OK, 0);
  assert_int_equal(world->asked, 0);
}

static void an_answer_may_come_later(void **state) {
  struct world *world = *state;
  world->hold = true;
  send_query(world, "laptop.x.internal", TYPE_A);
  while (world->held_count == 0) {
    uv_run(&world->loop, UV_RUN_ONCE);
  }
  resolver_answer(world->held[0], 0, "laptop.x.internal", &node_ipv4, NULL);
  await_reply(world);
  assert_int_equal(answers_of(world), 1);
}

static void queries_over_the_bound_are_dropped(void **state) {
  struct world *world = *state;
  world->hold = true;
  for (size_t i = 0; i < RESOLVER_QUERIES_MAX; i++) {
    send_query(world, "laptop.x.internal", TYPE_A);
    while (world->held_count == i) {
      uv_run(&world->loop, UV_RUN_ONCE);
    }
  }
  send_query(world, "one.x.internal", TYPE_A);
  /* What is refused at once proves that the one before it was read. */
  ask_and_expect(world, "example.org", TYPE_A, DNS_RCODE_REFUSED, 0);
  assert_int_equal(world->asked, RESOLVER_QUERIES_MAX);
  for (size_t i = 0; i < world->held_count; i++) {
    resolver_answer(world->held[i], ERROR_CLOSED, NULL, NULL, NULL);
    await_reply(world);
    assert_int_equal(rcode_of(world), DNS_RCODE_FAILURE);
  }
  world->hold = false;
  ask_and_expect(world, "laptop.x.internal", TYPE_A, DNS_RCODE_OK, 1);
  ask_and_expect(world, "example.org", TYPE_A, DNS_RCODE_REFUSED, 0);
}

static void answers_after_the_end_are_harmless(void **state) {
  struct world *world = *state;
  world->hold = true;
  send_query(world, "laptop.x.internal", TYPE_A);
  send_query(world, "other.x.internal", TYPE_A);
  while (world->held_count < 2) {
    uv_run(&world->loop, UV_RUN_ONCE);
  }
  resolver_close(world->resolver);
  world->resolver = NULL;
  resolver_answer(world->held[0], 0, "laptop.x.internal", &node_ipv4, NULL);
  uv_run(&world->loop, UV_RUN_NOWAIT);
  resolver_answer(world->held[1], 0, "laptop.x.internal", &node_ipv4, NULL);
}

static void an_address_in_use_is_an_error_that_names_it(void **state) {
  struct world *world = *state;
  struct resolver_config config = config_of(world);
  struct resolver *second;
  struct error error = {0};
  assert_int_equal(resolver_new(&config, &second, &error), ERROR_EXISTS);
  assert_null(second);
  assert_non_null(strstr(error.message, "127.0.0.1"));
}

int main(void) {
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      WITH_WORLD(a_name_of_the_domain_is_answered_with_its_address),
      WITH_WORLD(the_case_of_the_name_is_of_no_account),
      WITH_WORLD(a_node_without_ipv6_has_no_such_data),
      WITH_WORLD(another_type_of_a_name_that_exists_has_no_data),
      WITH_WORLD(a_name_that_does_not_exist_is_told_so),
      WITH_WORLD(a_failure_is_a_server_failure),
      WITH_WORLD(the_domain_itself_is_asked_for),
      WITH_WORLD(names_outside_the_domain_are_refused_without_asking),
      WITH_WORLD(an_address_of_the_overlay_gives_its_name),
      WITH_WORLD(other_data_of_the_reverse_zones_is_none),
      WITH_WORLD(an_answer_may_come_later),
      WITH_WORLD(queries_over_the_bound_are_dropped),
      WITH_WORLD(answers_after_the_end_are_harmless),
      WITH_WORLD(an_address_in_use_is_an_error_that_names_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
