# What a process has used, all its threads together. Sourced after setting.sh.

# processor_nanoseconds NAME: as the scheduler counts them; /proc/PID/stat has ticks of 10 ms alone
processor_nanoseconds() {
  cat "/proc/${PID[$1]}"/task/*/schedstat | awk '{sum += $1} END {printf "%.0f", sum}'
}

# voluntary_switches NAME: how often it has gone to sleep, and so has been woken up
voluntary_switches() {
  cat "/proc/${PID[$1]}"/task/*/status |
    awk '$1 == "voluntary_ctxt_switches:" {sum += $2} END {printf "%.0f", sum}'
}

# memory_kib NAME Rss|Anonymous|...: a field of smaps_rollup; Anonymous is heap and stacks, without
# the code that a first use brings in
memory_kib() {
  awk -v field="$2:" '$1 == field {print $2}' "/proc/${PID[$1]}/smaps_rollup"
}
