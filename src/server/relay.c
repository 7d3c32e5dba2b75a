#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "command/command.h"
#include "server/access.h"
#include "server/domain.h"
#include "server/public_hosts.h"
#include "server/relay_create.h"
#include "server/server.h"

enum { KEY_PUBLIC = 0x100, KEY_NMS, KEY_OUT, KEY_STATE, KEY_CONFIG, KEY_JSON };

struct hosts {
  const char *text[CONFIG_ADDRESSES_MAX];
  size_t count;
};

struct relay {
  const char *config, *name, *out, *state;
  struct hosts public, nms;
  bool json;
};

static const struct argp_option options[] = {
    {.name = "public",
     .key = KEY_PUBLIC,
     .arg = "HOST[:PORT]",
     .doc = "Where nodes reach the relay; may be given several times (needed)"},
    {.name = "nms",
     .key = KEY_NMS,
     .arg = "HOST[:PORT]",
     .doc = "Where the relay reaches NMS; may be given several times (needed)"},
    {.name = "out", .key = KEY_OUT, .arg = "DIR", .doc = "Folder to make (needed)"},
    {.name = "state",
     .key = KEY_STATE,
     .arg = "DIR",
     .doc = "Where the folder will stand on the relay's host (default: as --out)"},
    {.name = "config",
     .key = KEY_CONFIG,
     .arg = "FILE",
     .doc = "Configuration of the network's server (default: " SERVER_CONFIG_PATH ")"},
    {.name = "json", .key = KEY_JSON, .doc = "Print JSON"},
    {0},
};

static error_t add_host(struct hosts *hosts, const char *option, char *argument,
                        struct argp_state *state) {
  if (hosts->count == CONFIG_ADDRESSES_MAX) {
    argp_error(state, "%s: at most %d addresses", option, CONFIG_ADDRESSES_MAX);
    return EINVAL;
  }
  hosts->text[hosts->count++] = argument;
  return 0;
}

static error_t check_complete(const struct relay *relay, struct argp_state *state) {
  const char *missing = relay->name == NULL        ? "NAME"
                        : relay->public.count == 0 ? "--public"
                        : relay->nms.count == 0    ? "--nms"
                        : relay->out == NULL       ? "--out"
                                                   : NULL;
  if (missing != NULL) {
    argp_error(state, "%s is needed", missing);
    return EINVAL;
  }
  return 0;
}

static error_t parse(int key, char *argument, struct argp_state *state) {
  struct relay *relay = state->input;
  switch (key) {
  case KEY_PUBLIC:
    return add_host(&relay->public, "--public", argument, state);
  case KEY_NMS:
    return add_host(&relay->nms, "--nms", argument, state);
  case KEY_OUT:
    relay->out = argument;
    return 0;
  case KEY_STATE:
    if (argument[0] != '/') {
      argp_error(state, "--state: the path '%s' must begin with '/'", argument);
      return EINVAL;
    }
    relay->state = argument;
    return 0;
  case KEY_CONFIG:
    relay->config = argument;
    return 0;
  case KEY_JSON:
    relay->json = true;
    return 0;
  case ARGP_KEY_ARG:
    if (relay->name != NULL) {
      argp_error(state, "'%s' is one argument too many", argument);
      return EINVAL;
    }
    relay->name = argument;
    return 0;
  case ARGP_KEY_END:
    return check_complete(relay, state);
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

/* The names that the network's first server has. */
static bool is_taken(const char *label) {
  return strcmp(label, "as") == 0 || strcmp(label, "nms") == 0 || strcmp(label, "trs") == 0;
}

static int name_make(struct store *store, const char *given, char name[static PKI_NAME_SIZE],
                     struct error *error) {
  char label[DOMAIN_LABEL_SIZE];
  int code = domain_label_parse(given, label, error);
  if (code != ERROR_NONE) {
    return code;
  }
  if (is_taken(label)) {
    return error_set(error, ERROR_EXISTS,
                     "'%s' is a service of the network's first server; choose another name", label);
  }
  struct store_network network;
  code = store_network_get(store, &network, error);
  if (code != ERROR_NONE) {
    return code;
  }
  int size = snprintf(name, PKI_NAME_SIZE, "%s.%s", label, network.domain);
  if (size < 0 || size >= PKI_NAME_SIZE) {
    return error_set(error, ERROR_CONFIG, "the name '%s.%s' is too long", label, network.domain);
  }
  return ERROR_NONE;
}

static int hosts_check(const struct hosts *hosts, uint16_t *port, struct error *error) {
  struct public_hosts parsed;
  int code = public_hosts_parse(hosts->text, hosts->count, &parsed, error);
  if (code == ERROR_NONE) {
    *port = parsed.entry[0].port;
    public_hosts_clear(&parsed);
  }
  return code;
}

static int absolute(const char *path, char **out, struct error *error) {
  if (path[0] == '/') {
    *out = strdup(path);
  } else {
    char *here = getcwd(NULL, 0);
    if (here == NULL) {
      return error_set_errno(error, errno, "cannot tell the present folder");
    }
    *out = file_path(here, path);
    free(here);
  }
  return *out != NULL ? ERROR_NONE : error_set(error, ERROR_NO_MEMORY, "no memory for a path");
}

static int plan_make(const struct relay *relay, const struct server_access *access,
                     const char *folder, struct relay_plan *plan, struct error *error) {
  *plan = (struct relay_plan){
      .network = &access->paths,
      .folder = folder,
      .state = relay->state != NULL ? relay->state : folder,
      .public_hosts = relay->public.text,
      .public_count = relay->public.count,
      .nms = relay->nms.text,
      .nms_count = relay->nms.count,
      .now = clock_wall(),
  };
  uint16_t unused;
  int code = name_make(access->store, relay->name, plan->name, error);
  if (code == ERROR_NONE) {
    code = hosts_check(&relay->public, &plan->port, error);
  }
  if (code == ERROR_NONE) {
    code = hosts_check(&relay->nms, &unused, error);
  }
  return code;
}

static void print_text(const struct relay_plan *plan) {
  printf("Made the relay %s in %s.\n\nNext:\n", plan->name, plan->folder);
  if (strcmp(plan->folder, plan->state) == 0) {
    printf("  copy the folder to the same path on the relay's host, with its modes\n");
  } else {
    printf("  copy the folder to %s on the relay's host, with its modes\n", plan->state);
  }
  printf("  cyphonic-server run --config %s/%s  # there\n", plan->state, RELAY_CONFIG_NAME);
  printf("UDP port %u must be open to the nodes. The folder holds the relay's key: copy it over a "
         "safe way, and keep no other copy.\n",
         plan->port);
}

static int print_json(const struct relay_plan *plan, struct error *error) {
  json_t *data =
      json_pack("{s:s, s:s, s:s, s:s+, s:i}", "name", plan->name, "folder", plan->folder, "state",
                plan->state, "config", plan->state, "/" RELAY_CONFIG_NAME, "port", (int)plan->port);
  if (data == NULL) {
    return error_set(error, ERROR_INVALID,
                     "the relay is made, but its paths are no UTF-8 and cannot be JSON");
  }
  json_dumpf(data, stdout, JSON_INDENT(2));
  putchar('\n');
  json_decref(data);
  return ERROR_NONE;
}

static int create(const struct relay *relay, const struct server_access *access, const char *folder,
                  struct error *error) {
  struct relay_plan plan;
  int code = plan_make(relay, access, folder, &plan, error);
  if (code == ERROR_NONE) {
    code = relay_create(&plan, error);
  }
  if (code == ERROR_NONE && relay->json) {
    code = print_json(&plan, error);
  } else if (code == ERROR_NONE) {
    print_text(&plan);
  }
  return code;
}

int server_relay_create(int argc, char **argv, void *context __attribute__((unused))) {
  struct relay relay = {.config = SERVER_CONFIG_PATH};
  const struct argp argp = {
      .options = options,
      .parser = parse,
      .args_doc = "NAME",
      .doc = "Makes a folder with all that a further relay (TRS) of the network needs on its own "
             "host.\v"
             "NAME is one label, below the network's domain. The root's key is needed. Nothing "
             "that exists is overwritten.",
  };
  if (argp_parse(&argp, argc, argv, 0, NULL, &relay) != 0) {
    return COMMAND_USAGE;
  }
  struct error error = {0};
  struct server_access access;
  if (server_access_open(relay.config, true, &access, &error) != ERROR_NONE) {
    return server_fail(&error);
  }
  char *folder = NULL;
  int code = absolute(relay.out, &folder, &error);
  if (code == ERROR_NONE) {
    code = create(&relay, &access, folder, &error);
  }
  free(folder);
  server_access_close(&access);
  return code == ERROR_NONE ? COMMAND_OK : server_fail(&error);
}
