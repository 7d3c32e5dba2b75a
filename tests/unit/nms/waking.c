/* What NMS remembers of connections, and what comes of it after a start. */
#include "present.h"

#include "nms/service.h"

struct taken {
  size_t count;
  struct store_connection last;
};

static int take(const struct store_connection *connection, void *context) {
  struct taken *taken = context;
  taken->count++;
  taken->last = *connection;
  return 0;
}

static struct taken remembered(struct cloud *cloud) {
  struct taken taken = {0};
  struct error error = {0};
  waking_write(cloud->nms->waking);
  must(store_connections_take(cloud->store, take, &taken, &error), &error);
  return taken;
}

static void a_node_that_waits_is_told_that_its_connection_is_gone(void **state) {
  struct cloud *cloud = *state;
  struct present alice;
  arrive(cloud, "alice", "127.0.0.1", &alice);
  struct taken taken = remembered(cloud);
  assert_int_equal(taken.count, 1);
  assert_int_equal(taken.last.remote.port, quic_endpoint_port(alice.member.endpoint, 4));
  struct store_device device;
  struct error error = {0};
  must(store_device_by_name(cloud->store, "alice", &device, &error), &error);
  must(store_connection_put(cloud->store, device.id, &taken.last, &error), &error);
  /* As the next process would, which has the same secret. */
  struct waking *waking = waking_new(cloud->endpoint, cloud->store, &cloud->log);
  assert_non_null(waking);
  cloud_wait(cloud, &alice.session.closed);
  assert_true(alice.session.close.reset);
  assert_int_equal(remembered(cloud).count, 0);
  waking_free(waking);
  leave(&alice);
}

static void who_left_orderly_is_not_told(void **state) {
  struct cloud *cloud = *state;
  struct present alice, bob;
  arrive(cloud, "alice", "127.0.0.1", &alice);
  arrive(cloud, "bob", "127.0.0.1", &bob);
  leave(&alice);
  register_as(&bob.session, "127.0.0.1"); /* by then NMS knows that alice has left */
  struct taken taken = remembered(cloud);
  assert_int_equal(taken.count, 1);
  assert_int_equal(taken.last.remote.port, quic_endpoint_port(bob.member.endpoint, 4));
  leave(&bob);
}

static void a_node_that_came_back_is_remembered_once(void **state) {
  struct cloud *cloud = *state;
  struct present alice;
  arrive(cloud, "alice", "127.0.0.1", &alice);
  struct session again;
  session_open(&alice.member, NMS_ALPN, PKI_NMS, &again);
  register_as(&again, "127.0.0.1");
  cloud_wait(cloud, &alice.session.closed); /* it was replaced, which takes nothing from the new */
  register_as(&again, "127.0.0.1");
  assert_int_equal(remembered(cloud).count, 1);
  session_close(&again);
  leave(&alice);
}

static void is_past(uv_timer_t *timer) {
  bool *past = timer->data;
  *past = true;
  uv_close((uv_handle_t *)timer, NULL);
}

/* Somebody edits the database: NMS goes on meanwhile, and writes afterwards by itself. */
static void what_cannot_be_written_now_is_written_later(void **state) {
  struct cloud *cloud = *state;
  struct present alice;
  struct store *other;
  struct store_device device;
  struct error error = {0};
  bool past = false;
  uv_timer_t timer;
  arrive(cloud, "alice", "127.0.0.1", &alice);
  struct taken taken = remembered(cloud); /* takes it */
  assert_int_equal(taken.count, 1);
  must(store_device_by_name(cloud->store, "alice", &device, &error), &error);
  must(store_open(cloud->place->path, false, &other, &error), &error);
  must(store_begin(other, &error), &error);
  waking_note(cloud->nms->waking, device.id, &taken.last);
  uv_timer_init(&cloud->loop, &timer);
  timer.data = &past;
  uv_timer_start(&timer, is_past, 3 * WAKING_WRITE_DELAY / 2, 0); /* it has tried by then */
  cloud_wait(cloud, &past);
  store_rollback(other);
  store_close(other);
  taken.count = 0;
  while (taken.count == 0) {
    uv_run(&cloud->loop, UV_RUN_ONCE);
    must(store_connections_take(cloud->store, take, &taken, &error), &error);
  }
  assert_int_equal(taken.count, 1);
  leave(&alice);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, cloud_open, cloud_close)
  const struct CMUnitTest tests[] = {
      TEST(a_node_that_waits_is_told_that_its_connection_is_gone),
      TEST(who_left_orderly_is_not_told),
      TEST(a_node_that_came_back_is_remembered_once),
      TEST(what_cannot_be_written_now_is_written_later),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
