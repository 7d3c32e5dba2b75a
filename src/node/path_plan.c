#include "node/path_plan.h"

static uint64_t doubled(uint64_t first, uint64_t limit, unsigned times) {
  uint64_t wait = first;
  while (times-- > 0 && wait < limit)
    wait *= 2;
  return wait < limit ? wait : limit;
}

void path_plan_init(struct path_plan *plan, bool client, uint64_t now) {
  *plan = (struct path_plan){.client = client, .upgrade_at = now};
}

/* --- silence --- */

static uint64_t silence_limit(const struct path_signs *signs) {
  uint64_t limit = 3 * signs->probe_timeout;
  return limit > PATH_SILENCE_LIMIT ? limit : PATH_SILENCE_LIMIT;
}

static enum path_action search(struct path_plan *plan, uint64_t now, bool relayed) {
  if (now < plan->search_at)
    return PATH_STAY;
  /* Every other time the same relay is good too: it may be back, or the only one. */
  bool other = relayed && plan->searches % 2 == 0;
  plan->search_at = now + doubled(PATH_SEARCH_FIRST, PATH_SEARCH_LIMIT, plan->searches);
  plan->searches++;
  return other ? PATH_FIND_OTHER : PATH_FIND;
}

static enum path_action step_silent(struct path_plan *plan, uint64_t now,
                                    const struct path_signs *signs) {
  if (signs->relay_ready) {
    plan->activity = PATH_FALLING;
    return PATH_TO_RELAY;
  }
  if (plan->directed != 0 && now - plan->directed > PATH_RECONNECT_AFTER) {
    plan->directed = 0;
    return PATH_RECONNECT;
  }
  return search(plan, now, signs->relayed);
}

/* --- the upgrade --- */

static void rest(struct path_plan *plan, uint64_t now) {
  plan->activity = PATH_RESTING;
  plan->upgrade_at = now + doubled(PATH_UPGRADE_FIRST, PATH_UPGRADE_LIMIT, plan->upgrade_rounds);
  plan->upgrade_rounds++;
}

static enum path_action step_relayed(struct path_plan *plan, uint64_t now, bool confirmed) {
  switch (plan->activity) {
  case PATH_RESTING:
    if (now < plan->upgrade_at || !confirmed)
      return PATH_STAY;
    plan->activity = PATH_ASKING;
    return PATH_ASK_PEER;
  case PATH_CHOOSING:
    plan->activity = PATH_TRYING;
    plan->next++;
    return PATH_TRY;
  case PATH_ASKING:
  case PATH_TRYING:
  case PATH_FALLING:
    break;
  }
  return PATH_STAY;
}

/* The peer's packets have stopped: that may mean that it has nothing to say, or that the path is
 * dead, our NAT's memory of it gone, say, so that it is for us to speak. Once for each pause. */
static bool wants_probe(struct path_plan *plan, uint64_t now, const struct path_signs *signs) {
  if (signs->received == plan->probed || now - signs->received < PATH_PROBE_AFTER)
    return false;
  plan->probed = signs->received;
  return true;
}

/* The server is in no position to move, but bound at the relay as the client is. */
static enum path_action step_server(struct path_plan *plan, uint64_t now,
                                    const struct path_signs *signs, uint64_t limit) {
  if (signs->silence > limit + PATH_SERVER_PATIENCE)
    return search(plan, now, false);
  if (!wants_probe(plan, now, signs))
    return PATH_STAY;
  return signs->relayed ? PATH_CHECK : PATH_PROBE;
}

enum path_action path_plan_step(struct path_plan *plan, uint64_t now,
                                const struct path_signs *signs) {
  if (signs->arrived != plan->arrived) {
    plan->arrived = signs->arrived;
    plan->searches = 0;
    plan->search_at = 0;
    plan->directed = 0;
    plan->checked = false;
  }
  uint64_t limit = silence_limit(signs);
  /* Before the path is left, so that the relay knows by then where we are. */
  if (signs->silence > limit / 2 && !plan->checked) {
    plan->checked = true;
    return PATH_CHECK;
  }
  if (!plan->client)
    return step_server(plan, now, signs, limit);
  if (signs->silence > limit)
    return step_silent(plan, now, signs);
  if (wants_probe(plan, now, signs))
    return PATH_PROBE;
  return signs->relayed ? step_relayed(plan, now, signs->confirmed) : PATH_STAY;
}

/* --- what came of it --- */

void path_plan_answered(struct path_plan *plan, const struct address *candidates, size_t count,
                        uint64_t now) {
  plan->count = count < PATH_CANDIDATES_MAX ? count : PATH_CANDIDATES_MAX;
  plan->next = 0;
  for (size_t i = 0; i < plan->count; i++)
    plan->candidates[i] = candidates[i];
  if (plan->activity == PATH_TRYING || plan->activity == PATH_FALLING)
    return; /* one move at a time: path_plan_moved takes them up */
  if (plan->count == 0)
    rest(plan, now);
  else
    plan->activity = PATH_CHOOSING;
}

void path_plan_unanswered(struct path_plan *plan, uint64_t now) {
  if (plan->activity == PATH_ASKING)
    rest(plan, now);
}

const struct address *path_plan_candidate(const struct path_plan *plan) {
  return &plan->candidates[plan->next - 1];
}

void path_plan_again(struct path_plan *plan) {
  if (plan->activity == PATH_TRYING) {
    plan->activity = PATH_CHOOSING;
    plan->next--;
  } else if (plan->activity == PATH_FALLING) {
    plan->activity = PATH_RESTING;
  }
}

void path_plan_moved(struct path_plan *plan, bool success, uint64_t now) {
  if (plan->activity == PATH_FALLING) {
    plan->upgrade_rounds = 0; /* the path that was left may come back soon */
    if (plan->count > 0 && plan->next == 0)
      plan->activity = PATH_CHOOSING; /* told meanwhile */
    else
      rest(plan, now);
  } else if (plan->activity == PATH_TRYING && success) {
    plan->activity = PATH_RESTING;
    plan->upgrade_rounds = 0;
    plan->upgrade_at = now;
  } else if (plan->activity == PATH_TRYING) {
    if (plan->next < plan->count)
      plan->activity = PATH_CHOOSING;
    else
      rest(plan, now);
  }
}

void path_plan_directed(struct path_plan *plan, uint64_t now) {
  plan->directed = now;
}

void path_plan_hurry(struct path_plan *plan, uint64_t now) {
  plan->upgrade_rounds = 0;
  plan->upgrade_at = now;
  plan->searches = 0;
  plan->search_at = now;
}

bool path_plan_is_busy(const struct path_plan *plan) {
  return plan->activity == PATH_CHOOSING;
}

/* --- candidates --- */

static bool is_local(const struct ip_address *ip, const struct path_own *own) {
  for (size_t i = 0; i < own->local; i++)
    if (ip_address_equal(ip, &own->item[i].ip))
      return true;
  return false;
}

/* Lower goes first. */
static int rank(const struct ip_address *ip, bool one_nat) {
  if (!ip_address_is_global(ip))
    return one_nat ? 0 : 3;
  return ip->family == 6 ? 1 : 2;
}

size_t path_order_candidates(struct address *candidates, size_t count, const struct path_own *own) {
  size_t kept = 0;
  bool one_nat = false;
  for (size_t i = 0; i < count; i++) {
    const struct ip_address *ip = &candidates[i].ip;
    one_nat = one_nat || ip_address_equal(ip, &own->observed[ip->family == 6]);
    bool twice = false;
    for (size_t j = 0; j < kept; j++)
      twice = twice || address_equal(&candidates[j], &candidates[i]);
    if (twice || candidates[i].port == 0 || is_local(ip, own) || ip_address_is_loopback(ip) ||
        ip_address_is_link_local(ip) || ip_address_is_multicast(ip))
      continue;
    candidates[kept++] = candidates[i];
  }
  /* Few, and the order within a rank is the peer's: insertion keeps it. */
  for (size_t i = 1; i < kept; i++) {
    struct address moved = candidates[i];
    size_t at = i;
    for (; at > 0 && rank(&candidates[at - 1].ip, one_nat) > rank(&moved.ip, one_nat); at--)
      candidates[at] = candidates[at - 1];
    candidates[at] = moved;
  }
  return kept;
}
