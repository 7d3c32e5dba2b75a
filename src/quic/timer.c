#include "quic/timer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"

struct timer_set {
  struct timer **heap; /* heap[1..count]; heap[0] is not used */
  size_t count, capacity;
  uint64_t armed; /* UINT64_MAX: not */
  int descriptor;
  uv_poll_t poll;
  timer_callback callback;
  void *context;
  void (*done)(void *context);
  void *done_context;
};

static void timer_place(struct timer_set *set, struct timer *timer, size_t position) {
  set->heap[position] = timer;
  timer->position = position;
}

static void timer_rise(struct timer_set *set, struct timer *timer) {
  size_t position = timer->position;
  while (position > 1 && set->heap[position / 2]->expiry > timer->expiry) {
    timer_place(set, set->heap[position / 2], position);
    position /= 2;
  }
  timer_place(set, timer, position);
}

static void timer_sink(struct timer_set *set, struct timer *timer) {
  size_t position = timer->position;
  for (;;) {
    size_t child = position * 2;
    if (child > set->count) {
      break;
    }
    if (child < set->count && set->heap[child + 1]->expiry < set->heap[child]->expiry) {
      child++;
    }
    if (set->heap[child]->expiry >= timer->expiry) {
      break;
    }
    timer_place(set, set->heap[child], position);
    position = child;
  }
  timer_place(set, timer, position);
}

static void timer_poll(uv_poll_t *poll, int status UNUSED, int events UNUSED) {
  struct timer_set *set = poll->data;
  set->armed = UINT64_MAX;
  uint64_t now = clock_now();
  while (set->count > 0 && set->heap[1]->expiry <= now) {
    struct timer *timer = set->heap[1];
    timer_set_clear(set, timer);
    set->callback(timer, now, set->context);
  }
  /* Arming makes the descriptor unreadable again, and what was called will mostly set an earlier
   * expiry before that is due: each costs a system call. */
  if (set->count == 0) {
    uint64_t expirations;
    (void)!read(set->descriptor, &expirations, sizeof(expirations));
  }
}

int timer_set_new(uv_loop_t *loop, timer_callback callback, void *context, struct timer_set **out,
                  struct error *error) {
  struct timer_set *set = calloc(1, sizeof(*set));
  if (set == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for timers");
  }
  set->armed = UINT64_MAX;
  set->callback = callback;
  set->context = context;
  set->descriptor = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (set->descriptor < 0) {
    int code = error_set_errno(error, errno, "cannot create a timer");
    free(set);
    return code;
  }
  int status = uv_poll_init(loop, &set->poll, set->descriptor);
  if (status != 0) {
    close(set->descriptor);
    free(set);
    return error_set(error, ERROR_SYSTEM, "cannot watch a timer: %s", uv_strerror(status));
  }
  set->poll.data = set;
  uv_poll_start(&set->poll, UV_READABLE, timer_poll);
  *out = set;
  return 0;
}

static void timer_set_closed(uv_handle_t *handle) {
  struct timer_set *set = handle->data;
  close(set->descriptor);
  void (*done)(void *) = set->done;
  void *context = set->done_context;
  free(set->heap);
  free(set);
  done(context);
}

void timer_set_close(struct timer_set *set, void (*done)(void *context), void *context) {
  set->done = done;
  set->done_context = context;
  uv_close((uv_handle_t *)&set->poll, timer_set_closed);
}

int timer_set_put(struct timer_set *set, struct timer *timer, uint64_t expiry) {
  if (expiry == UINT64_MAX) {
    timer_set_clear(set, timer);
    return 0;
  }
  if (timer->position != 0) {
    uint64_t before = timer->expiry;
    timer->expiry = expiry;
    if (expiry < before) {
      timer_rise(set, timer);
    } else if (expiry > before) {
      timer_sink(set, timer);
    }
    return 0;
  }
  if (set->count + 2 > set->capacity) {
    size_t capacity = set->capacity == 0 ? 64 : set->capacity * 2;
    struct timer **heap = realloc(set->heap, capacity * sizeof(struct timer *));
    if (heap == NULL) {
      return ERROR_NO_MEMORY;
    }
    set->heap = heap;
    set->capacity = capacity;
  }
  timer->expiry = expiry;
  timer_place(set, timer, ++set->count);
  timer_rise(set, timer);
  return 0;
}

void timer_set_clear(struct timer_set *set, struct timer *timer) {
  size_t position = timer->position;
  if (position == 0) {
    return;
  }
  timer->position = 0;
  struct timer *last = set->heap[set->count--];
  if (last != timer) {
    timer_place(set, last, position);
    timer_rise(set, last);
    timer_sink(set, last);
  }
}

void timer_set_arm(struct timer_set *set) {
  uint64_t earliest = set->count > 0 ? set->heap[1]->expiry : UINT64_MAX;
  /* A kernel timer that fires too early costs one wake-up; moving it costs a system call each time,
   * and expiries mostly move away. */
  if (earliest >= set->armed) {
    return;
  }
  set->armed = earliest;
  struct itimerspec when = {
      .it_value = {.tv_sec = (time_t)(earliest / NANOSECONDS_PER_SECOND),
                   .tv_nsec = (long)(earliest % NANOSECONDS_PER_SECOND)},
  };
  if (earliest == 0) {
    when.it_value.tv_nsec = 1; /* all zero would disarm */
  }
  timerfd_settime(set->descriptor, TFD_TIMER_ABSTIME, &when, NULL);
}
