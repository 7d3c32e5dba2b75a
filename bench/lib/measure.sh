# What is measured in a setting of settings.sh. Every figure goes through `record`: a line on the
# terminal, and a line of the file from which report.py makes tables, JSON and plots.

MEASUREMENTS=$WORK/measurements.tsv # round, peer, figure, value
: >"$MEASUREMENTS"

# record ROUND PEER FIGURE VALUE UNIT
record() {
  printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" >>"$MEASUREMENTS"
  printf 'round %s  %-12s  %-26s %s %s\n' "$1" "$2" "$3" "$4" "$5"
}

# not_measured ROUND PEER WHAT WHY: the others go on
not_measured() {
  printf 'round %s  %-12s  %-26s FAILED: %s\n' "$1" "$2" "$3" "$4"
}

# traffic PEER SECONDS [IPERF3 OPTION...]: iperf3's own JSON, left in RESULT; its complaint, if
# it fails
traffic() {
  local peer=$1 seconds=$2 status=0
  shift 2
  start iperf3 "${TO[$peer]}" iperf3 -s -1
  wait_until 5 "iperf3 listens on ${TO[$peer]}" listens "${TO[$peer]}" 5201
  RESULT=$(on "${FROM[$peer]}" timeout -k 5 $((seconds + 20)) iperf3 -J -t "$seconds" \
    -c "${ADDRESS[$peer]}" --connect-timeout 5000 "$@" 2>&1) || status=$?
  if [ $status -eq 0 ]; then
    await iperf3 5
  else
    RESULT=$(jq -r '.error // empty' <<<"$RESULT" 2>/dev/null || true)
    RESULT=${RESULT:-iperf3 ended with status $status}
    stop iperf3
  fi
  return $status
}

# of_result FORMAT JQ-EXPRESSION
of_result() {
  # shellcheck disable=SC2059
  printf "$1" "$(jq "$2" <<<"$RESULT")"
}

# Seconds of processor time that all daemons of the setting have used.
processor_seconds() { # PEER
  local daemon
  for daemon in ${DAEMONS[$1]}; do
    sed 's/.*) //' "/proc/${PID[$daemon]}/stat"
  done | awk -v tick="$(getconf CLK_TCK)" '{sum += $12 + $13} END {printf "%.2f", sum / tick}'
}

forget_peaks() { # PEER
  local daemon
  for daemon in ${DAEMONS[$1]}; do
    echo 5 >"/proc/${PID[$daemon]}/clear_refs"
  done
}

# The largest of the daemons that packets pass through, MiB, since forget_peaks.
peak_memory() { # PEER
  local daemon
  for daemon in ${AT_WORK[$1]}; do
    awk '$1 == "VmHWM:" {print $2}' "/proc/${PID[$daemon]}/status"
  done | sort -n | awk 'END {printf "%.1f", $1 / 1024}'
}

received_bytes() { # PEER
  on "${TO[$1]}" cat "/sys/class/net/${DEVICE[$1]}/statistics/rx_bytes"
}

# echo_times PEER COUNT SECONDS: one round trip a line, ms, from the kernel's receive times
echo_times() {
  on "${FROM[$1]}" ping -n -c "$2" -i "$3" -W 2 "${ADDRESS[$1]}" |
    sed -n 's/.* time=\([0-9.]*\) ms.*/\1/p' || true # status 1 says that some were lost
}
