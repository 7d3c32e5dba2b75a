#include "node/interface.h"

#include "node/link.h"

/* Small packets come faster than a busy processor lets us run: 20 ms of 1,200-byte packets at 1
 * Gbit/s, where the kernel's own 500 are 5. */
enum { INTERFACE_QUEUE_PACKETS = 2000 };

static int give_addresses(struct netlink *netlink, const struct interface_config *config,
                          unsigned index, struct error *error) {
  int code = netlink_address_add(netlink, index, &config->ipv6, config->ipv6_prefix.length, error);
  if ((!code || code == ERROR_EXISTS) && config->with_ipv4)
    code = netlink_address_add(netlink, index, &config->ipv4, config->ipv4_prefix.length, error);
  return code == ERROR_EXISTS ? 0 : code;
}

int interface_restore(struct netlink *netlink, const struct interface_config *config,
                      unsigned index, struct error *error) {
  int code = give_addresses(netlink, config, index, error);
  return code ? error_prefix(error, "interface %s: ", config->name) : 0;
}

int interface_open(struct netlink *netlink, const struct interface_config *config, struct tun **out,
                   struct error *error) {
  struct tun *tun;
  const struct tun_options options = {.offload = true, .multi_queue = config->with_queues};
  int code = tun_open_with(config->name, &options, &tun, error);
  if (code)
    return code;
  unsigned index = tun_index(tun);
  /* Up first: an IPv6 address on a link that is down would stay tentative for a moment. */
  (void)((code = netlink_link_up(netlink, index, LINK_MTU, error)) ||
         (code = netlink_link_queue(netlink, index, INTERFACE_QUEUE_PACKETS, error)) ||
         (code = give_addresses(netlink, config, index, error)));
  if (code) {
    tun_close(tun);
    return error_prefix(error, "interface %s: ", config->name);
  }
  *out = tun;
  return 0;
}
