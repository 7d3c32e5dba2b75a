#include "pki/trust.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pki/certificate.h"
#include "pki/chain.h"
#include "pki/digest.h"

/* DER and no parsed object, so that any number of threads may verify at once. */
struct pki_trust {
  uint8_t *root; /* NULL: pinned */
  size_t root_size;
  uint8_t fingerprint[PKI_HASH_SIZE];
};

int pki_trust_load(const char *root_path, struct pki_trust **trust, struct error *error) {
  *trust = NULL;
  struct pki_certificates certificates;
  int code = pki_certificates_load(root_path, &certificates, error);
  if (code != 0) {
    return code;
  }
  gnutls_x509_crt_t root = certificates.handle[certificates.count - 1];
  struct pki_trust *loaded = calloc(1, sizeof(*loaded));
  if (loaded == NULL) {
    code = error_set(error, ERROR_NO_MEMORY, "no memory for a root certificate");
  } else if (!pki_certificate_is_self_signed(root)) {
    code = error_set(error, ERROR_CERTIFICATE,
                     "%s does not end with a root certificate (its last one is not self-signed)",
                     root_path);
  } else {
    code = pki_certificate_export(root, &loaded->root, &loaded->root_size, error);
  }
  pki_certificates_clear(&certificates);
  if (code != 0) {
    pki_trust_free(loaded);
    return code;
  }
  pki_digest(loaded->root, loaded->root_size, loaded->fingerprint);
  *trust = loaded;
  return 0;
}

int pki_trust_pin(const uint8_t fingerprint[static PKI_HASH_SIZE], struct pki_trust **trust,
                  struct error *error) {
  *trust = calloc(1, sizeof(**trust));
  if (*trust == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "no memory for a fingerprint");
  }
  memcpy((*trust)->fingerprint, fingerprint, PKI_HASH_SIZE);
  return 0;
}

void pki_trust_free(struct pki_trust *trust) {
  if (trust != NULL) {
    free(trust->root);
    free(trust);
  }
}

enum { WHAT_SIZE = 64 };

static const char *describe(size_t index, size_t count, char what[static WHAT_SIZE]) {
  if (index == 0) {
    snprintf(what, WHAT_SIZE, "the certificate");
  } else if (index + 1 == count) {
    snprintf(what, WHAT_SIZE, "the network's root certificate");
  } else if (index == 1) {
    snprintf(what, WHAT_SIZE, "the certificate of its issuer");
  } else {
    snprintf(what, WHAT_SIZE, "certificate %zu of the chain", index + 1);
  }
  return what;
}

static int check_sizes(const struct span *chain, size_t count, struct error *error) {
  if (count == 0 || count > PKI_CHAIN_WITH_ROOT_MAX) {
    return error_set(error, ERROR_CERTIFICATE,
                     "a chain of %zu certificates is refused: 1 to %d are accepted", count,
                     PKI_CHAIN_WITH_ROOT_MAX);
  }
  for (size_t i = 0; i < count; i++) {
    if (chain[i].size == 0 || chain[i].size > PKI_CERTIFICATE_MAX) {
      return error_set(error, ERROR_CERTIFICATE,
                       "certificate %zu of the chain has %zu bytes, and 1 to %d are accepted",
                       i + 1, chain[i].size, PKI_CERTIFICATE_MAX);
    }
  }
  return 0;
}

/* Finds the root: ours, which a peer may leave out, or the one it must show for a pin. `count`
 * becomes the number of certificates before it. */
static int find_root(const struct pki_trust *trust, const struct span *chain, size_t *count,
                     struct span *root, struct error *error) {
  struct span last = chain[*count - 1];
  uint8_t fingerprint[PKI_HASH_SIZE];
  pki_digest(last.data, last.size, fingerprint);
  bool shown = memcmp(fingerprint, trust->fingerprint, PKI_HASH_SIZE) == 0;
  if (trust->root == NULL && !shown) {
    return error_set(error, ERROR_CERTIFICATE,
                     "the server is not the one the invitation is for: its root certificate has "
                     "another fingerprint. Check the address, and ask for a new invitation if the "
                     "network was set up anew");
  }
  *root = trust->root == NULL ? last : (struct span){trust->root, trust->root_size};
  *count -= shown ? 1 : 0;
  if (*count == 0 || *count > PKI_CHAIN_MAX) {
    return error_set(error, ERROR_CERTIFICATE,
                     "a chain of %zu certificates and the root is refused: 1 to %d are accepted",
                     *count, PKI_CHAIN_MAX);
  }
  return 0;
}

static int parse_all(const struct span *chain, size_t count, struct span root,
                     struct pki_certificates *parsed, struct error *error) {
  for (size_t i = 0; i <= count; i++) {
    char what[WHAT_SIZE];
    int code = pki_certificate_parse(i < count ? chain[i] : root, describe(i, count + 1, what),
                                     &parsed->handle[i], error);
    if (code != 0) {
      return code;
    }
    parsed->count++;
  }
  return 0;
}

/* What each certificate must be by itself; no signature has been checked yet. */
static int check_kinds(const struct pki_trust *trust, const struct pki_certificates *parsed,
                       enum pki_purpose purpose, struct error *error) {
  char what[WHAT_SIZE];
  int code = pki_certificate_check_leaf(parsed->handle[0], describe(0, parsed->count, what),
                                        purpose, error);
  for (size_t i = 1; code == 0 && i < parsed->count; i++) {
    code = pki_certificate_check_authority(parsed->handle[i], describe(i, parsed->count, what),
                                           i - 1, purpose, error);
  }
  /* A loaded root was looked at when it was loaded. */
  if (code == 0 && trust->root == NULL &&
      !pki_certificate_is_self_signed(parsed->handle[parsed->count - 1])) {
    code = error_set(error, ERROR_CERTIFICATE,
                     "the server is not the one the invitation is for: its chain does not end with "
                     "a self-signed root certificate");
  }
  return code;
}

/* What holds only now, or only for this name. */
static int check_circumstances(const struct pki_certificates *parsed, const char *name, int64_t now,
                               struct error *error) {
  int code = 0;
  for (size_t i = 0; code == 0 && i < parsed->count; i++) {
    char what[WHAT_SIZE];
    describe(i, parsed->count, what);
    if (i > 0) {
      code = pki_certificate_check_name(parsed->handle[i], what, name, error);
    }
    if (code == 0) {
      code = pki_certificate_check_time(parsed->handle[i], what, now, error);
    }
  }
  return code;
}

int pki_trust_verify(const struct pki_trust *trust, const struct span *chain, size_t count,
                     enum pki_purpose purpose, int64_t now, struct pki_identity *identity,
                     struct error *error) {
  memset(identity, 0, sizeof(*identity));
  struct pki_certificates parsed = {0};
  struct pki_identity found;
  struct span root = {0};
  char what[WHAT_SIZE];
  int code;
  (void)((code = check_sizes(chain, count, error)) ||
         (code = find_root(trust, chain, &count, &root, error)) ||
         (code = parse_all(chain, count, root, &parsed, error)) ||
         (code = check_kinds(trust, &parsed, purpose, error)) ||
         (code = pki_certificates_check_signatures(&parsed, error)) ||
         (code =
              pki_certificate_identity(parsed.handle[0], chain[0], describe(0, parsed.count, what),
                                       purpose, &found, error)) ||
         (code = check_circumstances(&parsed, found.name, now, error)));
  pki_certificates_clear(&parsed);
  if (code == 0) {
    *identity = found;
  }
  return code;
}
