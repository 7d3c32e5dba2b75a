/* Addresses, prefixes and endpoints from arbitrary text: whatever is taken must print as something
 * that means the same when it is read again. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/config.h"

static void require(bool holds) {
  if (!holds) {
    abort();
  }
}

static void check_ip(const char *text) {
  struct ip_address parsed, again;
  char printed[ADDRESS_TEXT_SIZE];
  if (ip_address_parse(text, &parsed) == 0) {
    require(ip_address_parse(ip_address_text(&parsed, printed), &again) == 0);
    require(memcmp(&parsed, &again, sizeof(parsed)) == 0);
    int classes = ip_address_is_global(&parsed) + ip_address_is_loopback(&parsed) +
                  ip_address_is_link_local(&parsed) + ip_address_is_multicast(&parsed);
    require(classes <= 1);
  }
}

static void check_prefix(const char *text) {
  struct ip_prefix parsed, again;
  char printed[ADDRESS_TEXT_SIZE];
  if (ip_prefix_parse(text, &parsed) == 0) {
    require(ip_prefix_parse(ip_prefix_text(&parsed, printed), &again) == 0);
    require(memcmp(&parsed, &again, sizeof(parsed)) == 0);
    require(ip_prefix_contains(&parsed, &parsed.address));
    require(ip_prefix_overlaps(&parsed, &again));
  }
}

static void check_endpoint(const char *text) {
  struct address parsed, again;
  struct sockaddr_storage storage;
  char printed[ADDRESS_TEXT_SIZE];
  if (address_parse(text, 443, &parsed) != 0) {
    return;
  }
  require(parsed.port != 0);
  require(address_parse(address_text(&parsed, printed), 1, &again) == 0);
  require(address_equal(&parsed, &again));
  address_to_sockaddr(&parsed, &storage);
  require(address_from_sockaddr((const struct sockaddr *)&storage, &again) == 0);
  require(parsed.port == again.port);
  /* An IPv4-mapped address comes back as IPv4, on purpose. */
  require(again.ip.family != parsed.ip.family || address_equal(&parsed, &again));
  /* What is an endpoint is a host with a port too. */
  char *host;
  uint16_t port;
  require(config_host_parse(text, 443, &host, &port, NULL) == 0);
  require(port == parsed.port);
  free(host);
}

static void check_host(const char *text) {
  char *host, *again;
  uint16_t port, port_again;
  struct error error = {0};
  if (config_host_parse(text, 443, &host, &port, &error) == 0) {
    require(port != 0 && host[0] != '\0');
    require(config_host_parse(host, port, &again, &port_again, &error) == 0);
    require(strcmp(host, again) == 0 && port == port_again);
    free(again);
    free(host);
  } else {
    require(error.code == ERROR_CONFIG && error.message[0] != '\0');
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1);
  if (text == NULL) {
    return 0;
  }
  if (size > 0) {
    memcpy(text, data, size);
  }
  text[size] = '\0';
  check_ip(text);
  check_prefix(text);
  check_endpoint(text);
  check_host(text);
  free(text);
  return 0;
}
