#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "command/command.h"
#include "server/access.h"
#include "server/node_render.h"
#include "server/server.h"

enum { KEY_CONFIG = 0x100, KEY_JSON };

struct query {
  const char *config, *name;
  bool wants_name, json;
};

static const struct argp_option options[] = {
    {.name = "config",
     .key = KEY_CONFIG,
     .arg = "FILE",
     .doc = "Configuration of the server (default: " SERVER_CONFIG_PATH ")"},
    {.name = "json", .key = KEY_JSON, .doc = "Print JSON"},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state) {
  struct query *query = state->input;
  switch (key) {
  case KEY_CONFIG:
    query->config = argument;
    return 0;
  case KEY_JSON:
    query->json = true;
    return 0;
  case ARGP_KEY_ARG:
    if (!query->wants_name || query->name != NULL) {
      argp_error(state, "'%s' is one argument too many", argument);
      return EINVAL;
    }
    query->name = argument;
    return 0;
  case ARGP_KEY_END:
    if (query->wants_name && query->name == NULL) {
      argp_error(state, "a node's name is needed");
      return EINVAL;
    }
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static void json_print(const json_t *data) {
  json_dumpf(data, stdout, JSON_INDENT(2));
  putchar('\n');
}

static int on_device(const struct store_device *device, void *context) {
  return json_array_append_new(context, node_render_device(device)) == 0 ? 0 : ERROR_NO_MEMORY;
}

int server_node_list(int argc, char **argv, void *context __attribute__((unused))) {
  struct query query = {.config = SERVER_CONFIG_PATH};
  const struct argp argp = {
      .options = options, .parser = parse, .doc = "Lists the network's nodes."};
  if (argp_parse(&argp, argc, argv, 0, NULL, &query) != 0) {
    return COMMAND_USAGE;
  }
  struct error error = {0};
  struct server_access access;
  if (server_access_open(query.config, true, &access, &error) != ERROR_NONE) {
    return server_fail(&error);
  }
  json_t *devices = json_array();
  int code = store_device_each(access.store, on_device, devices, &error);
  server_access_close(&access);
  if (code == ERROR_NONE && query.json) {
    json_print(devices);
  } else if (code == ERROR_NONE) {
    node_render_table(stdout, devices);
  } else if (error.message[0] == '\0') {
    code = error_set(&error, code, "no memory for the list of nodes");
  }
  json_decref(devices);
  return code == ERROR_NONE ? COMMAND_OK : server_fail(&error);
}

/* By bare or full name, whatever the case. */
static int device_find(struct store *store, const char *given, struct store_device *device,
                       struct error *error) {
  char name[PKI_NAME_SIZE];
  size_t size = strlen(given);
  if (size >= sizeof(name)) {
    return error_set(error, ERROR_NOT_FOUND, "there is no node '%.40s...'", given);
  }
  for (size_t i = 0; i <= size; i++) {
    name[i] = given[i] >= 'A' && given[i] <= 'Z' ? (char)(given[i] - 'A' + 'a') : given[i];
  }
  if (size > 0 && name[size - 1] == '.') {
    name[size - 1] = '\0';
  }
  int code = strchr(name, '.') != NULL ? store_device_by_fqdn(store, name, device, error)
                                       : store_device_by_name(store, name, device, error);
  return code == ERROR_NOT_FOUND
             ? error_set(error, ERROR_NOT_FOUND,
                         "there is no node '%s'; 'cyphonic-server node list' lists them", given)
             : code;
}

/* Adds what is known of the device's certificate and real addresses. */
static int details_add(struct store *store, int64_t id, json_t *data, struct error *error) {
  struct store_certificate certificate;
  int code = store_certificate_newest(store, id, &certificate, error);
  if (code == ERROR_NONE) {
    json_object_set_new(data, "certificate", node_render_certificate(&certificate));
    free(certificate.der);
  } else if (code != ERROR_NOT_FOUND) {
    return code;
  }
  json_t *endpoints = json_array();
  json_object_set_new(data, "endpoints", endpoints);
  static const int families[] = {4, 6};
  for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
    struct store_endpoint endpoint;
    code = store_endpoint_get(store, id, families[i], &endpoint, error);
    if (code == ERROR_NONE) {
      json_array_append_new(endpoints, node_render_endpoint(&endpoint));
    } else if (code != ERROR_NOT_FOUND) {
      return code;
    }
  }
  return ERROR_NONE;
}

int server_node_show(int argc, char **argv, void *context __attribute__((unused))) {
  struct query query = {.config = SERVER_CONFIG_PATH, .wants_name = true};
  const struct argp argp = {.options = options,
                            .parser = parse,
                            .args_doc = "NAME",
                            .doc = "Shows a node: addresses, logins, certificate, where it was "
                                   "seen.\vNAME is its bare or full name."};
  if (argp_parse(&argp, argc, argv, 0, NULL, &query) != 0) {
    return COMMAND_USAGE;
  }
  struct error error = {0};
  struct server_access access;
  if (server_access_open(query.config, true, &access, &error) != ERROR_NONE) {
    return server_fail(&error);
  }
  struct store_device device;
  json_t *data = NULL;
  int code = device_find(access.store, query.name, &device, &error);
  if (code == ERROR_NONE) {
    data = node_render_device(&device);
    code = data != NULL ? details_add(access.store, device.id, data, &error)
                        : error_set(&error, ERROR_NO_MEMORY, "no memory for the node");
  }
  server_access_close(&access);
  if (code == ERROR_NONE && query.json) {
    json_print(data);
  } else if (code == ERROR_NONE) {
    node_render_full(stdout, data);
  }
  json_decref(data);
  return code == ERROR_NONE ? COMMAND_OK : server_fail(&error);
}
