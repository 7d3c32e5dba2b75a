/* cyphonicd: the node daemon. */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <uv.h>

#include "base/clock.h"
#include "base/log.h"
#include "node/main/ipc_server.h"
#include "node/main/node_commands.h"
#include "node/main/node_config.h"
#include "node/main/privileges.h"
#include "node/node.h"

enum { EXIT_USAGE = 2, SIGNAL_COUNT = 2 };

struct daemon {
  uv_loop_t loop;
  uv_signal_t signals[SIGNAL_COUNT];
  struct log log;
  struct node_settings settings;
  struct node *node;
  struct ipc_server *ipc;
  struct watchers *watchers;
  bool stopping;
};

static const struct argp_option options[] = {
    {.name = "config",
     .key = 'c',
     .arg = "FILE",
     .doc = "Configuration (default: " NODE_CONFIG_PATH ", which need not exist)"},
    {0},
};

static error_t option_parse(int key, char *argument, struct argp_state *state) {
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

static void version_print(FILE *stream, struct argp_state *state __attribute__((unused))) {
  fprintf(stream, "cyphonicd %s\n", CYPHONIC_VERSION);
}

static void signals_close(struct daemon *daemon) {
  for (size_t i = 0; i < SIGNAL_COUNT && daemon->signals[i].data != NULL; i++) {
    uv_close((uv_handle_t *)&daemon->signals[i], NULL);
  }
}

static void on_node_closed(void *context) {
  struct daemon *daemon = context;
  daemon->node = NULL;
  signals_close(daemon);
}

static void on_signal(uv_signal_t *handle, int number) {
  struct daemon *daemon = handle->data;
  if (daemon->stopping) {
    return; /* it is on its way */
  }
  daemon->stopping = true;
  log_info(&daemon->log, "stopping", "signal=%s", number == SIGTERM ? "TERM" : "INT");
  sd_notify(0, "STOPPING=1");
  ipc_server_close(daemon->ipc);
  daemon->ipc = NULL;
  node_close(daemon->node, on_node_closed, daemon);
}

static int signals_start(struct daemon *daemon, struct error *error) {
  static const int numbers[SIGNAL_COUNT] = {SIGTERM, SIGINT};
  for (size_t i = 0; i < SIGNAL_COUNT; i++) {
    int result = uv_signal_init(&daemon->loop, &daemon->signals[i]);
    if (result == 0) {
      daemon->signals[i].data = daemon;
      result = uv_signal_start(&daemon->signals[i], on_signal, numbers[i]);
    }
    if (result < 0) {
      return error_set_errno(error, -result, "cannot listen for signals");
    }
  }
  return ERROR_NONE;
}

static int node_start(struct daemon *daemon, struct error *error) {
  const struct node_settings *settings = &daemon->settings;
  const struct node_config config = {
      .loop = &daemon->loop,
      .log = &daemon->log,
      .state_folder = settings->state,
      .interface_name = settings->interface,
      .port = (uint16_t)settings->port,
      .threads = settings->threads > 1 ? (unsigned)settings->threads : 0,
      .tunnel_idle = settings->tunnel_idle * NANOSECONDS_PER_SECOND,
      .keep_alive = settings->keep_alive * NANOSECONDS_PER_SECOND,
      .keep_alive_limit = settings->keep_alive_limit * NANOSECONDS_PER_SECOND,
      .resolver = settings->dns_listen,
      .resolver_setup = settings->dns_setup,
      .qlog_folder = settings->qlog,
  };
  return node_new(&config, &daemon->node, error);
}

static void on_request(struct ipc_call *call, const struct ipc_request *request, void *context) {
  const struct daemon *daemon = context;
  node_commands_run(call, request, daemon->node, daemon->watchers);
}

/* The socket comes first: it tells whether another daemon runs before anything is touched. */
static int daemon_start(struct daemon *daemon, struct error *error) {
  const struct node_settings *settings = &daemon->settings;
  int code = privileges_make_folders(settings->state, settings->socket, settings->user, error);
  if (code == ERROR_NONE) {
    code = privileges_drop(settings->user, error);
  }
  if (code != ERROR_NONE) {
    return code;
  }
  const struct ipc_server_config ipc = {
      .loop = &daemon->loop,
      .log = &daemon->log,
      .path = settings->socket,
      .request = on_request,
      .context = daemon,
  };
  code = ipc_server_new(&ipc, &daemon->ipc, error);
  if (code == ERROR_NONE) {
    code = node_start(daemon, error);
  }
  return code;
}

static int daemon_run(struct daemon *daemon) {
  struct error error = {0};
  int code = uv_loop_init(&daemon->loop);
  if (code < 0) {
    log_error(&daemon->log, "start-failed", "reason=\"%s\"", uv_strerror(code));
    return EXIT_FAILURE;
  }
  daemon->watchers = watchers_new();
  code = daemon->watchers != NULL ? signals_start(daemon, &error)
                                  : error_set(&error, ERROR_NO_MEMORY, "no memory");
  if (code == ERROR_NONE) {
    code = daemon_start(daemon, &error);
  }
  if (code == ERROR_NONE) {
    log_info(&daemon->log, "ready", "socket=%s", daemon->settings.socket);
    sd_notify(0, "READY=1");
  } else {
    log_error(&daemon->log, "start-failed", "code=%s reason=\"%s\"", error_name(code),
              error.message);
    daemon->stopping = true;
    ipc_server_close(daemon->ipc);
    signals_close(daemon);
  }
  uv_run(&daemon->loop, UV_RUN_DEFAULT);
  uv_loop_close(&daemon->loop);
  watchers_free(daemon->watchers);
  return code == ERROR_NONE ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
  const char *config = NULL;
  const struct argp argp = {
      .options = options,
      .parser = option_parse,
      .doc = "Connects this host to its CYPHONIC network; 'cyphonic' commands it.\v"
             "See cyphonicd(8) and cyphonic-node.conf(5).",
  };
  argp_program_version_hook = version_print;
  argp_err_exit_status = EXIT_USAGE;
  if (argp_parse(&argp, argc, argv, 0, NULL, &config) != 0) {
    return EXIT_USAGE;
  }

  struct daemon *daemon = calloc(1, sizeof(*daemon));
  if (daemon == NULL) {
    return EXIT_FAILURE;
  }
  daemon->log = (struct log){.stream = stderr, .level = LOG_LEVEL_INFO};
  struct error error = {0};
  if (node_config_load(config, &daemon->settings, &error) != ERROR_NONE) {
    log_error(&daemon->log, "configuration", "reason=\"%s\"", error.message);
    free(daemon);
    return EXIT_FAILURE;
  }
  daemon->log.level = daemon->settings.log;
  log_info(&daemon->log, "starting", "version=%s", CYPHONIC_VERSION);
  /* A peer or client that goes away is an error of one write, not the end of the process. */
  signal(SIGPIPE, SIG_IGN);

  int status = daemon_run(daemon);
  node_config_clear(&daemon->settings);
  free(daemon);
  return status;
}
