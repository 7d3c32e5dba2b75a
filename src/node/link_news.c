/* How a link's owner hears of it: the main thread at once, from a lane by way of a post. */
#include <stdlib.h>

#include "node/link_internal.h"

void link_free_echo(struct link_echo *echo) {
  if (echo)
    free(echo->reserved);
  free(echo);
}

static void end_echo(struct link_echo *echo) {
  echo->callback(echo->code, echo->round_trip, echo->code ? &echo->error : NULL, echo->context);
  link_free_echo(echo);
}

static void hand_on(struct link *link, const struct link_event *event) {
  const struct link_handler *handler = link->handler;
  if (event->news == LINK_NEWS_PINGED)
    end_echo(event->echo); /* whoever asked waits, also when the link was abandoned */
  else if (handler)
    switch (event->news) {
    case LINK_NEWS_ACCEPTED:
      handler->accepted(link, link->context);
      break;
    case LINK_NEWS_ESTABLISHED:
      handler->established(link, link->context);
      break;
    case LINK_NEWS_REQUESTED:
      handler->requested(link, link->context);
      break;
    case LINK_NEWS_CONFIRMED:
      handler->confirmed(link, link->context);
      break;
    case LINK_NEWS_REFUSED:
      handler->refused(link, &event->error, link->context);
      break;
    case LINK_NEWS_TRAFFIC:
      handler->traffic(link, event->received, link->context);
      break;
    case LINK_NEWS_MOVED:
      handler->moved(link, link->context);
      break;
    case LINK_NEWS_MIGRATED:
      handler->migrated(link, event->success, link->context);
      break;
    case LINK_NEWS_SPOKE_ELSEWHERE:
      handler->spoke_elsewhere(link, &event->remote, link->context);
      break;
    case LINK_NEWS_UPGRADE_ASKED:
      handler->upgrade_asked(link, event->candidates.item, event->candidates.count, link->context);
      break;
    case LINK_NEWS_UPGRADE_ANSWERED:
      handler->upgrade_answered(link, event->candidates.item, event->candidates.count,
                                link->context);
      break;
    case LINK_NEWS_PINGED:
      break;
    }
}

void link_free_if_unused(struct link *link) {
  if (link->closed && link->posted == 0)
    free(link);
}

static void handle(struct lane_event *posted) {
  struct link_event *event = (struct link_event *)posted;
  struct link *link = event->link;
  struct lane *lane = link->shared->lane;
  lane_enter(lane);
  hand_on(link, event);
  link->posted--;
  link_free_if_unused(link);
  lane_leave(lane);
  free(event);
}

void link_tell(struct link *link, const struct link_event *event) {
  struct lane *lane = link->shared->lane;
  if (!lane_is_alone(lane)) {
    hand_on(link, event);
    return;
  }
  struct link_event *copy;
  if (event->news == LINK_NEWS_PINGED) {
    copy = event->echo->reserved;
    event->echo->reserved = NULL;
  } else {
    copy = malloc(sizeof *copy);
  }
  if (!copy) { /* the owner would wait for it for ever */
    quic_connection_close(link->connection, LINK_CLOSE_DONE, "no memory");
    return;
  }
  *copy = *event;
  copy->event.handle = handle;
  copy->link = link;
  link->posted++;
  lane_post(lane, &copy->event);
}

void link_tell_news(struct link *link, enum link_news news) {
  struct link_event event = {.news = news};
  link_tell(link, &event);
}
