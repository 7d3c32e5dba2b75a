#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "command/command.h"
#include "server/domain.h"
#include "server/network_create.h"
#include "server/public_hosts.h"
#include "server/range.h"
#include "server/server.h"
#include "server/server_paths.h"

enum { KEY_DOMAIN = 0x100, KEY_PUBLIC, KEY_STATE, KEY_CONFIG, KEY_IPV4, KEY_IPV6, KEY_JSON };

struct init {
  const char *domain, *state, *config, *ipv4_range, *ipv6_range;
  const char *public_hosts[CONFIG_ADDRESSES_MAX];
  size_t public_count;
  bool json;
};

static const struct argp_option options[] = {
    {.name = "domain",
     .key = KEY_DOMAIN,
     .arg = "DOMAIN",
     .doc = "The network's domain, such as home.internal (needed)"},
    {.name = "public",
     .key = KEY_PUBLIC,
     .arg = "HOST[:PORT]",
     .doc = "Where nodes reach this server; may be given several times (needed)"},
    {.name = "state",
     .key = KEY_STATE,
     .arg = "DIR",
     .doc = "State folder (default: " SERVER_STATE_FOLDER ")"},
    {.name = "config",
     .key = KEY_CONFIG,
     .arg = "FILE",
     .doc = "Configuration to write (default: " SERVER_CONFIG_PATH ")"},
    {.name = "ipv4-range",
     .key = KEY_IPV4,
     .arg = "P/16",
     .doc = "Virtual IPv4 addresses (default: a free /16 of 10.0.0.0/8)"},
    {.name = "ipv6-range",
     .key = KEY_IPV6,
     .arg = "P/64",
     .doc = "Virtual IPv6 addresses (default: a random ULA /64)"},
    {.name = "json", .key = KEY_JSON, .doc = "Print JSON"},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state) {
  struct init *init = state->input;
  switch (key) {
  case KEY_DOMAIN:
    init->domain = argument;
    return 0;
  case KEY_PUBLIC:
    if (init->public_count == CONFIG_ADDRESSES_MAX) {
      argp_error(state, "--public: at most %d addresses", CONFIG_ADDRESSES_MAX);
      return EINVAL;
    }
    init->public_hosts[init->public_count++] = argument;
    return 0;
  case KEY_STATE:
    if (argument[0] != '/') {
      argp_error(state, "--state: the path '%s' must begin with '/'", argument);
      return EINVAL;
    }
    init->state = argument;
    return 0;
  case KEY_CONFIG:
    init->config = argument;
    return 0;
  case KEY_IPV4:
    init->ipv4_range = argument;
    return 0;
  case KEY_IPV6:
    init->ipv6_range = argument;
    return 0;
  case KEY_JSON:
    init->json = true;
    return 0;
  case ARGP_KEY_ARG:
    argp_error(state, "'%s' is one argument too many", argument);
    return EINVAL;
  case ARGP_KEY_END:
    if (init->domain == NULL || init->public_count == 0) {
      argp_error(state, "%s is needed", init->domain == NULL ? "--domain" : "--public");
      return EINVAL;
    }
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static int ranges_choose(const struct init *init, struct store_network *network,
                         struct error *error) {
  struct range_network *local;
  size_t count;
  int code = range_local_networks(&local, &count, error);
  if (code != ERROR_NONE) {
    return code;
  }
  code = init->ipv4_range != NULL
             ? range_parse_ipv4(init->ipv4_range, local, count, &network->ipv4, error)
             : range_choose_ipv4(local, count, random_below, &network->ipv4, error);
  if (code == ERROR_NONE) {
    code = init->ipv6_range != NULL
               ? range_parse_ipv6(init->ipv6_range, local, count, &network->ipv6, error)
               : range_choose_ipv6(local, count, random_below, &network->ipv6, error);
  }
  free(local);
  return code;
}

static int plan_make(const struct init *init, struct network_plan *plan, struct error *error) {
  *plan = (struct network_plan){
      .state = init->state,
      .config = init->config,
      .public_hosts = init->public_hosts,
      .public_count = init->public_count,
      .now = clock_wall(),
  };
  int code = domain_parse(init->domain, plan->network.domain, error);
  if (code != ERROR_NONE) {
    return code;
  }
  struct public_hosts hosts;
  code = public_hosts_parse(init->public_hosts, init->public_count, &hosts, error);
  if (code != ERROR_NONE) {
    return code;
  }
  /* A server that is reached at another port than it listens on sits behind a port forwarding;
   * that is for the operator to write into the file. */
  plan->port = hosts.entry[0].port;
  public_hosts_clear(&hosts);
  return ranges_choose(init, &plan->network, error);
}

static void print_text(const struct network_plan *plan) {
  char ipv4[ADDRESS_TEXT_SIZE], ipv6[ADDRESS_TEXT_SIZE];
  printf("Made the network %s.\n", plan->network.domain);
  printf("  virtual addresses  %s, %s\n", ip_prefix_text(&plan->network.ipv4, ipv4),
         ip_prefix_text(&plan->network.ipv6, ipv6));
  printf("  state              %s\n", plan->state);
  printf("  configuration      %s\n", plan->config);
  const char *option = strcmp(plan->config, SERVER_CONFIG_PATH) == 0 ? "" : " --config ";
  const char *file = option[0] != '\0' ? plan->config : "";
  printf("\nNext:\n");
  if (option[0] == '\0') {
    printf("  systemctl enable --now cyphonic-server  # or: cyphonic-server run\n");
  } else {
    printf("  cyphonic-server run%s%s\n", option, file);
  }
  printf("  cyphonic-server token create%s%s  # an invitation for each node\n", option, file);
  printf("UDP port %u must be open to the nodes.\n", plan->port);
  printf("\nKeep %s/ca/root.key safe: who has it can speak for every server of the network. It is "
         "not needed to run; move it offline, and back only to renew service certificates.\n",
         plan->state);
}

static int print_json(const struct network_plan *plan, struct error *error) {
  char ipv4[ADDRESS_TEXT_SIZE], ipv6[ADDRESS_TEXT_SIZE];
  json_t *data = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "domain", plan->network.domain, "ipv4",
                           ip_prefix_text(&plan->network.ipv4, ipv4), "ipv6",
                           ip_prefix_text(&plan->network.ipv6, ipv6), "state", plan->state,
                           "config", plan->config, "port", (int)plan->port);
  if (data == NULL) {
    return error_set(error, ERROR_INVALID,
                     "the network is made, but its paths are no UTF-8 and cannot be JSON");
  }
  json_dumpf(data, stdout, JSON_INDENT(2));
  putchar('\n');
  json_decref(data);
  return ERROR_NONE;
}

int server_init(int argc, char **argv, void *context __attribute__((unused))) {
  struct init init = {.state = SERVER_STATE_FOLDER, .config = SERVER_CONFIG_PATH};
  const struct argp argp = {
      .options = options,
      .parser = parse,
      .doc = "Makes a new network: its certificate authorities, the services' certificates, the "
             "database and the configuration.\v"
             "Nothing that exists is overwritten; an init that fails leaves nothing behind.",
  };
  if (argp_parse(&argp, argc, argv, 0, NULL, &init) != 0) {
    return COMMAND_USAGE;
  }
  struct error error = {0};
  struct network_plan plan;
  int code = plan_make(&init, &plan, &error);
  if (code == ERROR_NONE) {
    code = network_create(&plan, &error);
  }
  if (code == ERROR_NONE && init.json) {
    code = print_json(&plan, &error);
  } else if (code == ERROR_NONE) {
    print_text(&plan);
  }
  return code == ERROR_NONE ? COMMAND_OK : server_fail(&error);
}

int server_fail(const struct error *error) {
  fprintf(stderr, "cyphonic-server: %s\n", error->message);
  return COMMAND_FAILED;
}
