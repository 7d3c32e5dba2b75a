/* A TUN device (Linux, IFF_TUN without packet information): whole IP packets in and out. */
#ifndef CYPHONIC_NET_TUN_H
#define CYPHONIC_NET_TUN_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct tun;

/* Non-blocking. `name` may hold %d. Without CAP_NET_ADMIN or /dev/net/tun: ERROR_PERMISSION or
 * ERROR_NOT_FOUND with what to do; a name in use: ERROR_EXISTS. The device vanishes with close. */
int tun_open(const char *name, struct tun **tun, struct error *error) MUST_CHECK;
void tun_close(struct tun *tun);
int tun_descriptor(const struct tun *tun);
const char *tun_name(const struct tun *tun);
unsigned tun_index(const struct tun *tun); /* interface index */

/* One packet. ERROR_AGAIN when there is none. ERROR_CLOSED if the device is gone or down. */
int tun_read(struct tun *tun, uint8_t *data, size_t capacity, size_t *size) MUST_CHECK;
/* ERROR_AGAIN or another code if the kernel did not take it: the packet is lost, as on a wire. */
int tun_write(struct tun *tun, const uint8_t *data, size_t size) MUST_CHECK;

#endif
