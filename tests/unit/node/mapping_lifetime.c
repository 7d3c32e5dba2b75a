/* How a node finds out how long its NAT keeps a mapping. */
#include "node/mapping_lifetime.h"
#include "cloud_double.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/session.h"

struct scene {
  struct world world;
  struct cloud_double cloud;
  struct mapping_lifetime_config config;
  struct mapping_lifetime *lifetime;
  unsigned changes, awaited_changes, awaited_silences;
};

static void changed(void *context) {
  struct scene *scene = context;
  scene->changes++;
}

/* A NAT that lets an answer in after `survived` seconds of silence. */
static void scene_open(struct scene *scene, unsigned shortest, unsigned longest,
                       unsigned survived) {
  *scene = (struct scene){0};
  world_init(&scene->world);
  cloud_double_open(&scene->cloud, &scene->world);
  scene->cloud.survived = survived;
  scene->config = (struct mapping_lifetime_config){
      .target = {.loop = &scene->world.loop,
                 .log = &scene->world.log,
                 .alpn = NMS_ALPN,
                 .purpose = PKI_NMS,
                 .credentials = scene->world.alice.credentials,
                 .trust = scene->world.trust},
      .shortest = shortest * NANOSECONDS_PER_SECOND,
      .longest = longest * NANOSECONDS_PER_SECOND,
      .changed = changed,
      .context = scene,
  };
  scene->lifetime = mapping_lifetime_new(&scene->config);
  assert_non_null(scene->lifetime);
}

static void scene_close(struct scene *scene) {
  mapping_lifetime_free(scene->lifetime);
  cloud_double_close(&scene->cloud);
  world_clear(&scene->world);
}

static void learn_by(struct scene *scene, struct mapping_lifetime *lifetime) {
  struct address port = loopback(quic_endpoint_port(scene->cloud.second, 4));
  mapping_lifetime_learn(lifetime, &port);
}

static void learn(struct scene *scene) {
  learn_by(scene, scene->lifetime);
}

static bool is_reached(void *context) {
  struct scene *scene = context;
  return scene->changes >= scene->awaited_changes &&
         scene->cloud.silences >= scene->awaited_silences;
}

static void await(struct scene *scene, unsigned changes, unsigned silences) {
  scene->awaited_changes = changes;
  scene->awaited_silences = silences;
  world_run_until(&scene->world, is_reached, scene);
}

/* Nobody is connected at NMS's second port any more. */
static bool is_alone(void *context) {
  struct scene *scene = context;
  struct quic_endpoint_counters counters;
  quic_endpoint_counters(scene->cloud.second, &counters);
  return counters.connections == 0;
}

static void expect_keep_alive(const struct scene *scene, unsigned milliseconds) {
  assert_int_equal(mapping_lifetime_keep_alive(scene->lifetime) / NANOSECONDS_PER_MILLISECOND,
                   milliseconds);
}

/* While another asks for two silences, the scene's asks for none. */
static void expect_no_question(struct scene *scene) {
  unsigned asked = scene->cloud.silences;
  struct mapping_lifetime_config config = scene->config;
  config.shortest = NANOSECONDS_PER_SECOND;
  config.longest = 2 * NANOSECONDS_PER_SECOND;
  struct mapping_lifetime *other = mapping_lifetime_new(&config);
  assert_non_null(other);
  learn_by(scene, other);
  await(scene, scene->changes + 2, asked + 2);
  world_run_until(&scene->world, is_alone, scene);
  assert_int_equal(scene->cloud.silences, asked + 2);
  mapping_lifetime_free(other);
}

static void longer_silences_are_tried_up_to_the_limit(void **state UNUSED) {
  struct scene scene;
  scene_open(&scene, 1, 7, 99);
  expect_keep_alive(&scene, 1000);
  learn(&scene);
  await(&scene, 1, 1);
  expect_keep_alive(&scene, 1000); /* less than is trusted anyhow */
  await(&scene, 6, 6);             /* 1, 2, 3, 4, 6, 7 */
  expect_keep_alive(&scene, 5600);
  world_run_until(&scene.world, is_alone, &scene);
  mapping_lifetime_retry(scene.lifetime); /* it is known */
  assert_int_equal(scene.cloud.silences, 6);
  expect_no_question(&scene);
  scene_close(&scene);
}

static void a_silence_too_long_is_the_end(void **state UNUSED) {
  struct scene scene;
  scene_open(&scene, 1, 99, 2);
  learn(&scene);
  await(&scene, 2, 3); /* 1, 2, and 3, which is not answered */
  world_run_until(&scene.world, is_alone, &scene);
  expect_keep_alive(&scene, 1600);
  assert_int_equal(scene.changes, 2);
  mapping_lifetime_retry(scene.lifetime);
  expect_no_question(&scene);
  scene_close(&scene);
}

static void an_nms_that_went_away_is_asked_again(void **state UNUSED) {
  struct scene scene;
  scene_open(&scene, 1, 4, 2);
  scene.cloud.breaks = true;
  learn(&scene);
  await(&scene, 2, 3);
  world_run_until(&scene.world, is_alone, &scene);
  expect_keep_alive(&scene, 1600);
  scene.cloud.survived = 4;
  mapping_lifetime_retry(scene.lifetime);
  await(&scene, 6, 7); /* 1, 2, 3, 4: from the beginning, by another mapping */
  expect_keep_alive(&scene, 3200);
  scene_close(&scene);
}

static void another_nat_may_keep_mappings_for_less(void **state UNUSED) {
  struct scene scene;
  scene_open(&scene, 1, 4, 4);
  learn(&scene);
  await(&scene, 4, 4);
  expect_keep_alive(&scene, 3200);
  mapping_lifetime_forget(scene.lifetime);
  assert_int_equal(scene.changes, 5);
  expect_keep_alive(&scene, 1000);
  mapping_lifetime_retry(scene.lifetime); /* there is no NAT */
  assert_int_equal(scene.cloud.silences, 4);
  expect_no_question(&scene);
  scene_close(&scene);
}

static void nothing_is_learned_below_what_is_trusted(void **state UNUSED) {
  struct scene scene;
  scene_open(&scene, 4, 4, 99);
  learn(&scene);
  mapping_lifetime_retry(scene.lifetime);
  expect_no_question(&scene);
  expect_keep_alive(&scene, 4000);
  scene_close(&scene);
}

/* In each of its states: the memory checks tell. */
static void learning_can_end_at_any_time(void **state UNUSED) {
  for (unsigned silences = 0; silences < 3; silences++) {
    struct scene scene;
    scene_open(&scene, 1, 99, 1);
    learn(&scene);
    await(&scene, 0, silences);
    unsigned changes = scene.changes;
    mapping_lifetime_forget(scene.lifetime);
    world_run_until(&scene.world, is_alone, &scene);
    assert_int_equal(scene.changes, changes > 0 ? changes + 1 : 0);
    scene_close(&scene);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(longer_silences_are_tried_up_to_the_limit),
      cmocka_unit_test(a_silence_too_long_is_the_end),
      cmocka_unit_test(an_nms_that_went_away_is_asked_again),
      cmocka_unit_test(another_nat_may_keep_mappings_for_less),
      cmocka_unit_test(nothing_is_learned_below_what_is_trusted),
      cmocka_unit_test(learning_can_end_at_any_time),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
