#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/main/ipc_server.h"

struct world {
  uv_loop_t loop;
  struct log log;
  struct ipc_server *server;
  char folder[64], path[96];
  bool hold;
  struct ipc_call *held;
  size_t asked;
  uv_timer_t late;
};

static void on_request(struct ipc_call *call, const struct ipc_request *request, void *context) {
  struct world *world = context;
  world->asked++;
  if (world->hold) {
    world->held = call;
  } else if (request->command == IPC_RESOLVE) {
    ipc_fail(call, ERROR_NOT_FOUND, "no such name");
  } else {
    ipc_reply(call, json_pack("{s:s}", "name", request->name));
  }
}

static int server_start(struct world *world, struct ipc_server **server, struct error *error) {
  const struct ipc_server_config config = {
      .loop = &world->loop,
      .log = &world->log,
      .path = world->path,
      .request = on_request,
      .context = world,
  };
  return ipc_server_new(&config, server, error);
}

static void on_late(uv_timer_t *timer) {
  (void)timer;
  fail_msg("nothing happened for 10 s");
}

static int set_up(void **state) {
  struct world *world = calloc(1, sizeof(*world));
  assert_non_null(world);
  world->log = (struct log){.stream = stderr, .level = LOG_LEVEL_ERROR};
  strcpy(world->folder, "/tmp/cyphonic-ipc-XXXXXX");
  assert_non_null(mkdtemp(world->folder));
  snprintf(world->path, sizeof(world->path), "%s/sock", world->folder);
  uv_loop_init(&world->loop);
  uv_timer_init(&world->loop, &world->late);
  uv_timer_start(&world->late, on_late, 10000, 0);
  struct error error = {0};
  if (server_start(world, &world->server, &error) != ERROR_NONE) {
    fail_msg("%s", error.message);
  }
  *state = world;
  return 0;
}

static int tear_down(void **state) {
  struct world *world = *state;
  ipc_server_close(world->server);
  uv_close((uv_handle_t *)&world->late, NULL);
  uv_run(&world->loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&world->loop), 0);
  assert_int_not_equal(access(world->path, F_OK), 0); /* gone with the server */
  rmdir(world->folder);
  free(world);
  return 0;
}

static int client_connect(const struct world *world) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strcpy(address.sun_path, world->path);
  int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  assert_true(client >= 0);
  assert_int_equal(connect(client, (const struct sockaddr *)&address, sizeof(address)), 0);
  return client;
}

static void client_write(int client, const char *text) {
  assert_int_equal(send(client, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Runs the loop until a line has come, or the end ("" then). */
static void client_read(struct world *world, int client, char *line, size_t size) {
  size_t used = 0;
  for (;;) {
    ssize_t got = recv(client, line + used, 1, 0);
    if (got == 1 && line[used] == '\n') {
      line[used] = '\0';
      return;
    }
    if (got == 1) {
      used++;
      assert_true(used < size);
    } else if (got == 0) {
      line[0] = '\0';
      return;
    } else {
      uv_run(&world->loop, UV_RUN_ONCE);
    }
  }
}

static void expect_line(struct world *world, int client, const char *part) {
  char line[1024];
  client_read(world, client, line, sizeof(line));
  if (strstr(line, part) == NULL) {
    fail_msg("got '%s', not '%s'", line, part);
  }
}

static void expect_end(struct world *world, int client) {
  char line[1024];
  client_read(world, client, line, sizeof(line));
  assert_string_equal(line, "");
}

static void a_request_is_answered(void **state) {
  struct world *world = *state;
  int client = client_connect(world);
  client_write(client, "{\"command\":\"ping\",\"name\":\"a\"}\n");
  expect_line(world, client, "{\"ok\":true,\"data\":{\"name\":\"a\"}}");
  client_write(client, "{\"command\":\"resolve\",\"name\":\"b\"}\n");
  expect_line(world, client, "\"message\":\"no such name\"");
  close(client);
}

static void the_socket_is_for_owner_and_group(void **state) {
  struct world *world = *state;
  struct stat status;
  assert_int_equal(lstat(world->path, &status), 0);
  assert_int_equal(status.st_mode & 0777, IPC_SOCKET_MODE);
}

static void requests_in_one_write_are_answered_in_order(void **state) {
  struct world *world = *state;
  int client = client_connect(world);
  client_write(client, "{\"command\":\"ping\",\"name\":\"a\"}\n{\"command\":\"ping\",\"name\":"
                       "\"b\"}\n{\"command\":\"ping\",\"na");
  expect_line(world, client, "\"a\"");
  expect_line(world, client, "\"b\"");
  client_write(client, "me\":\"c\"}\n");
  expect_line(world, client, "\"c\"");
  close(client);
}

static void a_request_may_come_in_pieces(void **state) {
  struct world *world = *state;
  int client = client_connect(world);
  static const char text[] = "{\"command\":\"ping\",\"name\":\"a\"}\n";
  for (size_t i = 0; i < sizeof(text) - 1; i++) {
    assert_int_equal(send(client, text + i, 1, MSG_NOSIGNAL), 1);
    uv_run(&world->loop, UV_RUN_ONCE);
    assert_int_equal(world->asked, i + 1 < sizeof(text) - 1 ? 0 : 1);
    if (i == 0) {
      /* the first turn may only have accepted */
      uv_run(&world->loop, UV_RUN_NOWAIT);
    }
  }
  expect_line(world, client, "\"a\"");
  close(client);
}

static void one_request_at_a_time_is_under_way(void **state) {
  struct world *world = *state;
  world->hold = true;
  int client = client_connect(world);
  client_write(client, "{\"command\":\"up\"}\n{\"command\":\"down\"}\n");
  while (world->held == NULL) {
    uv_run(&world->loop, UV_RUN_ONCE);
  }
  uv_run(&world->loop, UV_RUN_NOWAIT);
  assert_int_equal(world->asked, 1);
  world->hold = false;
  ipc_reply(world->held, NULL);
  expect_line(world, client, "{\"ok\":true,\"data\":{}}");
  expect_line(world, client, "\"ok\":true");
  assert_int_equal(world->asked, 2);
  close(client);
}

static void nonsense_is_answered_and_the_client_may_go_on(void **state) {
  struct world *world = *state;
  int client = client_connect(world);
  client_write(client, "hello\n");
  expect_line(world, client, "\"ok\":false");
  client_write(client, "{\"command\":\"status\"}\n");
  expect_line(world, client, "\"ok\":true");
  assert_int_equal(world->asked, 1);
  close(client);
}

static void a_line_over_the_bound_ends_the_client(void **state) {
  struct world *world = *state;
  int client = client_connect(world);
  static char line[IPC_LINE_MAX + 1];
  memset(line, 'x', sizeof(line) - 1);
  size_t sent = 0;
  while (sent < IPC_LINE_MAX) {
    ssize_t more = send(client, line + sent, IPC_LINE_MAX - sent, MSG_NOSIGNAL);
    if (more > 0) {
      sent += (size_t)more;
    } else {
      uv_run(&world->loop, UV_RUN_ONCE);
    }
  }
  expect_line(world, client, "longer than 64 KiB");
  expect_end(world, client);
  close(client);
}

static void clients_over_the_bound_are_told_so_and_closed(void **state) {
  struct world *world = *state;
  int clients[IPC_CLIENTS_MAX];
  for (size_t i = 0; i < IPC_CLIENTS_MAX; i++) {
    clients[i] = client_connect(world);
    client_write(clients[i], "{\"command\":\"status\"}\n");
    expect_line(world, clients[i], "\"ok\":true");
  }
  int extra = client_connect(world);
  expect_line(world, extra, "too many");
  expect_end(world, extra);
  close(extra);
  close(clients[0]);
  /* Its place is free once the server has seen it go. */
  uv_run(&world->loop, UV_RUN_ONCE);
  int next = client_connect(world);
  client_write(next, "{\"command\":\"status\"}\n");
  expect_line(world, next, "\"ok\":true");
  close(next);
  for (size_t i = 1; i < IPC_CLIENTS_MAX; i++) {
    close(clients[i]);
  }
}

static void an_answer_to_a_client_that_went_is_dropped(void **state) {
  struct world *world = *state;
  world->hold = true;
  int client = client_connect(world);
  client_write(client, "{\"command\":\"up\"}\n");
  while (world->held == NULL) {
    uv_run(&world->loop, UV_RUN_ONCE);
  }
  close(client);
  ipc_reply(world->held, NULL);
  uv_run(&world->loop, UV_RUN_NOWAIT);
}

static void an_answer_after_the_end_is_harmless(void **state) {
  struct world *world = *state;
  world->hold = true;
  int client = client_connect(world);
  client_write(client, "{\"command\":\"up\"}\n");
  while (world->held == NULL) {
    uv_run(&world->loop, UV_RUN_ONCE);
  }
  ipc_server_close(world->server);
  world->server = NULL;
  ipc_fail(world->held, ERROR_CLOSED, "the daemon ends");
  expect_end(world, client);
  close(client);
}

/* A client whose call is held. */
static int client_hold(struct world *world, const char *request) {
  world->hold = true;
  world->held = NULL;
  int client = client_connect(world);
  client_write(client, request);
  while (world->held == NULL) {
    uv_run(&world->loop, UV_RUN_ONCE);
  }
  return client;
}

static void a_call_may_be_answered_again_and_again(void **state) {
  struct world *world = *state;
  int client = client_hold(world, "{\"command\":\"watch\"}\n");
  for (int i = 0; i < 3; i++) {
    json_t *event = json_pack("{s:i}", "number", i);
    ipc_stream(world->held, event);
    json_decref(event);
  }
  expect_line(world, client, "{\"ok\":true,\"data\":{\"number\":0}}");
  expect_line(world, client, "{\"number\":1}");
  expect_line(world, client, "{\"number\":2}");
  client_write(client, "{\"command\":\"status\"}\n"); /* nobody listens to it any more */
  uv_run(&world->loop, UV_RUN_ONCE);
  assert_false(ipc_is_void(world->held));
  ipc_fail(world->held, ERROR_CLOSED, "the daemon ends");
  expect_line(world, client, "the daemon ends");
  expect_end(world, client);
  assert_int_equal(world->asked, 1);
  close(client);
}

static void a_client_of_a_stream_is_missed_at_once(void **state) {
  struct world *world = *state;
  int client = client_hold(world, "{\"command\":\"watch\"}\n");
  json_t *event = json_pack("{s:i}", "number", 1);
  ipc_stream(world->held, event);
  expect_line(world, client, "1");
  close(client);
  while (!ipc_is_void(world->held)) {
    uv_run(&world->loop, UV_RUN_ONCE);
  }
  ipc_stream(world->held, event); /* nobody hears it */
  json_decref(event);
  ipc_fail(world->held, ERROR_CLOSED, "nobody is there");
}

static void a_client_that_does_not_read_its_stream_is_closed(void **state) {
  struct world *world = *state;
  int client = client_hold(world, "{\"command\":\"watch\"}\n");
  static char text[65536];
  memset(text, 'x', sizeof(text) - 1);
  json_t *event = json_pack("{s:s}", "text", text);
  size_t told = 0;
  while (!ipc_is_void(world->held)) {
    ipc_stream(world->held, event);
    uv_run(&world->loop, UV_RUN_NOWAIT);
    assert_true(++told < 2 * IPC_STREAM_MAX / sizeof(text));
  }
  assert_true(told > IPC_STREAM_MAX / sizeof(text));
  json_decref(event);
  ipc_fail(world->held, ERROR_CLOSED, "nobody is there");
  close(client);
}

static void a_second_daemon_on_the_same_socket_is_refused(void **state) {
  struct world *world = *state;
  struct ipc_server *second;
  struct error error = {0};
  assert_int_equal(server_start(world, &second, &error), ERROR_EXISTS);
  assert_null(second);
  assert_non_null(strstr(error.message, "already running"));
  /* and the first one is unharmed */
  a_request_is_answered(state);
}

static void a_stale_socket_is_replaced(void **state) {
  struct world *world = *state;
  ipc_server_close(world->server);
  uv_run(&world->loop, UV_RUN_NOWAIT);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strcpy(address.sun_path, world->path);
  int dead = socket(AF_UNIX, SOCK_STREAM, 0);
  assert_int_equal(bind(dead, (const struct sockaddr *)&address, sizeof(address)), 0);
  close(dead);
  struct error error = {0};
  assert_int_equal(server_start(world, &world->server, &error), ERROR_NONE);
  a_request_is_answered(state);
}

static void a_file_that_is_no_socket_is_left_alone(void **state) {
  struct world *world = *state;
  ipc_server_close(world->server);
  world->server = NULL;
  uv_run(&world->loop, UV_RUN_NOWAIT);
  FILE *file = fopen(world->path, "w");
  fclose(file);
  struct ipc_server *server;
  struct error error = {0};
  assert_int_equal(server_start(world, &server, &error), ERROR_EXISTS);
  assert_int_equal(access(world->path, F_OK), 0);
  unlink(world->path);
}

int main(void) {
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      WITH_WORLD(a_request_is_answered),
      WITH_WORLD(the_socket_is_for_owner_and_group),
      WITH_WORLD(requests_in_one_write_are_answered_in_order),
      WITH_WORLD(a_request_may_come_in_pieces),
      WITH_WORLD(one_request_at_a_time_is_under_way),
      WITH_WORLD(nonsense_is_answered_and_the_client_may_go_on),
      WITH_WORLD(a_line_over_the_bound_ends_the_client),
      WITH_WORLD(clients_over_the_bound_are_told_so_and_closed),
      WITH_WORLD(an_answer_to_a_client_that_went_is_dropped),
      WITH_WORLD(an_answer_after_the_end_is_harmless),
      WITH_WORLD(a_call_may_be_answered_again_and_again),
      WITH_WORLD(a_client_of_a_stream_is_missed_at_once),
      WITH_WORLD(a_client_that_does_not_read_its_stream_is_closed),
      WITH_WORLD(a_second_daemon_on_the_same_socket_is_refused),
      WITH_WORLD(a_stale_socket_is_replaced),
      WITH_WORLD(a_file_that_is_no_socket_is_left_alone),
  };
  signal(SIGPIPE, SIG_IGN); /* as the daemon does */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
