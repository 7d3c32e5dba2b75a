#include "node/status.h"

#include "base/clock.h"
#include "node/peers.h"

static json_t *text_or_null(const char *text) {
  return text && text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *ip_or_null(const struct ip_address *ip) {
  char text[ADDRESS_TEXT_SIZE];
  return ip_address_is_set(ip) ? json_string(ip_address_text(ip, text)) : json_null();
}

static json_t *address_or_null(const struct address *address) {
  char text[ADDRESS_TEXT_SIZE];
  return ip_address_is_set(&address->ip) ? json_string(address_text(address, text)) : json_null();
}

static json_t *time_or_null(int64_t wall) {
  char text[CLOCK_TEXT_SIZE];
  return wall != 0 ? json_string(clock_text(wall, text)) : json_null();
}

static json_t *count(uint64_t value) {
  return json_integer((json_int_t)value);
}

static const char *login_state_name(enum login_state state) {
  switch (state) {
  case LOGIN_IDLE:
    return "idle";
  case LOGIN_CONNECTING:
    return "connecting";
  case LOGIN_DONE:
    return "logged-in";
  case LOGIN_FAILED:
    return "failed";
  }
  return "unknown";
}

static const char *nms_state_name(enum session_nms_state state) {
  switch (state) {
  case NMS_IDLE:
    return "idle";
  case NMS_CONNECTING:
    return "connecting";
  case NMS_REGISTERING:
    return "registering";
  case NMS_REGISTERED:
    return "registered";
  case NMS_FAILED:
    return "failed";
  }
  return "unknown";
}

static void add_services(json_t *status, const struct run *run) {
  struct session_view view = run ? run_session(run) : (struct session_view){0};
  json_object_set_new(status, "as",
                      json_pack("{s:s, s:o, s:o}", "state", login_state_name(view.as.state),
                                "address", address_or_null(&view.as.address), "message",
                                text_or_null(view.as.message)));
  json_t *observed = json_array();
  for (size_t i = 0; i < 2; i++)
    if (ip_address_is_set(&view.observed[i].ip))
      json_array_append_new(observed, address_or_null(&view.observed[i]));
  bool known = json_array_size(observed) > 0;
  json_object_set_new(
      status, "nms",
      json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "state", nms_state_name(view.nms_state),
                "address", address_or_null(&view.nms_address), "observed", observed, "behind_nat",
                known ? json_boolean(run_behind_nat(run)) : json_null(), "keep_alive_seconds",
                view.keep_alive != 0
                    ? json_integer((json_int_t)(view.keep_alive / NANOSECONDS_PER_SECOND))
                    : json_null(),
                "message", text_or_null(view.nms_message)));
}

/* --- peers --- */

/* "relay 198.51.100.10:443"; an address of this node is without a port. */
static json_t *end_json(const struct address *end, bool relay) {
  char text[ADDRESS_TEXT_SIZE];
  if (!ip_address_is_set(&end->ip))
    return json_null();
  if (end->port == 0)
    return json_string(ip_address_text(&end->ip, text));
  return json_sprintf("%s%s", relay ? "relay " : "", address_text(end, text));
}

static json_t *move_json(const struct move *move) {
  json_t *pause =
      move->pending ? json_null() : json_real((double)move->pause / NANOSECONDS_PER_MILLISECOND);
  return json_pack("{s:s, s:o, s:o, s:o, s:o}", "kind", move_kind_name(move->kind), "time",
                   time_or_null(move->at), "from", end_json(&move->from, move->from_relay), "to",
                   end_json(&move->to, move->to_relay), "pause_ms", pause);
}

static json_t *moves_json(const struct mobility *mobility) {
  return json_pack("{s:I, s:o}", "count", (json_int_t)mobility->moves, "last",
                   mobility->moves > 0 ? move_json(&mobility->last) : json_null());
}

static void add_tunnel(json_t *object, const struct peer *peer) {
  struct quic_connection_counters path;
  struct tunnel_counters tunnel;
  struct address remote = link_remote(peer->link);
  quic_connection_counters(link_visit(peer->link), &path);
  link_leave(peer->link);
  link_counters(peer->link, &tunnel);
  json_object_set_new(object, "remote", address_or_null(&remote));
  json_object_set_new(object, "reason", text_or_null(peer->path.reason));
  json_object_set_new(object, "last_change", time_or_null(peer->path.changed));
  json_object_set_new(object, "moves", moves_json(&peer->mobility));
  json_object_set_new(object, "rtt_ms",
                      path.smoothed_rtt > 0 ? json_real((double)path.smoothed_rtt / 1e6)
                                            : json_null());
  json_object_set_new(object, "congestion_window", count(path.congestion_window));
  json_object_set_new(object, "in_flight", count(path.in_flight));
  json_object_set_new(object, "lost_packets", count(path.lost_packets));
  json_object_set_new(object, "sent_bytes", count(tunnel.sent_bytes));
  json_object_set_new(object, "received_bytes", count(tunnel.received_bytes));
  json_object_set_new(object, "sent_packets", count(tunnel.sent_packets));
  json_object_set_new(object, "received_packets", count(tunnel.received_packets));
  json_object_set_new(object, "fragmented", count(tunnel.fragmented));
  json_object_set_new(object, "too_big", count(tunnel.too_big));
  json_object_set_new(object, "dropped",
                      count(tunnel.dropped_full + tunnel.dropped_late + tunnel.dropped_spoofed +
                            tunnel.dropped_invalid));
  json_object_set_new(object, "established", time_or_null(peer->established));
  json_object_set_new(object, "idle_seconds", count(peer_idle(peer) / NANOSECONDS_PER_SECOND));
}

static void add_no_tunnel(json_t *object) {
  static const char *const members[] = {"remote",         "reason",       "last_change",
                                        "moves",          "rtt_ms",       "congestion_window",
                                        "in_flight",      "lost_packets", "sent_bytes",
                                        "received_bytes", "sent_packets", "received_packets",
                                        "fragmented",     "too_big",      "dropped",
                                        "established",    "idle_seconds"};
  for (size_t i = 0; i < sizeof members / sizeof *members; i++)
    json_object_set_new(object, members[i], json_null());
}

json_t *status_peer_json(const struct peer *peer) {
  bool directed = peer->direction.received != 0;
  bool client = peer->link ? link_is_client(peer->link) : peer->direction.client;
  bool relayed = peer->link && peer->path.relay[0] != '\0';
  json_t *object =
      json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o}", "fqdn", peer->entry.fqdn, "ipv4",
                ip_or_null(&peer->entry.ipv4), "ipv6", ip_or_null(&peer->entry.ipv6), "state",
                peer_state_name(peer->state), "role",
                directed ? json_string(client ? "client" : "server") : json_null(), "pattern",
                directed ? json_integer((json_int_t)peer->direction.pattern) : json_null(), "path",
                peer->link ? json_string(relayed ? "relay" : "direct") : json_null(), "relay",
                relayed ? json_string(peer->path.relay) : json_null());
  if (!object)
    return NULL;
  if (peer->link)
    add_tunnel(object, peer);
  else
    add_no_tunnel(object);
  json_object_set_new(object, "message", text_or_null(peer->failure.message));
  return object;
}

bool status_shows_peer(const struct peer *peer) {
  return peer->state != PEER_IDLE &&
         (peer_is_named(peer) || (peer->state == PEER_DIRECTING && peer->entry.fqdn[0] != '\0'));
}

static json_t *peers_json(const struct run *run) {
  json_t *array = json_array();
  const struct peer *peer = run ? peers_first(run_peers(run)) : NULL;
  for (; peer; peer = (const struct peer *)peer->entry.next)
    if (status_shows_peer(peer))
      json_array_append_new(array, status_peer_json(peer));
  return array;
}

json_t *status_node_json(const struct status_source *source) {
  const struct node_state *state = source->state;
  const char *name = !state                           ? "not-joined"
                     : !source->run                   ? "down"
                     : run_is_registered(source->run) ? "up"
                                                      : "connecting";
  static const struct ip_address none = {0};
  json_t *status = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "state", name, "fqdn",
                             text_or_null(state ? state->fqdn : NULL), "domain",
                             text_or_null(state ? state->domain : NULL), "ipv4",
                             ip_or_null(state ? &state->ipv4 : &none), "ipv6",
                             ip_or_null(state ? &state->ipv6 : &none), "interface",
                             text_or_null(source->run ? run_interface(source->run) : NULL), "port",
                             source->port != 0 ? json_integer(source->port) : json_null());
  if (!status)
    return NULL;
  add_services(status, source->run);
  json_object_set_new(
      status, "certificate",
      json_pack("{s:o}", "not_after",
                time_or_null(source->identity ? source->identity->certificate.not_after : 0)));
  json_object_set_new(status, "warnings", warnings_json(source->warnings));
  return status;
}

json_t *status_json(const struct status_source *source) {
  json_t *status = status_node_json(source);
  if (status)
    json_object_set_new(status, "peers", peers_json(source->run));
  return status;
}
