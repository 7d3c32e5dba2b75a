#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/error.h"
#include "base/ring.h"

enum { LARGEST = 70000, PERIOD = 251, RING_SIZE = 256 << 10 };

/* What records are filled with: each takes a piece from another place of it. */
static uint8_t pattern[LARGEST + PERIOD];

static int fill_pattern(void **state UNUSED) {
  uint32_t value = 1;
  for (size_t i = 0; i < sizeof(pattern); i++) {
    value = value * 1664525 + 1013904223;
    pattern[i] = (uint8_t)(value >> 24);
  }
  return 0;
}

/* Size and content follow from the record's number, so that the reader knows what must come. All
 * sizes up to `largest` come: 7919 is a prime that divides none of the `largest` + 1 used here. */
static size_t size_of(uint64_t number, size_t largest) {
  return (size_t)(number * 7919 % (largest + 1));
}

static void fill(void *data, size_t size, uint64_t number) {
  memcpy(data, pattern + number % PERIOD, size);
  memcpy(data, &number, size < sizeof(number) ? size : sizeof(number));
}

static bool is_filled(struct span record, size_t size, uint64_t number) {
  size_t in_front = size < sizeof(number) ? size : sizeof(number);
  return record.size == size && (uintptr_t)record.data % 8 == 0 &&
         memcmp(record.data, &number, in_front) == 0 &&
         memcmp(record.data + in_front, pattern + number % PERIOD + in_front, size - in_front) == 0;
}

static struct ring *new_ring(size_t size) {
  struct ring *ring = NULL;
  assert_int_equal(ring_new(size, &ring), 0);
  return ring;
}

static bool push(struct ring *ring, size_t size, uint64_t number) {
  void *data = ring_reserve(ring, size);
  if (data == NULL) {
    return false;
  }
  fill(data, size, number);
  ring_commit(ring);
  return true;
}

static void assert_next(struct ring *ring, size_t size, uint64_t number) {
  struct span record;
  assert_true(ring_next(ring, &record));
  assert_int_equal(record.size, size);
  assert_true(is_filled(record, size, number));
}

static void assert_none(struct ring *ring) {
  struct span record;
  assert_false(ring_next(ring, &record));
}

static void a_size_that_is_no_power_of_two_is_invalid(void **state UNUSED) {
  const size_t sizes[] = {0, 1, 32, 63, 65, 96, (256 << 10) - 1, 3 << 10, SIZE_MAX};
  struct ring *ring = NULL;
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    assert_int_equal(ring_new(sizes[i], &ring), ERROR_INVALID);
    assert_null(ring);
  }
  ring_free(new_ring(64));
  ring_free(NULL);
}

static void a_new_ring_is_empty(void **state UNUSED) {
  struct ring *ring = new_ring(64);
  assert_none(ring);
  ring_commit(ring);
  ring_release(ring);
  assert_none(ring);
  ring_free(ring);
}

static void records_come_in_order_over_many_wraps(void **state UNUSED) {
  struct ring *ring = new_ring(RING_SIZE);
  uint64_t written = 0, read = 0;
  while (read < 4000) {
    while (push(ring, size_of(written, LARGEST), written)) {
      written++;
    }
    /* Leaves from none to all, so that padding comes at every fill. */
    uint64_t count = read % 7 % (written - read) + 1;
    for (uint64_t end = read + count; read < end; read++) {
      assert_next(ring, size_of(read, LARGEST), read);
      ring_release(ring);
    }
  }
  for (; read < written; read++) {
    assert_next(ring, size_of(read, LARGEST), read);
    ring_release(ring);
  }
  assert_none(ring);
  ring_free(ring);
}

static void the_smallest_and_the_largest_sizes_pass(void **state UNUSED) {
  const size_t sizes[] = {0, 1, 7, 8, 9, 65535, 65536, 65536 + 64, LARGEST};
  struct ring *ring = new_ring(RING_SIZE);
  for (uint64_t number = 0; number < 900; number++) {
    size_t size = sizes[number % (sizeof(sizes) / sizeof(sizes[0]))];
    assert_true(push(ring, size, number));
    assert_next(ring, size, number);
    ring_release(ring);
  }
  assert_none(ring);
  ring_free(ring);
}

static void a_full_ring_refuses_until_a_record_is_released(void **state UNUSED) {
  struct ring *ring = new_ring(64);
  uint64_t written = 0;
  for (; written < 4; written++) {
    assert_true(push(ring, 8, written));
  }
  for (uint64_t read = 0; read < 100; read++) {
    assert_null(ring_reserve(ring, 0));
    assert_next(ring, 8, read);
    assert_null(ring_reserve(ring, 0));
    ring_release(ring);
    assert_null(ring_reserve(ring, 9));
    assert_true(push(ring, 8, written++));
  }
  ring_free(ring);
}

static void a_record_is_not_written_over_the_oldest_after_padding(void **state UNUSED) {
  struct ring *ring = new_ring(64);
  assert_true(push(ring, 8, 0));
  assert_true(push(ring, 8, 1));
  assert_true(push(ring, 0, 2));
  ring_release(ring);
  assert_next(ring, 8, 0);
  ring_release(ring);
  /* 24 bytes are left at the end, and the 16 in front are free. */
  assert_null(ring_reserve(ring, 24));
  assert_next(ring, 8, 1);
  ring_release(ring);
  assert_true(push(ring, 24, 3));
  assert_null(ring_reserve(ring, 0));
  assert_next(ring, 0, 2);
  ring_release(ring);
  assert_next(ring, 24, 3);
  ring_release(ring);
  assert_none(ring);
  ring_free(ring);
}

static void half_of_the_ring_fits_wherever_it_starts(void **state UNUSED) {
  enum { SIZE = 1024, MOST = SIZE / 2 - 8 };
  for (uint64_t start = 0; start < SIZE; start += 8) {
    struct ring *ring = new_ring(SIZE);
    for (uint64_t passed = 0; passed < start; passed += 8) {
      assert_true(push(ring, 0, passed));
      assert_next(ring, 0, passed);
      ring_release(ring);
    }
    assert_null(ring_reserve(ring, MOST + 1));
    assert_true(push(ring, MOST, start));
    assert_next(ring, MOST, start);
    ring_release(ring);
    assert_none(ring);
    ring_free(ring);
  }
}

static void a_record_that_can_never_fit_is_refused(void **state UNUSED) {
  const size_t sizes[] = {RING_SIZE / 2 - 7, RING_SIZE - 8, RING_SIZE, SIZE_MAX - 8, SIZE_MAX};
  struct ring *ring = new_ring(RING_SIZE);
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    assert_null(ring_reserve(ring, sizes[i]));
    ring_commit(ring);
    assert_none(ring);
  }
  assert_true(push(ring, LARGEST, 1));
  assert_next(ring, LARGEST, 1);
  ring_free(ring);
}

static void a_reservation_is_not_seen_and_the_next_takes_its_place(void **state UNUSED) {
  struct ring *ring = new_ring(128);
  assert_true(push(ring, 56, 0));
  assert_next(ring, 56, 0);
  ring_release(ring);
  assert_true(push(ring, 16, 1));
  /* This one would start anew in front, behind padding; the one that replaces it would not. */
  void *in_front = ring_reserve(ring, 40);
  assert_non_null(in_front);
  fill(in_front, 40, 2);
  assert_next(ring, 16, 1);
  ring_release(ring);
  assert_none(ring);
  assert_true(push(ring, 24, 3));
  assert_next(ring, 24, 3);
  ring_release(ring);
  ring_commit(ring);
  assert_none(ring);
  ring_free(ring);
}

static void a_refused_reservation_voids_the_one_before(void **state UNUSED) {
  struct ring *ring = new_ring(64);
  assert_non_null(ring_reserve(ring, 8));
  assert_null(ring_reserve(ring, 64));
  ring_commit(ring);
  assert_none(ring);
  ring_free(ring);
}

static void a_record_stays_until_it_is_released_and_is_released_once(void **state UNUSED) {
  struct ring *ring = new_ring(64);
  assert_true(push(ring, 8, 0));
  assert_true(push(ring, 8, 1));
  ring_release(ring);
  assert_next(ring, 8, 0);
  assert_next(ring, 8, 0);
  ring_release(ring);
  ring_release(ring);
  assert_next(ring, 8, 1);
  ring_free(ring);
}

/* A producer in a thread of its own. It asserts nothing, since cmocka may leave only the main
 * thread's stack; the consumer there stops it and joins it before it asserts. */
struct producer {
  struct ring *ring;
  uint64_t count;
  size_t largest;
  atomic_bool stop, done;
};

static void *producer_run(void *context) {
  struct producer *producer = context;
  for (uint64_t number = 0; number < producer->count;) {
    if (push(producer->ring, size_of(number, producer->largest), number)) {
      number++;
    } else if (atomic_load_explicit(&producer->stop, memory_order_relaxed)) {
      break;
    } else {
      sched_yield();
    }
  }
  atomic_store_explicit(&producer->done, true, memory_order_release);
  return NULL;
}

static void pass_between_threads(size_t ring_size, uint64_t count, size_t largest) {
  struct producer producer = {.ring = new_ring(ring_size), .count = count, .largest = largest};
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, producer_run, &producer), 0);
  uint64_t read = 0;
  for (;;) {
    /* Asked before the ring: what was committed until then is there. */
    bool done = atomic_load_explicit(&producer.done, memory_order_acquire);
    struct span record;
    if (ring_next(producer.ring, &record)) {
      if (!is_filled(record, size_of(read, largest), read)) {
        break;
      }
      ring_release(producer.ring);
      read++;
    } else if (done) {
      break;
    } else {
      sched_yield();
    }
  }
  atomic_store_explicit(&producer.stop, true, memory_order_relaxed);
  pthread_join(thread, NULL);
  assert_int_equal(read, count);
  ring_free(producer.ring);
}

static void a_million_small_records_pass_between_threads(void **state UNUSED) {
  pass_between_threads(4096, 1000000, 64);
}

static void records_of_all_sizes_pass_between_threads(void **state UNUSED) {
  pass_between_threads(RING_SIZE, 20000, LARGEST);
}

/* Where almost every record meets a full ring or an empty one. */
static void the_smallest_ring_passes_records_between_threads(void **state UNUSED) {
  pass_between_threads(64, 50000, 24);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_size_that_is_no_power_of_two_is_invalid),
      cmocka_unit_test(a_new_ring_is_empty),
      cmocka_unit_test(records_come_in_order_over_many_wraps),
      cmocka_unit_test(the_smallest_and_the_largest_sizes_pass),
      cmocka_unit_test(a_full_ring_refuses_until_a_record_is_released),
      cmocka_unit_test(a_record_is_not_written_over_the_oldest_after_padding),
      cmocka_unit_test(half_of_the_ring_fits_wherever_it_starts),
      cmocka_unit_test(a_record_that_can_never_fit_is_refused),
      cmocka_unit_test(a_reservation_is_not_seen_and_the_next_takes_its_place),
      cmocka_unit_test(a_refused_reservation_voids_the_one_before),
      cmocka_unit_test(a_record_stays_until_it_is_released_and_is_released_once),
      cmocka_unit_test(a_million_small_records_pass_between_threads),
      cmocka_unit_test(records_of_all_sizes_pass_between_threads),
      cmocka_unit_test(the_smallest_ring_passes_records_between_threads),
  };
  return cmocka_run_group_tests(tests, fill_pattern, NULL);
}
