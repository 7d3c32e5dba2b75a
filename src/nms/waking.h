/* Nodes that are told when NMS was restarted. What a stateless reset needs of each connection is
 * kept in the store; after a start, those that ended with the process before us get one, and need
 * not find out when they speak next. A few at a time, since each comes back with a handshake. */
#ifndef CYPHONIC_NMS_WAKING_H
#define CYPHONIC_NMS_WAKING_H

#include "base/log.h"
#include "quic/quic.h"
#include "store/store.h"

enum {
  WAKING_BATCH = 64,     /* told at once */
  WAKING_INTERVAL = 100, /* milliseconds between two batches */
  /* Milliseconds for which changes are gathered. What came in them is forgotten if we are killed;
   * the disk is not waited for. */
  WAKING_WRITE_DELAY = 10,
  WAKING_RETRY_DELAY = 250, /* milliseconds, while another program writes */
};

struct waking;

/* Begins to tell those that the store remembers. That none can be read the log tells: they come
 * back all the same, only later. NULL without memory. */
struct waking *waking_new(struct quic_endpoint *endpoint, struct store *store,
                          const struct log *log);
/* All that are connected have been told otherwise: none is remembered. NULL is allowed; frees from
 * the loop. */
void waking_free(struct waking *waking);

/* This is the device's connection now. */
void waking_note(struct waking *waking, int64_t device_id,
                 const struct store_connection *connection);
/* It has none any more. */
void waking_forget(struct waking *waking, int64_t device_id);
/* Writes what has been gathered, or later while another program writes to the database, for which
 * the nodes need not wait. What cannot be written is dropped, and the log tells. */
void waking_write(struct waking *waking);

#endif
