#include "node/main/ipc_request.h"

#include <stdlib.h>
#include <string.h>

struct command_form {
  const char *text;
  enum ipc_command command;
  bool needs_name, may_name, needs_invitation;
};

static const struct command_form forms[] = {
    {"status", IPC_STATUS, false, false, false},   {"join", IPC_JOIN, false, true, true},
    {"up", IPC_UP, false, false, false},           {"down", IPC_DOWN, false, false, false},
    {"resolve", IPC_RESOLVE, true, true, false},   {"ping", IPC_PING, true, true, false},
    {"version", IPC_VERSION, false, false, false}, {"netcheck", IPC_NETCHECK, false, false, false},
    {"watch", IPC_WATCH, false, false, false},
};

static const struct command_form *form_find(const char *text) {
  for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
    if (strcmp(forms[i].text, text) == 0) {
      return &forms[i];
    }
  }
  return NULL;
}

/* Copies a string member; a member that is absent or null is "" unless it is needed. */
static int member_copy(const json_t *object, const char *key, bool needed, char *text, size_t size,
                       struct error *error) {
  const json_t *value = json_object_get(object, key);
  if (value == NULL || json_is_null(value)) {
    if (needed) {
      return error_set(error, ERROR_INVALID, "the request lacks \"%s\"", key);
    }
    text[0] = '\0';
    return ERROR_NONE;
  }
  if (!json_is_string(value)) {
    return error_set(error, ERROR_INVALID, "\"%s\" of the request is no string", key);
  }
  size_t length = json_string_length(value);
  if (length == 0 || length >= size) {
    return error_set(error, ERROR_INVALID, "\"%s\" of the request is %s", key,
                     length == 0 ? "empty" : "too long");
  }
  memcpy(text, json_string_value(value), length + 1);
  return ERROR_NONE;
}

static int object_parse(const json_t *object, struct ipc_request *request, struct error *error) {
  if (!json_is_object(object)) {
    return error_set(error, ERROR_INVALID, "the request is no JSON object");
  }
  const char *command = json_string_value(json_object_get(object, "command"));
  if (command == NULL) {
    return error_set(error, ERROR_INVALID, "the request lacks \"command\"");
  }
  const struct command_form *form = form_find(command);
  if (form == NULL) {
    return error_set(error, ERROR_INVALID,
                     "this daemon (version " CYPHONIC_VERSION ") knows no command \"%.32s\"",
                     command);
  }
  request->command = form->command;
  int code = ERROR_NONE;
  if (form->needs_invitation) {
    code = member_copy(object, "invitation", true, request->invitation, sizeof(request->invitation),
                       error);
  }
  if (code == ERROR_NONE && form->may_name) {
    code =
        member_copy(object, "name", form->needs_name, request->name, sizeof(request->name), error);
  }
  return code;
}

int ipc_request_parse(const char *line, size_t size, struct ipc_request *request,
                      struct error *error) {
  memset(request, 0, sizeof(*request));
  json_error_t fault;
  /* jansson refuses zero bytes inside strings unless told otherwise, and bounds the depth. */
  json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, &fault);
  if (object == NULL) {
    return error_set(error, ERROR_INVALID, "the request is no JSON: %s", fault.text);
  }
  int code = object_parse(object, request, error);
  json_decref(object);
  return code;
}

/* Takes over `object`. */
static char *line_of(json_t *object) {
  if (object == NULL) {
    return NULL;
  }
  size_t size = json_dumpb(object, NULL, 0, JSON_COMPACT);
  char *line = size > 0 ? malloc(size + 2) : NULL;
  if (line != NULL && json_dumpb(object, line, size, JSON_COMPACT) == size) {
    line[size] = '\n';
    line[size + 1] = '\0';
  }
  json_decref(object);
  return line;
}

char *ipc_success(json_t *data) {
  return line_of(json_pack("{s:b, s:o}", "ok", 1, "data", data != NULL ? data : json_object()));
}

char *ipc_failure(int code, const char *message) {
  char *line = line_of(json_pack("{s:b, s:{s:s, s:s}}", "ok", 0, "error", "code", error_name(code),
                                 "message", message));
  if (line == NULL) {
    /* A message that is not UTF-8 is the likely reason. */
    line = line_of(json_pack("{s:b, s:{s:s, s:s}}", "ok", 0, "error", "code", error_name(code),
                             "message", "see the daemon's log"));
  }
  return line;
}
