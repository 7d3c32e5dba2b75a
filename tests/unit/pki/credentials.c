#include "fixture.h"

#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "pki/certificate.h"
#include "pki/gnutls_handle.h"

static int setup(void **state) {
  static struct network network;
  network_init(&network);
  *state = &network;
  return 0;
}

static int teardown(void **state) {
  network_clear(*state);
  return 0;
}

static void issue_as(const struct network *network, char certificate[static PATH_SIZE],
                     char key[static PATH_SIZE]) {
  struct error error = {0};
  expect_code(pki_issue_service(network->root, PKI_AS, "as." DOMAIN, NOW, network->folder, &error),
              0, &error);
  network_path(network, "as.crt", certificate);
  network_path(network, "as.key", key);
}

static void our_own_chain_is_verified_as_a_peer_would(void **state) {
  struct network *network = *state;
  char certificate[PATH_SIZE], key[PATH_SIZE];
  struct pki_credentials *credentials;
  struct pki_identity identity;
  struct error error = {0};
  issue_as(network, certificate, key);
  expect_code(pki_credentials_load(certificate, key, &credentials, &error), 0, &error);
  const struct {
    enum pki_purpose purpose;
    int64_t now;
    int code;
  } cases[] = {
      {PKI_AS, NOW, 0},
      {PKI_NMS, NOW, ERROR_CERTIFICATE},
      {PKI_NODE, NOW, ERROR_CERTIFICATE},
      {PKI_AS, NOW + (int64_t)(PKI_SERVICE_DAYS + 1) * 86400, ERROR_EXPIRED},
      {PKI_AS, NOW - 86400, ERROR_EXPIRED},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    expect_code(pki_credentials_verify(credentials, network->trust, cases[i].purpose, cases[i].now,
                                       &identity, &error),
                cases[i].code, &error);
  }
  pki_credentials_free(credentials);
}

static void files_that_cannot_serve_are_refused(void **state) {
  struct network *network = *state;
  char certificate[PATH_SIZE], key[PATH_SIZE], other[PATH_SIZE];
  struct pki_credentials *credentials;
  struct error error = {0};
  issue_as(network, certificate, key);
  expect_code(pki_credentials_load(certificate, network_path(network, "root.key", other),
                                   &credentials, &error),
              ERROR_CERTIFICATE, &error);
  assert_null(credentials);
  assert_non_null(strstr(error.message, other));
  assert_non_null(strstr(error.message, certificate));
  expect_code(pki_credentials_load(certificate, "/nonexistent", &credentials, &error),
              ERROR_NOT_FOUND, &error);
  expect_code(pki_credentials_load("/nonexistent", key, &credentials, &error), ERROR_NOT_FOUND,
              &error);
  expect_code(pki_credentials_load(key, key, &credentials, &error), ERROR_CERTIFICATE, &error);
  expect_code(file_create(network_path(network, "empty.crt", other), "", 0, 0644, &error), 0,
              &error);
  expect_code(pki_credentials_load(other, key, &credentials, &error), ERROR_CERTIFICATE, &error);
  assert_int_equal(chmod(key, 0644), 0);
  expect_code(pki_credentials_load(certificate, key, &credentials, &error), ERROR_PERMISSION,
              &error);
  assert_null(credentials);
  pki_credentials_free(NULL);
}

static int both_ends_step(gnutls_session_t client, gnutls_session_t server) {
  int client_status = GNUTLS_E_AGAIN, server_status = GNUTLS_E_AGAIN;
  for (int i = 0; i < 100 && (client_status != 0 || server_status != 0); i++) {
    if (client_status != 0) {
      client_status = gnutls_handshake(client);
    }
    if (server_status != 0) {
      server_status = gnutls_handshake(server);
    }
    assert_true(client_status == 0 || gnutls_error_is_fatal(client_status) == 0);
    assert_true(server_status == 0 || gnutls_error_is_fatal(server_status) == 0);
  }
  return client_status != 0 ? client_status : server_status;
}

/* What GnuTLS really sends: a node with an invitation has only the fingerprint of the root. */
static void the_root_is_sent_in_the_handshake_and_can_be_pinned(void **state) {
  struct network *network = *state;
  char certificate[PATH_SIZE], key[PATH_SIZE];
  struct pki_credentials *credentials;
  struct pki_trust *pin;
  struct error error = {0};
  uint8_t fingerprint[PKI_HASH_SIZE];
  issue_as(network, certificate, key);
  expect_code(pki_credentials_load(certificate, key, &credentials, &error), 0, &error);
  expect_code(pki_ca_root_fingerprint(network->root, fingerprint, &error), 0, &error);
  expect_code(pki_trust_pin(fingerprint, &pin, &error), 0, &error);

  int sockets[2];
  gnutls_session_t client, server;
  gnutls_certificate_credentials_t anonymous;
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets), 0);
  assert_int_equal(gnutls_certificate_allocate_credentials(&anonymous), 0);
  assert_int_equal(gnutls_init(&client, GNUTLS_CLIENT | GNUTLS_NONBLOCK), 0);
  assert_int_equal(gnutls_init(&server, GNUTLS_SERVER | GNUTLS_NONBLOCK), 0);
  static const char priority[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3";
  assert_int_equal(gnutls_priority_set_direct(client, priority, NULL), 0);
  assert_int_equal(gnutls_priority_set_direct(server, priority, NULL), 0);
  assert_int_equal(gnutls_credentials_set(client, GNUTLS_CRD_CERTIFICATE, anonymous), 0);
  assert_int_equal(
      gnutls_credentials_set(server, GNUTLS_CRD_CERTIFICATE, pki_credentials_handle(credentials)),
      0);
  gnutls_transport_set_int(client, sockets[0]);
  gnutls_transport_set_int(server, sockets[1]);
  assert_int_equal(both_ends_step(client, server), 0);

  unsigned count = 0;
  const gnutls_datum_t *shown = gnutls_certificate_get_peers(client, &count);
  assert_int_equal(count, 2);
  struct presented chain = {
      .count = 2, .der = {{shown[0].data, shown[0].size}, {shown[1].data, shown[1].size}}};
  expect_verdict(pin, &chain, PKI_AS, NOW, 0);

  gnutls_deinit(server);
  gnutls_deinit(client);
  gnutls_certificate_free_credentials(anonymous);
  close(sockets[0]);
  close(sockets[1]);
  pki_trust_free(pin);
  pki_credentials_free(credentials);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(our_own_chain_is_verified_as_a_peer_would),
      TEST(files_that_cannot_serve_are_refused),
      TEST(the_root_is_sent_in_the_handshake_and_can_be_pinned),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
