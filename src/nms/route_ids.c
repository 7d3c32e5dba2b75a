#include "nms/route_ids.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

#include "base/random.h"

struct holding {
  uint32_t route_id;
  int64_t device_id;
  bool has_left;
  uint64_t left_at;
  struct holding *prev, *next; /* among those that have left, in that order */
  UT_hash_handle by_route_id, by_device;
};

struct route_ids {
  struct holding *route_ids, *devices; /* uthash heads */
  struct holding *left;                /* utlist head */
};

struct route_ids *route_ids_new(void) {
  return calloc(1, sizeof(struct route_ids));
}

static void forget(struct route_ids *ids, struct holding *holding) {
  if (holding->has_left) {
    DL_DELETE(ids->left, holding);
  }
  HASH_DELETE(by_route_id, ids->route_ids, holding);
  HASH_DELETE(by_device, ids->devices, holding);
  free(holding);
}

void route_ids_free(struct route_ids *ids) {
  if (ids == NULL) {
    return;
  }
  struct holding *holding, *next;
  HASH_ITER(by_device, ids->devices, holding, next) {
    forget(ids, holding);
  }
  free(ids);
}

static void drop_expired(struct route_ids *ids, uint64_t now) {
  while (ids->left != NULL && now - ids->left->left_at >= ROUTE_ID_HOLD_SECONDS) {
    forget(ids, ids->left);
  }
}

static struct holding *of_route_id(const struct route_ids *ids, uint32_t route_id) {
  struct holding *holding;
  HASH_FIND(by_route_id, ids->route_ids, &route_id, sizeof(route_id), holding);
  return holding;
}

static struct holding *of_device(const struct route_ids *ids, int64_t device_id) {
  struct holding *holding;
  HASH_FIND(by_device, ids->devices, &device_id, sizeof(device_id), holding);
  return holding;
}

/* Unpredictable, since packets to an id that somebody guessed are at least looked up by a TRS. */
static uint32_t free_random(const struct route_ids *ids) {
  uint32_t route_id;
  do {
    random_bytes(&route_id, sizeof(route_id));
  } while (route_id == 0 || of_route_id(ids, route_id) != NULL);
  return route_id;
}

uint32_t route_ids_take(struct route_ids *ids, int64_t device_id, uint32_t wish, uint64_t now) {
  drop_expired(ids, now);
  bool granted = wish != 0 && of_route_id(ids, wish) == NULL;
  struct holding *holding = of_device(ids, device_id);
  if (holding == NULL) {
    holding = calloc(1, sizeof(*holding));
    if (holding == NULL) {
      return 0;
    }
    holding->device_id = device_id;
    holding->route_id = granted ? wish : free_random(ids);
    HASH_ADD(by_device, ids->devices, device_id, sizeof(holding->device_id), holding);
    HASH_ADD(by_route_id, ids->route_ids, route_id, sizeof(holding->route_id), holding);
    return holding->route_id;
  }
  if (holding->has_left) {
    DL_DELETE(ids->left, holding);
    holding->has_left = false;
  }
  if (granted) {
    HASH_DELETE(by_route_id, ids->route_ids, holding);
    holding->route_id = wish;
    HASH_ADD(by_route_id, ids->route_ids, route_id, sizeof(holding->route_id), holding);
  }
  return holding->route_id;
}

void route_ids_leave(struct route_ids *ids, int64_t device_id, uint64_t now) {
  drop_expired(ids, now);
  struct holding *holding = of_device(ids, device_id);
  if (holding != NULL && !holding->has_left) {
    holding->has_left = true;
    holding->left_at = now;
    DL_APPEND(ids->left, holding);
  }
}

bool route_ids_holder(const struct route_ids *ids, uint32_t route_id, int64_t *device_id) {
  const struct holding *holding = of_route_id(ids, route_id);
  if (holding == NULL) {
    return false;
  }
  *device_id = holding->device_id;
  return true;
}
