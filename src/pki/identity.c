#include "pki/identity.h"

#include "pki/certificate.h"

/* An arc that anybody may take: 2.25 followed by a number drawn at random (ITU-T X.667). It has 62
 * bits, since libraries keep arcs in machine words. */
#define ARC "2.25.3819172436105284617"

static const struct {
  const char *name, *oid;
} purposes[] = {
    [PKI_NODE] = {"node", ARC ".1"},
    [PKI_AS] = {"AS", ARC ".2"},
    [PKI_NMS] = {"NMS", ARC ".3"},
    [PKI_TRS] = {"TRS", ARC ".4"},
};

const char *pki_purpose_name(enum pki_purpose purpose) {
  return purposes[purpose].name;
}

const char *pki_purpose_oid(enum pki_purpose purpose) {
  return purposes[purpose].oid;
}
