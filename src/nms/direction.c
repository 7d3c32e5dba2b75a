#include "nms/direction.h"

#include <string.h>

static const struct direction_rule table[SITUATION_COUNT][SITUATION_COUNT] = {
    [SITUATION_IPV6] =
        {
            [SITUATION_IPV6] = {PATTERN_DIRECT, true},
            [SITUATION_IPV4_GLOBAL] = {PATTERN_RELAY, true},
            [SITUATION_IPV4_PRIVATE] = {PATTERN_RELAY, true},
        },
    [SITUATION_IPV4_GLOBAL] =
        {
            [SITUATION_IPV6] = {PATTERN_RELAY, true},
            [SITUATION_IPV4_GLOBAL] = {PATTERN_DIRECT, true},
            [SITUATION_IPV4_PRIVATE] = {PATTERN_NAT, false},
        },
    [SITUATION_IPV4_PRIVATE] =
        {
            [SITUATION_IPV6] = {PATTERN_RELAY, true},
            [SITUATION_IPV4_GLOBAL] = {PATTERN_NAT, true},
            [SITUATION_IPV4_PRIVATE] = {PATTERN_RELAY, true},
        },
};

struct direction_rule direction_table(enum direction_situation initiator,
                                      enum direction_situation responder) {
  return table[initiator][responder];
}

bool direction_initiator_is_client(const struct direction_rule *rule) {
  return rule->initiator_is_client;
}

/* Has an address of the family that is reachable as it is. */
static bool is_reachable(const struct view *view, int family) {
  const struct view_side *side = view_side(view, family);
  if (ip_address_is_set(&side->observed.ip)) {
    return !side->behind_nat;
  }
  for (size_t i = 0; i < view->address_count; i++) {
    if (view->addresses[i].ip.family == family && ip_address_is_global(&view->addresses[i].ip)) {
      return true;
    }
  }
  return false;
}

/* False if the node has no use of IPv4 at all. */
static bool ipv4_situation(const struct view *view, enum direction_situation *situation) {
  if (is_reachable(view, 4)) {
    *situation = SITUATION_IPV4_GLOBAL;
    return true;
  }
  *situation = SITUATION_IPV4_PRIVATE;
  return ip_address_is_set(&view->ipv4.observed.ip);
}

static struct direction_rule ipv4_rule(const struct view *initiator, const struct view *responder) {
  enum direction_situation from, to;
  if (!ipv4_situation(initiator, &from) || !ipv4_situation(responder, &to)) {
    return direction_table(SITUATION_IPV4_PRIVATE, SITUATION_IPV4_PRIVATE);
  }
  return direction_table(from, to);
}

static void add_candidate(struct direction_candidates *candidates, const struct address *address,
                          size_t end) {
  for (size_t i = 0; i < candidates->count; i++) {
    if (address_equal(&candidates->address[i], address)) {
      return;
    }
  }
  if (candidates->count < end) {
    candidates->address[candidates->count++] = *address;
  }
}

static bool is_link_wide(const struct ip_address *ip) {
  return ip_address_is_loopback(ip) || ip_address_is_link_local(ip) || ip_address_is_multicast(ip);
}

static bool is_useful(const struct address *own, const struct view_side *side) {
  if (ip_address_is_global(&own->ip)) {
    return true;
  }
  bool one_site = ip_address_is_set(&side->observed.ip) && !side->behind_nat &&
                  !ip_address_is_global(&side->observed.ip);
  return one_site && !is_link_wide(&own->ip);
}

static void add_family(const struct view *view, int family, bool is_client,
                       struct direction_candidates *candidates) {
  const struct view_side *side = view_side(view, family);
  size_t end = candidates->count + DIRECTION_FAMILY_CANDIDATES_MAX;
  if (ip_address_is_set(&side->observed.ip) && (is_client || !side->behind_nat)) {
    add_candidate(candidates, &side->observed, end);
  }
  for (size_t i = 0; i < view->address_count; i++) {
    const struct address *own = &view->addresses[i];
    if (own->ip.family == family && is_useful(own, side)) {
      add_candidate(candidates, own, end);
    }
  }
}

static void add_both(const struct view *initiator, const struct view *responder, int family,
                     struct direction *direction) {
  bool initiator_is_client = direction->rule.initiator_is_client;
  add_family(initiator, family, initiator_is_client, &direction->initiator);
  add_family(responder, family, !initiator_is_client, &direction->responder);
}

void direction_choose(const struct view *initiator, const struct view *responder,
                      struct direction *direction) {
  memset(direction, 0, sizeof(*direction));
  struct direction_rule ipv4 = ipv4_rule(initiator, responder);
  bool with_ipv4 = ipv4.pattern != PATTERN_RELAY;
  direction->rule = ipv4;
  if (is_reachable(initiator, 6) && is_reachable(responder, 6)) {
    direction->rule = direction_table(SITUATION_IPV6, SITUATION_IPV6);
    add_both(initiator, responder, 6, direction);
    with_ipv4 = with_ipv4 && ipv4.initiator_is_client == direction->rule.initiator_is_client;
  }
  if (with_ipv4) {
    add_both(initiator, responder, 4, direction);
  }
}

/* Has been seen over this IP version, or may be reached over it. */
static bool speaks(const struct view *view, int family) {
  return ip_address_is_set(&view_side(view, family)->observed.ip) || is_reachable(view, family);
}

static bool has_own(const struct view *view, const struct ip_address *ip) {
  for (size_t i = 0; i < view->address_count; i++) {
    if (ip_address_equal(&view->addresses[i].ip, ip)) {
      return true;
    }
  }
  return false;
}

static void add_own(const struct view *view, const struct view *other, int family,
                    struct direction_candidates *candidates, size_t end) {
  for (size_t i = 0; i < view->address_count; i++) {
    const struct address *own = &view->addresses[i];
    if (own->ip.family == family && !is_link_wide(&own->ip) && !has_own(other, &own->ip)) {
      add_candidate(candidates, own, end);
    }
  }
}

static void add_upgrade_family(const struct view *view, const struct view *other, int family,
                               bool one_nat, struct direction_candidates *candidates) {
  const struct address *observed = &view_side(view, family)->observed;
  bool seen = ip_address_is_set(&observed->ip);
  size_t end = candidates->count + DIRECTION_FAMILY_CANDIDATES_MAX;
  if (seen && !one_nat) {
    add_candidate(candidates, observed, end);
  }
  add_own(view, other, family, candidates, seen && one_nat ? end - 1 : end);
  if (seen && one_nat) {
    add_candidate(candidates, observed, end);
  }
}

void direction_add_upgrade(const struct view *initiator, const struct view *responder,
                           struct direction *direction) {
  if (direction->rule.pattern != PATTERN_RELAY) {
    return;
  }
  /* Only a client moves a connection, and only whoever is behind such a NAT can begin a direct
   * path: the port that the NAT gives it for its peer is known to nobody before. */
  direction->rule.initiator_is_client =
      view_mapping(initiator) == VIEW_MAPPING_ENDPOINT_DEPENDENT ||
      view_mapping(responder) != VIEW_MAPPING_ENDPOINT_DEPENDENT;
  static const int families[] = {6, 4};
  for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
    int family = families[i];
    if (!speaks(initiator, family) || !speaks(responder, family)) {
      continue;
    }
    const struct view_side *one = view_side(initiator, family), *two = view_side(responder, family);
    bool one_nat = one->behind_nat && two->behind_nat &&
                   ip_address_equal(&one->observed.ip, &two->observed.ip);
    add_upgrade_family(initiator, responder, family, one_nat, &direction->initiator);
    add_upgrade_family(responder, initiator, family, one_nat, &direction->responder);
  }
}
