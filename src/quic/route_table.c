#include "quic/route_table.h"

#include <arpa/inet.h>
#include <string.h>

struct route *route_table_find(struct route_table *table, const struct address *remote) {
  for (size_t i = 0; i < ROUTES_MAX; i++) {
    struct route *route = &table->slots[i];
    if (route->number != 0 && !route->left && address_equal(&route->remote, remote)) {
      return route;
    }
  }
  return NULL;
}

struct route *route_table_arrival(struct route_table *table, const struct address *remote,
                                  const struct ip_address *local) {
  for (size_t i = 0; i < ROUTES_MAX; i++) {
    struct route *route = &table->slots[i];
    if (route->number != 0 && route->pinned && address_equal(&route->remote, remote) &&
        ip_address_equal(&route->local, local)) {
      return route;
    }
  }
  return route_table_find(table, remote);
}

struct route *route_table_by_number(struct route_table *table, uint16_t number) {
  for (size_t i = 0; number != 0 && i < ROUTES_MAX; i++) {
    if (table->slots[i].number == number) {
      return &table->slots[i];
    }
  }
  return NULL;
}

struct route *route_table_add(struct route_table *table, const struct address *remote,
                              uint16_t keep, uint64_t now) {
  struct route *route = route_table_find(table, remote);
  if (route != NULL) {
    return route;
  }
  for (size_t i = 0; i < ROUTES_MAX; i++) {
    struct route *slot = &table->slots[i];
    if (slot->number == 0) {
      if (route == NULL || route->number != 0) {
        route = slot;
      }
    } else if (slot->number != keep &&
               (route == NULL || (route->number != 0 && slot->heard < route->heard))) {
      route = slot;
    }
  }
  uint16_t number = ++table->last_number;
  if (number == 0) { /* after 65,535 moves; by now the low numbers are long forgotten */
    number = table->last_number = 1;
  }
  *route = (struct route){.number = number, .remote = *remote, .heard = now};
  return route;
}

struct route *route_table_move(struct route_table *table, const struct address *remote,
                               uint16_t keep, uint64_t now) {
  struct route *before = route_table_find(table, remote);
  if (before != NULL && before->number != keep) {
    before->number = 0;
    before = NULL;
  }
  if (before != NULL) {
    return NULL;
  }
  return route_table_add(table, remote, keep, now);
}

void route_table_leave(struct route_table *table, uint16_t number) {
  struct route *route = route_table_by_number(table, number);
  if (route != NULL) {
    route->left = true;
  }
}

void route_table_forget_local(struct route_table *table) {
  for (size_t i = 0; i < ROUTES_MAX; i++) {
    table->slots[i].local = (struct ip_address){0};
    table->slots[i].pinned = false;
  }
}

void route_path(const struct route *route, struct virtual_path *path) {
  memset(path, 0, sizeof(*path));
  path->local.sin_family = AF_INET;
  path->local.sin_port = htons(route->number);
  path->remote.sin_family = AF_INET;
  path->remote.sin_port = htons(route->number);
  path->path.local.addr = (ngtcp2_sockaddr *)&path->local;
  path->path.local.addrlen = sizeof(path->local);
  path->path.remote.addr = (ngtcp2_sockaddr *)&path->remote;
  path->path.remote.addrlen = sizeof(path->remote);
}

uint16_t route_number(const ngtcp2_path *path) {
  struct sockaddr_in remote;
  if (path->remote.addrlen != sizeof(remote)) {
    return 0;
  }
  memcpy(&remote, path->remote.addr, sizeof(remote));
  return ntohs(remote.sin_port);
}
