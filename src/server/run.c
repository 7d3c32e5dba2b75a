#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <systemd/sd-daemon.h>
#include <uv.h>

#include "as/as.h"
#include "base/clock.h"
#include "base/file.h"
#include "command/command.h"
#include "nms/allocator.h"
#include "nms/nms.h"
#include "server/access.h"
#include "server/public_hosts.h"
#include "server/server.h"

enum { SIGNAL_COUNT = 2 };

struct server {
  uv_loop_t loop;
  uv_signal_t signals[SIGNAL_COUNT];
  struct log log;
  struct server_access access;
  struct pki_trust *trust;
  struct pki_ca *intermediate;
  struct pki_credentials *as_credentials, *nms_credentials;
  struct public_hosts nms_hosts;
  struct quic_endpoint *endpoint;
  struct as_service *as;
  struct nms_service *nms;
  bool stopping;
};

static const struct argp_option options[] = {
    {.name = "config",
     .key = 'c',
     .arg = "FILE",
     .doc = "Configuration (default: " SERVER_CONFIG_PATH ")"},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state) {
  const char **config = state->input;
  switch (key) {
  case 'c':
    *config = argument;
    return 0;
  case ARGP_KEY_ARG:
    argp_error(state, "'%s' is one argument too many", argument);
    return EINVAL;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static void on_endpoint_closed(void *context) {
  struct server *server = context;
  for (size_t i = 0; i < SIGNAL_COUNT && server->signals[i].data != NULL; i++) {
    uv_close((uv_handle_t *)&server->signals[i], NULL);
  }
}

/* Withdraws all, then lets the loop run out. */
static void server_stop(struct server *server) {
  server->stopping = true;
  if (server->as != NULL) {
    as_service_free(server->as);
    server->as = NULL;
  }
  if (server->nms != NULL) {
    nms_service_free(server->nms);
    server->nms = NULL;
  }
  if (server->endpoint != NULL) {
    quic_endpoint_close(server->endpoint, on_endpoint_closed, server);
    server->endpoint = NULL;
  } else {
    on_endpoint_closed(server);
  }
}

static void on_signal(uv_signal_t *handle, int number) {
  struct server *server = handle->data;
  if (server->stopping) {
    return; /* it is on its way */
  }
  log_info(&server->log, "stopping", "signal=%s", number == SIGTERM ? "TERM" : "INT");
  sd_notify(0, "STOPPING=1");
  server_stop(server);
}

static int signals_start(struct server *server, struct error *error) {
  static const int numbers[SIGNAL_COUNT] = {SIGTERM, SIGINT};
  for (size_t i = 0; i < SIGNAL_COUNT; i++) {
    int result = uv_signal_init(&server->loop, &server->signals[i]);
    if (result == 0) {
      server->signals[i].data = server;
      result = uv_signal_start(&server->signals[i], on_signal, numbers[i]);
    }
    if (result < 0) {
      return error_set_errno(error, -result, "cannot listen for signals");
    }
  }
  return ERROR_NONE;
}

/* Loads a service's certificate and looks at it as a node would. */
static int credentials_load(struct server *server, enum pki_purpose purpose, size_t file,
                            struct pki_credentials **credentials, struct error *error) {
  char *const *path = server->access.paths.path;
  int code = pki_credentials_load(path[file], path[file + 1], credentials, error);
  if (code != ERROR_NONE) {
    return code;
  }
  struct pki_identity identity;
  code =
      pki_credentials_verify(*credentials, server->trust, purpose, clock_wall(), &identity, error);
  if (code != ERROR_NONE) {
    return error_prefix(error, "the certificate %s of this server's %s is not valid: ", path[file],
                        pki_purpose_name(purpose));
  }
  char until[CLOCK_TEXT_SIZE];
  log_info(&server->log, "certificate", "service=%s name=%s until=%s", pki_purpose_name(purpose),
           identity.name, clock_text(identity.not_after, until));
  return ERROR_NONE;
}

static int keys_load(struct server *server, struct error *error) {
  const struct server_config *config = &server->access.config;
  char *const *path = server->access.paths.path;
  int code = pki_trust_load(path[SERVER_ROOT_CERTIFICATE], &server->trust, error);
  if (code == ERROR_NONE && config->as_enabled) {
    code = pki_ca_load(path[SERVER_INTERMEDIATE_CERTIFICATE], path[SERVER_INTERMEDIATE_KEY],
                       &server->intermediate, error);
  }
  if (code == ERROR_NONE && config->as_enabled) {
    code = credentials_load(server, PKI_AS, SERVER_AS_CERTIFICATE, &server->as_credentials, error);
  }
  if (code == ERROR_NONE && config->nms_enabled) {
    code =
        credentials_load(server, PKI_NMS, SERVER_NMS_CERTIFICATE, &server->nms_credentials, error);
  }
  return code;
}

static int endpoint_start(struct server *server, struct error *error) {
  const struct server_config *config = &server->access.config;
  const char *path = server->access.paths.path[SERVER_SECRET];
  uint8_t *secret;
  size_t size;
  int code = file_read_secret(path, QUIC_SECRET_SIZE, &secret, &size, error);
  if (code != ERROR_NONE) {
    return code;
  }
  if (size != QUIC_SECRET_SIZE) {
    code = error_set(error, ERROR_INVALID, "%s is damaged: it has %zu bytes, not %d", path, size,
                     QUIC_SECRET_SIZE);
  } else {
    const struct quic_endpoint_config endpoint = {
        .loop = &server->loop,
        .log = &server->log,
        .port = (uint16_t)config->port,
        .ipv4 = config->ipv4,
        .ipv6 = config->ipv6,
        .secret = secret,
        .qlog_folder = config->qlog,
    };
    code = quic_endpoint_new(&endpoint, &server->endpoint, error);
  }
  explicit_bzero(secret, size);
  free(secret);
  return code;
}

static int as_start(struct server *server, struct error *error) {
  const struct server_config *config = &server->access.config;
  const struct config_addresses *told = config->nms.count > 0 ? &config->nms : &config->public;
  int code =
      public_hosts_parse((const char *const *)told->text, told->count, &server->nms_hosts, error);
  if (code != ERROR_NONE) {
    return code;
  }
  struct as_config as = {
      .endpoint = server->endpoint,
      .log = &server->log,
      .store = server->access.store,
      .intermediate = server->intermediate,
      .credentials = server->as_credentials,
      .trust = server->trust,
      .certificate_seconds = config->certificate_validity,
      .allocate = nms_allocate,
  };
  for (size_t i = 0; i < server->nms_hosts.count && i < AS_NMS_MAX; i++) {
    as.nms[i].host = server->nms_hosts.entry[i].host;
    as.nms[i].port = server->nms_hosts.entry[i].port;
    as.nms_count = i + 1;
  }
  return as_service_new(&as, &server->as, error);
}

static int services_start(struct server *server, struct error *error) {
  int code = keys_load(server, error);
  if (code == ERROR_NONE) {
    code = endpoint_start(server, error);
  }
  if (code == ERROR_NONE && server->access.config.as_enabled) {
    code = as_start(server, error);
  }
  if (code == ERROR_NONE && server->access.config.nms_enabled) {
    const struct nms_config nms = {
        .endpoint = server->endpoint,
        .log = &server->log,
        .store = server->access.store,
        .credentials = server->nms_credentials,
        .trust = server->trust,
    };
    code = nms_service_new(&nms, &server->nms, error);
  }
  return code;
}

static int ready_log(struct server *server, struct error *error) {
  struct store_network network;
  int code = store_network_get(server->access.store, &network, error);
  if (code == ERROR_NONE) {
    log_info(&server->log, "ready", "domain=%s port=%u as=%s nms=%s", network.domain,
             (unsigned)server->access.config.port, server->as != NULL ? "yes" : "no",
             server->nms != NULL ? "yes" : "no");
    sd_notify(0, "READY=1");
  }
  return code;
}

static int loop_run(struct server *server, struct error *error) {
  int code = signals_start(server, error);
  if (code == ERROR_NONE) {
    code = services_start(server, error);
  }
  if (code == ERROR_NONE) {
    code = ready_log(server, error);
  }
  if (code != ERROR_NONE) {
    log_error(&server->log, "start-failed", "code=%s reason=\"%s\"", error_name(code),
              error->message);
    server_stop(server);
  }
  uv_run(&server->loop, UV_RUN_DEFAULT);
  pki_credentials_free(server->as_credentials);
  pki_credentials_free(server->nms_credentials);
  pki_ca_free(server->intermediate);
  pki_trust_free(server->trust);
  public_hosts_clear(&server->nms_hosts);
  return code;
}

static int server_serve(struct server *server, const char *config) {
  struct error error = {0};
  int code = server_access_open(config, false, &server->access, &error);
  if (code != ERROR_NONE) {
    log_error(&server->log, "start-failed", "code=%s reason=\"%s\"", error_name(code),
              error.message);
    return COMMAND_FAILED;
  }
  server->log.level = server->access.config.log;
  code = uv_loop_init(&server->loop);
  if (code < 0) {
    log_error(&server->log, "start-failed", "reason=\"%s\"", uv_strerror(code));
  } else {
    code = loop_run(server, &error);
    uv_loop_close(&server->loop);
  }
  server_access_close(&server->access);
  return code == ERROR_NONE ? COMMAND_OK : COMMAND_FAILED;
}

int server_run(int argc, char **argv, void *context __attribute__((unused))) {
  const char *config = SERVER_CONFIG_PATH;
  const struct argp argp = {
      .options = options,
      .parser = parse,
      .doc = "Serves the network until SIGTERM or SIGINT. Logs to standard error."};
  if (argp_parse(&argp, argc, argv, 0, NULL, &config) != 0) {
    return COMMAND_USAGE;
  }
  struct server *server = calloc(1, sizeof(*server));
  if (server == NULL) {
    return COMMAND_FAILED;
  }
  server->log = (struct log){.stream = stderr, .level = LOG_LEVEL_INFO};
  log_info(&server->log, "starting", "version=%s", CYPHONIC_VERSION);
  /* A client that goes away is an error of one write, not the end of the process. */
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  int status = server_serve(server, config);
  free(server);
  return status;
}
