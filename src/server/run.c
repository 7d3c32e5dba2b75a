#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <systemd/sd-daemon.h>
#include <uv.h>

#include "command/command.h"
#include "server/access.h"
#include "server/server.h"
#include "server/services.h"

enum { SIGNAL_COUNT = 2 };

struct server {
  uv_loop_t loop;
  uv_signal_t signals[SIGNAL_COUNT];
  struct log log;
  struct server_access access;
  struct server_services services;
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

static void on_services_stopped(void *context) {
  struct server *server = context;
  for (size_t i = 0; i < SIGNAL_COUNT && server->signals[i].data != NULL; i++) {
    uv_close((uv_handle_t *)&server->signals[i], NULL);
  }
}

/* Withdraws all, then lets the loop run out. */
static void server_stop(struct server *server) {
  server->stopping = true;
  server_services_stop(&server->services, on_services_stopped, server);
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

static void ready_log(const struct server *server) {
  const struct server_services *services = &server->services;
  log_info(&server->log, "ready", "domain=%s port=%u observation_port=%u as=%s nms=%s trs=%s",
           services->domain, (unsigned)server->access.config.port,
           services->observation_endpoint != NULL ? (unsigned)server->access.config.observation_port
                                                  : 0,
           services->as != NULL ? "yes" : "no", services->nms != NULL ? "yes" : "no",
           services->trs != NULL ? "yes" : "no");
  sd_notify(0, "READY=1");
}

static int loop_run(struct server *server, struct error *error) {
  struct server_services *services = &server->services;
  services->loop = &server->loop;
  services->log = &server->log;
  services->access = &server->access;
  int code = signals_start(server, error);
  if (code == ERROR_NONE) {
    code = server_services_start(services, error);
  }
  if (code == ERROR_NONE) {
    ready_log(server);
  } else {
    log_error(&server->log, "start-failed", "code=%s reason=\"%s\"", error_name(code),
              error->message);
    server_stop(server);
  }
  uv_run(&server->loop, UV_RUN_DEFAULT);
  server_services_clear(services);
  return code;
}

static int server_serve(struct server *server, const char *config) {
  struct error error = {0};
  int code = server_access_open_to_run(config, &server->access, &error);
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
