#include "node/ping.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

struct ping {
  struct node_ping result;
  uint64_t sent; /* nanoseconds */
  node_ping_callback callback;
  void *context;
};

static void end(struct ping *ping, int code, const struct error *error) {
  ping->callback(code, code ? NULL : &ping->result, code ? error : NULL, ping->context);
  free(ping);
}

static void echoed(UNUSED struct control *control, int code, const control_message *reply,
                   const struct error *error, void *context) {
  struct ping *ping = context;
  ping->result.round_trip = clock_now() - ping->sent;
  struct error fault = {0};
  if (code)
    fault = *error;
  else if (reply->body_case != CYPHONIC__MESSAGE__BODY_PING_RESPONSE)
    code = error_set(&fault, ERROR_PROTOCOL,
                     "the peer answered the PingRequest with another "
                     "message");
  end(ping, code, &fault);
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
  ping->result.remote = quic_connection_remote(link_connection(peer->link));
  ping->result.relayed = peer->path.relay[0] != '\0';
  snprintf(ping->result.relay, sizeof ping->result.relay, "%s", peer->path.relay);
  ping->sent = clock_now();
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
