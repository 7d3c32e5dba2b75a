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

captured() { # NAME
  printf '%s\n' "$WORK/$1.pcap"
}

end_capture() { # NAME
  stop "capture-$1"
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
