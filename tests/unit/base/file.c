#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* Each test works in a folder of its own that goes with it. */
struct folder {
  char path[64];
};

static int folder_make(void **state) {
  struct folder *folder = calloc(1, sizeof(*folder));
  strcpy(folder->path, "/tmp/cyphonic-test-XXXXXX");
  *state = folder;
  return mkdtemp(folder->path) != NULL ? 0 : -1;
}

static void folder_empty(const char *path) {
  DIR *directory = opendir(path);
  for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
      char *inner = file_path(path, entry->d_name);
      if (entry->d_type == DT_DIR) {
        folder_empty(inner);
      }
      remove(inner);
      free(inner);
    }
  }
  closedir(directory);
}

static int folder_remove(void **state) {
  struct folder *folder = *state;
  folder_empty(folder->path);
  rmdir(folder->path);
  free(folder);
  return 0;
}

static size_t folder_count(const char *path) {
  size_t count = 0;
  DIR *directory = opendir(path);
  assert_non_null(directory);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    count += entry->d_name[0] != '.';
  }
  closedir(directory);
  return count;
}

static mode_t mode_of(const char *path) {
  struct stat status;
  assert_int_equal(stat(path, &status), 0);
  return status.st_mode & 07777;
}

static char *path_in(void **state, const char *name) {
  struct folder *folder = *state;
  char *path = file_path(folder->path, name);
  assert_non_null(path);
  return path;
}

static void what_is_written_is_read(void **state) {
  char *path = path_in(state, "a");
  struct error error;
  assert_int_equal(file_write(path, "hello\0you", 9, 0640, &error), 0);
  assert_int_equal(mode_of(path), 0640);
  uint8_t *data;
  size_t size;
  assert_int_equal(file_read(path, 9, &data, &size, &error), 0);
  assert_int_equal(size, 9);
  assert_memory_equal(data, "hello\0you\0", 10);
  free(data);
  free(path);
}

static void an_empty_file_is_read_as_nothing(void **state) {
  char *path = path_in(state, "a");
  struct error error;
  assert_int_equal(file_write(path, NULL, 0, 0600, &error), 0);
  uint8_t *data;
  size_t size;
  assert_int_equal(file_read(path, 0, &data, &size, &error), 0);
  assert_int_equal(size, 0);
  assert_int_equal(data[0], 0);
  free(data);
  free(path);
}

static void a_file_larger_than_its_limit_is_refused(void **state) {
  char *path = path_in(state, "a");
  struct error error;
  assert_int_equal(file_write(path, "123456", 6, 0600, &error), 0);
  uint8_t *data;
  size_t size;
  assert_int_equal(file_read(path, 5, &data, &size, &error), ERROR_LIMIT);
  assert_non_null(strstr(error.message, path));
  assert_int_equal(file_read(path, 6, &data, &size, &error), 0);
  free(data);
  free(path);
}

static void a_file_of_many_pages_is_read_whole(void **state) {
  enum { SIZE = 100000 };
  char *path = path_in(state, "a");
  uint8_t *before = malloc(SIZE), *after;
  for (size_t i = 0; i < SIZE; i++) {
    before[i] = (uint8_t)(i * 7);
  }
  struct error error;
  size_t size;
  assert_int_equal(file_write(path, before, SIZE, 0600, &error), 0);
  assert_int_equal(file_read(path, SIZE, &after, &size, &error), 0);
  assert_int_equal(size, SIZE);
  assert_memory_equal(before, after, SIZE);
  free(before);
  free(after);
  free(path);
}

static void a_file_that_is_not_there_is_named(void **state) {
  char *path = path_in(state, "nowhere");
  struct error error;
  uint8_t *data;
  size_t size;
  assert_int_equal(file_read(path, 10, &data, &size, &error), ERROR_NOT_FOUND);
  assert_non_null(strstr(error.message, path));
  free(path);
}

static void a_folder_is_no_file(void **state) {
  struct folder *folder = *state;
  struct error error;
  uint8_t *data;
  size_t size;
  assert_int_equal(file_read(folder->path, 10, &data, &size, &error), ERROR_INVALID);
  assert_int_equal(file_read_secret(folder->path, 10, &data, &size, &error), ERROR_PERMISSION);
}

static void a_pipe_in_the_place_of_a_file_does_not_hang_the_reader(void **state) {
  char *path = path_in(state, "pipe");
  assert_int_equal(mkfifo(path, 0600), 0);
  struct error error;
  uint8_t *data;
  size_t size;
  assert_int_equal(file_read_secret(path, 10, &data, &size, &error), ERROR_PERMISSION);
  free(path);
}

static void a_secret_that_others_may_read_is_refused_with_the_remedy(void **state) {
  char *path = path_in(state, "key");
  struct error error;
  uint8_t *data;
  size_t size;
  static const mode_t open_modes[] = {0640, 0604, 0660, 0601, 0644};
  for (size_t i = 0; i < sizeof(open_modes) / sizeof(open_modes[0]); i++) {
    assert_int_equal(file_write(path, "xyzzy", 5, open_modes[i], &error), 0);
    assert_int_equal(file_read_secret(path, 10, &data, &size, &error), ERROR_PERMISSION);
    assert_non_null(strstr(error.message, "chmod 600"));
    assert_null(strstr(error.message, "xyzzy"));
  }
  assert_int_equal(file_write(path, "xyzzy", 5, 0600, &error), 0);
  assert_int_equal(file_read_secret(path, 10, &data, &size, &error), 0);
  free(data);
  assert_int_equal(file_write(path, "xyzzy", 5, 0400, &error), 0);
  assert_int_equal(file_read_secret(path, 10, &data, &size, &error), 0);
  free(data);
  free(path);
}

static void writing_again_replaces_and_leaves_nothing_beside(void **state) {
  struct folder *folder = *state;
  char *path = path_in(state, "a");
  struct error error;
  assert_int_equal(file_write(path, "old and long", 12, 0644, &error), 0);
  assert_int_equal(file_write(path, "new", 3, 0600, &error), 0);
  assert_int_equal(folder_count(folder->path), 1);
  assert_int_equal(mode_of(path), 0600);
  uint8_t *data;
  size_t size;
  assert_int_equal(file_read(path, 100, &data, &size, &error), 0);
  assert_string_equal(data, "new");
  free(data);
  free(path);
}

static void the_mode_holds_whatever_the_umask(void **state) {
  char *path = path_in(state, "a");
  struct error error;
  mode_t before = umask(0077);
  int code = file_write(path, "x", 1, 0644, &error);
  umask(before);
  assert_int_equal(code, 0);
  assert_int_equal(mode_of(path), 0644);
  free(path);
}

static void creating_never_replaces(void **state) {
  struct folder *folder = *state;
  char *path = path_in(state, "a");
  struct error error;
  assert_int_equal(file_create(path, "one", 3, 0600, &error), 0);
  assert_int_equal(file_create(path, "two", 3, 0600, &error), ERROR_EXISTS);
  assert_non_null(strstr(error.message, path));
  assert_int_equal(folder_count(folder->path), 1);
  uint8_t *data;
  size_t size;
  assert_int_equal(file_read(path, 100, &data, &size, &error), 0);
  assert_string_equal(data, "one");
  free(data);
  free(path);
}

static void a_file_in_a_folder_that_is_not_there_cannot_be_written(void **state) {
  char *path = path_in(state, "no/such");
  struct error error;
  assert_int_equal(file_write(path, "x", 1, 0600, &error), ERROR_NOT_FOUND);
  assert_int_equal(file_create(path, "x", 1, 0600, &error), ERROR_NOT_FOUND);
  free(path);
}

static void a_write_over_a_folder_fails_and_cleans_up(void **state) {
  struct folder *folder = *state;
  char *path = path_in(state, "d");
  assert_int_equal(mkdir(path, 0700), 0);
  struct error error;
  assert_int_not_equal(file_write(path, "x", 1, 0600, &error), 0);
  assert_int_equal(folder_count(folder->path), 1);
  free(path);
}

static void a_folder_is_made_with_its_parents(void **state) {
  char *path = path_in(state, "a//b/c/");
  struct error error;
  assert_int_equal(file_make_folder(path, 0700, &error), 0);
  assert_int_equal(mode_of(path), 0700);
  assert_int_equal(file_make_folder(path, 0700, &error), 0);
  free(path);
}

static void a_file_in_the_way_of_a_folder_is_an_error(void **state) {
  char *path = path_in(state, "a"), *below = path_in(state, "a/b");
  struct error error;
  assert_int_equal(file_write(path, "x", 1, 0600, &error), 0);
  assert_int_equal(file_make_folder(path, 0700, &error), ERROR_EXISTS);
  assert_int_not_equal(file_make_folder(below, 0700, &error), 0);
  assert_int_equal(file_make_folder("", 0700, &error), ERROR_INVALID);
  free(path);
  free(below);
}

#define FOLDER_TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)

int main(void) {
  const struct CMUnitTest tests[] = {
      FOLDER_TEST(what_is_written_is_read),
      FOLDER_TEST(an_empty_file_is_read_as_nothing),
      FOLDER_TEST(a_file_larger_than_its_limit_is_refused),
      FOLDER_TEST(a_file_of_many_pages_is_read_whole),
      FOLDER_TEST(a_file_that_is_not_there_is_named),
      FOLDER_TEST(a_folder_is_no_file),
      FOLDER_TEST(a_pipe_in_the_place_of_a_file_does_not_hang_the_reader),
      FOLDER_TEST(a_secret_that_others_may_read_is_refused_with_the_remedy),
      FOLDER_TEST(writing_again_replaces_and_leaves_nothing_beside),
      FOLDER_TEST(the_mode_holds_whatever_the_umask),
      FOLDER_TEST(creating_never_replaces),
      FOLDER_TEST(a_file_in_a_folder_that_is_not_there_cannot_be_written),
      FOLDER_TEST(a_write_over_a_folder_fails_and_cleans_up),
      FOLDER_TEST(a_folder_is_made_with_its_parents),
      FOLDER_TEST(a_file_in_the_way_of_a_folder_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
