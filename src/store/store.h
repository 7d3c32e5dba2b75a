/* The network's memory: devices, invitations, certificates, virtual addresses, endpoints seen.
 * Everything here is durable when the function (or, inside a transaction, store_commit) returns 0.
 */
#ifndef CYPHONIC_STORE_STORE_H
#define CYPHONIC_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "pki/identity.h"

struct store;

enum {
  STORE_SCHEMA_VERSION = 2,
  STORE_CONNECTION_ID_MAX = 20,
  STORE_BUSY_MILLISECONDS = 5000,
  STORE_NAME_SIZE = 64,
  STORE_TEXT_SIZE = 128
};

/* What is true of the whole network; written once by init. */
struct store_network {
  char domain[PKI_NAME_SIZE];
  struct ip_prefix ipv4, ipv6; /* where virtual addresses come from */
};

/* Makes a new database with its network record; ERROR_EXISTS if the file is there. */
int store_create(const char *path, const struct store_network *network, struct store **store,
                 struct error *error) MUST_CHECK;
/* Opens and migrates; a newer schema is ERROR_DATABASE naming both versions. */
int store_open(const char *path, bool read_only, struct store **store,
               struct error *error) MUST_CHECK;
void store_close(struct store *store);
int store_network_get(struct store *store, struct store_network *network,
                      struct error *error) MUST_CHECK;

/* One transaction around several calls; every store_ call below may be used inside or alone. */
int store_begin(struct store *store, struct error *error) MUST_CHECK;
/* For what can be done later and may be lost in a power cut (alone in this header): waits neither
 * for another process that writes, but is ERROR_AGAIN, nor at its commit for the disk. */
int store_try_begin(struct store *store, struct error *error) MUST_CHECK;
int store_commit(struct store *store, struct error *error) MUST_CHECK;
void store_rollback(struct store *store);

/* --- devices --- */
struct store_device {
  int64_t id;
  char name[STORE_NAME_SIZE]; /* one DNS label, lower case, unique */
  char fqdn[PKI_NAME_SIZE];
  uint8_t public_key[PKI_HASH_SIZE];
  char hardware[STORE_TEXT_SIZE], os[STORE_TEXT_SIZE], version[STORE_TEXT_SIZE];
  bool revoked;
  int64_t created, last_seen;   /* seconds since 1970; last_seen 0: never logged in */
  int64_t first_seen;           /* first login, 0: never */
  struct ip_address ipv4, ipv6; /* virtual; filled by every getter */
};

/* Sets device->id. ERROR_EXISTS if the name or the key is taken. Addresses are not written here. */
int store_device_add(struct store *store, struct store_device *device,
                     struct error *error) MUST_CHECK;
/* ERROR_NOT_FOUND if there is none. */
int store_device_by_name(struct store *store, const char *name, struct store_device *device,
                         struct error *error) MUST_CHECK;
int store_device_by_fqdn(struct store *store, const char *fqdn, struct store_device *device,
                         struct error *error) MUST_CHECK;
int store_device_by_key(struct store *store, const uint8_t public_key[static PKI_HASH_SIZE],
                        struct store_device *device, struct error *error) MUST_CHECK;
int store_device_by_address(struct store *store, const struct ip_address *address,
                            struct store_device *device, struct error *error) MUST_CHECK;
/* A login: sets hardware, os, version, last_seen and, the first time, first_seen. */
int store_device_seen(struct store *store, int64_t id, const char *hardware, const char *os,
                      const char *version, int64_t now, struct error *error) MUST_CHECK;
typedef int (*store_device_visitor)(const struct store_device *device, void *context);
/* By name; stops when the visitor returns non-zero, and returns that. */
int store_device_each(struct store *store, store_device_visitor visitor, void *context,
                      struct error *error) MUST_CHECK;

/* --- invitations --- */
struct store_invitation {
  int64_t id;
  uint8_t secret_hash[PKI_HASH_SIZE];
  char name[STORE_NAME_SIZE]; /* the device must take it; "": its own choice */
  int64_t uses_left;
  int64_t created, expires;
};
int store_invitation_add(struct store *store, struct store_invitation *invitation,
                         struct error *error) MUST_CHECK;
int store_invitation_by_hash(struct store *store, const uint8_t hash[static PKI_HASH_SIZE],
                             struct store_invitation *invitation, struct error *error) MUST_CHECK;
/* Takes one use and records the device it let in. ERROR_LIMIT if none is left; the count is
 * decremented in the database under its own condition, so that of two at once one fails.
 * ERROR_EXISTS if this device came in by it before. Whether it has expired is the caller's to
 * check. After a failure inside a transaction the caller must roll back. */
int store_invitation_redeem(struct store *store, int64_t invitation_id, int64_t device_id,
                            int64_t now, struct error *error) MUST_CHECK;
/* Whether this device came in by this invitation. */
int store_invitation_was_redeemed_by(struct store *store, int64_t invitation_id, int64_t device_id,
                                     bool *redeemed, struct error *error) MUST_CHECK;

/* --- certificates --- */
struct store_certificate {
  int64_t id, device_id;
  uint8_t serial[PKI_SERIAL_SIZE];
  uint8_t fingerprint[PKI_HASH_SIZE];
  int64_t not_before, not_after;
  bool revoked;
  uint8_t *der; /* getters: new buffer, the caller frees with free() */
  size_t der_size;
};
int store_certificate_add(struct store *store, struct store_certificate *certificate,
                          struct error *error) MUST_CHECK;
int store_certificate_by_fingerprint(struct store *store,
                                     const uint8_t fingerprint[static PKI_HASH_SIZE],
                                     struct store_certificate *certificate,
                                     struct error *error) MUST_CHECK;
/* The device's certificate that lasts longest. */
int store_certificate_newest(struct store *store, int64_t device_id,
                             struct store_certificate *certificate, struct error *error) MUST_CHECK;

/* --- virtual addresses --- */
/* ERROR_EXISTS if the address is taken or the device has one of that family. */
int store_address_add(struct store *store, int64_t device_id, const struct ip_address *address,
                      int64_t now, struct error *error) MUST_CHECK;
/* The device's own; family 4 or 6; ERROR_NOT_FOUND if it has none. */
int store_address_get(struct store *store, int64_t device_id, int family,
                      struct ip_address *address, struct error *error) MUST_CHECK;
int store_address_is_taken(struct store *store, const struct ip_address *address, bool *taken,
                           struct error *error) MUST_CHECK;

/* --- endpoints seen --- */
struct store_endpoint {
  struct address observed; /* what NMS saw */
  bool behind_nat;
  int64_t seen;
};
/* One row per device and IP version, replaced when it changes; `seen` is since when it is so. */
int store_endpoint_put(struct store *store, int64_t device_id,
                       const struct store_endpoint *endpoint, struct error *error) MUST_CHECK;
/* family 4 or 6; ERROR_NOT_FOUND if never seen. */
int store_endpoint_get(struct store *store, int64_t device_id, int family,
                       struct store_endpoint *endpoint, struct error *error) MUST_CHECK;

/* --- connections with NMS --- */
/* Where a node is, and the Connection ID by which it calls us: all that a stateless reset needs. */
struct store_connection {
  struct address remote;
  uint8_t id[STORE_CONNECTION_ID_MAX];
  size_t id_size;
};
/* One row per device, replaced when it changes. */
int store_connection_put(struct store *store, int64_t device_id,
                         const struct store_connection *connection, struct error *error) MUST_CHECK;
/* Not there: nothing happens. */
int store_connection_remove(struct store *store, int64_t device_id, struct error *error) MUST_CHECK;
int store_connections_clear(struct store *store, struct error *error) MUST_CHECK;
typedef int (*store_connection_visitor)(const struct store_connection *connection, void *context);
/* Hands out all, and forgets them; if the visitor returns non-zero, returns that and keeps them. */
int store_connections_take(struct store *store, store_connection_visitor visitor, void *context,
                           struct error *error) MUST_CHECK;

#endif
