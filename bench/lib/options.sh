# The command line of bench/compare and bench/latency, and parts of it for others: --rounds, --json,
# --plot, one number of the benchmark's own, and the peers' names. Their help is the comment at
# their head.

ROUNDS=3
JSON_FILE=
PLOT_FILE=
peers=()

wrong_usage() { # MESSAGE
  printf '%s: %s\n' "$0" "$1" >&2
  exit 2
}

help_text() {
  sed -n '2,/^[^#]/{/^# \{0,1\}/s///p}' "$0"
}

# read_comparison OWN-OPTION OWN-DEFAULT ARGUMENT...: OWN is the number of the benchmark's own
read_comparison() {
  local own_option=$1 option
  OWN=$2
  shift 2
  while [ $# -gt 0 ]; do
    option=$1
    case $option in
    --rounds | --json | --plot | "$own_option")
      if [ $# -lt 2 ]; then
        wrong_usage "$option needs a value"
      fi
      shift
      ;;
    --help)
      help_text
      exit 0
      ;;
    -*)
      help_text >&2
      exit 2
      ;;
    *) peers+=("$option") ;;
    esac
    case $option in
    --rounds) ROUNDS=$1 ;;
    --json) JSON_FILE=$1 ;;
    --plot) PLOT_FILE=$1 ;;
    "$own_option") OWN=$1 ;;
    esac
    shift
  done
  if ! [[ $ROUNDS =~ ^[1-9][0-9]*$ && $OWN =~ ^[1-9][0-9]*$ ]]; then
    wrong_usage "--rounds and $own_option take whole numbers from 1"
  fi
  check_writable "$JSON_FILE" "$PLOT_FILE"
}

# check_writable FILE...: after minutes of work it would be late to find that the result has no
# place. An empty name passes: nothing is to be written.
check_writable() {
  local file
  for file; do
    if [ -n "$file" ] && ! { : >>"$file"; } 2>/dev/null; then
      wrong_usage "cannot write $file"
    fi
  done
}
