#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/ping_statistics.h"
#include "cli/render.h"
#include "command/command.h"

struct ping {
  const char *name;
  bool counted;
  unsigned long count; /* if counted; 0: until interrupted */
  double interval;     /* seconds */
};

/* Without a count: until the path is direct, but no more than these. */
enum { PING_SEARCH_MAXIMUM = 10 };
/* Shorter ones are for `ping` itself over the virtual interface. */
#define PING_INTERVAL_MINIMUM 0.01
#define PING_INTERVAL_MAXIMUM 3600.0

static const struct argp_option options[] = {
    {.name = "count",
     .key = 'c',
     .arg = "COUNT",
     .doc =
         "Stop after COUNT; 0: with Ctrl-C (default: when the path is direct, at the latest after "
         "10)"},
    {.name = "interval", .key = 'i', .arg = "SECONDS", .doc = "Between two pings (default: 1)"},
    {0},
};

static error_t parse_count(const char *text, struct argp_state *state, struct ping *ping) {
  char *end;
  errno = 0;
  unsigned long value = strtoul(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || text[0] == '-') {
    argp_error(state, "--count: '%s' is no number from 0 on", text);
    return EINVAL;
  }
  ping->counted = true;
  ping->count = value;
  return 0;
}

static error_t parse_interval(const char *text, struct argp_state *state, struct ping *ping) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end != '\0' ||
      !(value >= PING_INTERVAL_MINIMUM && value <= PING_INTERVAL_MAXIMUM)) {
    argp_error(state, "--interval: '%s' is no number of seconds from %.2f to %.0f", text,
               PING_INTERVAL_MINIMUM, PING_INTERVAL_MAXIMUM);
    return EINVAL;
  }
  ping->interval = value;
  return 0;
}

static error_t parse(int key, char *argument, struct argp_state *state, void *input) {
  struct ping *ping = input;
  switch (key) {
  case 'c':
    return parse_count(argument, state, ping);
  case 'i':
    return parse_interval(argument, state, ping);
  case ARGP_KEY_ARG:
    if (ping->name != NULL) {
      return ARGP_ERR_UNKNOWN;
    }
    ping->name = argument;
    return 0;
  case ARGP_KEY_NO_ARGS:
    argp_error(state, "a name or a virtual address is needed");
    return EINVAL;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct cli_form form = {
    .options = options,
    .arguments = "NAME",
    .text = "Sets a tunnel to a node up and measures the round trip through it.\v"
            "Each answer tells the path that it took. Where a relay is needed at first, the node "
            "looks for a direct path meanwhile.\n"
            "NAME is a full name, a bare name of this network, or a virtual address.",
    .parse = parse,
};

/* A descriptor that becomes readable with Ctrl-C; the signal then ends the pings, not the process,
 * so that the figures are printed. */
static int interrupt_open(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, NULL);
  return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Until `deadline` (nanoseconds) or the interrupt: true. */
static bool interrupted_before(int interrupt, uint64_t deadline) {
  uint64_t now;
  while ((now = clock_now()) < deadline) {
    uint64_t milliseconds = (deadline - now) / NANOSECONDS_PER_MILLISECOND + 1;
    struct pollfd descriptor = {.fd = interrupt, .events = POLLIN};
    int ready = poll(&descriptor, 1, (int)milliseconds);
    if (ready > 0) {
      return true;
    }
  }
  return false;
}

/* What may be otherwise at the next try. */
static bool may_pass(const struct client_error *error) {
  static const int codes[] = {ERROR_TIMEOUT, ERROR_UNREACHABLE, ERROR_CLOSED, ERROR_AGAIN};
  for (size_t i = 0; error->answered && i < sizeof(codes) / sizeof(codes[0]); i++) {
    if (strcmp(error->code, error_name(codes[i])) == 0) {
      return true;
    }
  }
  return false;
}

struct session {
  const struct cli_options *options;
  struct client *client;
  json_t *request;
  int interrupt;
  struct ping_statistics statistics;
  char fqdn[256]; /* "": not known yet */
  bool direct;    /* the last answer's path */
};

static void answer_print(struct session *session, json_t *data) {
  ping_statistics_add(&session->statistics, json_number_value(json_object_get(data, "rtt_ms")));
  if (session->options->json) {
    json_object_set_new(data, "seq", json_integer((json_int_t)session->statistics.sent));
    render_json_line(stdout, data);
  } else {
    if (session->fqdn[0] == '\0') {
      render_ping_head(stdout, data);
    }
    render_ping(stdout, session->statistics.sent, data);
  }
  session->direct = strcmp(render_text(data, "path", ""), "direct") == 0;
  snprintf(session->fqdn, sizeof(session->fqdn), "%s", render_text(data, "fqdn", ""));
  fflush(stdout);
}

/* One ping; true if the next may follow. */
static bool ping_once(struct session *session, int *status) {
  json_t *data;
  struct client_error error;
  session->statistics.sent++;
  if (client_call(session->client, session->request, CLIENT_SECONDS, session->interrupt, &data,
                  &error) == ERROR_NONE) {
    answer_print(session, data);
    json_decref(data);
    return true;
  }
  if (error.interrupted) {
    session->statistics.sent--; /* its answer was not waited for */
    return false;
  }
  *status = cli_fail(session->options, &error);
  return may_pass(&error);
}

static bool is_enough(const struct session *session, const struct ping *ping) {
  unsigned long sent = session->statistics.sent;
  if (ping->counted) {
    return ping->count != 0 && sent >= ping->count;
  }
  return session->direct || sent >= PING_SEARCH_MAXIMUM;
}

static int session_run(struct session *session, const struct ping *ping) {
  int status = COMMAND_OK;
  uint64_t interval = (uint64_t)(ping->interval * (double)NANOSECONDS_PER_SECOND);
  bool go_on = true;
  while (go_on) {
    uint64_t start = clock_now();
    go_on = ping_once(session, &status);
    if (is_enough(session, ping)) {
      break;
    }
    if (go_on && interrupted_before(session->interrupt, start + interval)) {
      break;
    }
  }
  if (session->options->json) {
    json_t *figures = ping_statistics_json(&session->statistics);
    render_json_line(stdout, figures);
    json_decref(figures);
  } else if (session->statistics.sent > 1 || session->statistics.answered > 0) {
    ping_statistics_print(stdout, session->fqdn[0] != '\0' ? session->fqdn : ping->name,
                          &session->statistics);
  }
  if (session->statistics.answered > 0) {
    return COMMAND_OK;
  }
  return status != COMMAND_OK ? status : COMMAND_FAILED;
}

int cli_ping(int argc, char **argv, void *context) {
  struct cli_options *chosen = context;
  struct ping ping = {.interval = 1};
  int status = cli_options_parse(&form, argc, argv, chosen, &ping);
  if (status != COMMAND_OK) {
    return status;
  }
  struct client_error error;
  struct session session = {.options = chosen};
  if (client_open(chosen->socket, &session.client, &error) != ERROR_NONE) {
    return cli_fail(chosen, &error);
  }
  session.request = json_pack("{s:s, s:s}", "command", "ping", "name", ping.name);
  session.interrupt = interrupt_open();
  status = session_run(&session, &ping);
  if (session.interrupt >= 0) {
    close(session.interrupt);
  }
  json_decref(session.request);
  client_close(session.client);
  return status;
}
