# The setting of the benchmarks: alice and bob joined by one veth, nothing between them; the server
# behind alice, out of the way. Sourced with BUILD_DIR set or the release build in place.
BENCH_FOLDER=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export BUILD_DIR=${BUILD_DIR:-$BENCH_FOLDER/../build/release}
. "$BENCH_FOLDER/../tests/net/lib.sh"

RAW=203.0.113.2 # bob on the wire

setting() {
  router alice
  host bob
  host server
  cable alice eth0 bob eth0
  cable alice eth1 server eth0
  ip -n "$PREFIX-alice" address add 203.0.113.1/24 dev eth0
  ip -n "$PREFIX-bob" address add $RAW/24 dev eth0
  ip -n "$PREFIX-bob" route add default via 203.0.113.1
  ip -n "$PREFIX-alice" address add 198.51.100.1/24 dev eth1
  ip -n "$PREFIX-server" address add 198.51.100.10/24 dev eth0
  ip -n "$PREFIX-server" route add default via 198.51.100.1
  start_server
  start_node alice
  join alice
  start_node bob
  join bob
  wait_until 15 'the tunnel stands' peer_answers alice bob
}

median() { # NUMBER...
  printf '%s\n' "$@" | sort -g | awk '{value[NR] = $1}
    END {print NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2}'
}

calculate() { # FORMAT EXPRESSION, such as '%.2f' '3 / 4'
  awk "BEGIN {printf \"$1\", $2}"
}

# Seconds of processor time that the daemons of both nodes have used.
daemons_seconds() {
  local ticks
  ticks=$(cat "/proc/${PID[alice]}/stat" "/proc/${PID[bob]}/stat" |
    sed 's/.*) //' | awk '{sum += $12 + $13} END {print sum}')
  calculate '%.2f' "$ticks / $(getconf CLK_TCK)"
}

# read_options ARGUMENT...: sets ROUNDS and JSON
read_options() {
  JSON=no
  while [ $# -gt 0 ]; do
    case $1 in
    --json) JSON=yes ;;
    --rounds)
      ROUNDS=$2
      shift
      ;;
    *)
      echo "usage: $0 [--rounds N] [--json]" >&2
      exit 2
      ;;
    esac
    shift
  done
}
