/* The one door through which quic/ reaches the GnuTLS objects inside pki/. Nobody else includes
 * this. */
#ifndef CYPHONIC_PKI_GNUTLS_HANDLE_H
#define CYPHONIC_PKI_GNUTLS_HANDLE_H

#include <gnutls/gnutls.h>

#include "pki/credentials.h"

/* Certificate credentials for gnutls_credentials_set; owned by `credentials`, valid as long. */
gnutls_certificate_credentials_t pki_credentials_handle(const struct pki_credentials *credentials);

#endif
