# The programs under test: one server, and a node on any host. Each node's files are in
# $WORK/HOST: node.conf, state/, socket.

DOMAIN=cyphonic.internal
INTERFACE=cyphonic
SERVER_CONFIG=$WORK/server/server.conf

program() { # NAME
  local found
  for found in "$BUILD_DIR"/src/*/"$1" "$BUILD_DIR"/src/*/*/"$1"; do
    if [ -f "$found" ] && [ -x "$found" ]; then
      printf '%s\n' "$found"
      return
    fi
  done
  fail "$1 is not built in BUILD_DIR=$BUILD_DIR: run meson compile -C $BUILD_DIR"
}

programs() {
  if [ -n "${CYPHONICD:-}" ]; then
    return
  fi
  if [ -z "${BUILD_DIR:-}" ]; then
    fail 'set BUILD_DIR to a Meson build folder'
  fi
  CYPHONIC_SERVER=$(program cyphonic-server)
  CYPHONIC=$(program cyphonic)
  CYPHONICD=$(program cyphonicd)
}

# --- the server

init_server() { # [OPTION...]
  programs
  mkdir -p "$WORK/server"
  on server "$CYPHONIC_SERVER" init --domain "$DOMAIN" \
    --public 198.51.100.10 --public '[2001:db8:100::10]' \
    --state "$WORK/server/state" --config "$SERVER_CONFIG" "$@" >"$(log_of init)" 2>&1 ||
    fail "init: $(cat "$(log_of init)")"
}

# run_server [COMMAND...]: COMMAND is put before the server, such as `env NAME=value`
run_server() {
  local readies
  readies=$(server_readies)
  start server server "$@" "$CYPHONIC_SERVER" run --config "$SERVER_CONFIG"
  wait_until 15 'the server says that it is ready' server_is_ready_after "$readies"
}

server_readies() {
  grep -Ewc 'ready' "$(log_of server)" 2>/dev/null || true
}

server_is_ready_after() { # COUNT
  if ! is_running server; then
    fail "the server ended: $(tail -n 3 "$(log_of server)")"
  fi
  [ "$(server_readies)" -gt "${1:-0}" ]
}

start_server() { # [INIT OPTION...]
  init_server "$@"
  run_server
}

# server_tool COMMAND...: `cyphonic-server COMMAND... --config` of our server
server_tool() {
  on server "$CYPHONIC_SERVER" "$@" --config "$SERVER_CONFIG"
}

invitation() { # [TOKEN OPTION...]
  server_tool token create "$@"
}

# --- nodes

# configure_node HOST [KEY=VALUE...]: keys of [node]; NODE_THREADS is for all nodes
configure_node() {
  programs
  local host=$1 folder=$WORK/$1
  shift
  mkdir -p "$folder"
  {
    printf '[node]\n'
    printf '%s\n' "state=$folder/state" "socket=$folder/socket" "interface=$INTERFACE" \
      ${NODE_THREADS:+"threads=$NODE_THREADS"} "$@"
    # The machine's systemd-resolved is reached through the file system, namespace or not.
    printf '[dns]\nsetup=no\n'
  } >"$folder/node.conf"
}

# run_node HOST [COMMAND...]: COMMAND is put before the daemon, such as `env NAME=value`
run_node() {
  local host=$1
  shift
  start "$host" "$host" "$@" "$CYPHONICD" --config "$WORK/$host/node.conf"
  wait_until 15 "the daemon of $host opens its socket" node_is_open "$host"
}

node_is_open() { # HOST
  if ! is_running "$1"; then
    fail "the daemon of $1 ended: $(tail -n 3 "$(log_of "$1")")"
  fi
  cli "$1" status
}

start_node() { # HOST [KEY=VALUE...]
  configure_node "$@"
  run_node "$1"
}

# cli HOST COMMAND...: the command line on that host
cli() {
  local host=$1
  shift
  on "$host" timeout -k 5 60 "$CYPHONIC" --socket "$WORK/$host/socket" "$@"
}

# join HOST: by a fresh invitation, under the host's name
join() {
  local text
  text=$(invitation)
  cli "$1" join "$text" --name "$1" >"$(log_of "join-$1")" 2>&1 ||
    fail "join $1: $(cat "$(log_of "join-$1")")"
  use_resolver "$1"
}

# The test host's resolv.conf, which an operator would leave to systemd-resolved.
use_resolver() { # HOST
  printf 'nameserver %s\nsearch %s\noptions timeout:2 attempts:3\n' \
    "$(virtual_ipv4 "$1")" "$DOMAIN" >"/etc/netns/$PREFIX-$1/resolv.conf"
}

# As the kernel has them on the TUN device.
virtual_ipv4() { # HOST
  local address
  address=$(ip -n "$PREFIX-$1" -o -4 address show dev "$INTERFACE" scope global |
    awk '{split($4, part, "/"); print part[1]; exit}')
  if [ -z "$address" ]; then
    fail "$1 has no virtual IPv4 address on $INTERFACE"
  fi
  printf '%s\n' "$address"
}

virtual_ipv6() { # HOST
  local address
  address=$(ip -n "$PREFIX-$1" -o -6 address show dev "$INTERFACE" scope global |
    awk '{split($4, part, "/"); print part[1]; exit}')
  if [ -z "$address" ]; then
    fail "$1 has no virtual IPv6 address on $INTERFACE"
  fi
  printf '%s\n' "$address"
}

status_of() { # HOST JQ-FILTER
  cli "$1" --json status | jq -r "$2"
}

# watch HOST: its events from now on, and how it is now, go to the log watch-HOST, one on a line
watch() {
  start "watch-$1" "$1" "$CYPHONIC" --socket "$WORK/$1/socket" --json status --watch
  wait_until 5 "the events of $1 come" log_has "watch-$1" '"event":"node"'
}

# await_event SECONDS WHAT HOST JQ-CONDITION: an event, or how it is now, without a look in between
await_event() {
  local seconds=$1 what=$2 host=$3 condition=$4 events watcher
  exec {events}< <(exec ip netns exec "$PREFIX-$host" "$CYPHONIC" \
    --socket "$WORK/$host/socket" --json status --watch 2>&1)
  watcher=$!
  if ! timeout "$seconds" jq -en "first(inputs | select($condition))" <&"$events" >/dev/null; then
    fail "waited $seconds s in vain: $what; $host says: $(cli "$host" --json status | jq -c .)"
  fi
  kill "$watcher" 2>/dev/null || true
  exec {events}<&-
}

# A daemon of ours that ends badly, or whose sanitizer had something to say, fails the scenario.
ends_well() { # PROCESS
  local findings
  stop "$1"
  findings=$(grep -E 'Sanitizer|runtime error' "$(log_of "$1")" | head -n 3 || true)
  if [ -n "$findings" ]; then
    fail "$1: $findings"
  fi
  if [ "$STATUS" -ne 0 ]; then
    fail "$1 ended with status $STATUS: $(tail -n 3 "$(log_of "$1")")"
  fi
}

# The last line of each scenario.
the_end() {
  local name
  for name in "${!PID[@]}"; do
    if grep -Eqs 'cyphonic(d|-server)' "/proc/${PID[$name]}/cmdline" && [ "$name" != server ]; then
      ends_well "$name"
    fi
  done
  if [ -n "${PID[server]:-}" ]; then
    ends_well server
  fi
  say 'All is well.'
}
