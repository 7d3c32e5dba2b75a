/* How a TRS makes itself known to NMS, and stays so. NMS is on the same endpoint. */
#include "station.h"

#include <string.h>

#include "nms/service.h"
#include "trs/registration.h"

struct watch {
  struct cloud *cloud;
  struct station station; /* whose certificate is used */
  struct trs_registration *registration;
  size_t pairs; /* that are awaited */
  bool gone;
};

static void begin(struct cloud *cloud, size_t nms_count, const struct trs_host *nms,
                  struct watch *watch) {
  *watch = (struct watch){.cloud = cloud};
  member_serve(cloud, "trs", PKI_TRS, &watch->station.member);
  struct trs_config config = {
      .endpoint = cloud->endpoint,
      .loop = &cloud->loop,
      .log = &cloud->log,
      .credentials = watch->station.member.credentials,
      .trust = cloud->trust,
      .name = watch->station.member.fqdn,
      .nms_count = nms_count,
      .public_count = 2,
      .public = {{"trs.example.org", 443}, {"2001:db8::7", 8443}},
  };
  for (size_t i = 0; i < nms_count; i++) {
    config.nms[i] = nms[i];
  }
  struct error error = {0};
  must(trs_registration_new(&config, &watch->registration, &error), &error);
}

static void begin_here(struct cloud *cloud, struct watch *watch) {
  begin(cloud, 1, &(struct trs_host){"127.0.0.1", cloud->address.port}, watch);
}

static void set_gone(void *context) {
  ((struct watch *)context)->gone = true;
}

static void end(struct watch *watch) {
  trs_registration_free(watch->registration, set_gone, watch);
  cloud_wait(watch->cloud, &watch->gone);
  member_close(&watch->station.member);
}

static const struct relay *known(const struct cloud *cloud) {
  return relay_registry_first(cloud->nms->relays);
}

static bool is_registered(void *context) {
  struct watch *watch = context;
  return trs_registration_count(watch->registration) == 1 && known(watch->cloud) != NULL;
}

static bool is_not_registered(void *context) {
  return trs_registration_count(((struct watch *)context)->registration) == 0;
}

static void nms_knows_name_and_addresses(void **state) {
  struct watch watch;
  begin_here(*state, &watch);
  wait_for(*state, is_registered, &watch);
  const struct relay *relay = known(*state);
  assert_string_equal(relay->name, "trs.test.internal");
  assert_int_equal(relay->address_count, 2);
  assert_string_equal(relay->address[0].host, "trs.example.org");
  assert_int_equal(relay->address[0].port, 443);
  assert_string_equal(relay->address[1].host, "2001:db8::7");
  assert_int_equal(relay->address[1].port, 8443);
  assert_int_equal(relay->pairs, 0);
  end(&watch);
}

static bool nms_knows_none(void *context) {
  return known(context) == NULL;
}

static void nms_knows_when_it_is_over(void **state) {
  struct watch watch;
  begin_here(*state, &watch);
  wait_for(*state, is_registered, &watch);
  end(&watch);
  wait_for(*state, nms_knows_none, *state);
}

static bool nms_knows_the_pairs(void *context) {
  struct watch *watch = context;
  return known(watch->cloud) != NULL && known(watch->cloud)->pairs == watch->pairs;
}

static void nms_is_told_of_loads_that_matter(void **state) {
  struct watch watch;
  begin_here(*state, &watch);
  wait_for(*state, is_registered, &watch);
  trs_registration_set_load(watch.registration, 3); /* not worth a word */
  watch.pairs = 100;
  trs_registration_set_load(watch.registration, watch.pairs);
  wait_for(*state, nms_knows_the_pairs, &watch);
  /* Changes while an answer is awaited are told after it. */
  trs_registration_set_load(watch.registration, 1000);
  watch.pairs = 10;
  trs_registration_set_load(watch.registration, watch.pairs);
  wait_for(*state, nms_knows_the_pairs, &watch);
  end(&watch);
}

static void a_name_is_resolved(void **state) {
  struct cloud *cloud = *state;
  struct watch watch;
  begin(cloud, 1, &(struct trs_host){"localhost", cloud->address.port}, &watch);
  wait_for(cloud, is_registered, &watch);
  end(&watch);
}

static void it_may_end_while_a_name_is_resolved(void **state) {
  struct cloud *cloud = *state;
  struct watch watch;
  begin(cloud, 1, &(struct trs_host){"localhost", cloud->address.port}, &watch);
  uv_run(&cloud->loop, UV_RUN_NOWAIT);
  end(&watch);
}

static void it_comes_back_when_nms_does(void **state) {
  struct cloud *cloud = *state;
  cloud->log.level = LOG_LEVEL_ERROR;
  struct watch watch;
  begin_here(cloud, &watch);
  wait_for(cloud, is_registered, &watch);
  nms_service_free(cloud->nms);
  cloud->nms = NULL;
  wait_for(cloud, is_not_registered, &watch);
  const struct nms_config config = {.endpoint = cloud->endpoint,
                                    .log = &cloud->log,
                                    .store = cloud->store,
                                    .credentials = cloud->nms_credentials,
                                    .trust = cloud->trust};
  struct error error = {0};
  must(nms_service_new(&config, &cloud->nms, &error), &error);
  wait_for(cloud, is_registered, &watch);
  end(&watch);
}

/* As when a server has an IPv4 and an IPv6 address, and both are named. */
static void two_hosts_that_are_one_nms_do_not_fight(void **state) {
  struct cloud *cloud = *state;
  struct watch watch;
  const struct trs_host hosts[] = {{"127.0.0.1", cloud->address.port},
                                   {"localhost", cloud->address.port}};
  begin(cloud, 2, hosts, &watch);
  wait_for(cloud, is_registered, &watch);
  assert_int_equal(relay_registry_count(cloud->nms->relays), 1);
  /* Were they fighting, nothing would be told for long. */
  for (watch.pairs = 100; watch.pairs < 1000000; watch.pairs *= 10) {
    trs_registration_set_load(watch.registration, watch.pairs);
    wait_for(cloud, nms_knows_the_pairs, &watch);
  }
  wait_for(cloud, is_registered, &watch);
  end(&watch);
}

static void an_nms_that_does_not_answer_harms_nobody(void **state) {
  struct cloud *cloud = *state;
  struct watch watch;
  const struct trs_host hosts[] = {{"127.0.0.1", 9}, {"127.0.0.1", cloud->address.port}};
  begin(cloud, 2, hosts, &watch);
  wait_for(cloud, is_registered, &watch);
  end(&watch);
}

static void without_nms_there_is_nothing_to_do(void **state) {
  struct watch watch;
  begin(*state, 0, NULL, &watch);
  assert_int_equal(trs_registration_count(watch.registration), 0);
  end(&watch);
}

static void bounds_are_told(void **state) {
  struct cloud *cloud = *state;
  struct trs_config config = {.loop = &cloud->loop, .nms_count = TRS_NMS_MAX + 1};
  struct trs_registration *registration;
  struct error error = {0};
  must_fail(trs_registration_new(&config, &registration, &error), ERROR_LIMIT, &error, "8");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cloud_open, cloud_close)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(nms_knows_name_and_addresses),
      TEST(nms_knows_when_it_is_over),
      TEST(nms_is_told_of_loads_that_matter),
      TEST(a_name_is_resolved),
      TEST(it_may_end_while_a_name_is_resolved),
      TEST(it_comes_back_when_nms_does),
      TEST(two_hosts_that_are_one_nms_do_not_fight),
      TEST(an_nms_that_does_not_answer_harms_nobody),
      TEST(without_nms_there_is_nothing_to_do),
      TEST(bounds_are_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
