/* Questions to NMS. One whose connection is lost, because NMS was restarted, say, is asked again
 * over the next, within the time it has: who asked need not know. */
#ifndef CYPHONIC_NODE_QUESTIONS_H
#define CYPHONIC_NODE_QUESTIONS_H

#include <uv.h>

#include "control/control.h"

enum { QUESTION_TIMEOUT = 5000 /* milliseconds: NMS makes all its answers from memory */ };

struct questions;

/* NULL without memory. */
struct questions *questions_new(uv_loop_t *loop);
/* After the connection's end, which sends home what was under way. What waits ends with
 * ERROR_CLOSED before this returns. Frees from the loop. */
void questions_close(struct questions *questions);

/* As control_request, with the exception that the callback's control may be NULL. */
int questions_ask(struct questions *questions, struct control *control,
                  const control_message *message, control_reply_callback callback, void *context,
                  struct error *error) MUST_CHECK;
/* There is a connection again: what waits is asked over it. */
void questions_resume(struct questions *questions, struct control *control);

#endif
