# A small library for scenarios in network namespaces. Sourced, it makes nothing yet but promises
# one thing: whatever the scenario builds is gone when it ends, however it ends.
#
#   . "$(dirname "$0")/../lib.sh"
#   internet                                   # segments datacentre, west, east; see lib/world.sh
#   host alice; connect alice west 192.0.2.10 2001:db8:1::10
#   start_server; start_node alice; join alice  # see lib/cyphonic.sh
#   overlay_works alice bob                     # see lib/overlay.sh
#   the_end                                     # stops all, and demands clean exits
#
# BUILD_DIR names the Meson build folder whose programs are tested. A failed scenario prints its
# logs, and keeps them in NET_LOGS if that is set. KEEP=yes leaves everything running.
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C
# The packaged programs: the python3 of a version manager takes half a second to start.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH

NET_FOLDER=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
STORY=$(basename "$0")
PREFIX=${PREFIX:-cy$$}
KEEP=${KEEP:-no}

. "$NET_FOLDER/lib/assert.sh"

if [ "$(id -u)" != 0 ]; then
  echo "skipped: network namespaces and TUN devices need root"
  exit 77
fi
need ip iproute2
need nft nftables
need ping iputils-ping
if [ ! -e /proc/net/if_inet6 ]; then
  echo "skipped: this kernel has no IPv6"
  exit 77
fi

WORK=$(mktemp -d "/tmp/$PREFIX.XXXXXX")
mkdir "$WORK/logs"

. "$NET_FOLDER/lib/process.sh"
. "$NET_FOLDER/lib/world.sh"
. "$NET_FOLDER/lib/nat.sh"
. "$NET_FOLDER/lib/firewall.sh"
. "$NET_FOLDER/lib/cyphonic.sh"
. "$NET_FOLDER/lib/overlay.sh"
. "$NET_FOLDER/lib/relay.sh"
. "$NET_FOLDER/lib/capture.sh"
. "$NET_FOLDER/lib/path.sh"
. "$NET_FOLDER/lib/move.sh"

finish() {
  local status=$?
  trap - EXIT INT TERM HUP
  set +e
  disown -a # or the shell would report each process that the clean-up kills
  if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
    show_logs >&2
  fi
  if [ "$KEEP" != yes ] || [ "$status" -ne 0 ]; then
    "$NET_FOLDER/lib/cleanup" "$PREFIX" "$WORK"
  fi
  if [ -n "${JANITOR:-}" ]; then
    kill "$JANITOR" 2>/dev/null
  fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# A test runner that loses patience kills with SIGKILL, which no trap sees: the janitor, in a
# session of its own, outlives us and cleans up then.
if [ "$KEEP" != yes ]; then
  setsid bash -c 'tail --pid="$1" -s 0.2 -f /dev/null; "$2" "$3" "$4"' janitor \
    $$ "$NET_FOLDER/lib/cleanup" "$PREFIX" "$WORK" </dev/null >/dev/null 2>&1 &
  JANITOR=$!
  disown "$JANITOR"
fi
