# Processes of a scenario, by names of its own choosing, each with a log.

declare -A PID=()

# start NAME HOST COMMAND...: in the background; everything it says goes to its log.
start() {
  local name=$1 host=$2
  shift 2
  ip netns exec "$PREFIX-$host" "$@" </dev/null >>"$(log_of "$name")" 2>&1 &
  PID[$name]=$!
}

log_of() { # NAME
  printf '%s\n' "$WORK/logs/$1.log"
}

log_has() { # NAME REGEX
  grep -Eq -- "$2" "$WORK/logs/$1.log"
}

is_running() { # NAME
  local stat
  { read -r stat <"/proc/${PID[$1]}/stat"; } 2>/dev/null || return 1
  [[ $stat =~ \)\ ([A-Z]) ]] && [ "${BASH_REMATCH[1]}" != Z ]
}

is_gone() { # NAME
  ! is_running "$1"
}

# await NAME SECONDS: until it ends by itself; its exit status is left in STATUS.
await() {
  wait_until "$2" "$1 ends" is_gone "$1"
  STATUS=0
  # The shell would report a process that ended by a signal; whoever looks, looks at STATUS.
  { wait "${PID[$1]}" || STATUS=$?; } 2>/dev/null
  unset "PID[$1]"
}

# stop NAME: politely, and leaves the exit status in STATUS.
stop() {
  kill -TERM "${PID[$1]}" 2>/dev/null || true
  await "$1" 15
}

# stop_hard NAME: as a power cut would.
stop_hard() {
  kill -KILL "${PID[$1]}"
  await "$1" 5
}

resident_kib() { # NAME
  awk '$1 == "VmRSS:" {print $2}' "/proc/${PID[$1]}/status"
}

# What the nodes say when a scenario has failed, and all that was said before.
show_logs() {
  local log socket
  for socket in "$WORK"/*/socket; do
    if [ -S "$socket" ]; then
      printf '\n--- status of %s\n' "$(basename "$(dirname "$socket")")"
      timeout -k 1 5 "$CYPHONIC" --socket "$socket" --json status | jq -c .
    fi
  done
  for log in "$WORK"/logs/*.log; do
    if [ -s "$log" ]; then
      printf '\n--- %s, last lines\n' "$(basename "$log")"
      grep -v '^so-far=\|bytes from' "$log" | tail -n 40
    fi
  done
  if [ -n "${NET_LOGS:-}" ]; then
    mkdir -p "$NET_LOGS/$STORY"
    cp -r "$WORK/logs/." "$NET_LOGS/$STORY/"
    printf '\nAll logs are in %s\n' "$NET_LOGS/$STORY"
  fi
  # Once more: a test runner shows only the end of what was said.
  printf '\n'
  cat "$WORK/failure" 2>/dev/null
}
