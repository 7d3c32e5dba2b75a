#include "fixture.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "pki/key.h"

static const uint8_t endpoint_secret[QUIC_SECRET_SIZE] = "the same over restarts of a test";

static void must(int code, const struct error *error) {
  if (code != 0) {
    fail_msg("%s: %s", error_name(code), error->message);
  }
}

static void path_in(const struct world *world, const char *name, char path[static 128]) {
  snprintf(path, 128, "%s/%s", world->folder, name);
}

/* One PEM block out of DER, by GnuTLS-free means: the loader wants files. */
static void append_pem(char *text, size_t capacity, const uint8_t *der, size_t size) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t used = strlen(text);
  used += (size_t)snprintf(text + used, capacity - used, "-----BEGIN CERTIFICATE-----\n");
  for (size_t i = 0, column = 0; i < size; i += 3) {
    uint32_t group = (uint32_t)der[i] << 16;
    group |= i + 1 < size ? (uint32_t)der[i + 1] << 8 : 0;
    group |= i + 2 < size ? der[i + 2] : 0;
    assert_true(used + 6 < capacity);
    text[used++] = digits[group >> 18];
    text[used++] = digits[group >> 12 & 63];
    text[used++] = i + 1 < size ? digits[group >> 6 & 63] : '=';
    text[used++] = i + 2 < size ? digits[group & 63] : '=';
    column += 4;
    if (column == 64) {
      text[used++] = '\n';
      column = 0;
    }
  }
  snprintf(text + used, capacity - used, "\n-----END CERTIFICATE-----\n");
}

void world_add_node(struct world *world, const char *fqdn, unsigned number, int64_t not_before,
                    int64_t not_after, struct member *member) {
  struct error error = {0};
  struct pki_key *key;
  must(pki_key_new(&key, &error), &error);
  uint8_t *request;
  size_t request_size;
  must(pki_request_new(key, fqdn, &request, &request_size, &error), &error);
  struct pki_node_subject subject = {
      .fqdn = fqdn, .not_before = not_before, .not_after = not_after};
  subject.ipv4.family = 4;
  memcpy(subject.ipv4.bytes, (const uint8_t[]){10, 9, 0, (uint8_t)number}, 4);
  subject.ipv6.family = 6;
  subject.ipv6.bytes[0] = 0xfd;
  subject.ipv6.bytes[15] = (uint8_t)number;
  struct pki_chain chain = {0};
  must(pki_issue_node(world->intermediate, (struct span){request, request_size}, &subject, &chain,
                      &member->identity, &error),
       &error);
  char text[16384] = "", name[64], certificate_path[128], key_path[128];
  for (size_t i = 0; i < chain.count; i++) {
    append_pem(text, sizeof(text), chain.certificate[i].data, chain.certificate[i].size);
  }
  snprintf(name, sizeof(name), "node%u.crt", number);
  path_in(world, name, certificate_path);
  snprintf(name, sizeof(name), "node%u.key", number);
  path_in(world, name, key_path);
  must(file_create(certificate_path, text, strlen(text), 0644, &error), &error);
  must(pki_key_save(key, key_path, &error), &error);
  must(pki_credentials_load(certificate_path, key_path, &member->credentials, &error), &error);
  pki_chain_clear(&chain);
  free(request);
  pki_key_free(key);
}

void member_clear(struct member *member) {
  pki_credentials_free(member->credentials);
  member->credentials = NULL;
}

void world_init(struct world *world) {
  memset(world, 0, sizeof(*world));
  struct error error = {0};
  world->log = (struct log){.stream = stderr, .level = LOG_LEVEL_ERROR};
  assert_int_equal(uv_loop_init(&world->loop), 0);
  strcpy(world->folder, "/tmp/cyphonic-quic-XXXXXX");
  assert_non_null(mkdtemp(world->folder));
  int64_t now = clock_wall();
  must(pki_root_new("test.internal", now, &world->root, &error), &error);
  must(pki_intermediate_new(world->root, "test.internal", now, &world->intermediate, &error),
       &error);
  char certificate_path[128], key_path[128];
  path_in(world, "root.crt", certificate_path);
  path_in(world, "root.key", key_path);
  must(pki_ca_save(world->root, certificate_path, key_path, &error), &error);
  must(pki_trust_load(certificate_path, &world->trust, &error), &error);
  uint8_t fingerprint[PKI_HASH_SIZE];
  must(pki_ca_root_fingerprint(world->root, fingerprint, &error), &error);
  must(pki_trust_pin(fingerprint, &world->pin, &error), &error);
  must(pki_issue_service(world->root, PKI_AS, "as.test.internal", now, world->folder, &error),
       &error);
  path_in(world, "as.crt", certificate_path);
  path_in(world, "as.key", key_path);
  must(pki_credentials_load(certificate_path, key_path, &world->service.credentials, &error),
       &error);
  world_add_node(world, "alice.test.internal", 1, now - 60, now + 3600, &world->alice);
  world_add_node(world, "bob.test.internal", 2, now - 60, now + 3600, &world->bob);
}

static int remove_entry(const char *path, const struct stat *status UNUSED, int flag UNUSED,
                        struct FTW *place UNUSED) {
  return remove(path);
}

static void deadline_passed(uv_timer_t *timer) {
  *(bool *)timer->data = true;
}

static void timer_gone(uv_handle_t *handle) {
  free(handle);
}

static void run_until(struct world *world, condition holds, void *context, const char *failure) {
  bool late = false;
  uv_timer_t *timer = malloc(sizeof(*timer));
  uv_timer_init(&world->loop, timer);
  timer->data = &late;
  uv_timer_start(timer, deadline_passed, 10000, 0);
  uv_unref((uv_handle_t *)timer); /* it keeps nothing alive */
  bool held = holds(context);
  while (!held && !late) {
    uv_run(&world->loop, UV_RUN_ONCE);
    held = holds(context);
  }
  uv_close((uv_handle_t *)timer, timer_gone);
  if (!held) {
    fail_msg("%s", failure);
  }
}

void world_run_until(struct world *world, condition holds, void *context) {
  run_until(world, holds, context, "what the test waits for did not happen in ten seconds");
}

static bool loop_is_done(void *context) {
  return !uv_loop_alive(context);
}

void world_clear(struct world *world) {
  run_until(world, loop_is_done, &world->loop, "the loop still has what a test left there");
  uv_run(&world->loop, UV_RUN_DEFAULT); /* the timer's end */
  assert_int_equal(uv_loop_close(&world->loop), 0);
  member_clear(&world->alice);
  member_clear(&world->bob);
  member_clear(&world->service);
  pki_trust_free(world->trust);
  pki_trust_free(world->pin);
  pki_ca_free(world->intermediate);
  pki_ca_free(world->root);
  nftw(world->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

struct address loopback(uint16_t port) {
  struct address address = {.ip = {.family = 4, .bytes = {127, 0, 0, 1}}, .port = port};
  return address;
}

struct quic_endpoint_config world_endpoint_config(struct world *world, uint16_t port) {
  return (struct quic_endpoint_config){
      .loop = &world->loop,
      .log = &world->log,
      .port = port,
      .ipv4 = loopback(0).ip,
      .secret = endpoint_secret,
  };
}

struct quic_endpoint *world_endpoint_new(const struct quic_endpoint_config *config) {
  struct error error = {0};
  struct quic_endpoint *endpoint;
  must(quic_endpoint_new(config, &endpoint, &error), &error);
  return endpoint;
}

struct quic_endpoint *world_endpoint(struct world *world, uint16_t port, size_t retry_threshold) {
  struct quic_endpoint_config config = world_endpoint_config(world, port);
  config.retry_threshold = retry_threshold;
  return world_endpoint_new(&config);
}

static void set_true(void *context) {
  *(bool *)context = true;
}

static bool is_true(void *context) {
  return *(bool *)context;
}

void world_endpoint_close(struct world *world, struct quic_endpoint *endpoint) {
  bool gone = false;
  quic_endpoint_close(endpoint, set_true, &gone);
  world_run_until(world, is_true, &gone);
}

/* --- the forwarder --- */

static void allocate(uv_handle_t *handle UNUSED, size_t suggested UNUSED, uv_buf_t *buffer) {
  static char storage[65536]; /* one loop, one thread: read and passed on at once */
  *buffer = uv_buf_init(storage, sizeof(storage));
}

static void pass(uv_udp_t *from, const struct address *to, const uv_buf_t *buffer, size_t size) {
  struct sockaddr_storage storage;
  address_to_sockaddr(to, &storage);
  uv_buf_t packet = uv_buf_init(buffer->base, (unsigned)size);
  assert_true(uv_udp_try_send(from, &packet, 1, (const struct sockaddr *)&storage) >= 0);
}

static void from_client(uv_udp_t *handle, ssize_t size, const uv_buf_t *buffer,
                        const struct sockaddr *source, unsigned flags UNUSED) {
  struct forwarder *forwarder = handle->data;
  if (size <= 0 || source == NULL) {
    return;
  }
  assert_int_equal(address_from_sockaddr(source, &forwarder->client), 0);
  forwarder->to_server++;
  bool fits = forwarder->largest == 0 || (size_t)size <= forwarder->largest;
  if (fits && !forwarder->lose_to_server && !uv_is_closing((uv_handle_t *)&forwarder->outer)) {
    pass(&forwarder->outer, &forwarder->server, buffer, (size_t)size);
  }
}

static void from_server(uv_udp_t *handle, ssize_t size, const uv_buf_t *buffer,
                        const struct sockaddr *source, unsigned flags UNUSED) {
  struct forwarder *forwarder = handle->data;
  if (size <= 0 || source == NULL) {
    return;
  }
  forwarder->to_client++;
  assert_true((size_t)size <= sizeof(forwarder->last));
  memcpy(forwarder->last, buffer->base, (size_t)size);
  forwarder->last_size = (size_t)size;
  bool fits = forwarder->largest == 0 || (size_t)size <= forwarder->largest;
  if (fits && !forwarder->lose_to_client && !uv_is_closing((uv_handle_t *)&forwarder->inner)) {
    pass(&forwarder->inner, &forwarder->client, buffer, (size_t)size);
  }
}

static uint16_t bind_udp(struct forwarder *forwarder, uv_udp_t *handle, uv_udp_recv_cb callback) {
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  assert_int_equal(uv_udp_init(&forwarder->world->loop, handle), 0);
  handle->data = forwarder;
  assert_int_equal(uv_udp_bind(handle, (struct sockaddr *)&any, 0), 0);
  assert_int_equal(uv_udp_recv_start(handle, allocate, callback), 0);
  int size = sizeof(any);
  assert_int_equal(uv_udp_getsockname(handle, (struct sockaddr *)&any, &size), 0);
  return ntohs(any.sin_port);
}

void forwarder_open(struct forwarder *forwarder, struct world *world, uint16_t server_port) {
  memset(forwarder, 0, sizeof(*forwarder));
  forwarder->world = world;
  forwarder->server = loopback(server_port);
  forwarder->port = bind_udp(forwarder, &forwarder->inner, from_client);
  bind_udp(forwarder, &forwarder->outer, from_server);
  forwarder->outer_open = true;
}

static void outer_closed(uv_handle_t *handle) {
  ((struct forwarder *)handle->data)->outer_open = false;
}

static bool outer_is_closed(void *context) {
  return !((struct forwarder *)context)->outer_open;
}

static void inner_closed(uv_handle_t *handle) {
  ((struct forwarder *)handle->data)->inner_open = false;
}

static bool inner_is_closed(void *context) {
  return !((struct forwarder *)context)->inner_open;
}

void forwarder_move(struct forwarder *forwarder) {
  forwarder->inner_open = true;
  uv_close((uv_handle_t *)&forwarder->inner, inner_closed);
  world_run_until(forwarder->world, inner_is_closed, forwarder);
  forwarder->port = bind_udp(forwarder, &forwarder->inner, from_client);
}

void forwarder_repeat(struct forwarder *forwarder) {
  uv_buf_t buffer = uv_buf_init((char *)forwarder->last, (unsigned)forwarder->last_size);
  pass(&forwarder->inner, &forwarder->client, &buffer, forwarder->last_size);
}

void forwarder_rebind(struct forwarder *forwarder) {
  uv_close((uv_handle_t *)&forwarder->outer, outer_closed);
  world_run_until(forwarder->world, outer_is_closed, forwarder);
  bind_udp(forwarder, &forwarder->outer, from_server);
  forwarder->outer_open = true;
}

void forwarder_close(struct forwarder *forwarder) {
  uv_close((uv_handle_t *)&forwarder->inner, NULL);
  uv_close((uv_handle_t *)&forwarder->outer, outer_closed);
  world_run_until(forwarder->world, outer_is_closed, forwarder);
}
