#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/client.h"

/* A daemon that gives one prepared answer. */
struct daemon {
  char folder[64], path[96];
  int listener;
  const char *answer; /* "": closes without one; NULL: says nothing until the client goes */
  char request[1024];
  pthread_t thread;
};

static void *daemon_run(void *context) {
  struct daemon *daemon = context;
  int peer = accept(daemon->listener, NULL, NULL);
  size_t size = 0;
  while (size < sizeof(daemon->request) - 1 && memchr(daemon->request, '\n', size) == NULL) {
    ssize_t got = recv(peer, daemon->request + size, sizeof(daemon->request) - 1 - size, 0);
    if (got <= 0) {
      break;
    }
    size += (size_t)got;
  }
  daemon->request[size] = '\0';
  if (daemon->answer != NULL) {
    (void)!send(peer, daemon->answer, strlen(daemon->answer), MSG_NOSIGNAL);
  } else {
    char byte;
    (void)!recv(peer, &byte, 1, 0);
  }
  close(peer);
  return NULL;
}

static void daemon_start(struct daemon *daemon, const char *answer) {
  memset(daemon, 0, sizeof(*daemon));
  daemon->answer = answer;
  strcpy(daemon->folder, "/tmp/cyphonic-cli-XXXXXX");
  assert_non_null(mkdtemp(daemon->folder));
  snprintf(daemon->path, sizeof(daemon->path), "%s/sock", daemon->folder);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strcpy(address.sun_path, daemon->path);
  daemon->listener = socket(AF_UNIX, SOCK_STREAM, 0);
  assert_int_equal(bind(daemon->listener, (const struct sockaddr *)&address, sizeof(address)), 0);
  assert_int_equal(listen(daemon->listener, 4), 0);
  assert_int_equal(pthread_create(&daemon->thread, NULL, daemon_run, daemon), 0);
}

static void daemon_stop(struct daemon *daemon) {
  pthread_join(daemon->thread, NULL);
  close(daemon->listener);
  unlink(daemon->path);
  rmdir(daemon->folder);
}

static int ask(const char *answer, json_t **data, struct client_error *error) {
  struct daemon daemon;
  daemon_start(&daemon, answer);
  struct client *client;
  assert_int_equal(client_open(daemon.path, &client, error), ERROR_NONE);
  json_t *request = json_pack("{s:s}", "command", "status");
  int code = client_call(client, request, 10, -1, data, error);
  json_decref(request);
  client_close(client);
  daemon_stop(&daemon);
  assert_string_equal(daemon.request, "{\"command\":\"status\"}\n");
  return code;
}

static void the_daemons_data_is_handed_out(void **state) {
  (void)state;
  json_t *data;
  struct client_error error;
  assert_int_equal(ask("{\"ok\":true,\"data\":{\"state\":\"up\"}}\n", &data, &error), ERROR_NONE);
  assert_string_equal(json_string_value(json_object_get(data, "state")), "up");
  json_decref(data);
}

static void the_daemons_error_is_handed_out(void **state) {
  (void)state;
  json_t *data;
  struct client_error error;
  assert_int_not_equal(
      ask("{\"ok\":false,\"error\":{\"code\":\"not-found\",\"message\":\"no\"}}\n", &data, &error),
      ERROR_NONE);
  assert_null(data);
  assert_string_equal(error.code, "not-found");
  assert_string_equal(error.message, "no");
  assert_false(error.no_daemon);
}

static void an_answer_that_makes_no_sense_is_an_error(void **state) {
  (void)state;
  static const char *const answers[] = {"hello\n", "[]\n", "{}\n", "{\"ok\":false}\n",
                                        "{\"ok\":1,\"data\":{}}\n"};
  for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
    json_t *data;
    struct client_error error;
    assert_int_equal(ask(answers[i], &data, &error), ERROR_PROTOCOL);
    assert_null(data);
  }
}

static void a_daemon_that_ends_before_it_answers_is_an_error(void **state) {
  (void)state;
  json_t *data;
  struct client_error error;
  assert_int_equal(ask("", &data, &error), ERROR_CLOSED);
  assert_int_equal(ask("{\"ok\":tr", &data, &error), ERROR_CLOSED);
}

static void a_large_answer_is_taken_whole(void **state) {
  (void)state;
  enum { TEXT_SIZE = 1 << 20 };
  static char text[TEXT_SIZE], answer[TEXT_SIZE + 64];
  memset(text, 'x', sizeof(text) - 1);
  snprintf(answer, sizeof(answer), "{\"ok\":true,\"data\":{\"text\":\"%s\"}}\n", text);
  json_t *data;
  struct client_error error;
  assert_int_equal(ask(answer, &data, &error), ERROR_NONE);
  assert_int_equal(json_string_length(json_object_get(data, "text")), sizeof(text) - 1);
  json_decref(data);
}

static void several_answers_to_one_request_come_in_order(void **state) {
  (void)state;
  struct daemon daemon;
  daemon_start(&daemon, "{\"ok\":true,\"data\":{\"number\":0}}\n"
                        "{\"ok\":true,\"data\":{\"number\":1}}\n"
                        "{\"ok\":false,\"error\":{\"code\":\"closed\",\"message\":\"over\"}}\n");
  struct client *client;
  struct client_error error;
  assert_int_equal(client_open(daemon.path, &client, &error), ERROR_NONE);
  json_t *request = json_pack("{s:s}", "command", "watch"), *data;
  int code = client_call(client, request, 10, -1, &data, &error);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(code, ERROR_NONE);
    assert_int_equal(json_integer_value(json_object_get(data, "number")), i);
    json_decref(data);
    code = client_more(client, -1, &data, &error);
  }
  assert_int_not_equal(code, ERROR_NONE);
  assert_string_equal(error.message, "over");
  assert_int_equal(client_more(client, -1, &data, &error), ERROR_CLOSED);
  json_decref(request);
  client_close(client);
  daemon_stop(&daemon);
}

static void no_daemon_is_told_with_how_to_start_it(void **state) {
  (void)state;
  struct client *client;
  struct client_error error;
  assert_int_not_equal(client_open("/nonexistent/sock", &client, &error), ERROR_NONE);
  assert_null(client);
  assert_true(error.no_daemon);
  assert_non_null(strstr(error.message, "/nonexistent/sock"));
  assert_non_null(strstr(error.message, "systemctl start cyphonic"));
}

static void a_path_that_is_too_long_is_an_error(void **state) {
  (void)state;
  char path[200];
  memset(path, 'a', sizeof(path) - 1);
  path[sizeof(path) - 1] = '\0';
  struct client *client;
  struct client_error error;
  assert_int_equal(client_open(path, &client, &error), ERROR_CONFIG);
  assert_false(error.no_daemon);
}

static void a_wait_can_be_interrupted(void **state) {
  (void)state;
  struct daemon daemon;
  daemon_start(&daemon, NULL);
  struct client *client;
  struct client_error error;
  assert_int_equal(client_open(daemon.path, &client, &error), ERROR_NONE);
  int interrupt = eventfd(1, 0);
  json_t *request = json_pack("{s:s}", "command", "ping");
  json_t *data;
  assert_int_equal(client_call(client, request, 10, interrupt, &data, &error), ERROR_CLOSED);
  assert_true(error.interrupted);
  json_decref(request);
  client_close(client);
  close(interrupt);
  daemon_stop(&daemon);
}

static void a_daemon_that_says_nothing_is_not_awaited_for_ever(void **state) {
  (void)state;
  struct daemon daemon;
  daemon_start(&daemon, NULL);
  struct client *client;
  struct client_error error;
  assert_int_equal(client_open(daemon.path, &client, &error), ERROR_NONE);
  json_t *request = json_pack("{s:s}", "command", "ping");
  json_t *data;
  assert_int_equal(client_call(client, request, 0, -1, &data, &error), ERROR_TIMEOUT);
  json_decref(request);
  client_close(client);
  daemon_stop(&daemon);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_daemons_data_is_handed_out),
      cmocka_unit_test(the_daemons_error_is_handed_out),
      cmocka_unit_test(an_answer_that_makes_no_sense_is_an_error),
      cmocka_unit_test(a_daemon_that_ends_before_it_answers_is_an_error),
      cmocka_unit_test(a_large_answer_is_taken_whole),
      cmocka_unit_test(several_answers_to_one_request_come_in_order),
      cmocka_unit_test(no_daemon_is_told_with_how_to_start_it),
      cmocka_unit_test(a_path_that_is_too_long_is_an_error),
      cmocka_unit_test(a_wait_can_be_interrupted),
      cmocka_unit_test(a_daemon_that_says_nothing_is_not_awaited_for_ever),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
