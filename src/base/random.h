/* Unpredictable bytes from the kernel. */
#ifndef CYPHONIC_BASE_RANDOM_H
#define CYPHONIC_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fills `data`; ends the process if the kernel has none to give, since nothing that
 * asks for randomness here can go on safely without it. */
void random_bytes(void *data, size_t size);

/* Uniform in [0, bound); bound > 0. */
uint32_t random_below(uint32_t bound);

#endif
