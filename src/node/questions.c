#include "node/questions.h"

#include <stdlib.h>
#include <utlist.h>

struct question {
  struct questions *questions;
  control_reply_callback callback;
  void *context;
  uint64_t deadline; /* milliseconds of the loop */
  struct question *next, *previous;
  size_t size;
  uint8_t message[]; /* packed */
};

struct questions {
  uv_loop_t *loop;
  struct question *waiting; /* by deadline, earliest first */
  uv_timer_t timer;         /* of the first */
};

static void tell(struct question *question, struct control *control, int code,
                 const control_message *reply, const struct error *error) {
  question->callback(control, code, reply, error, question->context);
  free(question);
}

static void tell_unasked(struct question *question, int code, const char *text) {
  struct error error = {0};
  error_set(&error, code, "%s", text);
  tell(question, NULL, code, NULL, &error);
}

/* --- those that wait for a connection --- */

static void time_over(uv_timer_t *timer);

static void arm(struct questions *questions) {
  const struct question *first = questions->waiting;
  uint64_t now = uv_now(questions->loop);
  if (first)
    uv_timer_start(&questions->timer, time_over, first->deadline > now ? first->deadline - now : 0,
                   0);
  else
    uv_timer_stop(&questions->timer);
}

static void time_over(uv_timer_t *timer) {
  struct questions *questions = timer->data;
  struct question *question = questions->waiting;
  DL_DELETE2(questions->waiting, question, previous, next);
  arm(questions);
  tell_unasked(question, ERROR_TIMEOUT, "NMS was lost, and is not back in time");
}

static void wait(struct questions *questions, struct question *question) {
  struct question *later;
  DL_FOREACH2(questions->waiting, later, next) {
    if (later->deadline > question->deadline)
      break;
  }
  if (later)
    DL_PREPEND_ELEM2(questions->waiting, later, question, previous, next);
  else
    DL_APPEND2(questions->waiting, question, previous, next);
  arm(questions);
}

/* --- those that are asked --- */

static void answered(struct control *control, int code, const control_message *reply,
                     const struct error *error, void *context) {
  struct question *question = context;
  struct questions *questions = question->questions;
  if (code == ERROR_CLOSED && uv_now(questions->loop) < question->deadline)
    wait(questions, question);
  else
    tell(question, control, code, reply, error);
}

static int ask(struct control *control, struct question *question, const control_message *message,
               struct error *error) {
  uint64_t now = uv_now(question->questions->loop);
  uint64_t left = question->deadline > now ? question->deadline - now : 1;
  return control_request_in_turn(control, message, left, answered, question, error);
}

int questions_ask(struct questions *questions, struct control *control,
                  const control_message *message, control_reply_callback callback, void *context,
                  struct error *error) {
  size_t size = cyphonic__message__get_packed_size(message);
  struct question *question = malloc(sizeof *question + size);
  if (!question)
    return error_set(error, ERROR_NO_MEMORY, "no memory for a question to NMS");
  *question = (struct question){.questions = questions,
                                .callback = callback,
                                .context = context,
                                .deadline = uv_now(questions->loop) + QUESTION_TIMEOUT,
                                .size = size};
  cyphonic__message__pack(message, question->message);
  int code = ask(control, question, message, error);
  if (code)
    free(question);
  return code;
}

void questions_resume(struct questions *questions, struct control *control) {
  struct question *due = questions->waiting;
  questions->waiting = NULL;
  arm(questions);
  while (due) {
    struct question *question = due;
    struct error error = {0};
    DL_DELETE2(due, question, previous, next);
    control_message *message = cyphonic__message__unpack(NULL, question->size, question->message);
    int code = message ? ask(control, question, message, &error) : ERROR_NO_MEMORY;
    if (message)
      cyphonic__message__free_unpacked(message, NULL);
    if (code)
      tell_unasked(question, code, message ? error.message : "no memory for a question to NMS");
  }
}

/* --- life --- */

struct questions *questions_new(uv_loop_t *loop) {
  struct questions *questions = calloc(1, sizeof *questions);
  if (!questions)
    return NULL;
  questions->loop = loop;
  uv_timer_init(loop, &questions->timer);
  questions->timer.data = questions;
  return questions;
}

static void timer_closed(uv_handle_t *handle) {
  free(handle->data);
}

void questions_close(struct questions *questions) {
  if (!questions)
    return;
  struct question *question;
  while ((question = questions->waiting)) {
    DL_DELETE2(questions->waiting, question, previous, next);
    tell_unasked(question, ERROR_CLOSED, "this node goes down");
  }
  uv_close((uv_handle_t *)&questions->timer, timer_closed);
}
