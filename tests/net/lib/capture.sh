# Captures of the underlay, and what is in them.

# capture NAME HOST [TCPDUMP-FILTER...]: of the host's eth0, into the file that `captured NAME` names
capture() {
  local name=$1 host=$2
  shift 2
  need tcpdump tcpdump
  start "capture-$name" "$host" \
    tcpdump -Z root -i eth0 -s 0 -U --immediate-mode -w "$(captured "$name")" "$@"
  wait_until 5 "tcpdump listens on $host" log_has "capture-$name" 'listening on'
}

# single_packets HOST...: what leaves is cut into the packets that a real wire would carry; otherwise
# a capture holds trains of them (UDP GSO), which nobody can dissect
single_packets() {
  local host
  for host; do
    ip -n "$PREFIX-$host" link set eth0 gso_max_segs 1
  done
}

captured() { # NAME
  printf '%s\n' "$WORK/$1.pcap"
}

# end_capture NAME: when what has passed is in the file, which tcpdump's end does not wait for
end_capture() {
  wait_until 5 "the capture $1 rests" capture_rests "$1"
  stop "capture-$1"
}

capture_rests() { # NAME, for wait_until: nothing came since it was asked last
  local size last=$WORK/$1.size
  size=$(stat -c %s "$(captured "$1")")
  if [ -e "$last" ] && [ "$(cat "$last")" = "$size" ]; then
    return
  fi
  echo "$size" | tee "$last"
  return 1
}

# dissect NAME TSHARK-OPTION...
dissect() {
  local name=$1
  shift
  tshark -n -r "$(captured "$name")" "$@" 2>>"$(log_of tshark)"
}

# frames NAME DISPLAY-FILTER: how many match
frames() {
  dissect "$1" -Y "$2" -T fields -e frame.number | wc -l
}

# bytes_occur NAME HEX: how often these bytes occur anywhere in the file, dissected or not
bytes_occur() {
  python3 - "$(captured "$1")" "$2" <<'PYTHON'
import sys
with open(sys.argv[1], "rb") as file:
    print(file.read().count(bytes.fromhex(sys.argv[2])))
PYTHON
}

hex_of_text() {
  printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'
}

hex_of_address() {
  python3 -c 'import ipaddress, sys; print(ipaddress.ip_address(sys.argv[1]).packed.hex())' "$1"
}
