/* NMS's second UDP port: how it is configured, and that a server runs with it and without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ftw.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/udp.h"
#include "server/network_create.h"
#include "server/services.h"

/* --- configuration --- */

static uint64_t port_of(const char *text) {
  char whole[256];
  snprintf(whole, sizeof(whole), "[server]\npublic=a.example\n%s", text);
  struct server_config config;
  struct error error = {0};
  if (server_config_parse("f", whole, &config, &error) != ERROR_NONE) {
    fail_msg("%s", error.message);
  }
  uint64_t port = config.observation_port;
  server_config_clear(&config);
  return port;
}

static void without_a_word_it_is_the_next_port(void **state) {
  (void)state;
  assert_int_equal(port_of(""), 444);
  assert_int_equal(port_of("port=8443\n"), 8444);
  assert_int_equal(port_of("port=65535\n"), 65534);
}

static void it_may_be_another_or_none(void **state) {
  (void)state;
  assert_int_equal(port_of("[nms]\nobservation_port=3478\n"), 3478);
  assert_int_equal(port_of("[nms]\nobservation_port=0\n"), 0);
}

static void a_port_that_cannot_be_names_the_key(void **state) {
  (void)state;
  static const char *const texts[] = {
      "[nms]\nobservation_port=65536\n", "[nms]\nobservation_port=-1\n",
      "[nms]\nobservation_port=next\n", "[nms]\nobservation_port=443\n"};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    char whole[256];
    snprintf(whole, sizeof(whole), "[server]\npublic=a.example\n%s", texts[i]);
    struct server_config config;
    struct error error = {0};
    assert_int_equal(server_config_parse("server.conf", whole, &config, &error), ERROR_CONFIG);
    if (strstr(error.message, "server.conf") == NULL ||
        strstr(error.message, "observation_port") == NULL) {
      fail_msg("'%s' gave '%s'", texts[i], error.message);
    }
  }
}

/* Nobody would use it. */
static void where_no_nms_runs_the_main_port_is_no_fault(void **state) {
  (void)state;
  assert_int_equal(port_of("[nms]\nenabled=no\nobservation_port=443\n"), 443);
}

/* --- a server --- */

/* A network whose server listens on 127.0.0.1. */
struct scene {
  char folder[64], state[80], config[96], log[96];
  uv_loop_t loop;
  struct log sink;
  struct server_access access;
  struct server_services services;
  struct udp_socket *other; /* another program's */
  bool stopped;
};

static int on_file(const char *path, const struct stat *status, int kind, struct FTW *walk) {
  (void)status;
  (void)kind;
  (void)walk;
  return remove(path);
}

static void must(int code, const struct error *error) {
  if (code != ERROR_NONE) {
    fail_msg("%s", error->message);
  }
}

static struct udp_socket *bound(struct address *place) {
  struct udp_socket *socket;
  struct error error = {0};
  must(udp_socket_open(place, &socket, &error), &error);
  place->port = udp_socket_port(socket);
  return socket;
}

/* Two ports that were free a moment ago; the second may stay in use. */
static void choose_ports(struct scene *scene, uint16_t ports[2], bool taken) {
  const struct address any = {.ip = {.family = 4, .bytes = {127, 0, 0, 1}}};
  struct address main = any, second = any;
  struct udp_socket *one = bound(&main);
  scene->other = bound(&second);
  udp_socket_close(one);
  if (!taken) {
    udp_socket_close(scene->other);
    scene->other = NULL;
  }
  ports[0] = main.port;
  ports[1] = second.port;
}

static void configure(struct scene *scene, uint16_t main, uint16_t second) {
  FILE *file = fopen(scene->config, "w");
  assert_non_null(file);
  fprintf(file,
          "[server]\nstate=%s\npublic=127.0.0.1:%u\nport=%u\nipv4=127.0.0.1\nipv6=::1\n"
          "[nms]\nobservation_port=%u\n[trs]\nenabled=no\n",
          scene->state, main, main, second);
  assert_int_equal(fclose(file), 0);
}

static int set_up(void **state) {
  struct scene *scene = calloc(1, sizeof(*scene));
  assert_non_null(scene);
  strcpy(scene->folder, "/tmp/cyphonic-observe-XXXXXX");
  assert_non_null(mkdtemp(scene->folder));
  snprintf(scene->state, sizeof(scene->state), "%s/state", scene->folder);
  snprintf(scene->config, sizeof(scene->config), "%s/server.conf", scene->folder);
  snprintf(scene->log, sizeof(scene->log), "%s/log", scene->folder);
  static const char *const hosts[] = {"127.0.0.1"};
  const struct network_plan network = {
      .state = scene->state,
      .config = scene->config,
      .network = {.domain = "x.internal",
                  .ipv4 = {.address = {.family = 4, .bytes = {10, 20}}, .length = 16},
                  .ipv6 = {.address = {.family = 6, .bytes = {0xfd, 1}}, .length = 64}},
      .public_hosts = hosts,
      .public_count = 1,
      .port = 443,
      .now = clock_wall(),
  };
  struct error error = {0};
  must(network_create(&network, &error), &error);
  assert_int_equal(uv_loop_init(&scene->loop), 0);
  scene->sink = (struct log){.stream = fopen(scene->log, "w+"), .level = LOG_LEVEL_WARNING};
  assert_non_null(scene->sink.stream);
  *state = scene;
  return 0;
}

static int tear_down(void **state) {
  struct scene *scene = *state;
  if (scene->other != NULL) {
    udp_socket_close(scene->other);
  }
  fclose(scene->sink.stream);
  nftw(scene->folder, on_file, 8, FTW_DEPTH | FTW_PHYS);
  free(scene);
  return 0;
}

static void start(struct scene *scene) {
  struct error error = {0};
  must(server_access_open_to_run(scene->config, &scene->access, &error), &error);
  scene->services =
      (struct server_services){.loop = &scene->loop, .log = &scene->sink, .access = &scene->access};
  must(server_services_start(&scene->services, &error), &error);
}

static void set_flag(void *context) {
  *(bool *)context = true;
}

static void stop(struct scene *scene) {
  server_services_stop(&scene->services, set_flag, &scene->stopped);
  uv_run(&scene->loop, UV_RUN_DEFAULT);
  assert_true(scene->stopped);
  server_services_clear(&scene->services);
  server_access_close(&scene->access);
  assert_int_equal(uv_loop_close(&scene->loop), 0);
}

/* The first kilobytes of what was logged. */
static void logged(struct scene *scene, char text[static 4096]) {
  rewind(scene->sink.stream);
  text[fread(text, 1, 4095, scene->sink.stream)] = '\0';
}

static void a_server_listens_there_too(void **state) {
  struct scene *scene = *state;
  uint16_t ports[2];
  char text[4096];
  choose_ports(scene, ports, false);
  configure(scene, ports[0], ports[1]);
  start(scene);
  assert_int_equal(quic_endpoint_port(scene->services.endpoint, 4), ports[0]);
  assert_non_null(scene->services.observation_endpoint);
  assert_int_equal(quic_endpoint_port(scene->services.observation_endpoint, 4), ports[1]);
  stop(scene);
  logged(scene, text);
  assert_string_equal(text, "");
}

static void a_port_in_use_is_a_warning_and_no_end(void **state) {
  struct scene *scene = *state;
  uint16_t ports[2];
  char text[4096], port[32];
  choose_ports(scene, ports, true);
  configure(scene, ports[0], ports[1]);
  start(scene);
  assert_null(scene->services.observation_endpoint);
  assert_non_null(scene->services.nms);
  stop(scene);
  logged(scene, text);
  snprintf(port, sizeof(port), "port=%u ", ports[1]);
  if (strstr(text, "observation-port-unusable") == NULL || strstr(text, port) == NULL ||
      strstr(text, "[nms] observation_port") == NULL) {
    fail_msg("the log says '%s'", text);
  }
}

static void zero_switches_it_off(void **state) {
  struct scene *scene = *state;
  uint16_t ports[2];
  char text[4096];
  choose_ports(scene, ports, false);
  configure(scene, ports[0], 0);
  start(scene);
  assert_null(scene->services.observation_endpoint);
  stop(scene);
  logged(scene, text);
  assert_string_equal(text, "");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_a_word_it_is_the_next_port),
      cmocka_unit_test(it_may_be_another_or_none),
      cmocka_unit_test(a_port_that_cannot_be_names_the_key),
      cmocka_unit_test(where_no_nms_runs_the_main_port_is_no_fault),
      cmocka_unit_test_setup_teardown(a_server_listens_there_too, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_port_in_use_is_a_warning_and_no_end, set_up, tear_down),
      cmocka_unit_test_setup_teardown(zero_switches_it_off, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
