#include "node/relay_survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the list --- */

void relay_list_read(struct relay_list *list, Cyphonic__RelayAddress *const *messages,
                     size_t count) {
  *list = (struct relay_list){0};
  for (size_t i = 0; i < count && list->count < RELAY_SURVEY_MAX; i++) {
    const Cyphonic__RelayAddress *message = messages[i];
    struct relay_listing *item = &list->item[list->count];
    *item = (struct relay_listing){0};
    for (size_t j = 0; j < message->n_addresses; j++)
      (void)service_addresses_add(&item->addresses, message->addresses[j]->host,
                                  message->addresses[j]->port);
    if (!relay_name_is_valid(message->name) || item->addresses.count == 0)
      continue;
    snprintf(item->name, sizeof item->name, "%s", message->name);
    list->count++;
  }
}

bool relay_list_equal(const struct relay_list *a, const struct relay_list *b) {
  bool equal = a->count == b->count;
  for (size_t i = 0; equal && i < a->count; i++)
    equal = strcmp(a->item[i].name, b->item[i].name) == 0 &&
            service_addresses_equal(&a->item[i].addresses, &b->item[i].addresses);
  return equal;
}

/* --- the survey --- */

struct relay_survey {
  struct relays *relays;
  relay_survey_callback callback;
  void *context;
  uv_timer_t timer;
  struct relay_list list;
  size_t open; /* measurements under way */
  struct relay_use *uses[RELAY_SURVEY_MAX];
  struct relay_finding findings[RELAY_SURVEY_MAX];
};

static void finish_if_done(struct relay_survey *survey) {
  if (survey->open == 0)
    survey->callback(survey->findings, survey->list.count, survey->context);
}

static void end(struct relay_survey *survey, struct relay_use *use, bool good) {
  for (size_t i = 0; i < survey->list.count; i++) {
    if (survey->uses[i] != use)
      continue;
    if (good) {
      survey->findings[i].round_trip = relay_use_round_trip(use);
      survey->findings[i].remote = relay_use_address(use);
      survey->findings[i].observed = relay_use_observed(use);
    }
    survey->uses[i] = NULL;
    relay_use_release(use);
    survey->open--;
    finish_if_done(survey);
    return;
  }
}

static void ready(struct relay_use *use, void *context) {
  end(context, use, true);
}

static void failed(struct relay_use *use, UNUSED const struct error *error, void *context) {
  end(context, use, false);
}

/* `lost` does not come: each use is released when it is ready. */
static const struct relay_handler handler = {.ready = ready, .failed = failed, .lost = failed};

static void start(uv_timer_t *timer) {
  struct relay_survey *survey = timer->data;
  for (size_t i = 0; i < survey->list.count; i++) {
    const struct relay_listing *item = &survey->list.item[i];
    struct error error = {0};
    if (relays_measure(survey->relays, item->name, &item->addresses, &handler, survey,
                       &survey->uses[i], &error))
      survey->uses[i] = NULL;
    else
      survey->open++;
  }
  finish_if_done(survey);
}

static void drop(struct relay_survey *survey) {
  uv_timer_stop(&survey->timer);
  for (size_t i = 0; i < survey->list.count; i++) {
    relay_use_release(survey->uses[i]);
    survey->uses[i] = NULL;
  }
  survey->open = 0;
}

struct relay_survey *relay_survey_new(uv_loop_t *loop, struct relays *relays,
                                      relay_survey_callback callback, void *context) {
  struct relay_survey *survey = calloc(1, sizeof *survey);
  if (!survey)
    return NULL;
  survey->relays = relays;
  survey->callback = callback;
  survey->context = context;
  uv_timer_init(loop, &survey->timer);
  survey->timer.data = survey;
  return survey;
}

static void timer_closed(uv_handle_t *handle) {
  free(handle->data);
}

void relay_survey_close(struct relay_survey *survey) {
  if (!survey)
    return;
  drop(survey);
  uv_close((uv_handle_t *)&survey->timer, timer_closed);
}

void relay_survey_begin(struct relay_survey *survey, const struct relay_list *list,
                        uint64_t delay) {
  drop(survey);
  survey->list = *list;
  memset(survey->findings, 0, sizeof survey->findings);
  for (size_t i = 0; i < list->count; i++)
    snprintf(survey->findings[i].name, sizeof survey->findings[i].name, "%s", list->item[i].name);
  uv_timer_start(&survey->timer, start, delay, 0);
}
