#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "node/pem.h"
#include "node/state.h"
#include "node/state_json.h"

struct folder {
  char path[64];
};

static int folder_make(void **state) {
  struct folder *folder = calloc(1, sizeof *folder);
  assert_non_null(folder);
  snprintf(folder->path, sizeof folder->path, "/tmp/cyphonic-state-XXXXXX");
  assert_non_null(mkdtemp(folder->path));
  *state = folder;
  return 0;
}

static int folder_remove(void **state) {
  struct folder *folder = *state;
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", folder->path);
  assert_int_equal(system(command), 0);
  free(folder);
  return 0;
}

static char *path_in(const struct folder *folder, const char *name) {
  char *path = file_path(folder->path, name);
  assert_non_null(path);
  return path;
}

static void put(const struct folder *folder, const char *name, const char *text, mode_t mode) {
  char *path = path_in(folder, name);
  struct error error = {0};
  assert_int_equal(file_write(path, text, strlen(text), mode, &error), 0);
  free(path);
}

static bool exists(const struct folder *folder, const char *name) {
  char *path = path_in(folder, name);
  bool there = access(path, F_OK) == 0;
  free(path);
  return there;
}

static struct node_state sample(void) {
  struct node_state state = {
      .fqdn = "alice.cyphonic.internal", .domain = "cyphonic.internal", .wanted_up = true};
  assert_int_equal(ip_address_parse("10.9.0.1", &state.ipv4), 0);
  assert_int_equal(ip_address_parse("fd12::1", &state.ipv6), 0);
  assert_int_equal(ip_prefix_parse("10.9.0.0/16", &state.ipv4_prefix), 0);
  assert_int_equal(ip_prefix_parse("fd12::/64", &state.ipv6_prefix), 0);
  assert_true(service_addresses_add(&state.as, "as.example", 443));
  assert_true(service_addresses_add(&state.nms, "2001:db8::1", 8443));
  return state;
}

static void what_is_saved_is_loaded(void **state) {
  const struct folder *folder = *state;
  struct node_state saved = sample(), loaded;
  struct error error = {0};
  assert_int_equal(state_save(folder->path, &saved, &error), 0);
  assert_int_equal(state_load(folder->path, &loaded, &error), 0);
  assert_string_equal(loaded.fqdn, saved.fqdn);
  assert_string_equal(loaded.domain, saved.domain);
  assert_true(ip_address_equal(&loaded.ipv4, &saved.ipv4));
  assert_true(ip_address_equal(&loaded.ipv6, &saved.ipv6));
  assert_int_equal(loaded.ipv4_prefix.length, 16);
  assert_int_equal(loaded.ipv6_prefix.length, 64);
  assert_true(service_addresses_equal(&loaded.as, &saved.as));
  assert_true(service_addresses_equal(&loaded.nms, &saved.nms));
  assert_true(loaded.wanted_up);
}

static void ranges_not_known_yet_stay_so(void **state) {
  const struct folder *folder = *state;
  struct node_state saved = sample(), loaded;
  struct error error = {0};
  saved.ipv4_prefix = saved.ipv6_prefix = (struct ip_prefix){0};
  saved.wanted_up = false;
  assert_int_equal(state_save(folder->path, &saved, &error), 0);
  assert_int_equal(state_load(folder->path, &loaded, &error), 0);
  assert_int_equal(loaded.ipv4_prefix.length, 0);
  assert_false(loaded.wanted_up);
}

static void a_node_without_state_has_not_joined(void **state) {
  const struct folder *folder = *state;
  struct node_state loaded;
  struct error error = {0};
  assert_int_equal(state_load(folder->path, &loaded, &error), ERROR_NOT_FOUND);
  assert_non_null(strstr(error.message, "cyphonic join"));
}

static void damaged_state_names_file_and_member(void **state) {
  (void)state;
  const struct {
    const char *text, *names;
  } cases[] = {
      {"", "line"},
      {"{", "line"},
      {"[]", "no JSON object"},
      {"{\"fqdn\": \"a.x\"}", "\"domain\""},
      {"{\"fqdn\": 7}", "\"fqdn\""},
      {"{\"fqdn\": \"a.x\", \"domain\": \"x\", \"ipv4\": \"fd::1\"}", "\"ipv4\""},
      {"{\"fqdn\": \"a.x\", \"domain\": \"x\", \"ipv4\": \"10.9.0.1\"}", "\"ipv6\""},
      {"{\"fqdn\": \"a.x\", \"domain\": \"x\", \"ipv4\": \"10.9.0.1\", \"ipv6\": \"fd12::1\"}",
       "\"as\""},
      {"{\"fqdn\": \"a.x\", \"domain\": \"x\", \"ipv4\": \"10.9.0.1\", \"ipv6\": \"fd12::1\","
       "\"ipv4_prefix\": \"10.9.0.1/16\"}",
       "\"ipv4_prefix\""},
      {"{\"fqdn\": \"a.x\", \"domain\": \"x\", \"ipv4\": \"10.9.0.1\", \"ipv6\": \"fd12::1\","
       "\"as\": [{\"host\": \"h\", \"port\": 0}], \"nms\": []}",
       "\"as\""},
      {"{\"fqdn\": \"a.y\", \"domain\": \"x\", \"ipv4\": \"10.9.0.1\", \"ipv6\": \"fd12::1\","
       "\"as\": [], \"nms\": [], \"wanted\": \"up\"}",
       "\"fqdn\""},
      {"{\"fqdn\": \"a.x\", \"domain\": \"x\", \"ipv4\": \"10.9.0.1\", \"ipv6\": \"fd12::1\","
       "\"as\": [], \"nms\": [], \"wanted\": \"maybe\"}",
       "\"wanted\""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct node_state loaded;
    struct error error = {0};
    assert_int_equal(
        state_json_parse("node.json", cases[i].text, strlen(cases[i].text), &loaded, &error),
        ERROR_CONFIG);
    if (!strstr(error.message, cases[i].names) || !strstr(error.message, "node.json"))
      fail_msg("case %zu: \"%s\"", i, error.message);
  }
}

static void the_secret_is_made_once_and_kept(void **state) {
  const struct folder *folder = *state;
  uint8_t first[STATE_SECRET_SIZE], second[STATE_SECRET_SIZE];
  struct error error = {0};
  assert_int_equal(state_secret(folder->path, first, &error), 0);
  assert_int_equal(state_secret(folder->path, second, &error), 0);
  assert_memory_equal(first, second, sizeof first);
  char *path = path_in(folder, "quic.secret");
  struct stat status;
  assert_int_equal(stat(path, &status), 0);
  assert_int_equal(status.st_mode & 0777, 0600);
  free(path);
}

static void a_secret_of_the_wrong_size_is_made_anew_but_an_open_one_is_an_error(void **state) {
  const struct folder *folder = *state;
  uint8_t secret[STATE_SECRET_SIZE];
  struct error error = {0};
  put(folder, "quic.secret", "short", 0600);
  assert_int_equal(state_secret(folder->path, secret, &error), 0);
  put(folder, "quic.secret", "01234567890123456789012345678901", 0644);
  assert_int_equal(state_secret(folder->path, secret, &error), ERROR_PERMISSION);
}

static void a_join_with_the_same_invitation_takes_the_same_key(void **state) {
  const struct folder *folder = *state;
  uint8_t one[PKI_HASH_SIZE] = {1}, other[PKI_HASH_SIZE] = {2};
  uint8_t hashes[3][PKI_HASH_SIZE];
  const uint8_t *invitations[] = {one, one, other};
  struct error error = {0};
  for (size_t i = 0; i < 3; i++) {
    struct pki_key *key;
    assert_int_equal(state_join_key(folder->path, invitations[i], &key, &error), 0);
    assert_int_equal(pki_key_hash(key, hashes[i], &error), 0);
    pki_key_free(key);
  }
  assert_memory_equal(hashes[0], hashes[1], PKI_HASH_SIZE);
  assert_memory_not_equal(hashes[0], hashes[2], PKI_HASH_SIZE);
}

static void a_join_leaves_key_certificates_and_state_and_no_pending_key(void **state) {
  const struct folder *folder = *state;
  uint8_t invitation[PKI_HASH_SIZE] = {0xab}, pending[PKI_HASH_SIZE], kept[PKI_HASH_SIZE];
  struct error error = {0};
  struct pki_key *key;
  assert_int_equal(state_join_key(folder->path, invitation, &key, &error), 0);
  assert_int_equal(pki_key_hash(key, pending, &error), 0);
  pki_key_free(key);
  assert_true(exists(folder, "join-ab00000000000000.key"));
  put(folder, "node.key", "left by a join that broke off", 0600);
  struct node_state joined = sample(), loaded;
  struct span der = {.data = (const uint8_t *)"certificate", .size = 11};
  struct span chain[] = {der, der};
  assert_int_equal(state_join_commit(folder->path, invitation, &joined, chain, 2, der, &error), 0);
  assert_false(exists(folder, "join-ab00000000000000.key"));
  assert_true(exists(folder, "node.crt"));
  assert_true(exists(folder, "root.crt"));
  assert_int_equal(state_load(folder->path, &loaded, &error), 0);
  char *path = path_in(folder, "node.key");
  assert_int_equal(pki_key_load(path, &key, &error), 0);
  assert_int_equal(pki_key_hash(key, kept, &error), 0);
  assert_memory_equal(pending, kept, PKI_HASH_SIZE);
  pki_key_free(key);
  free(path);
}

static void a_missing_or_broken_identity_says_what_to_do(void **state) {
  const struct folder *folder = *state;
  struct node_state joined = sample();
  struct node_identity identity;
  struct error error = {0};
  assert_int_not_equal(state_identity_load(folder->path, &joined, 0, &identity, &error), 0);
  assert_non_null(strstr(error.message, "join again"));
  assert_non_null(strstr(error.message, "root.crt"));
  put(folder, "root.crt", "nonsense", 0644);
  error = (struct error){0};
  assert_int_not_equal(state_identity_load(folder->path, &joined, 0, &identity, &error), 0);
  assert_non_null(strstr(error.message, "root.crt"));
}

static void certificates_become_pem(void **state) {
  (void)state;
  uint8_t der[50];
  for (size_t i = 0; i < sizeof der; i++)
    der[i] = (uint8_t)i;
  struct span spans[] = {{der, 50}, {der, 1}, {der, 48}};
  char *text;
  size_t size;
  struct error error = {0};
  assert_int_equal(pem_from_certificates(spans, 3, &text, &size, &error), 0);
  assert_string_equal(text, "-----BEGIN CERTIFICATE-----\n"
                            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v\n"
                            "MDE=\n"
                            "-----END CERTIFICATE-----\n"
                            "-----BEGIN CERTIFICATE-----\n"
                            "AA==\n"
                            "-----END CERTIFICATE-----\n"
                            "-----BEGIN CERTIFICATE-----\n"
                            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v\n"
                            "-----END CERTIFICATE-----\n");
  assert_int_equal(size, strlen(text));
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(what_is_saved_is_loaded, folder_make, folder_remove),
      cmocka_unit_test_setup_teardown(ranges_not_known_yet_stay_so, folder_make, folder_remove),
      cmocka_unit_test_setup_teardown(a_node_without_state_has_not_joined, folder_make,
                                      folder_remove),
      cmocka_unit_test(damaged_state_names_file_and_member),
      cmocka_unit_test_setup_teardown(the_secret_is_made_once_and_kept, folder_make, folder_remove),
      cmocka_unit_test_setup_teardown(
          a_secret_of_the_wrong_size_is_made_anew_but_an_open_one_is_an_error, folder_make,
          folder_remove),
      cmocka_unit_test_setup_teardown(a_join_with_the_same_invitation_takes_the_same_key,
                                      folder_make, folder_remove),
      cmocka_unit_test_setup_teardown(a_join_leaves_key_certificates_and_state_and_no_pending_key,
                                      folder_make, folder_remove),
      cmocka_unit_test_setup_teardown(a_missing_or_broken_identity_says_what_to_do, folder_make,
                                      folder_remove),
      cmocka_unit_test(certificates_become_pem),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
