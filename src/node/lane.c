#include "node/lane.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct lane {
  unsigned number;
  uv_loop_t loop;
  pthread_t thread;
  uv_async_t visit;         /* on its own loop */
  sem_t stands_still, over; /* of a visit */
  unsigned visits;          /* nested; the main thread's */
  bool ended;               /* there is no thread any more */

  uv_async_t posted; /* on the main loop */
  pthread_mutex_t mutex;
  struct lane_event *first, **last; /* posted, not yet handled */
};

static _Thread_local const struct lane *own; /* of a lane's thread */

static void wait_for(sem_t *semaphore) {
  while (sem_wait(semaphore) != 0)
    continue; /* interrupted by a signal */
}

/* --- its thread --- */

static void *live(void *context) {
  struct lane *lane = context;
  own = lane;
  char name[16]; /* no longer one is shown */
  snprintf(name, sizeof name, "tunnels-%u", lane->number);
  pthread_setname_np(pthread_self(), name);
  uv_run(&lane->loop, UV_RUN_DEFAULT);
  return NULL;
}

static void stand_still(uv_async_t *visit) {
  struct lane *lane = visit->data;
  uv_update_time(&lane->loop); /* for the timers that the visitor starts */
  sem_post(&lane->stands_still);
  wait_for(&lane->over);
}

bool lane_is_alone(const struct lane *lane) {
  return lane && own == lane;
}

void lane_post(struct lane *lane, struct lane_event *event) {
  event->next = NULL;
  pthread_mutex_lock(&lane->mutex);
  *lane->last = event;
  lane->last = &event->next;
  pthread_mutex_unlock(&lane->mutex);
  uv_async_send(&lane->posted);
}

/* --- the main thread's side --- */

void lane_enter(struct lane *lane) {
  if (!lane || own == lane || lane->ended || lane->visits++ > 0)
    return;
  uv_async_send(&lane->visit);
  wait_for(&lane->stands_still);
}

void lane_leave(struct lane *lane) {
  if (!lane || own == lane || lane->ended || --lane->visits > 0)
    return;
  sem_post(&lane->over);
}

static void handle_posted(struct lane *lane) {
  pthread_mutex_lock(&lane->mutex);
  struct lane_event *event = lane->first;
  lane->first = NULL;
  lane->last = &lane->first;
  pthread_mutex_unlock(&lane->mutex);
  while (event) {
    struct lane_event *next = event->next;
    event->handle(event);
    event = next;
  }
}

static void on_posted(uv_async_t *posted) {
  handle_posted(posted->data);
}

/* --- life --- */

uv_loop_t *lane_loop(struct lane *lane) {
  return &lane->loop;
}

/* Signals are the main thread's. */
static int start_thread(struct lane *lane) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int status = pthread_create(&lane->thread, NULL, live, lane);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return status;
}

static void posted_closed(uv_handle_t *handle) {
  struct lane *lane = handle->data;
  sem_destroy(&lane->stands_still);
  sem_destroy(&lane->over);
  pthread_mutex_destroy(&lane->mutex);
  free(lane);
}

int lane_new(uv_loop_t *loop, unsigned number, struct lane **out, struct error *error) {
  struct lane *lane = calloc(1, sizeof *lane);
  if (!lane)
    return error_set(error, ERROR_NO_MEMORY, "no memory for a thread");
  int status = uv_loop_init(&lane->loop);
  if (status) {
    free(lane);
    return error_set(error, ERROR_SYSTEM, "no loop for a thread: %s", uv_strerror(status));
  }
  status = uv_async_init(loop, &lane->posted, on_posted);
  if (status) {
    uv_loop_close(&lane->loop);
    free(lane);
    return error_set(error, ERROR_SYSTEM, "a thread cannot be heard: %s", uv_strerror(status));
  }
  lane->number = number;
  lane->last = &lane->first;
  lane->posted.data = lane->visit.data = lane;
  pthread_mutex_init(&lane->mutex, NULL);
  sem_init(&lane->stands_still, 0, 0);
  sem_init(&lane->over, 0, 0);
  status = uv_async_init(&lane->loop, &lane->visit, stand_still);
  if (!status) {
    status = start_thread(lane);
    if (!status) {
      *out = lane;
      return 0;
    }
    status = uv_translate_sys_error(status);
    uv_close((uv_handle_t *)&lane->visit, NULL);
    uv_run(&lane->loop, UV_RUN_DEFAULT);
  }
  uv_loop_close(&lane->loop);
  uv_close((uv_handle_t *)&lane->posted, posted_closed);
  return error_set(error, ERROR_SYSTEM, "no thread can be started: %s", uv_strerror(status));
}

void lane_free(struct lane *lane) {
  if (!lane)
    return;
  lane_enter(lane);
  uv_close((uv_handle_t *)&lane->visit, NULL); /* its loop ends when nothing else lives on it */
  lane_leave(lane);
  pthread_join(lane->thread, NULL);
  lane->ended = true;
  handle_posted(lane);
  uv_loop_close(&lane->loop);
  uv_close((uv_handle_t *)&lane->posted, posted_closed);
}
