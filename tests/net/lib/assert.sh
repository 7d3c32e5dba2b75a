# What a scenario says and demands. Each failure names what was looked at and the value seen.

say() {
  printf '%s\n' "$*"
}

fail() {
  printf 'FAILED %s: %s\n' "$STORY" "$*" | tee -a "$WORK/failure" >&2
  exit 1
}

# need PROGRAM PACKAGE
need() {
  if ! command -v "$1" >/dev/null; then
    fail "$1 is missing: run tools/install-dependencies, or install the package $2"
  fi
}

assert_equal() { # WHAT EXPECTED SEEN
  if [ "$2" != "$3" ]; then
    fail "$1: expected '$2', saw '$3'"
  fi
  say "  $1: $3"
}

assert_not_equal() { # WHAT UNWANTED SEEN
  if [ "$2" = "$3" ]; then
    fail "$1: is still '$3'"
  fi
}

assert_match() { # WHAT REGEX SEEN
  if ! [[ $3 =~ $2 ]]; then
    fail "$1: expected to match '$2', saw '$3'"
  fi
}

assert_no_match() { # WHAT REGEX SEEN
  if [[ $3 =~ $2 ]]; then
    fail "$1: expected nothing to match '$2', saw '$3'"
  fi
}

assert_at_least() { # WHAT MINIMUM SEEN, decimal fractions allowed
  if ! awk -v seen="$3" -v minimum="$2" 'BEGIN { exit !(seen + 0 >= minimum + 0) }'; then
    fail "$1: expected at least $2, saw '$3'"
  fi
  say "  $1: $3 (at least $2)"
}

assert_at_most() { # WHAT MAXIMUM SEEN
  if ! awk -v seen="$3" -v maximum="$2" 'BEGIN { exit !(seen + 0 <= maximum + 0) }'; then
    fail "$1: expected at most $2, saw '$3'"
  fi
  say "  $1: $3 (at most $2)"
}

# refused WHAT REGEX COMMAND...: the command fails, by an exit code and not by a signal, and says
# why in words that match.
refused() {
  local what=$1 regex=$2 output status=0
  shift 2
  output=$("$@" 2>&1) || status=$?
  if [ "$status" -eq 0 ]; then
    fail "$what: was not refused, but said: $output"
  fi
  if [ "$status" -ge 124 ]; then
    fail "$what: ended with status $status instead of an error: $output"
  fi
  if ! grep -Eqi -- "$regex" <<<"$output"; then
    fail "$what: expected an error that matches '$regex', saw: $output"
  fi
  say "  $what: refused, ${output##*$'\n'}"
}

milliseconds() {
  local now=${EPOCHREALTIME/[.,]/}
  printf '%s\n' "${now%???}"
}

# A pipe that nobody writes to: to wait for it with a time-out is to sleep without a process.
exec {NOTHING}<> <(:)

# nap SECONDS
nap() {
  read -rt "$1" -u "$NOTHING" || true
}

# wait_until SECONDS WHAT COMMAND...: runs the command again and again until it succeeds, and fails
# when the time is over with the last thing the command said. Costs one process a look beside those of
# the command: many scenarios wait at once.
wait_until() {
  local seconds=$1 what=$2 deadline last=''
  shift 2
  deadline=$((${EPOCHREALTIME/[.,]/} + seconds * 1000000))
  until last=$("$@" 2>&1); do
    if [ "${EPOCHREALTIME/[.,]/}" -ge "$deadline" ]; then
      fail "waited $seconds s in vain: $what; last seen: ${last:-nothing}"
    fi
    nap 0.1
  done
}
