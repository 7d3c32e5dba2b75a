#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "command/command.h"
#include "pki/ca.h"
#include "pki/invitation.h"
#include "pki/trust.h"
#include "server/access.h"
#include "server/domain.h"
#include "server/public_hosts.h"
#include "server/server.h"

enum {
  KEY_NAME = 0x100,
  KEY_USES,
  KEY_EXPIRES,
  KEY_CONFIG,
  KEY_JSON,
  USES_MAX = 100000,
};

#define EXPIRES_MAX_SECONDS (UINT64_C(3650) * 86400)

struct token {
  const char *config, *name;
  unsigned long uses;
  uint64_t expires; /* seconds from now */
  bool json;
};

static const struct argp_option options[] = {
    {.name = "name",
     .key = KEY_NAME,
     .arg = "NAME",
     .doc = "The node must take this name (default: it chooses its own)"},
    {.name = "uses", .key = KEY_USES, .arg = "N", .doc = "How many nodes it lets in (default: 1)"},
    {.name = "expires",
     .key = KEY_EXPIRES,
     .arg = "TIME",
     .doc = "How long it holds, such as 30m, 24h or 7d (default: 24h)"},
    {.name = "config",
     .key = KEY_CONFIG,
     .arg = "FILE",
     .doc = "Configuration of the server (default: " SERVER_CONFIG_PATH ")"},
    {.name = "json", .key = KEY_JSON, .doc = "Print JSON"},
    {0},
};

static error_t parse_uses(const char *text, struct argp_state *state, struct token *token) {
  char *end;
  errno = 0;
  token->uses = strtoul(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || token->uses < 1 ||
      token->uses > USES_MAX) {
    argp_error(state, "--uses: '%s' is no number from 1 to %d", text, USES_MAX);
    return EINVAL;
  }
  return 0;
}

static error_t parse(int key, char *argument, struct argp_state *state) {
  struct token *token = state->input;
  switch (key) {
  case KEY_NAME:
    token->name = argument;
    return 0;
  case KEY_USES:
    return parse_uses(argument, state, token);
  case KEY_EXPIRES:
    if (config_duration_parse(argument, &token->expires) != ERROR_NONE || token->expires == 0 ||
        token->expires > EXPIRES_MAX_SECONDS) {
      argp_error(state, "--expires: '%s' is no time such as 30m, 24h or 7d (at most 3650d)",
                 argument);
      return EINVAL;
    }
    return 0;
  case KEY_CONFIG:
    token->config = argument;
    return 0;
  case KEY_JSON:
    token->json = true;
    return 0;
  case ARGP_KEY_ARG:
    argp_error(state, "'%s' is one argument too many", argument);
    return EINVAL;
  case ARGP_KEY_END:
    if (token->name != NULL && token->uses > 1) {
      argp_error(state, "a name can be taken once: --name and --uses %lu exclude each other",
                 token->uses);
      return EINVAL;
    }
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

/* The intermediate's file ends with the root's certificate; the root's key may be offline. */
static int fingerprint_load(const struct server_paths *paths,
                            uint8_t fingerprint[static PKI_HASH_SIZE], struct error *error) {
  struct pki_ca *intermediate;
  int code = pki_ca_load(paths->path[SERVER_INTERMEDIATE_CERTIFICATE],
                         paths->path[SERVER_INTERMEDIATE_KEY], &intermediate, error);
  if (code == ERROR_NONE) {
    code = pki_ca_root_fingerprint(intermediate, fingerprint, error);
    pki_ca_free(intermediate);
  }
  return code;
}

static int addresses_fill(const struct server_config *config, struct invitation *invitation,
                          struct error *error) {
  struct public_hosts hosts;
  int code = public_hosts_parse((const char *const *)config->public.text, config->public.count,
                                &hosts, error);
  if (code != ERROR_NONE) {
    return code;
  }
  invitation->address_count = hosts.count;
  for (size_t i = 0; i < hosts.count; i++) {
    snprintf(invitation->address[i].host, sizeof(invitation->address[i].host), "%s",
             hosts.entry[i].host);
    invitation->address[i].port = hosts.entry[i].port;
  }
  public_hosts_clear(&hosts);
  return ERROR_NONE;
}

static int name_check(struct store *store, const char *given, char name[static STORE_NAME_SIZE],
                      struct error *error) {
  _Static_assert((int)DOMAIN_LABEL_SIZE <= (int)STORE_NAME_SIZE, "a label fits a name");
  if (given == NULL) {
    name[0] = '\0';
    return ERROR_NONE;
  }
  int code = domain_label_parse(given, name, error);
  if (code != ERROR_NONE) {
    return code;
  }
  struct store_device device;
  code = store_device_by_name(store, name, &device, error);
  if (code == ERROR_NONE) {
    return error_set(error, ERROR_EXISTS,
                     "the network has a node '%s' already; choose another name", name);
  }
  return code == ERROR_NOT_FOUND ? ERROR_NONE : code;
}

static int token_make(const struct server_access *access, const struct token *token, int64_t now,
                      char text[static INVITATION_TEXT_SIZE], struct store_invitation *record,
                      struct error *error) {
  struct invitation invitation = {0};
  memset(record, 0, sizeof(*record));
  record->uses_left = (int64_t)token->uses;
  record->created = now;
  record->expires = now + (int64_t)token->expires;
  int code = name_check(access->store, token->name, record->name, error);
  if (code == ERROR_NONE) {
    code = fingerprint_load(&access->paths, invitation.fingerprint, error);
  }
  if (code == ERROR_NONE) {
    code = addresses_fill(&access->config, &invitation, error);
  }
  if (code == ERROR_NONE) {
    random_bytes(invitation.secret, sizeof(invitation.secret));
    invitation_secret_hash(invitation.secret, record->secret_hash);
    code = invitation_format(&invitation, text, error);
  }
  if (code == ERROR_NONE) {
    code = store_invitation_add(access->store, record, error);
  }
  explicit_bzero(&invitation, sizeof(invitation));
  return code;
}

static void print(const struct token *token, const char *text,
                  const struct store_invitation *record) {
  char expires[CLOCK_TEXT_SIZE];
  clock_text(record->expires, expires);
  if (token->json) {
    json_t *data = json_pack("{s:s, s:I, s:s, s:s*}", "invitation", text, "uses",
                             (json_int_t)record->uses_left, "expires", expires, "name",
                             record->name[0] != '\0' ? record->name : NULL);
    json_dumpf(data, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(data);
    return;
  }
  printf("%s\n", text);
  fflush(stdout);
  if (isatty(STDERR_FILENO) != 0) {
    fprintf(stderr,
            "\nOn the new node: cyphonic join INVITATION, with this line (good for %lld %s until "
            "%s). Who has the line can join: pass it on as a secret.\n",
            (long long)record->uses_left, record->uses_left == 1 ? "node" : "nodes", expires);
  }
}

int server_token_create(int argc, char **argv, void *context __attribute__((unused))) {
  struct token token = {.config = SERVER_CONFIG_PATH, .uses = 1, .expires = 86400};
  const struct argp argp = {
      .options = options,
      .parser = parse,
      .doc = "Makes an invitation and prints it as one line.",
  };
  if (argp_parse(&argp, argc, argv, 0, NULL, &token) != 0) {
    return COMMAND_USAGE;
  }
  struct error error = {0};
  struct server_access access;
  int code = server_access_open(token.config, false, &access, &error);
  if (code != ERROR_NONE) {
    return server_fail(&error);
  }
  char text[INVITATION_TEXT_SIZE];
  struct store_invitation record;
  code = token_make(&access, &token, clock_wall(), text, &record, &error);
  server_access_close(&access);
  if (code != ERROR_NONE) {
    return server_fail(&error);
  }
  print(&token, text, &record);
  explicit_bzero(text, sizeof(text));
  return COMMAND_OK;
}
