#include "base/config.h"

#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_value.h"
#include "base/file.h"

enum {
  CONFIG_FILE_LIMIT = 256 * 1024, /* bytes; a configuration is typed by hand */
  /* Names longer than this have no key that they could be a misspelling of. */
  NAME_COMPARED_MAX = 40,
  SUGGESTION_SIZE = 256,
};

/* One pass over a file. inih as packaged counts lines but does not tell the handler, cuts long
 * lines, takes an indented line for more of the value above it and overlooks what stands behind a
 * section's ']': so the reader below, which hands it the lines, counts them and looks for these. */
struct parse {
  const char *name; /* of the file, for messages */
  const char *rest;
  size_t rest_size;
  int line;
  const struct config_key *keys;
  size_t count;
  int *lines; /* of each key, where it was given; 0: not yet */
  void *target;
  int code; /* of the first error found here */
  struct error *error;
};

/* --- what was meant --- */

static size_t smallest_of(size_t a, size_t b, size_t c) {
  size_t smallest = a < b ? a : b;
  return smallest < c ? smallest : c;
}

/* Levenshtein's distance; SIZE_MAX for names too long to compare. */
static size_t distance_between(const char *a, const char *b) {
  size_t a_size = strlen(a), b_size = strlen(b);
  if (a_size > NAME_COMPARED_MAX || b_size > NAME_COMPARED_MAX) {
    return SIZE_MAX;
  }
  size_t row[NAME_COMPARED_MAX + 1];
  for (size_t j = 0; j <= b_size; j++) {
    row[j] = j;
  }
  for (size_t i = 1; i <= a_size; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b_size; j++) {
      size_t above = row[j];
      row[j] = smallest_of(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
      diagonal = above;
    }
  }
  return row[b_size];
}

static bool is_misspelling(const char *written, const char *known, size_t *best) {
  size_t distance = distance_between(written, known);
  if (distance >= *best || distance > 1 + strlen(known) / 4) {
    return false;
  }
  *best = distance;
  return true;
}

static void append(char text[static SUGGESTION_SIZE], const char *first, const char *more) {
  size_t size = strlen(text);
  snprintf(text + size, SUGGESTION_SIZE - size, "%s%s", first, more);
}

static bool is_first_of_section(const struct parse *parse, size_t index) {
  for (size_t i = 0; i < index; i++) {
    if (strcmp(parse->keys[i].section, parse->keys[index].section) == 0) {
      return false;
    }
  }
  return true;
}

static void suggest_section(const struct parse *parse, const char *section,
                            char text[static SUGGESTION_SIZE]) {
  const char *meant = NULL;
  size_t best = SIZE_MAX;
  for (size_t i = 0; i < parse->count; i++) {
    if (is_misspelling(section, parse->keys[i].section, &best)) {
      meant = parse->keys[i].section;
    }
  }
  text[0] = '\0';
  if (meant != NULL) {
    snprintf(text, SUGGESTION_SIZE, "did you mean [%s]?", meant);
    return;
  }
  for (size_t i = 0; i < parse->count; i++) {
    if (is_first_of_section(parse, i)) {
      append(text, text[0] == '\0' ? "there are [" : ", [", parse->keys[i].section);
      append(text, "]", "");
    }
  }
}

static void suggest_key(const struct parse *parse, const char *section, const char *name,
                        char text[static SUGGESTION_SIZE]) {
  const char *meant = NULL;
  size_t best = SIZE_MAX;
  for (size_t i = 0; i < parse->count; i++) {
    const struct config_key *key = &parse->keys[i];
    bool here = strcmp(key->section, section) == 0;
    if (!here && strcmp(key->name, name) == 0) {
      snprintf(text, SUGGESTION_SIZE, "it belongs in [%s]", key->section);
      return;
    }
    if (here && is_misspelling(name, key->name, &best)) {
      meant = key->name;
    }
  }
  text[0] = '\0';
  if (meant != NULL) {
    snprintf(text, SUGGESTION_SIZE, "did you mean '%s'?", meant);
    return;
  }
  for (size_t i = 0; i < parse->count; i++) {
    if (strcmp(parse->keys[i].section, section) == 0) {
      append(text, text[0] == '\0' ? "there are " : ", ", parse->keys[i].name);
    }
  }
}

/* --- lines --- */

static bool has_section(const struct parse *parse, const char *section) {
  for (size_t i = 0; i < parse->count; i++) {
    if (strcmp(parse->keys[i].section, section) == 0) {
      return true;
    }
  }
  return false;
}

static int fail_unknown_section(const struct parse *parse, const char *section) {
  char suggestion[SUGGESTION_SIZE];
  suggest_section(parse, section, suggestion);
  return error_set(parse->error, ERROR_CONFIG, "%.200s:%d: unknown section [%.50s]: %s",
                   parse->name, parse->line, section, suggestion);
}

/* A line that begins with '['. One without ']' is left to inih to refuse. */
static int section_check(const struct parse *parse, const char *line) {
  const char *end = strchr(line, ']');
  if (end == NULL) {
    return 0;
  }
  const char *behind = end + 1 + strspn(end + 1, " \t");
  if (*behind != '\0' && *behind != ';' && *behind != '#') {
    return error_set(
        parse->error, ERROR_CONFIG,
        "%.200s:%d: there is more behind the ']' of the section: put '%.50s' in a line "
        "of its own",
        parse->name, parse->line, behind);
  }
  char section[NAME_COMPARED_MAX + 1];
  snprintf(section, sizeof(section), "%.*s", (int)(end - line - 1), line + 1);
  return has_section(parse, section) ? 0 : fail_unknown_section(parse, section);
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

static bool has_control_character(const char *line, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f) {
      return true;
    }
  }
  return false;
}

/* inih's fgets: one line, without the white space around it. */
static char *next_line(char *line, int capacity, void *context) {
  struct parse *parse = context;
  if (parse->code != 0 || parse->rest_size == 0) {
    return NULL;
  }
  const char *start = parse->rest;
  const char *end = memchr(start, '\n', parse->rest_size);
  size_t size = end != NULL ? (size_t)(end - start) : parse->rest_size;
  size_t taken = size + (end != NULL);
  parse->rest += taken;
  parse->rest_size -= taken;
  parse->line++;
  while (size > 0 && is_blank(*start)) {
    start++;
    size--;
  }
  while (size > 0 && is_blank(start[size - 1])) {
    size--;
  }
  if (has_control_character(start, size)) {
    parse->code = error_set(parse->error, ERROR_CONFIG,
                            "%.200s:%d: the line holds a control character: is it a text file?",
                            parse->name, parse->line);
    return NULL;
  }
  bool is_comment = size > 0 && (*start == '#' || *start == ';');
  if (is_comment) {
    size = 0;
  }
  /* A line that fills the buffer may be taken for an unfinished one. */
  size_t limit = (size_t)capacity - 2;
  if (size > limit) {
    parse->code = error_set(parse->error, ERROR_CONFIG,
                            "%.200s:%d: the line is too long: %zu characters, and %zu are allowed",
                            parse->name, parse->line, size, limit);
    return NULL;
  }
  memcpy(line, start, size);
  line[size] = '\0';
  if (line[0] == '[' && (parse->code = section_check(parse, line)) != 0) {
    return NULL;
  }
  return line;
}

/* --- keys --- */

static int fail_unknown_key(const struct parse *parse, const char *section, const char *name) {
  char suggestion[SUGGESTION_SIZE];
  if (!has_section(parse, section)) {
    /* inih gives the empty section to what stands before the first. */
    return error_set(parse->error, ERROR_CONFIG,
                     "%.200s:%d: the key '%.50s' stands before the first [section]: put it below "
                     "the one it belongs to",
                     parse->name, parse->line, name);
  }
  suggest_key(parse, section, name, suggestion);
  return error_set(parse->error, ERROR_CONFIG, "%.200s:%d: [%s] unknown key '%.50s': %s",
                   parse->name, parse->line, section, name, suggestion);
}

static int take_key(struct parse *parse, const char *section, const char *name, const char *value) {
  size_t index = 0;
  while (index < parse->count && (strcmp(parse->keys[index].section, section) != 0 ||
                                  strcmp(parse->keys[index].name, name) != 0)) {
    index++;
  }
  if (index == parse->count) {
    return fail_unknown_key(parse, section, name);
  }
  if (parse->lines[index] != 0) {
    return error_set(parse->error, ERROR_CONFIG,
                     "%.200s:%d: [%s] %s was given before, in line %d: remove one of the two",
                     parse->name, parse->line, section, name, parse->lines[index]);
  }
  parse->lines[index] = parse->line;
  if (value == NULL || value[0] == '\0') {
    return error_set(parse->error, ERROR_CONFIG,
                     "%.200s:%d: [%s] %s has no value: give one, or remove the line", parse->name,
                     parse->line, section, name);
  }
  int code = config_value_set(&parse->keys[index], value, parse->target, parse->error);
  if (code != 0 && parse->error != NULL) {
    error_prefix(parse->error, "%.200s:%d: [%s] %s: ", parse->name, parse->line, section, name);
  }
  return code;
}

/* inih takes 0 for failure. */
#if INI_HANDLER_LINENO
static int on_pair(void *context, const char *section, const char *name, const char *value,
                   UNUSED int line) {
#else
static int on_pair(void *context, const char *section, const char *name, const char *value) {
#endif
  struct parse *parse = context;
  if (parse->code == 0) {
    parse->code = take_key(parse, section, name, value);
  }
  return parse->code == 0;
}

/* --- the whole --- */

static int take_default(const struct parse *parse, const struct config_key *key) {
  if (key->required) {
    return error_set(parse->error, ERROR_CONFIG,
                     "%.200s: [%s] %s is missing: add a line '%s = ...' below [%s]", parse->name,
                     key->section, key->name, key->name, key->section);
  }
  if (key->otherwise == NULL) {
    return 0;
  }
  int code = config_value_set(key, key->otherwise, parse->target, parse->error);
  if (code != 0 && parse->error != NULL) {
    error_prefix(parse->error, "%.200s: default of [%s] %s: ", parse->name, key->section,
                 key->name);
  }
  return code;
}

static void clear_all(const struct config_key *keys, size_t count, void *target) {
  config_clear(keys, count, target);
  for (size_t i = 0; i < count; i++) {
    config_value_zero(&keys[i], target);
  }
}

static int parse_lines(struct parse *parse) {
  int bad_line = ini_parse_stream(next_line, parse, on_pair, parse);
  if (bad_line < 0) {
    return error_set(parse->error, ERROR_NO_MEMORY, "%.200s: out of memory for a line",
                     parse->name);
  }
  /* inih goes on after a line that it cannot read; the first fault is the one to show. */
  if (bad_line > 0 && (parse->code == 0 || bad_line < parse->line)) {
    return error_set(parse->error, ERROR_CONFIG,
                     "%.200s:%d: the line is neither '[section]' nor 'key = value' nor a comment "
                     "(which begins with '#')",
                     parse->name, bad_line);
  }
  return parse->code;
}

int config_parse(const char *name, const char *text, size_t size, const struct config_key *keys,
                 size_t count, void *target, struct error *error) {
  static const char byte_order_mark[] = "\xef\xbb\xbf";
  if (size >= 3 && memcmp(text, byte_order_mark, 3) == 0) {
    text += 3;
    size -= 3;
  }
  struct parse parse = {
      .name = name,
      .rest = text,
      .rest_size = size,
      .keys = keys,
      .count = count,
      .lines = calloc(count + 1, sizeof(int)),
      .target = target,
      .error = error,
  };
  int code = parse.lines != NULL ? parse_lines(&parse)
                                 : error_set(error, ERROR_NO_MEMORY, "%.200s: out of memory", name);
  for (size_t i = 0; code == 0 && i < count; i++) {
    if (parse.lines[i] == 0) {
      code = take_default(&parse, &keys[i]);
    }
  }
  if (code != 0) {
    clear_all(keys, count, target);
  }
  free(parse.lines);
  return code;
}

int config_load(const char *path, const struct config_key *keys, size_t count, void *target,
                struct error *error) {
  uint8_t *text;
  size_t size;
  int code = file_read(path, CONFIG_FILE_LIMIT, &text, &size, error);
  if (code != 0) {
    return code;
  }
  code = config_parse(path, (const char *)text, size, keys, count, target, error);
  free(text);
  return code;
}

int config_defaults(const struct config_key *keys, size_t count, void *target,
                    struct error *error) {
  return config_parse("the default configuration", "", 0, keys, count, target, error);
}

void config_clear(const struct config_key *keys, size_t count, void *target) {
  for (size_t i = 0; i < count; i++) {
    config_value_free(&keys[i], target);
  }
}
