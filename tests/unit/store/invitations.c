#include "fixture.h"

#include <string.h>

static struct store_invitation added_invitation(struct store *store, int64_t uses) {
  struct error error = {0};
  struct store_invitation invitation = {.secret_hash = "hash of a secret",
                                        .name = "alice",
                                        .uses_left = uses,
                                        .created = 1000,
                                        .expires = 2000};
  must(store_invitation_add(store, &invitation, &error), &error);
  return invitation;
}

static int64_t uses_left(struct store *store, const struct store_invitation *invitation) {
  struct error error = {0};
  struct store_invitation read;
  must(store_invitation_by_hash(store, invitation->secret_hash, &read, &error), &error);
  return read.uses_left;
}

static void an_invitation_is_found_by_the_hash_of_its_secret(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_invitation added = added_invitation(place->store, 3), read;
  must(store_invitation_by_hash(place->store, added.secret_hash, &read, &error), &error);
  assert_int_equal(read.id, added.id);
  assert_string_equal(read.name, "alice");
  assert_int_equal(read.uses_left, 3);
  assert_int_equal(read.created, 1000);
  assert_int_equal(read.expires, 2000);
}

static void another_secret_finds_nothing(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_invitation read;
  uint8_t hash[PKI_HASH_SIZE] = "hash of another";
  added_invitation(place->store, 1);
  assert_int_equal(store_invitation_by_hash(place->store, hash, &read, &error), ERROR_NOT_FOUND);
}

static void a_secret_is_given_out_once(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_invitation invitation = added_invitation(place->store, 1);
  assert_int_equal(store_invitation_add(place->store, &invitation, &error), ERROR_EXISTS);
}

static void an_invitation_for_nobody_is_none(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_invitation invitation = {.uses_left = 0};
  assert_int_equal(store_invitation_add(place->store, &invitation, &error), ERROR_INVALID);
}

static void each_redemption_takes_one_use_until_none_is_left(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_invitation invitation = added_invitation(place->store, 2);
  struct store_device a = added_device(place->store, "a"), b = added_device(place->store, "b"),
                      c = added_device(place->store, "c");
  must(store_invitation_redeem(place->store, invitation.id, a.id, 1500, &error), &error);
  assert_int_equal(uses_left(place->store, &invitation), 1);
  must(store_invitation_redeem(place->store, invitation.id, b.id, 1500, &error), &error);
  must_fail(store_invitation_redeem(place->store, invitation.id, c.id, 1500, &error), ERROR_LIMIT,
            &error, "no use left");
  assert_int_equal(uses_left(place->store, &invitation), 0);
  bool redeemed;
  must(store_invitation_was_redeemed_by(place->store, invitation.id, a.id, &redeemed, &error),
       &error);
  assert_true(redeemed);
  must(store_invitation_was_redeemed_by(place->store, invitation.id, c.id, &redeemed, &error),
       &error);
  assert_false(redeemed);
}

static void a_device_redeems_an_invitation_once_and_pays_once(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_invitation invitation = added_invitation(place->store, 5);
  struct store_device a = added_device(place->store, "a");
  must(store_invitation_redeem(place->store, invitation.id, a.id, 1500, &error), &error);
  assert_int_equal(store_invitation_redeem(place->store, invitation.id, a.id, 1500, &error),
                   ERROR_EXISTS);
  assert_int_equal(uses_left(place->store, &invitation), 4);
}

static void a_device_that_does_not_exist_costs_no_use(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_invitation invitation = added_invitation(place->store, 1);
  assert_int_equal(store_invitation_redeem(place->store, invitation.id, 99, 1500, &error),
                   ERROR_DATABASE);
  assert_int_equal(uses_left(place->store, &invitation), 1);
}

static void of_two_servers_that_race_for_one_use_one_wins(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_invitation invitation = added_invitation(place->store, 1);
  struct store_device a = added_device(place->store, "a"), b = added_device(place->store, "b");
  struct store *other;
  must(store_open(place->path, false, &other, &error), &error);
  /* Both have looked and seen a use. */
  assert_int_equal(uses_left(place->store, &invitation), 1);
  assert_int_equal(uses_left(other, &invitation), 1);
  must(store_invitation_redeem(place->store, invitation.id, a.id, 1500, &error), &error);
  must_fail(store_invitation_redeem(other, invitation.id, b.id, 1500, &error), ERROR_LIMIT, &error,
            "no use left");
  bool redeemed;
  must(store_invitation_was_redeemed_by(other, invitation.id, b.id, &redeemed, &error), &error);
  assert_false(redeemed);
  store_close(other);
}

static void a_redemption_rolled_back_gives_the_use_back(void **state) {
  struct place *place = *state;
  struct error error = {0};
  struct store_invitation invitation = added_invitation(place->store, 1);
  struct store_device a = added_device(place->store, "a");
  must(store_begin(place->store, &error), &error);
  must(store_invitation_redeem(place->store, invitation.id, a.id, 1500, &error), &error);
  store_rollback(place->store);
  assert_int_equal(uses_left(place->store, &invitation), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_with_store, place_clear)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(an_invitation_is_found_by_the_hash_of_its_secret),
      TEST(another_secret_finds_nothing),
      TEST(a_secret_is_given_out_once),
      TEST(an_invitation_for_nobody_is_none),
      TEST(each_redemption_takes_one_use_until_none_is_left),
      TEST(a_device_redeems_an_invitation_once_and_pays_once),
      TEST(a_device_that_does_not_exist_costs_no_use),
      TEST(of_two_servers_that_race_for_one_use_one_wins),
      TEST(a_redemption_rolled_back_gives_the_use_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
