#include "node/state.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/random.h"
#include "node/pem.h"
#include "node/state_json.h"

enum {
  JSON_MAX = 64 << 10,
  FOLDER_MODE = 0700,
  PATH_SIZE = 4096,
  JOIN_KEY_HASH_BYTES = 8, /* of the invitation's hash: enough to tell invitations apart */
};

static int path_make(const char *folder, const char *name, char path[static PATH_SIZE],
                     struct error *error) {
  int size = snprintf(path, PATH_SIZE, "%s/%s", folder, name);
  if (size < 0 || size >= PATH_SIZE)
    return error_set(error, ERROR_LIMIT, "%.200s...: the state folder's path is too long", folder);
  return 0;
}

int state_load(const char *folder, struct node_state *state, struct error *error) {
  *state = (struct node_state){0};
  char path[PATH_SIZE];
  int code = path_make(folder, "node.json", path, error);
  if (code)
    return code;
  uint8_t *data;
  size_t size;
  code = file_read(path, JSON_MAX, &data, &size, error);
  if (code == ERROR_NOT_FOUND)
    return error_set(error, ERROR_NOT_FOUND,
                     "this node has not joined a network: run 'cyphonic join INVITATION'");
  if (code)
    return code;
  code = state_json_parse(path, (const char *)data, size, state, error);
  free(data);
  return code;
}

int state_save(const char *folder, const struct node_state *state, struct error *error) {
  char path[PATH_SIZE];
  int code = path_make(folder, "node.json", path, error);
  if (code)
    return code;
  char *text = state_json_write(state);
  if (!text)
    return error_set(error, ERROR_NO_MEMORY, "no memory to write %s", path);
  code = file_write(path, text, strlen(text), 0600, error);
  free(text);
  return code;
}

static int identity_check(const struct node_state *state, struct node_identity *identity,
                          int64_t now, struct error *error) {
  struct error fault = {0};
  int code = pki_credentials_verify(identity->credentials, identity->trust, PKI_NODE, now,
                                    &identity->certificate, &fault);
  if (code == ERROR_EXPIRED) {
    identity->expired = true;
    identity->expiry = fault;
    return 0;
  }
  if (code) {
    *error = fault;
    return code;
  }
  const struct pki_identity *bears = &identity->certificate;
  if (strcmp(bears->name, state->fqdn) != 0 || !ip_address_equal(&bears->ipv4, &state->ipv4) ||
      !ip_address_equal(&bears->ipv6, &state->ipv6))
    return error_set(error, ERROR_CERTIFICATE,
                     "node.crt is of %s, node.json of %s, or their addresses differ", bears->name,
                     state->fqdn);
  return 0;
}

int state_identity_load(const char *folder, const struct node_state *state, int64_t now,
                        struct node_identity *identity, struct error *error) {
  *identity = (struct node_identity){0};
  char key[PATH_SIZE], chain[PATH_SIZE], root[PATH_SIZE];
  int code;
  (void)((code = path_make(folder, "node.key", key, error)) ||
         (code = path_make(folder, "node.crt", chain, error)) ||
         (code = path_make(folder, "root.crt", root, error)) ||
         (code = pki_trust_load(root, &identity->trust, error)) ||
         (code = pki_credentials_load(chain, key, &identity->credentials, error)) ||
         (code = identity_check(state, identity, now, error)));
  if (code) {
    state_identity_clear(identity);
    error_prefix(error, "the identity of this node is damaged (put a copy of the folder back, or "
                        "empty it and join again): ");
  }
  return code;
}

void state_identity_clear(struct node_identity *identity) {
  pki_credentials_free(identity->credentials);
  pki_trust_free(identity->trust);
  *identity = (struct node_identity){0};
}

int state_secret(const char *folder, uint8_t secret[static STATE_SECRET_SIZE],
                 struct error *error) {
  char path[PATH_SIZE];
  int code = path_make(folder, "quic.secret", path, error);
  if (code)
    return code;
  uint8_t *data;
  size_t size;
  code = file_read_secret(path, STATE_SECRET_SIZE, &data, &size, error);
  if (!code) {
    bool whole = size == STATE_SECRET_SIZE;
    if (whole)
      memcpy(secret, data, STATE_SECRET_SIZE);
    explicit_bzero(data, size);
    free(data);
    if (whole)
      return 0;
  } else if (code != ERROR_NOT_FOUND && code != ERROR_LIMIT) {
    return code;
  }
  random_bytes(secret, STATE_SECRET_SIZE);
  return file_write(path, secret, STATE_SECRET_SIZE, 0600, error);
}

/* --- joining --- */

#define JOIN_KEY_PREFIX "join-"

static int join_key_path(const char *folder, const uint8_t hash[static PKI_HASH_SIZE],
                         char path[static PATH_SIZE], struct error *error) {
  char name[sizeof JOIN_KEY_PREFIX + 2 * JOIN_KEY_HASH_BYTES + sizeof ".key"] = JOIN_KEY_PREFIX;
  size_t at = strlen(name);
  for (size_t i = 0; i < JOIN_KEY_HASH_BYTES; i++, at += 2)
    snprintf(name + at, sizeof name - at, "%02x", hash[i]);
  snprintf(name + at, sizeof name - at, ".key");
  return path_make(folder, name, path, error);
}

int state_join_key(const char *folder, const uint8_t invitation_hash[static PKI_HASH_SIZE],
                   struct pki_key **key, struct error *error) {
  *key = NULL;
  char path[PATH_SIZE];
  int code = join_key_path(folder, invitation_hash, path, error);
  if (code)
    return code;
  code = file_make_folder(folder, FOLDER_MODE, error);
  if (code)
    return code;
  code = pki_key_load(path, key, error);
  if (code != ERROR_NOT_FOUND)
    return code;
  code = pki_key_new(key, error);
  if (code)
    return code;
  code = pki_key_save(*key, path, error);
  if (code) {
    pki_key_free(*key);
    *key = NULL;
  }
  return code;
}

/* Keys of joins that were given up hold no certificate; what is left of them is clutter. */
static void join_keys_remove(const char *folder) {
  DIR *directory = opendir(folder);
  if (!directory)
    return;
  for (struct dirent *entry; (entry = readdir(directory));)
    if (strncmp(entry->d_name, JOIN_KEY_PREFIX, strlen(JOIN_KEY_PREFIX)) == 0)
      unlinkat(dirfd(directory), entry->d_name, 0);
  closedir(directory);
}

static int certificates_write(const char *path, const struct span *certificates, size_t count,
                              struct error *error) {
  char *text;
  size_t size;
  int code = pem_from_certificates(certificates, count, &text, &size, error);
  if (code)
    return code;
  code = file_write(path, text, size, 0644, error);
  free(text);
  return code;
}

int state_join_commit(const char *folder, const uint8_t invitation_hash[static PKI_HASH_SIZE],
                      const struct node_state *state, const struct span *chain, size_t chain_count,
                      struct span root, struct error *error) {
  char pending[PATH_SIZE], key[PATH_SIZE], chain_path[PATH_SIZE], root_path[PATH_SIZE];
  int code;
  (void)((code = join_key_path(folder, invitation_hash, pending, error)) ||
         (code = path_make(folder, "node.key", key, error)) ||
         (code = path_make(folder, "node.crt", chain_path, error)) ||
         (code = path_make(folder, "root.crt", root_path, error)) ||
         (code = certificates_write(root_path, &root, 1, error)) ||
         (code = certificates_write(chain_path, chain, chain_count, error)));
  if (code)
    return code;
  /* A second name for the key rather than a new one: until node.json stands, the first must still
   * be found by a repeated join. */
  if (unlink(key) && errno != ENOENT)
    return error_set_errno(error, errno, "%s: cannot be replaced", key);
  if (link(pending, key))
    return error_set_errno(error, errno, "%s: cannot be made of %s", key, pending);
  code = state_save(folder, state, error);
  if (!code)
    join_keys_remove(folder);
  return code;
}
