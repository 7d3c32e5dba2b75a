# Relays, the paths that nodes say they take, and the pauses that applications see.

# without_relay: the server's own TRS is switched off; between init_server and run_server
without_relay() {
  printf '\n[trs]\nenabled = no\n' >>"$SERVER_CONFIG"
}

# start_relay HOST ADDRESS...: a TRS alone on a host of its own, under the host's name
start_relay() {
  local host=$1 address
  local folder=$WORK/$1 public=()
  shift
  for address; do
    case $address in
    *:*) public+=(--public "[$address]") ;;
    *) public+=(--public "$address") ;;
    esac
  done
  server_tool relay create "$host" "${public[@]}" --nms 198.51.100.10 --out "$folder" \
    >"$(log_of "create-$host")" 2>&1 || fail "relay create: $(cat "$(log_of "create-$host")")"
  start "$host" "$host" "$CYPHONIC_SERVER" run --config "$folder/server.conf"
  wait_until 15 "$host registers with NMS" log_has "$host" nms-registered
}

# has_surveyed HOST, for wait_until: it has registered again with what it found out about the TRSs
# and how they see it
has_surveyed() {
  local registrations
  registrations=$(grep -c " registration device=$1 " "$(log_of server)")
  echo "$1 registered $registrations times"
  [ "$registrations" -ge 2 ]
}

# --- paths

path_of() { # HOST PEER: "direct ADDRESS" or "relay NAME"
  peer_of "$1" "$2" '"\(.path) \(if .path == "relay" then .relay else .remote end)"'
}

goes() { # direct|relay HOST PEER, for wait_until
  local seen
  seen=$(path_of "$2" "$3")
  echo "the path from $2 to $3: ${seen:-none}"
  [[ $seen == "$1 "* ]]
}

# await_path SECONDS direct|relay HOST PEER
await_path() {
  await_event "$1" "$3 reaches $4 by a path that is $2" "$3" \
    ".peer.fqdn == \"$4.$DOMAIN\" and .peer.state == \"up\" and .peer.path == \"$2\""
}

# goes_by_relay HOST PEER [NAME-REGEX]
goes_by_relay() {
  local seen
  seen=$(path_of "$1" "$2")
  assert_match "the path from $1 to $2" "^relay ${3:-[a-z]}" "$seen"
  say "  the path from $1 to $2: $seen"
}

# goes_direct HOST PEER ADDRESS-REGEX
goes_direct() {
  local seen
  seen=$(path_of "$1" "$2")
  assert_match "the path from $1 to $2" "^direct .*$3" "$seen"
  say "  the path from $1 to $2: $seen"
}

# --- times

# first_answer FROM TO: milliseconds from the first packet to its answer, set-up of the tunnel
# included, left in FIRST. The packet waits at the node meanwhile, so one is enough.
first_answer() {
  local output address
  address=$(virtual_ipv6 "$2")
  output=$(on "$1" ping -n -c 1 -W 10 "$address" 2>&1) ||
    fail "no first answer from $2 to $1: $(grep -v '^$' <<<"$output" | tail -n 2); $1 says:" \
      "$(peer_of "$1" "$2" '"\(.state), \(.message)"')"
  FIRST=$(sed -n 's/.* time=\([0-9]*\).*/\1/p' <<<"$output")
}

# start_beat FROM TO [SECONDS]: an echo each 20 ms, or so many seconds; the answers bear times
start_beat() {
  start "beat-$1-$2" "$1" ping -n -D -i "${3:-0.02}" "$(virtual_ipv6 "$2")"
  wait_until 10 "echoes from $1 to $2" log_has "beat-$1-$2" 'icmp_seq=10 '
}

end_beat() { # FROM TO
  kill -INT "${PID["beat-$1-$2"]}"
  await "beat-$1-$2" 5
}

beats() { # FROM TO: answers until now
  grep -c icmp_seq "$WORK/logs/beat-$1-$2.log"
}

beats_reach() { # FROM TO COUNT, for wait_until
  local seen
  seen=$(beats "$1" "$2")
  echo "$seen answers"
  [ "$seen" -ge "$3" ]
}

# longest_pause FROM TO [AFTER [BEFORE]]: milliseconds between two answers next to each other, of
# those after and before the given numbers of answers
longest_pause() {
  grep icmp_seq "$(log_of "beat-$1-$2")" | tr -d '[]' |
    awk -v after="${3:-0}" -v before="${4:-999999}" '
      NR > 1 && NR > after && NR <= before && $1 - last > longest {longest = $1 - last}
      {last = $1}
      END {printf "%d\n", longest * 1000}'
}

# lost_echoes FROM TO [AFTER]: how many have no answer between the first after that number of answers
# and the last
lost_echoes() {
  grep icmp_seq "$(log_of "beat-$1-$2")" | sed 's/.*icmp_seq=\([0-9]*\).*/\1/' |
    awk -v after="${3:-0}" 'NR > after {
        if (count++ == 0 || $1 < first) first = $1
        if ($1 > last) last = $1
      }
      END {print count == 0 ? 0 : last - first + 1 - count}'
}
