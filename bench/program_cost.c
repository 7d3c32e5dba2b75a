/* program-cost PROCESS COMMAND...: runs the command and prints how many nanoseconds each run of the
 * process's one BPF program took meanwhile, on the average, and how often it ran: "ns=...
 * runs=...". The kernel counts as long as we are here; the counting itself takes some nanoseconds
 * of each run. */
#include <bpf/bpf.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct cost {
  uint64_t nanoseconds, runs;
};

/* A descriptor of a program, as the kernel describes it; false: this is none. */
static bool read_cost(const char *path, struct cost *cost) {
  FILE *file = fopen(path, "re");
  if (file == NULL) {
    return false;
  }
  unsigned found = 0;
  char line[256];
  unsigned long long value;
  while (fgets(line, sizeof(line), file) != NULL) {
    if (sscanf(line, "run_time_ns: %llu", &value) == 1) {
      cost->nanoseconds = value;
      found++;
    } else if (sscanf(line, "run_cnt: %llu", &value) == 1) {
      cost->runs = value;
      found++;
    }
  }
  fclose(file);
  return found == 2;
}

static bool find_cost(const char *process, struct cost *cost) {
  char folder[64], path[512];
  snprintf(folder, sizeof(folder), "/proc/%s/fdinfo", process);
  DIR *entries = opendir(folder);
  bool found = false;
  const struct dirent *entry;
  while (entries != NULL && !found && (entry = readdir(entries)) != NULL) {
    snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
    found = read_cost(path, cost);
  }
  if (entries != NULL) {
    closedir(entries);
  }
  return found;
}

static int run(char **command) {
  pid_t child = fork();
  if (child == 0) {
    execvp(command[0], command);
    _exit(127);
  }
  int status;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status)
                                                                               : 127;
}

int main(int count, char **arguments) {
  struct cost before, after;
  if (count < 3) {
    fputs("usage: program-cost PROCESS COMMAND...\n", stderr);
    return 2;
  }
  int counting = bpf_enable_stats(BPF_STATS_RUN_TIME);
  if (counting < 0 || !find_cost(arguments[1], &before)) {
    fputs("program-cost: no program whose runs can be counted\n", stderr);
    return 1;
  }
  int status = run(arguments + 2);
  if (status != 0 || !find_cost(arguments[1], &after) || after.runs == before.runs) {
    fputs("program-cost: the program did not run\n", stderr);
    return 1;
  }
  close(counting);
  uint64_t runs = after.runs - before.runs;
  printf("ns=%.0f runs=%llu\n", (double)(after.nanoseconds - before.nanoseconds) / (double)runs,
         (unsigned long long)runs);
  return 0;
}
