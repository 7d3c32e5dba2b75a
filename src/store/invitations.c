#include <string.h>

#include "store/internal.h"

int store_invitation_add(struct store *store, struct store_invitation *invitation,
                         struct error *error) {
  if (invitation->uses_left <= 0) {
    return error_set(error, ERROR_INVALID, "an invitation for %lld uses lets nobody in",
                     (long long)invitation->uses_left);
  }
  struct sql_statement *statement;
  int code = sql_prepare(store->sql,
                         "INSERT INTO invitations (secret_hash, name, uses_left, created, expires) "
                         "VALUES (?1, ?2, ?3, ?4, ?5)",
                         &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_bytes(statement, 1, invitation->secret_hash, sizeof(invitation->secret_hash));
  sql_bind_text(statement, 2, invitation->name);
  sql_bind_integer(statement, 3, invitation->uses_left);
  sql_bind_integer(statement, 4, invitation->created);
  sql_bind_integer(statement, 5, invitation->expires);
  code = sql_run(statement, error);
  if (code == 0) {
    invitation->id = sql_last_id(store->sql);
  }
  return code;
}

int store_invitation_by_hash(struct store *store, const uint8_t hash[static PKI_HASH_SIZE],
                             struct store_invitation *invitation, struct error *error) {
  memset(invitation, 0, sizeof(*invitation));
  struct sql_statement *statement;
  int code = sql_prepare(store->sql,
                         "SELECT id, name, uses_left, created, expires FROM invitations "
                         "WHERE secret_hash = ?1",
                         &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_bytes(statement, 1, hash, PKI_HASH_SIZE);
  code = sql_step(statement, error);
  if (code > 0) {
    code = 0;
    invitation->id = sql_integer(statement, 0);
    memcpy(invitation->secret_hash, hash, PKI_HASH_SIZE);
    store_read_text(statement, 1, invitation->name, sizeof(invitation->name));
    invitation->uses_left = sql_integer(statement, 2);
    invitation->created = sql_integer(statement, 3);
    invitation->expires = sql_integer(statement, 4);
  } else if (code == 0) {
    code = error_set(error, ERROR_NOT_FOUND, "there is no invitation with this secret");
  }
  sql_reset(statement);
  return code;
}

static int take_use(struct store *store, int64_t invitation_id, struct error *error) {
  struct sql_statement *statement;
  int code = sql_prepare(store->sql,
                         "UPDATE invitations SET uses_left = uses_left - 1 "
                         "WHERE id = ?1 AND uses_left > 0",
                         &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_integer(statement, 1, invitation_id);
  code = sql_run(statement, error);
  if (code == 0 && sql_changes(store->sql) == 0) {
    code = error_set(error, ERROR_LIMIT, "the invitation has no use left");
  }
  return code;
}

static int record_redemption(struct store *store, int64_t invitation_id, int64_t device_id,
                             int64_t now, struct error *error) {
  struct sql_statement *statement;
  int code = sql_prepare(store->sql,
                         "INSERT INTO redemptions (invitation_id, device_id, redeemed) "
                         "VALUES (?1, ?2, ?3)",
                         &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_integer(statement, 1, invitation_id);
  sql_bind_integer(statement, 2, device_id);
  sql_bind_integer(statement, 3, now);
  return sql_run(statement, error);
}

int store_invitation_redeem(struct store *store, int64_t invitation_id, int64_t device_id,
                            int64_t now, struct error *error) {
  bool own;
  int code = store_scope_begin(store, &own, error);
  if (code != 0) {
    return code;
  }
  code = take_use(store, invitation_id, error);
  if (code == 0) {
    code = record_redemption(store, invitation_id, device_id, now, error);
  }
  return store_scope_end(store, own, code, error);
}

int store_invitation_was_redeemed_by(struct store *store, int64_t invitation_id, int64_t device_id,
                                     bool *redeemed, struct error *error) {
  *redeemed = false;
  struct sql_statement *statement;
  int code = sql_prepare(store->sql,
                         "SELECT 1 FROM redemptions WHERE invitation_id = ?1 AND device_id = ?2",
                         &statement, error);
  if (code != 0) {
    return code;
  }
  sql_bind_integer(statement, 1, invitation_id);
  sql_bind_integer(statement, 2, device_id);
  code = sql_step(statement, error);
  *redeemed = code > 0;
  sql_reset(statement);
  return code < 0 ? code : 0;
}
