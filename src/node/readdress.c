#include "node/readdress.h"

#include "net/source.h"

enum readdress readdress_client(struct quic_connection *connection, struct ip_address *source,
                                const struct host_addresses *addresses, bool hold) {
  struct address remote = quic_connection_remote(connection);
  struct ip_address used = quic_connection_local(connection).ip;
  struct ip_address before = ip_address_is_set(source) ? *source : used;
  struct ip_address now = source_towards(&remote, 0);
  if (!host_addresses_have(addresses, &now)) /* our virtual one, or link-local: it leads nowhere */
    now = (struct ip_address){0};
  if (ip_address_is_set(&now)) /* else as it was: the server may follow before we look again */
    *source = now;
  bool there = host_addresses_have(addresses, &used) && quic_connection_can_hold(connection);
  bool holding = quic_connection_is_holding(connection);
  bool tried = holding && quic_connection_is_moving(connection) && there;
  /* Whoever holds on to an address does not use the one that the kernel chooses. */
  const struct ip_address *last = holding && !tried ? &used : &before;
  if (!ip_address_is_set(&now) || ip_address_equal(&now, last))
    return READDRESS_NONE;
  hold = hold && there;
  int code = quic_connection_readdress(connection, hold);
  if (code == 0 && hold)
    return READDRESS_TRYING;
  /* What cannot move just now follows all the same when it speaks, only not as fast. */
  return code == 0 || code == ERROR_AGAIN ? READDRESS_MOVED : READDRESS_NONE;
}
