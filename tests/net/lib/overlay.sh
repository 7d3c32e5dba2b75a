# What applications on two nodes see: names, echoes, streams and datagrams through the tunnel.

# echoes FROM NAME [PING OPTION...]: 100 echoes, none lost
echoes() {
  local from=$1 to=$2 output summary
  shift 2
  output=$(on "$from" ping -q -c 100 -i 0.005 -W 3 -w 20 "$@" "$to" 2>&1) || true
  summary=$(grep -E 'packet loss' <<<"$output" || true)
  assert_match "ping $* from $from to $to" '100 received, 0% packet loss' "${summary:-$output}"
  say "  ping $* $from -> $to: ${summary%, time*}, $(sed -n 's/^rtt //p' <<<"$output")"
}

# end_echoes PROCESS WHAT: stops a running ping; every echo was answered, but the very last may
# still have been on its way
end_echoes() {
  local sent received
  kill -INT "${PID[$1]}"
  await "$1" 5
  read -r sent received < <(awk '/packets transmitted/ {print $1, $4}' "$(log_of "$1")")
  assert_at_least "$2: answers to ${sent:-no} echoes" $((${sent:?no summary} - 1)) "$received"
}

# peer_answers FROM NAME: one echo by the command line's own ping
peer_answers() {
  cli "$1" ping "$2" -c 1
}

# speed HOST SERVER-HOST NAME [IPERF3 OPTION...]: the receiver's Mbit/s, left in SPEED, and what
# iperf3 said in REPORT
speed() {
  local from=$1 to=$2 name=$3 output
  shift 3
  start "iperf3-$to" "$to" iperf3 -s -1
  wait_until 5 "iperf3 listens on $to" listens "$to" 5201
  output=$(on "$from" timeout -k 5 30 iperf3 -c "$name" --connect-timeout 5000 -f m "$@" 2>&1) ||
    fail "iperf3 $* from $from to $to: $output"
  SPEED=$(awk '/receiver/ {for (i = 2; i <= NF; i++) if ($i == "Mbits/sec") print $(i - 1)}' \
    <<<"$output" | tail -n 1)
  if [ -z "$SPEED" ]; then
    fail "iperf3 $* from $from to $to gave no result: $output"
  fi
  await "iperf3-$to" 5
  REPORT=$output
}

listens() { # HOST TCP-PORT
  on "$1" ss -Hltn "sport = :$2" | grep -q .
}

streams() { # FROM TO [IPERF3 OPTION...]
  local from=$1 to=$2
  shift 2
  speed "$from" "$to" "$to" -n 16M "$@"
  assert_at_least "iperf3 TCP $* $from -> $to, Mbit/s" 1 "$SPEED"
}

datagrams() { # FROM TO [IPERF3 OPTION...]
  local from=$1 to=$2
  shift 2
  speed "$from" "$to" "$to" -n 600K -u -b 10M -l 1200 "$@"
  assert_at_most "iperf3 UDP $* $from -> $to, % lost at $SPEED Mbit/s" 10 \
    "$(sed -n 's/.*(\([0-9.e+-]*\)%).*receiver.*/\1/p' <<<"$REPORT")"
}

# names_resolve ON OF: both addresses by the full and by the short name, and the name by both
names_resolve() {
  local on=$1 of=$2 ipv4 ipv6 answer name
  ipv4=$(virtual_ipv4 "$of")
  ipv6=$(virtual_ipv6 "$of")
  for name in "$of.$DOMAIN" "$of"; do
    answer=$(on "$on" getent ahostsv4 "$name" | awk '{print $1}' | sort -u)
    assert_equal "getent ahostsv4 $name on $on" "$ipv4" "$answer"
    answer=$(on "$on" getent ahostsv6 "$name" | awk '{print $1}' | sort -u)
    assert_equal "getent ahostsv6 $name on $on" "$ipv6" "$answer"
  done
  answer=$(on "$on" getent ahosts "$of.$DOMAIN" | awk '{print $1}' | sort -u | tr '\n' ' ')
  assert_equal "getent ahosts $of.$DOMAIN on $on" \
    "$(printf '%s\n' "$ipv4" "$ipv6" | sort -u | tr '\n' ' ')" "$answer"
  for name in "$ipv4" "$ipv6"; do
    answer=$(on "$on" getent hosts "$name" | awk '{print $2}')
    assert_equal "getent hosts $name on $on" "$of.$DOMAIN" "$answer"
  done
}

# overlay_works A B: everything an application asks for, over both IP versions; A begins
overlay_works() {
  names_resolve "$1" "$2"
  echoes "$1" "$2.$DOMAIN" -4
  echoes "$1" "$2.$DOMAIN" -6
  names_resolve "$2" "$1"
  streams "$1" "$2" -4
  streams "$2" "$1" -6
  datagrams "$1" "$2" -6
  datagrams "$2" "$1" -4
}

# --- what the nodes say of their tunnels

# peer_of HOST PEER JQ-FILTER: of the peer's entry in the status
peer_of() {
  status_of "$1" ".peers[] | select(.fqdn == \"$2.$DOMAIN\") | $3"
}

has_tunnel() { # HOST PEER
  [ "$(peer_of "$1" "$2" .state)" = up ]
}

has_no_tunnel() { # HOST PEER
  local state
  state=$(peer_of "$1" "$2" .state)
  echo "$1 says of $2: ${state:-nothing}"
  [ "$state" != up ]
}

# path_is HOST PEER PATTERN ROLE REAL-ADDRESS
path_is() {
  local seen
  seen=$(peer_of "$1" "$2" '"\(.path) pattern \(.pattern) \(.role) \(.remote)"')
  assert_match "the path from $1 to $2" "^direct pattern $3 $4 .*$5" "$seen"
  say "  the path from $1 to $2: $seen"
}

is_registered() { # HOST
  local seen
  seen=$(status_of "$1" .nms.state)
  echo "the NMS session of $1 is $seen"
  [ "$seen" = registered ]
}
