#include "node/state_json.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* One file being read: where we are, for messages. */
struct source {
  const char *name;
  const json_t *root;
  struct error *error;
};

static int damaged(const struct source *source, const char *member, const char *what) {
  return error_set(source->error, ERROR_CONFIG,
                   "%s: \"%s\" %s: put a copy of the file back, or empty the folder and join again "
                   "with a new invitation",
                   source->name, member, what);
}

static int read_name(const struct source *source, const char *member, char out[static FQDN_SIZE]) {
  const char *text = json_string_value(json_object_get(source->root, member));
  if (!text || text[0] == '\0' || strlen(text) >= FQDN_SIZE)
    return damaged(source, member, "is no name");
  snprintf(out, FQDN_SIZE, "%s", text);
  return 0;
}

static int read_ip(const struct source *source, const char *member, int family,
                   struct ip_address *ip) {
  const char *text = json_string_value(json_object_get(source->root, member));
  if (!text || ip_address_parse(text, ip) || ip->family != family)
    return damaged(source, member, family == 4 ? "is no IPv4 address" : "is no IPv6 address");
  return 0;
}

static int read_prefix(const struct source *source, const char *member, int family,
                       struct ip_prefix *prefix) {
  const json_t *value = json_object_get(source->root, member);
  if (!value)
    return 0;
  const char *text = json_string_value(value);
  if (!text || ip_prefix_parse(text, prefix) || prefix->address.family != family)
    return damaged(source, member, "is no address range");
  return 0;
}

static int read_services(const struct source *source, const char *member,
                         struct service_addresses *services) {
  const json_t *array = json_object_get(source->root, member);
  if (!json_is_array(array))
    return damaged(source, member, "is no list");
  size_t index;
  json_t *item;
  json_array_foreach(array, index, item) {
    const char *host = json_string_value(json_object_get(item, "host"));
    json_int_t port = json_integer_value(json_object_get(item, "port"));
    if (!host || port <= 0 || port > UINT16_MAX ||
        !service_addresses_add(services, host, (uint32_t)port))
      return damaged(source, member, "holds what is no host with a port");
  }
  return 0;
}

int state_json_parse(const char *name, const char *text, size_t size, struct node_state *state,
                     struct error *error) {
  *state = (struct node_state){0};
  json_error_t fault;
  json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &fault);
  struct source source = {.name = name, .root = root, .error = error};
  int code;
  if (!json_is_object(root)) {
    code = error_set(error, ERROR_CONFIG,
                     "%s: line %d: %s: put a copy of the file back, or empty the folder and join "
                     "again with a new invitation",
                     name, root ? 1 : fault.line, root ? "no JSON object" : fault.text);
    goto out;
  }
  const char *wanted = json_string_value(json_object_get(root, "wanted"));
  (void)((code = read_name(&source, "fqdn", state->fqdn)) ||
         (code = read_name(&source, "domain", state->domain)) ||
         (code = read_ip(&source, "ipv4", 4, &state->ipv4)) ||
         (code = read_ip(&source, "ipv6", 6, &state->ipv6)) ||
         (code = read_prefix(&source, "ipv4_prefix", 4, &state->ipv4_prefix)) ||
         (code = read_prefix(&source, "ipv6_prefix", 6, &state->ipv6_prefix)) ||
         (code = read_services(&source, "as", &state->as)) ||
         (code = read_services(&source, "nms", &state->nms)));
  if (!code && !fqdn_is_valid(state->fqdn, state->domain))
    code = damaged(&source, "fqdn", "is no name of the domain");
  if (!code && (!wanted || (strcmp(wanted, "up") != 0 && strcmp(wanted, "down") != 0)))
    code = damaged(&source, "wanted", "is neither \"up\" nor \"down\"");
  if (!code)
    state->wanted_up = strcmp(wanted, "up") == 0;
out:
  json_decref(root);
  if (code)
    *state = (struct node_state){0};
  return code;
}

static json_t *services_json(const struct service_addresses *services) {
  json_t *array = json_array();
  for (size_t i = 0; i < services->count; i++)
    json_array_append_new(array, json_pack("{s:s, s:i}", "host", services->item[i].host, "port",
                                           (int)services->item[i].port));
  return array;
}

char *state_json_write(const struct node_state *state) {
  char ipv4[ADDRESS_TEXT_SIZE], ipv6[ADDRESS_TEXT_SIZE], prefix[ADDRESS_TEXT_SIZE];
  json_t *root =
      json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:s}", "fqdn", state->fqdn, "domain", state->domain,
                "ipv4", ip_address_text(&state->ipv4, ipv4), "ipv6",
                ip_address_text(&state->ipv6, ipv6), "as", services_json(&state->as), "nms",
                services_json(&state->nms), "wanted", state->wanted_up ? "up" : "down");
  if (!root)
    return NULL;
  if (state->ipv4_prefix.length > 0)
    json_object_set_new(root, "ipv4_prefix",
                        json_string(ip_prefix_text(&state->ipv4_prefix, prefix)));
  if (state->ipv6_prefix.length > 0)
    json_object_set_new(root, "ipv6_prefix",
                        json_string(ip_prefix_text(&state->ipv6_prefix, prefix)));
  char *text = json_dumps(root, JSON_INDENT(2));
  json_decref(root);
  return text;
}
