#include "node/ping.h"

#include <stdio.h>
#include <stdlib.h>

struct ping {
  struct node_ping result;
  node_ping_callback callback;
  void *context;
};

static void end(struct ping *ping, int code, const struct error *error) {
  ping->callback(code, code ? NULL : &ping->result, code ? error : NULL, ping->context);
  free(ping);
}

static void echoed(int code, uint64_t round_trip, const struct error *error, void *context) {
  struct ping *ping = context;
  ping->result.round_trip = round_trip;
  end(ping, code, error);
}

static void connected(int code, struct peer *peer, const struct error *error, void *context) {
  struct ping *ping = context;
  if (code) {
    end(ping, code, error);
    return;
  }
  struct error fault = {0};
  ping->result.name = names_of(peer);
  path_note_ping(peer);
  ping->result.remote = link_remote(peer->link);
  ping->result.relayed = peer->path.relay[0] != '\0';
  snprintf(ping->result.relay, sizeof ping->result.relay, "%s", peer->path.relay);
  code = link_ping(peer->link, echoed, ping, &fault);
  if (code)
    end(ping, code, &fault);
}

void ping_start(struct names *names, const char *text, node_ping_callback callback, void *context) {
  struct error error = {0};
  struct names_subject subject;
  int code = names_parse(names, text, &subject, &error);
  if (!code && subject.own)
    code = error_set(&error, ERROR_INVALID, "%s is this node itself", names->fqdn);
  struct ping *ping = code ? NULL : calloc(1, sizeof *ping);
  if (!code && !ping)
    code = error_set(&error, ERROR_NO_MEMORY, "no memory for a ping");
  if (code) {
    callback(code, NULL, &error, context);
    return;
  }
  ping->callback = callback;
  ping->context = context;
  peers_find(names->peers, subject.fqdn[0] != '\0' ? subject.fqdn : NULL, &subject.address,
             PEER_WAIT_UP, connected, ping);
}
