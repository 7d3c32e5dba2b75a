#include "fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void must(int code, const struct error *error) {
  if (code != 0) {
    fail_msg("%s: %s", error_name(code), error->message);
  }
}

void must_fail(int code, enum error_code expected, const struct error *error, const char *words) {
  if (code != (int)expected || error->code != expected || strstr(error->message, words) == NULL) {
    fail_msg("expected %s with \"%s\", got %s: %s", error_name(expected), words, error_name(code),
             error->message);
  }
}

int place_empty(void **state) {
  struct place *place = calloc(1, sizeof(*place));
  assert_non_null(place);
  strcpy(place->folder, "/tmp/cyphonic-store-XXXXXX");
  assert_non_null(mkdtemp(place->folder));
  snprintf(place->path, sizeof(place->path), "%s/network.db", place->folder);
  *state = place;
  return 0;
}

int place_with_store(void **state) {
  place_empty(state);
  struct place *place = *state;
  struct error error = {0};
  struct store_network network = some_network();
  must(store_create(place->path, &network, &place->store, &error), &error);
  return 0;
}

static int remove_entry(const char *path, const struct stat *status UNUSED, int flag UNUSED,
                        struct FTW *position UNUSED) {
  return remove(path);
}

int place_clear(void **state) {
  struct place *place = *state;
  store_close(place->store);
  nftw(place->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
  free(place);
  return 0;
}

struct store_network some_network(void) {
  struct store_network network = {.domain = "test.internal"};
  assert_int_equal(ip_prefix_parse("10.77.0.0/16", &network.ipv4), 0);
  assert_int_equal(ip_prefix_parse("fd12:3456:789a:1::/64", &network.ipv6), 0);
  return network;
}

struct store_device some_device(const char *name) {
  struct store_device device = {.created = 1000};
  snprintf(device.name, sizeof(device.name), "%s", name);
  snprintf(device.fqdn, sizeof(device.fqdn), "%s.test.internal", name);
  snprintf((char *)device.public_key, sizeof(device.public_key), "key of %.20s", name);
  snprintf(device.hardware, sizeof(device.hardware), "a box");
  snprintf(device.os, sizeof(device.os), "Debian 12");
  snprintf(device.version, sizeof(device.version), "0.1.0");
  return device;
}

struct store_device added_device(struct store *store, const char *name) {
  struct store_device device = some_device(name);
  struct error error = {0};
  must(store_device_add(store, &device, &error), &error);
  return device;
}

struct ip_address ip(const char *text) {
  struct ip_address address;
  assert_int_equal(ip_address_parse(text, &address), 0);
  return address;
}

void meddle(const struct place *place, const char *text) {
  struct error error = {0};
  struct sql *sql;
  must(sql_open(place->path, SQL_READ_WRITE, 1000, &sql, &error), &error);
  must(sql_execute(sql, text, &error), &error);
  sql_close(sql);
}
