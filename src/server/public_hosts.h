/* The addresses at which nodes reach this server, as invitations and AS's answers carry them. */
#ifndef CYPHONIC_SERVER_PUBLIC_HOSTS_H
#define CYPHONIC_SERVER_PUBLIC_HOSTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "base/error.h"

struct public_hosts {
  size_t count;
  struct {
    char *host; /* IPv6 addresses without brackets; owned */
    uint16_t port;
  } entry[CONFIG_ADDRESSES_MAX];
};

/* Splits and checks each "host[:port]": ERROR_CONFIG names the one that is wrong. */
int public_hosts_parse(const char *const *texts, size_t count, struct public_hosts *hosts,
                       struct error *error) MUST_CHECK;
void public_hosts_clear(struct public_hosts *hosts);

#endif
