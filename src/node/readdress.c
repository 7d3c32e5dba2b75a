#include "node/readdress.h"

#include "net/source.h"

bool readdress_client(struct quic_connection *connection, struct ip_address *source,
                      const struct host_addresses *addresses) {
  struct address remote = quic_connection_remote(connection);
  struct ip_address now = source_towards(&remote);
  if (!host_addresses_have(addresses, &now)) /* our virtual one, or link-local: it leads nowhere */
    now = (struct ip_address){0};
  bool other = ip_address_is_set(&now) && !ip_address_equal(&now, source);
  *source = now;
  if (!other)
    return false;
  /* What cannot move just now follows all the same when it speaks, only not as fast. */
  int code = quic_connection_readdress(connection);
  return code == 0 || code == ERROR_AGAIN;
}
