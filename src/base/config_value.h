/* The values of a configuration file: text into a field of the caller's struct, by its type. Only
 * config.c includes this. */
#ifndef CYPHONIC_BASE_CONFIG_VALUE_H
#define CYPHONIC_BASE_CONFIG_VALUE_H

#include <stddef.h>

#include "base/config.h"

/* Parses `text` (white space stripped, not empty) into the key's field of `target`. The message of
 * a failure (ERROR_CONFIG, ERROR_NO_MEMORY) says what is wrong with the value and what would be
 * right; it does not name the place. On failure the field owns nothing. */
int config_value_set(const struct config_key *key, const char *text, void *target,
                     struct error *error) MUST_CHECK;

/* Frees what the field owns and zeroes it; a field that owns nothing is left alone. */
void config_value_free(const struct config_key *key, void *target);

/* Zeroes the field. What it owns must have been freed before. */
void config_value_zero(const struct config_key *key, void *target);

#endif
