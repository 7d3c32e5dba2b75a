#include "nms/view.h"

#include <string.h>

static struct view_side *side_of(struct view *view, int family) {
  return family == 4 ? &view->ipv4 : &view->ipv6;
}

const struct view_side *view_side(const struct view *view, int family) {
  return family == 4 ? &view->ipv4 : &view->ipv6;
}

/* IP addresses alone are compared, since a NAT may keep the port; and what is private on both sides
 * is no NAT: server and node share a LAN. */
static bool is_behind_nat(const struct address *observed, const struct address *addresses,
                          size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (ip_address_equal(&observed->ip, &addresses[i].ip)) {
      return false;
    }
  }
  return true;
}

void view_hear_elsewhere(struct view *view, const struct address *elsewhere) {
  bool is_ipv4 = elsewhere != NULL && elsewhere->ip.family == 4;
  view->elsewhere = is_ipv4 ? *elsewhere : (struct address){0};
}

enum view_mapping view_mapping(const struct view *view) {
  if (!ip_address_is_set(&view->ipv4.observed.ip) || !ip_address_is_set(&view->elsewhere.ip)) {
    return VIEW_MAPPING_UNKNOWN;
  }
  return address_equal(&view->ipv4.observed, &view->elsewhere) ? VIEW_MAPPING_ENDPOINT_INDEPENDENT
                                                               : VIEW_MAPPING_ENDPOINT_DEPENDENT;
}

static bool has_family(const struct view *view, int family) {
  for (size_t i = 0; i < view->address_count; i++) {
    if (view->addresses[i].ip.family == family) {
      return true;
    }
  }
  return false;
}

static void refresh(struct view *view, int family) {
  struct view_side *side = side_of(view, family);
  if (!has_family(view, family)) {
    memset(side, 0, sizeof(*side));
    if (family == 4) {
      view_hear_elsewhere(view, NULL);
    }
  } else if (ip_address_is_set(&side->observed.ip)) {
    side->behind_nat = is_behind_nat(&side->observed, view->addresses, view->address_count);
  }
}

static bool same_side(const struct view_side *a, const struct view_side *b) {
  return address_equal(&a->observed, &b->observed) && a->behind_nat == b->behind_nat;
}

bool view_register(struct view *view, const struct address *addresses, size_t count) {
  struct view before = *view;
  if (count > VIEW_ADDRESSES_MAX) {
    count = VIEW_ADDRESSES_MAX;
  }
  memset(view->addresses, 0, sizeof(view->addresses));
  for (size_t i = 0; i < count; i++) {
    view->addresses[i] = addresses[i];
  }
  view->address_count = count;
  refresh(view, 4);
  refresh(view, 6);
  bool same = before.address_count == count && same_side(&before.ipv4, &view->ipv4) &&
              same_side(&before.ipv6, &view->ipv6);
  for (size_t i = 0; same && i < count; i++) {
    same = address_equal(&before.addresses[i], &view->addresses[i]);
  }
  return !same;
}

bool view_observe(struct view *view, const struct address *observed) {
  struct view_side *side = side_of(view, observed->ip.family), before = *side;
  if (side == &view->ipv4 && ip_address_is_set(&before.observed.ip) &&
      !address_equal(&before.observed, observed)) {
    view_hear_elsewhere(view, NULL);
  }
  side->observed = *observed;
  side->behind_nat = is_behind_nat(observed, view->addresses, view->address_count);
  return !same_side(&before, side);
}
