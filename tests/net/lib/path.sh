# Underlays that are long, lossy, or shuffle their packets, and streams whose content is looked at.

# apart: alice and bob, each at an end of one wire that tools/delay_forwarder.c is; alice is a router
# as well, with the server behind her. The wire is cut until `wire` is said.
apart() {
  local host side
  router alice
  host middle
  host bob
  host server
  for host in alice bob; do
    # The hosts may send trains (TSO, UDP GSO), as to any card; what is a card to them, `cutter`, cuts
    # these. Were a host told to send single packets, TCP's pacing would wait before each of them.
    side=wire-$host
    cable "$host" eth0 middle "$host"
    cable middle "cutter-$host" middle "$side"
    ip -n "$PREFIX-middle" link set "cutter-$host" gso_max_segs 1
    ip -n "$PREFIX-middle" link add "bridge-$host" type bridge mcast_snooping 0
    ip -n "$PREFIX-middle" link set "$host" master "bridge-$host"
    ip -n "$PREFIX-middle" link set "cutter-$host" master "bridge-$host"
    ip -n "$PREFIX-middle" link set "bridge-$host" up
    on middle sh -c 'for which; do echo 1 >/proc/sys/net/ipv6/conf/$which/disable_ipv6; done' sh \
      "$host" "cutter-$host" "$side" "bridge-$host"
  done
  cable alice eth1 server eth0
  ip -n "$PREFIX-alice" address add 203.0.113.1/24 dev eth0
  ip -n "$PREFIX-bob" address add 203.0.113.2/24 dev eth0
  ip -n "$PREFIX-bob" route add default via 203.0.113.1
  ip -n "$PREFIX-alice" address add 198.51.100.1/24 dev eth1
  ip -n "$PREFIX-server" address add 198.51.100.10/24 dev eth0
  ip -n "$PREFIX-server" route add default via 198.51.100.1
}

# wire [OPTION...]: what the wire is like from now on; options of tools/delay_forwarder.c. What is on
# its way still arrives, what comes while one takes the place of the other does not.
wire() {
  programs
  local forwarder=$BUILD_DIR/tests/net/delay-forwarder log
  if [ ! -x "$forwarder" ]; then
    fail "delay-forwarder is not built in BUILD_DIR=$BUILD_DIR: run meson compile -C $BUILD_DIR"
  fi
  cut_wire
  log=$(log_of wire)
  : >"$log"
  start wire middle "$forwarder" "$@" wire-alice wire-bob
  wait_until 5 'the wire forwards' log_has wire '^ready$'
}

# same_losses: what comes next meets the same losses as what came before; next_losses: others
same_losses() {
  kill -HUP "${PID[wire]}"
}

next_losses() {
  kill -USR1 "${PID[wire]}"
}

# cut_wire: leaves what became of the frames in the log `wire`; the wire itself must not have lost
# any more than it was told to.
cut_wire() {
  if [ -z "${PID[wire]:-}" ]; then
    return
  fi
  stop wire
  if [ "$STATUS" -ne 0 ] || [ "$(of_wire overrun)" != 0 ]; then
    fail "the wire failed, or was too slow for what it was given: $(cat "$(log_of wire)")"
  fi
}

# of_wire FIELD: both ways together, after cut_wire
of_wire() {
  sed -n "s/.* $1=\([0-9]*\).*/\1/p" "$(log_of wire)" | awk '{sum += $1} END {print sum + 0}'
}

# lossy ROUTER PERCENT: of what the router forwards, chosen at random; counted in `lost_by`.
# Where a host sends trains (UDP GSO), one draw is for a whole train: see single_packets.
lossy() {
  on "$1" nft -f - <<RULES
table inet lossy {
  counter lost { }
  chain forward {
    type filter hook forward priority filter - 5;
    numgen random mod 1000 < $(($2 * 10)) counter name lost drop
  }
}
RULES
}

lossless() { # ROUTER: takes back what `lossy` said
  on "$1" nft delete table inet lossy
}

lost_by() { # ROUTER
  on "$1" nft list counter inet lossy lost | awk '$1 == "packets" {print $2}'
}

# transfer FROM TO ADDRESS BYTES SECONDS: one TCP stream whose content arrives as it was sent, within
# so many seconds
transfer() {
  begin_transfer "$1" "$2" "$3" "$4" transfer
  end_transfer "$5" transfer
}

# begin_transfer FROM TO ADDRESS BYTES NAME [BYTES-PER-SECOND], end_transfer SECONDS NAME: the same in
# two steps, and not faster than that
begin_transfer() {
  local name=$5
  : >"$(log_of "$name-receiver")"
  : >"$(log_of "$name-sender")"
  start "$name-receiver" "$2" python3 "$NET_FOLDER/transfer.py" receive
  wait_until 10 "the receiver of $name listens" log_has "$name-receiver" '^port=[0-9]'
  start "$name-sender" "$1" python3 "$NET_FOLDER/transfer.py" send "$3" \
    "$(sed -n 's/^port=//p' "$(log_of "$name-receiver")")" "$4" "${6:-0}"
}

end_transfer() {
  local name=$2 end
  for end in sender receiver; do
    await "$name-$end" "$1"
    if [ "$STATUS" -ne 0 ]; then
      fail "the $end of $name ended with $STATUS: $(cat "$(log_of "$name-$end")")"
    fi
  done
  assert_equal "$name: content that arrived" "$(grep '^bytes=' "$(log_of "$name-sender")")" \
    "$(grep '^bytes=' "$(log_of "$name-receiver")")"
  say "  $name: $(grep '^seconds=' "$(log_of "$name-receiver")")"
}

# received_by NAME: bytes of a transfer that have arrived, as far as was told; nothing before that
received_by() {
  sed -n 's/^so-far=//p' "$(log_of "$1-receiver")" | tail -n 1
}

# has_received BYTES NAME: for wait_until, how far a transfer is
has_received() {
  local got
  got=$(received_by "$2")
  echo "$got bytes so far"
  [ "${got:-0}" -ge "$1" ]
}

# lines_of PROCESS...: how many lines are in their logs
lines_of() {
  local process
  for process; do
    cat "$(log_of "$process")"
  done | wc -l
}
