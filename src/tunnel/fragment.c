#include "tunnel/fragment.h"

#include <stdlib.h>
#include <string.h>

enum {
  NIBBLE_FRAGMENT = 1,
  NIBBLE_IPV4 = 4,
  NIBBLE_IPV6 = 6,
  FLAG_LAST = 0x01,
  FLAGS_UNUSED = 0x0e,
  /* A packet whose rest has not come after so many newer ones never will be whole, and its number
   * comes again after 65,536: within a second, at full speed. */
  PACKETS_BEHIND_MAX = 1024,
};

/* --- the frame --- */

int tunnel_frame_parse(struct span datagram, enum tunnel_frame *frame, struct fragment *fragment) {
  struct reader reader = reader_init(datagram.data, datagram.size);
  uint8_t first = reader_u8(&reader);
  if (first >> 4 == NIBBLE_IPV4 || first >> 4 == NIBBLE_IPV6) {
    *frame = TUNNEL_FRAME_PACKET;
    return 0;
  }
  if (first >> 4 != NIBBLE_FRAGMENT || (first & FLAGS_UNUSED) != 0) {
    return ERROR_INVALID;
  }
  *frame = TUNNEL_FRAME_FRAGMENT;
  fragment->last = (first & FLAG_LAST) != 0;
  fragment->number = reader_u8(&reader);
  fragment->packet = reader_u16(&reader);
  fragment->data = reader.rest;
  if (reader.failed || fragment->number >= FRAGMENTS_MAX || fragment->data.size == 0) {
    return ERROR_INVALID;
  }
  return 0;
}

void fragment_header_write(uint8_t header[static FRAGMENT_HEADER_SIZE], uint16_t packet,
                           uint8_t number, bool last) {
  header[0] = (uint8_t)(NIBBLE_FRAGMENT << 4 | (last ? FLAG_LAST : 0));
  header[1] = number;
  header[2] = (uint8_t)(packet >> 8);
  header[3] = (uint8_t)packet;
}

static size_t divide_up(size_t dividend, size_t divisor) {
  return (dividend + divisor - 1) / divisor;
}

int fragment_plan(size_t packet_size, size_t room, size_t *count, size_t *each) {
  if (packet_size == 0) {
    return ERROR_INVALID;
  }
  if (packet_size > FRAGMENT_PACKET_MAX || room <= FRAGMENT_HEADER_SIZE) {
    return ERROR_LIMIT;
  }
  size_t least = divide_up(packet_size, room - FRAGMENT_HEADER_SIZE);
  if (least > FRAGMENTS_MAX) {
    return ERROR_LIMIT;
  }
  *each = divide_up(packet_size, least);
  *count = divide_up(packet_size, *each);
  return 0;
}

/* --- reassembly --- */

struct slot {
  uint8_t *data;    /* FRAGMENT_PACKET_MAX bytes, or NULL until first used */
  uint64_t started; /* nanoseconds */
  uint16_t packet;
  uint8_t received; /* a bit a fragment; 0: the slot is free */
  bool last_known;
  uint8_t last_number;
  size_t last_size; /* the last fragment waits at the end of `data` */
  size_t each;      /* bytes of each other fragment; 0: none has come */
};

struct reassembly {
  struct slot slots[REASSEMBLY_SLOTS];
};

_Static_assert(FRAGMENTS_MAX <= 8, "slot.received has a bit for each fragment");

struct reassembly *reassembly_new(void) {
  return calloc(1, sizeof(struct reassembly));
}

void reassembly_free(struct reassembly *reassembly) {
  if (reassembly == NULL) {
    return;
  }
  for (size_t i = 0; i < REASSEMBLY_SLOTS; i++) {
    free(reassembly->slots[i].data);
  }
  free(reassembly);
}

static void slot_release(struct slot *slot) {
  *slot = (struct slot){.data = slot->data};
}

static bool slot_is_stale(const struct slot *slot, uint16_t packet, uint64_t now) {
  uint16_t behind = (uint16_t)(packet - slot->packet);
  return now - slot->started > REASSEMBLY_TIMEOUT ||
         (behind > PACKETS_BEHIND_MAX && behind < UINT16_MAX / 2);
}

/* The packet's slot; or a free one for it, for which the oldest may give way. */
static struct slot *slot_for(struct reassembly *reassembly, uint16_t packet, uint64_t now) {
  struct slot *best = NULL;
  for (size_t i = 0; i < REASSEMBLY_SLOTS; i++) {
    struct slot *slot = &reassembly->slots[i];
    if (slot->received != 0 && slot_is_stale(slot, packet, now)) {
      slot_release(slot);
    }
    if (slot->received != 0 && slot->packet == packet) {
      return slot;
    }
    bool better = best == NULL;
    if (!better && best->received != 0) {
      better = slot->received == 0 || slot->started < best->started;
    } else if (!better) {
      better = slot->received == 0 && best->data == NULL && slot->data != NULL;
    }
    if (better) {
      best = slot;
    }
  }
  slot_release(best);
  best->packet = packet;
  best->started = now;
  return best;
}

/* Whether the packet can still be one: its parts of one size, in its place, within the bound. What
 * stands here is what keeps the copies below inside the buffer and off each other. */
static bool slot_agrees(const struct slot *slot, const struct fragment *fragment) {
  if ((slot->received >> fragment->number & 1) != 0) {
    return false;
  }
  size_t each = slot->each, last_size = slot->last_size, last_number = slot->last_number;
  bool last_known = slot->last_known;
  if (fragment->last) {
    if (last_known || slot->received >> fragment->number != 0) {
      return false;
    }
    last_known = true;
    last_number = fragment->number;
    last_size = fragment->data.size;
  } else {
    if (each != 0 && fragment->data.size != each) {
      return false;
    }
    if (last_known && fragment->number > last_number) {
      return false;
    }
    each = fragment->data.size;
    if ((size_t)(fragment->number + 1) * each > FRAGMENT_PACKET_MAX) {
      return false;
    }
  }
  if (!last_known) {
    return true;
  }
  return (each == 0 || last_size <= each) && last_size <= FRAGMENT_PACKET_MAX &&
         last_number * each <= FRAGMENT_PACKET_MAX - last_size;
}

static void slot_store(struct slot *slot, const struct fragment *fragment) {
  if (fragment->last) {
    slot->last_known = true;
    slot->last_number = fragment->number;
    slot->last_size = fragment->data.size;
    memcpy(slot->data + FRAGMENT_PACKET_MAX - slot->last_size, fragment->data.data,
           slot->last_size);
  } else {
    slot->each = fragment->data.size;
    memcpy(slot->data + fragment->number * slot->each, fragment->data.data, slot->each);
  }
  slot->received = (uint8_t)(slot->received | 1u << fragment->number);
}

static bool slot_is_complete(const struct slot *slot) {
  return slot->last_known && slot->received == (2u << slot->last_number) - 1;
}

int reassembly_add(struct reassembly *reassembly, const struct fragment *fragment, uint64_t now,
                   struct span *packet) {
  if (fragment->number >= FRAGMENTS_MAX || fragment->data.size == 0) {
    return ERROR_INVALID;
  }
  struct slot *slot = slot_for(reassembly, fragment->packet, now);
  if (!slot_agrees(slot, fragment)) {
    slot_release(slot);
    return ERROR_INVALID;
  }
  if (slot->data == NULL && (slot->data = malloc(FRAGMENT_PACKET_MAX)) == NULL) {
    return ERROR_NO_MEMORY;
  }
  slot_store(slot, fragment);
  if (!slot_is_complete(slot)) {
    return 0;
  }
  size_t offset = slot->last_number * slot->each;
  memmove(slot->data + offset, slot->data + FRAGMENT_PACKET_MAX - slot->last_size, slot->last_size);
  *packet = (struct span){.data = slot->data, .size = offset + slot->last_size};
  slot_release(slot);
  return 1;
}
