#include "station.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "nms/grant.h"

int64_t station_clock_ahead;

static int64_t station_wall(void) {
  return clock_wall() + station_clock_ahead;
}

void station_open(struct cloud *cloud, const struct trs_config *wished, struct station *station) {
  *station = (struct station){.cloud = cloud};
  station_clock_ahead = 0;
  member_serve(cloud, "trs", PKI_TRS, &station->member);
  struct trs_config config = wished != NULL ? *wished : (struct trs_config){0};
  config.endpoint = cloud->endpoint;
  config.loop = &cloud->loop;
  config.log = &cloud->log;
  config.credentials = station->member.credentials;
  config.trust = cloud->trust;
  config.name = station->member.fqdn;
  config.public_count = 1;
  config.public[0] = (struct trs_host){"127.0.0.1", cloud->address.port};
  config.wall = station_wall;
  struct error error = {0};
  must(trs_service_new(&config, &station->trs, &error), &error);
}

void station_close(struct station *station) {
  trs_service_free(station->trs);
  member_close(&station->member);
}

struct trs_counters station_counters(const struct station *station) {
  struct trs_counters counters;
  trs_service_counters(station->trs, &counters);
  return counters;
}

static void set_flag(void *context) {
  *(bool *)context = true;
}

/* The cloud's endpoints share one secret. Nodes do not: a TRS that knew a node's would know the
 * stateless resets of its tunnels, too. */
static void take_own_secret(struct member *member) {
  bool gone = false;
  quic_endpoint_close(member->endpoint, set_flag, &gone);
  cloud_wait(member->cloud, &gone);
  uint8_t secret[QUIC_SECRET_SIZE];
  random_bytes(secret, sizeof(secret));
  const struct quic_endpoint_config config = {.loop = &member->cloud->loop,
                                              .log = &member->cloud->log,
                                              .ipv4 = ip("127.0.0.1"),
                                              .secret = secret};
  struct error error = {0};
  must(quic_endpoint_new(&config, &member->endpoint, &error), &error);
}

void user_open(struct cloud *cloud, const char *name, uint32_t route_id, struct user *user) {
  *user = (struct user){.route_id = route_id};
  member_join(cloud, name, &user->member);
  take_own_secret(&user->member);
  quic_endpoint_set_route_id(user->member.endpoint, route_id);
  session_open(&user->member, TRS_ALPN, PKI_TRS, &user->session);
}

void user_close(struct user *user) {
  session_close(&user->session);
  member_close(&user->member);
}

static void wish_answered(struct control *control UNUSED, int code, const control_message *reply,
                          const struct error *error UNUSED, void *context) {
  struct wish *wish = context;
  wish->came = true;
  wish->code = code;
  if (reply != NULL && reply->body_case == CYPHONIC__MESSAGE__BODY_ERROR) {
    assert_true(reply->error->message[0] != '\0');
    wish->refusal = reply->error->code;
  } else if (reply != NULL) {
    assert_int_equal(reply->body_case, CYPHONIC__MESSAGE__BODY_RELAY_RESPONSE);
  }
}

void user_wish(struct user *user, const struct station *station, const struct wish_terms *terms,
               struct wish *wish) {
  const struct grant grant = {
      .relay = terms->relay != NULL ? terms->relay : station->member.fqdn,
      .first = {terms->first->member.fqdn, terms->first->route_id},
      .second = {terms->second->member.fqdn, terms->second->route_id},
      .expires = station_wall() + terms->seconds,
  };
  struct error error = {0};
  Cyphonic__RelayRequest request = CYPHONIC__RELAY_REQUEST__INIT;
  must(grant_build(&grant,
                   terms->signed_by != NULL ? terms->signed_by : station->cloud->nms_credentials,
                   &request.grant.data, &request.grant.len, &error),
       &error);
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_RELAY_REQUEST;
  message.relay_request = &request;
  *wish = (struct wish){0};
  must(control_request(user->session.control, &message, 9000, wish_answered, wish, &error), &error);
  free(request.grant.data);
}

void user_wish_peer(struct user *user, const struct station *station, const struct user *peer,
                    struct wish *wish) {
  user_wish(user, station, &(struct wish_terms){.first = user, .second = peer, .seconds = 3600},
            wish);
}

void wish_await(struct cloud *cloud, const struct wish *wish, Cyphonic__Error__Code refusal) {
  cloud_wait(cloud, &wish->came);
  if (wish->refusal != refusal || (refusal == 0 && wish->code != 0)) {
    fail_msg("expected refusal %d, got %d (%s)", (int)refusal, (int)wish->refusal,
             error_name(wish->code));
  }
}

void users_meet(const struct station *station, struct user *one, struct user *other) {
  struct wish first, second;
  user_wish_peer(one, station, other, &first);
  user_wish_peer(other, station, one, &second);
  wish_await(station->cloud, &first, 0);
  wish_await(station->cloud, &second, 0);
}

struct condition {
  bool (*holds)(void *context);
  void *context;
  bool met;
};

static void look(uv_check_t *check) {
  struct condition *condition = check->data;
  condition->met = condition->met || condition->holds(condition->context);
}

/* Keeps the loop from waiting for good where nothing else would wake it. */
static void beat(uv_timer_t *timer UNUSED) {
}

static void free_handle(uv_handle_t *handle) {
  free(handle);
}

void wait_for(struct cloud *cloud, bool (*holds)(void *context), void *context) {
  struct condition condition = {holds, context, false};
  uv_check_t *check = malloc(sizeof(*check));
  uv_timer_t *timer = malloc(sizeof(*timer));
  assert_non_null(check);
  assert_non_null(timer);
  uv_check_init(&cloud->loop, check);
  uv_timer_init(&cloud->loop, timer);
  check->data = &condition;
  uv_check_start(check, look);
  uv_timer_start(timer, beat, 10, 10);
  cloud_wait(cloud, &condition.met);
  uv_close((uv_handle_t *)check, free_handle);
  uv_close((uv_handle_t *)timer, free_handle);
}
