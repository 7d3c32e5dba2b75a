/* A lane and its visitor: who runs while the other stands still, and what is told. */
#include "node/lane.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { GLANCES = 10000, POSTS = 1000 };

struct scene {
  uv_loop_t loop;
  struct lane *lane;
  uv_idle_t idle; /* on the lane: turns as long as it is open */
  uv_timer_t timer;
  atomic_ulong turns;
  atomic_bool was_alone;
  unsigned to_post, handled; /* events */
  bool in_order;
};

static void turn(uv_idle_t *idle) {
  struct scene *scene = idle->data;
  if (lane_is_alone(scene->lane))
    atomic_store(&scene->was_alone, true);
  atomic_fetch_add(&scene->turns, 1);
}

static int open_scene(void **state) {
  struct scene *scene = calloc(1, sizeof *scene);
  struct error error = {0};
  assert_non_null(scene);
  uv_loop_init(&scene->loop);
  assert_int_equal(lane_new(&scene->loop, 1, &scene->lane, &error), 0);
  scene->idle.data = scene->timer.data = scene;
  scene->in_order = true;
  lane_enter(scene->lane);
  uv_idle_init(lane_loop(scene->lane), &scene->idle);
  uv_timer_init(lane_loop(scene->lane), &scene->timer);
  uv_idle_start(&scene->idle, turn);
  lane_leave(scene->lane);
  *state = scene;
  return 0;
}

static int close_scene(void **state) {
  struct scene *scene = *state;
  lane_enter(scene->lane);
  uv_close((uv_handle_t *)&scene->idle, NULL);
  uv_close((uv_handle_t *)&scene->timer, NULL);
  lane_leave(scene->lane);
  lane_free(scene->lane);
  uv_run(&scene->loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&scene->loop), 0);
  free(scene);
  return 0;
}

static void await_turn(struct scene *scene) {
  unsigned long before = atomic_load(&scene->turns);
  while (atomic_load(&scene->turns) == before)
    sched_yield();
}

static void assert_stands_still(struct scene *scene) {
  unsigned long before = atomic_load(&scene->turns);
  for (int i = 0; i < GLANCES; i++) {
    sched_yield();
    assert_true(atomic_load(&scene->turns) == before);
  }
}

static void a_lane_stands_still_while_it_is_visited(void **state) {
  struct scene *scene = *state;
  await_turn(scene);
  lane_enter(scene->lane);
  assert_stands_still(scene);
  lane_leave(scene->lane);
  await_turn(scene);
}

static void visits_nest(void **state) {
  struct scene *scene = *state;
  lane_enter(scene->lane);
  lane_enter(scene->lane);
  lane_leave(scene->lane);
  assert_stands_still(scene);
  lane_leave(scene->lane);
  await_turn(scene);
}

static void only_its_own_thread_is_alone(void **state) {
  struct scene *scene = *state;
  await_turn(scene);
  assert_true(atomic_load(&scene->was_alone));
  assert_false(lane_is_alone(scene->lane));
  lane_enter(scene->lane);
  assert_false(lane_is_alone(scene->lane));
  lane_leave(scene->lane);
}

static void the_main_thread_as_a_lane_is_never_left(void **state) {
  (void)state;
  lane_enter(NULL);
  assert_false(lane_is_alone(NULL)); /* nothing has to be posted */
  lane_leave(NULL);
  lane_free(NULL);
}

struct post {
  struct lane_event event;
  struct scene *scene;
  unsigned number;
};

static void handle(struct lane_event *event) {
  struct post *post = (struct post *)event;
  struct scene *scene = post->scene;
  scene->in_order = scene->in_order && post->number == scene->handled;
  scene->handled++;
  free(post);
}

static void post_all(uv_timer_t *timer) {
  struct scene *scene = timer->data;
  for (unsigned i = 0; i < POSTS; i++) {
    struct post *post = calloc(1, sizeof *post);
    assert_non_null(post);
    *post = (struct post){.event.handle = handle, .scene = scene, .number = i};
    lane_post(scene->lane, &post->event);
  }
}

static void start_posting(struct scene *scene) {
  lane_enter(scene->lane);
  uv_timer_start(&scene->timer, post_all, 0, 0);
  lane_leave(scene->lane);
}

static void what_is_posted_is_handled_in_order_by_the_main_thread(void **state) {
  struct scene *scene = *state;
  start_posting(scene);
  while (scene->handled < POSTS)
    uv_run(&scene->loop, UV_RUN_ONCE);
  assert_true(scene->in_order);
}

static void nothing_that_was_posted_is_lost_with_the_lane(void **state) {
  struct scene *scene = *state;
  start_posting(scene);
  await_turn(scene);
  await_turn(scene); /* timers come before idle handles */
  lane_enter(scene->lane);
  uv_close((uv_handle_t *)&scene->idle, NULL);
  uv_close((uv_handle_t *)&scene->timer, NULL);
  lane_leave(scene->lane);
  assert_int_equal(scene->handled, 0); /* the main loop has not turned */
  lane_free(scene->lane);
  assert_int_equal(scene->handled, POSTS);
  assert_true(scene->in_order);
  uv_run(&scene->loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&scene->loop), 0);
  free(scene);
  *state = NULL;
}

static int forget_scene(void **state) {
  return *state ? close_scene(state) : 0;
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, forget_scene)
  const struct CMUnitTest tests[] = {
      TEST(a_lane_stands_still_while_it_is_visited),
      TEST(visits_nest),
      TEST(only_its_own_thread_is_alone),
      TEST(the_main_thread_as_a_lane_is_never_left),
      TEST(what_is_posted_is_handled_in_order_by_the_main_thread),
      TEST(nothing_that_was_posted_is_lost_with_the_lane),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
