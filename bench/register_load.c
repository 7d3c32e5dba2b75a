/* Many nodes at one TRS (bench/relay): each has a certificate of its own, since a node that
 * connects again takes the place of its older connection, and each a QUIC connection that is kept
 * alive as a node's is.
 *
 *   register-load STATE DOMAIN ADDRESS PORT PROCESS NODES SECONDS
 *     STATE is the server's state folder, whose intermediate authority issues the certificates;
 *     PROCESS the server's, whose memory is read before the first node comes and when all have, and
 *     whose processor time during SECONDS in which nothing happens. Prints NAME=VALUE lines.
 */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "pki/ca.h"
#include "pki/key.h"
#include "quic/quic.h"

enum {
  NODES_MAX = 60000,
  HANDSHAKES = 32,            /* at a time: fewer than a server asks to prove their addresses */
  SETTLE_MILLISECONDS = 5000, /* until path MTU discovery and late acknowledgements are over */
  CERTIFICATE_SECONDS = 86400,
  PEM_MAX = 16384,
  /* As src/node/relay.c has them. */
  IDLE_TIMEOUT_SECONDS = 60,
  KEEP_ALIVE_SECONDS = 15,
};

struct load {
  uv_loop_t loop;
  uv_timer_t timer;
  struct log log;
  const char *state, *domain, *process;
  struct address server;
  size_t nodes, begun, connected;
  double watched; /* seconds */
  char folder[64];
  struct pki_ca *intermediate;
  struct pki_trust *trust;
  struct pki_key *key; /* of all nodes: what tells them apart is the name */
  struct pki_credentials **credentials;
  struct quic_endpoint *endpoint;
  uint64_t memory_before; /* KiB */
  double began, seconds_before, watch_began;
  bool ending;
};

static _Noreturn void fail(const char *what, const char *why) {
  fprintf(stderr, "register-load: %s: %s\n", what, why);
  exit(1);
}

static void must(int code, const struct error *error) {
  if (code != 0) {
    fail(error_name(code), error->message);
  }
}

static double seconds_now(void) {
  return (double)clock_now() / (double)NANOSECONDS_PER_SECOND;
}

/* --- the server's process --- */

static FILE *open_process(const struct load *load, const char *file) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/%s/%s", load->process, file);
  FILE *stream = fopen(path, "re");
  if (stream == NULL) {
    fail(path, strerror(errno));
  }
  return stream;
}

/* KiB */
static uint64_t resident_memory(const struct load *load) {
  FILE *stream = open_process(load, "status");
  char line[256];
  uint64_t memory = 0;
  while (memory == 0 && fgets(line, sizeof(line), stream) != NULL) {
    (void)sscanf(line, "VmRSS: %" SCNu64, &memory);
  }
  fclose(stream);
  if (memory == 0) {
    fail(load->process, "the process has no resident memory: has it ended?");
  }
  return memory;
}

static double processor_seconds(const struct load *load) {
  FILE *stream = open_process(load, "stat");
  char line[1024] = "";
  unsigned long user = 0, system = 0;
  const char *behind_name = fgets(line, sizeof(line), stream) ? strrchr(line, ')') : NULL;
  fclose(stream);
  if (behind_name == NULL ||
      sscanf(behind_name + 1, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu", &user,
             &system) != 2) {
    fail(load->process, "its processor time cannot be read");
  }
  return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* --- certificates --- */

static void path_in(const char *folder, const char *name, char path[static 256]) {
  snprintf(path, 256, "%.150s/%.100s", folder, name);
}

static void open_authority(struct load *load) {
  struct error error = {0};
  char certificate[256], key[256];
  path_in(load->state, "ca/root.crt", certificate);
  must(pki_trust_load(certificate, &load->trust, &error), &error);
  path_in(load->state, "ca/intermediate.crt", certificate);
  path_in(load->state, "ca/intermediate.key", key);
  must(pki_ca_load(certificate, key, &load->intermediate, &error), &error);
  strcpy(load->folder, "/tmp/register-load-XXXXXX");
  if (mkdtemp(load->folder) == NULL) {
    fail(load->folder, strerror(errno));
  }
  must(pki_key_new(&load->key, &error), &error);
  path_in(load->folder, "key", key);
  must(pki_key_save(load->key, key, &error), &error);
}

static void write_chain(const struct pki_chain *chain, const char *path) {
  char text[PEM_MAX];
  size_t used = 0;
  for (size_t i = 0; i < chain->count; i++) {
    gnutls_datum_t der = {chain->certificate[i].data, (unsigned)chain->certificate[i].size}, pem;
    if (gnutls_pem_base64_encode2("CERTIFICATE", &der, &pem) != 0 ||
        used + pem.size > sizeof(text)) {
      fail(path, "a certificate cannot be written");
    }
    memcpy(text + used, pem.data, pem.size);
    used += pem.size;
    gnutls_free(pem.data);
  }
  struct error error = {0};
  must(file_create(path, text, used, 0644, &error), &error);
}

static struct pki_credentials *issue(const struct load *load, struct span request, size_t number) {
  char fqdn[PKI_NAME_SIZE], certificate[256], key[256];
  snprintf(fqdn, sizeof(fqdn), "load-%zu.%.200s", number, load->domain);
  int64_t now = clock_wall();
  struct pki_node_subject subject = {.fqdn = fqdn,
                                     .not_before = now - PKI_BACKDATE_SECONDS,
                                     .not_after = now + CERTIFICATE_SECONDS};
  subject.ipv4 =
      (struct ip_address){.family = 4, .bytes = {10, 254, (uint8_t)(number >> 8), (uint8_t)number}};
  subject.ipv6 = (struct ip_address){.family = 6, .bytes = {0xfd}};
  subject.ipv6.bytes[14] = (uint8_t)(number >> 8);
  subject.ipv6.bytes[15] = (uint8_t)number;
  struct pki_chain chain = {0};
  struct pki_identity identity;
  struct error error = {0};
  must(pki_issue_node(load->intermediate, request, &subject, &chain, &identity, &error), &error);
  path_in(load->folder, "crt", certificate);
  path_in(load->folder, "key", key);
  write_chain(&chain, certificate);
  pki_chain_clear(&chain);
  struct pki_credentials *credentials;
  must(pki_credentials_load(certificate, key, &credentials, &error), &error);
  unlink(certificate);
  return credentials;
}

static void issue_all(struct load *load) {
  struct error error = {0};
  uint8_t *request;
  size_t size;
  must(pki_request_new(load->key, "load", &request, &size, &error), &error);
  load->credentials = calloc(load->nodes, sizeof(struct pki_credentials *));
  if (load->credentials == NULL) {
    fail("certificates", strerror(errno));
  }
  for (size_t i = 0; i < load->nodes; i++) {
    load->credentials[i] = issue(load, (struct span){request, size}, i + 1);
  }
  free(request);
  char key[256];
  path_in(load->folder, "key", key);
  unlink(key);
  rmdir(load->folder);
}

/* --- connections --- */

static void connect_next(struct load *load);

static void watched(uv_timer_t *timer) {
  struct load *load = timer->data;
  double passed = seconds_now() - load->watch_began;
  printf("idle_busy=%.4f\n", (processor_seconds(load) - load->seconds_before) / passed);
  load->ending = true;
  uv_close((uv_handle_t *)timer, NULL);
  quic_endpoint_close(load->endpoint, NULL, NULL);
}

static void settled(uv_timer_t *timer) {
  struct load *load = timer->data;
  uint64_t memory = resident_memory(load);
  printf("memory_before_kib=%" PRIu64 "\nmemory_after_kib=%" PRIu64 "\nkib_a_node=%.1f\n",
         load->memory_before, memory,
         ((double)memory - (double)load->memory_before) / (double)load->nodes);
  load->seconds_before = processor_seconds(load);
  load->watch_began = seconds_now();
  uv_timer_start(timer, watched, (uint64_t)(load->watched * 1000), 0);
}

static void established(struct quic_connection *connection UNUSED, void *context) {
  struct load *load = context;
  if (++load->connected < load->nodes) {
    connect_next(load);
    return;
  }
  printf("nodes=%zu\nhandshakes_a_second=%.0f\nserver_ms_a_handshake=%.3f\n", load->nodes,
         (double)load->nodes / (seconds_now() - load->began),
         (processor_seconds(load) - load->seconds_before) * 1000 / (double)load->nodes);
  uv_timer_start(&load->timer, settled, SETTLE_MILLISECONDS, 0);
}

static void closed(struct quic_connection *connection UNUSED, const struct quic_close *close,
                   void *context) {
  const struct load *load = context;
  if (!load->ending) {
    fail("a node lost its connection", close->message);
  }
}

static const struct quic_handler handler = {.established = established, .closed = closed};

static void connect_next(struct load *load) {
  if (load->begun == load->nodes) {
    return;
  }
  const struct quic_target target = {
      .alpn = "cyphonic-trs/1",
      .remote = load->server,
      .credentials = load->credentials[load->begun++],
      .trust = load->trust,
      .peer_purpose = PKI_TRS,
      .parameters = {.idle_timeout = IDLE_TIMEOUT_SECONDS * NANOSECONDS_PER_SECOND,
                     .keep_alive = KEEP_ALIVE_SECONDS * NANOSECONDS_PER_SECOND},
      .handler = &handler,
      .context = load,
  };
  struct quic_connection *connection;
  struct error error = {0};
  must(quic_connect(load->endpoint, &target, &connection, &error), &error);
}

static void run(struct load *load) {
  static const uint8_t secret[QUIC_SECRET_SIZE] = "nobody's stateless resets matter";
  load->log = (struct log){.stream = stderr, .level = LOG_LEVEL_ERROR};
  uv_loop_init(&load->loop);
  uv_timer_init(&load->loop, &load->timer);
  load->timer.data = load;
  const struct quic_endpoint_config config = {
      .loop = &load->loop, .log = &load->log, .secret = secret};
  struct error error = {0};
  must(quic_endpoint_new(&config, &load->endpoint, &error), &error);
  load->memory_before = resident_memory(load);
  load->seconds_before = processor_seconds(load);
  load->began = seconds_now();
  for (size_t i = 0; i < HANDSHAKES; i++) {
    connect_next(load);
  }
  uv_run(&load->loop, UV_RUN_DEFAULT);
  uv_loop_close(&load->loop);
}

static void clear(struct load *load) {
  for (size_t i = 0; i < load->nodes; i++) {
    pki_credentials_free(load->credentials[i]);
  }
  free(load->credentials);
  pki_key_free(load->key);
  pki_trust_free(load->trust);
  pki_ca_free(load->intermediate);
}

int main(int count, char **arguments) {
  if (count != 8) {
    fputs("usage: register-load STATE DOMAIN ADDRESS PORT PROCESS NODES SECONDS\n", stderr);
    return 2;
  }
  struct load load = {.state = arguments[1],
                      .domain = arguments[2],
                      .process = arguments[5],
                      .nodes = strtoul(arguments[6], NULL, 10),
                      .watched = strtod(arguments[7], NULL)};
  if (ip_address_parse(arguments[3], &load.server.ip) != 0 || load.nodes < 1 ||
      load.nodes > NODES_MAX || !(load.watched > 0)) {
    fprintf(stderr, "register-load: wants an IP address, 1 to %d nodes, and some seconds\n",
            NODES_MAX);
    return 2;
  }
  load.server.port = (uint16_t)strtoul(arguments[4], NULL, 10);
  open_authority(&load);
  issue_all(&load);
  run(&load);
  clear(&load);
  return 0;
}
