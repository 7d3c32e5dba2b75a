#include "server/services.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "nms/allocator.h"
#include "server/quic_secret.h"

/* Loads a service's certificate and looks at it as a node would. */
static int credentials_load(struct server_services *services, enum pki_purpose purpose, size_t file,
                            struct pki_credentials **credentials, struct pki_identity *identity,
                            struct error *error) {
  char *const *path = services->access->paths.path;
  int code = pki_credentials_load(path[file], path[file + 1], credentials, error);
  if (code != ERROR_NONE) {
    return code;
  }
  code =
      pki_credentials_verify(*credentials, services->trust, purpose, clock_wall(), identity, error);
  if (code != ERROR_NONE) {
    return error_prefix(error, "the certificate %s of this server's %s is not valid: ", path[file],
                        pki_purpose_name(purpose));
  }
  char until[CLOCK_TEXT_SIZE];
  log_info(services->log, "certificate", "service=%s name=%s until=%s", pki_purpose_name(purpose),
           identity->name, clock_text(identity->not_after, until));
  return ERROR_NONE;
}

static int keys_load(struct server_services *services, struct error *error) {
  const struct server_config *config = &services->access->config;
  char *const *path = services->access->paths.path;
  struct pki_identity identity;
  int code = pki_trust_load(path[SERVER_ROOT_CERTIFICATE], &services->trust, error);
  if (code == ERROR_NONE && config->as_enabled) {
    code = pki_ca_load(path[SERVER_INTERMEDIATE_CERTIFICATE], path[SERVER_INTERMEDIATE_KEY],
                       &services->intermediate, error);
  }
  if (code == ERROR_NONE && config->as_enabled) {
    code = credentials_load(services, PKI_AS, SERVER_AS_CERTIFICATE, &services->as_credentials,
                            &identity, error);
  }
  if (code == ERROR_NONE && config->nms_enabled) {
    code = credentials_load(services, PKI_NMS, SERVER_NMS_CERTIFICATE, &services->nms_credentials,
                            &identity, error);
  }
  if (code == ERROR_NONE && config->trs_enabled) {
    code = credentials_load(services, PKI_TRS, SERVER_TRS_CERTIFICATE, &services->trs_credentials,
                            &identity, error);
    if (code == ERROR_NONE) {
      strcpy(services->trs_name, identity.name);
    }
  }
  return code;
}

/* A TRS alone has no database, but a name below the domain. */
static int domain_find(struct server_services *services, struct error *error) {
  if (services->access->store == NULL) {
    const char *dot = strchr(services->trs_name, '.');
    snprintf(services->domain, sizeof(services->domain), "%s", dot != NULL ? dot + 1 : "");
    return ERROR_NONE;
  }
  struct store_network network;
  int code = store_network_get(services->access->store, &network, error);
  if (code == ERROR_NONE) {
    snprintf(services->domain, sizeof(services->domain), "%s", network.domain);
  }
  return code;
}

static int endpoint_start(struct server_services *services, struct error *error) {
  const struct server_config *config = &services->access->config;
  uint8_t secret[QUIC_SECRET_SIZE];
  int code = quic_secret_load(services->access->paths.path[SERVER_SECRET], secret, error);
  if (code != ERROR_NONE) {
    return code;
  }
  const struct quic_endpoint_config endpoint = {
      .loop = services->loop,
      .log = services->log,
      .port = (uint16_t)config->port,
      .ipv4 = config->ipv4,
      .ipv6 = config->ipv6,
      .secret = secret,
      .qlog_folder = config->qlog,
  };
  code = quic_endpoint_new(&endpoint, &services->endpoint, error);
  explicit_bzero(secret, sizeof(secret));
  return code;
}

static int hosts_parse(const struct config_addresses *addresses, struct public_hosts *hosts,
                       struct error *error) {
  return public_hosts_parse((const char *const *)addresses->text, addresses->count, hosts, error);
}

static int as_start(struct server_services *services, struct error *error) {
  const struct server_config *config = &services->access->config;
  const struct config_addresses *told = config->nms.count > 0 ? &config->nms : &config->public;
  int code = hosts_parse(told, &services->nms_hosts, error);
  if (code != ERROR_NONE) {
    return code;
  }
  struct as_config as = {
      .endpoint = services->endpoint,
      .log = services->log,
      .store = services->access->store,
      .intermediate = services->intermediate,
      .credentials = services->as_credentials,
      .trust = services->trust,
      .certificate_seconds = config->certificate_validity,
      .allocate = nms_allocate,
  };
  for (size_t i = 0; i < services->nms_hosts.count && i < AS_NMS_MAX; i++) {
    as.nms[i].host = services->nms_hosts.entry[i].host;
    as.nms[i].port = services->nms_hosts.entry[i].port;
    as.nms_count = i + 1;
  }
  return as_service_new(&as, &services->as, error);
}

/* Nodes do without it: that it cannot be is no reason to stay away. */
static void observation_start(struct server_services *services) {
  const struct server_config *config = &services->access->config;
  if (config->observation_port == 0) {
    return;
  }
  /* Not the main endpoint's: whoever sent a packet of a connection there to this port would get the
   * token that ends the connection (RFC 9000 section 21.11). */
  uint8_t secret[QUIC_SECRET_SIZE];
  random_bytes(secret, sizeof(secret));
  const struct quic_endpoint_config endpoint = {
      .loop = services->loop,
      .log = services->log,
      .port = (uint16_t)config->observation_port,
      .ipv4 = config->ipv4,
      .ipv6 = config->ipv6,
      .secret = secret,
      .qlog_folder = config->qlog,
  };
  struct error error = {0};
  if (quic_endpoint_new(&endpoint, &services->observation_endpoint, &error) != ERROR_NONE) {
    services->observation_endpoint = NULL;
    log_warning(services->log, "observation-port-unusable",
                "port=%u consequence=\"nodes may not learn how their NATs map\" "
                "remedy=\"free the port, or set [nms] observation_port\" cause=\"%s\"",
                (unsigned)config->observation_port, error.message);
  }
  explicit_bzero(secret, sizeof(secret));
}

static int nms_start(struct server_services *services, struct error *error) {
  observation_start(services);
  const struct nms_config nms = {
      .endpoint = services->endpoint,
      .log = services->log,
      .store = services->access->store,
      .credentials = services->nms_credentials,
      .trust = services->trust,
      .observation_endpoint = services->observation_endpoint,
  };
  return nms_service_new(&nms, &services->nms, error);
}

/* Where this process hears itself, whatever NAT or name leads to it from outside. `text` is for
 * the address. */
static struct trs_host own_host(const struct server_services *services,
                                char text[static ADDRESS_TEXT_SIZE]) {
  const struct server_config *config = &services->access->config;
  int family = quic_endpoint_port(services->endpoint, 4) != 0 ? 4 : 6;
  const struct ip_address *bound = family == 4 ? &config->ipv4 : &config->ipv6;
  if (ip_address_is_set(bound)) {
    ip_address_text(bound, text);
  } else {
    strcpy(text, family == 4 ? "127.0.0.1" : "::1");
  }
  return (struct trs_host){text, quic_endpoint_port(services->endpoint, family)};
}

static size_t hosts_copy(const struct public_hosts *hosts, struct trs_host *copies, size_t max) {
  size_t count = 0;
  for (; count < hosts->count && count < max; count++) {
    copies[count] = (struct trs_host){hosts->entry[count].host, hosts->entry[count].port};
  }
  return count;
}

static enum trs_xdp xdp_of(const struct server_config *config) {
  return strcmp(config->trs_xdp, "auto") == 0 ? TRS_XDP_AUTO
         : strcmp(config->trs_xdp, "on") == 0 ? TRS_XDP_ON
                                              : TRS_XDP_OFF;
}

static int trs_start(struct server_services *services, struct error *error) {
  const struct server_config *config = &services->access->config;
  struct trs_config trs = {
      .endpoint = services->endpoint,
      .loop = services->loop,
      .log = services->log,
      .credentials = services->trs_credentials,
      .trust = services->trust,
      .name = services->trs_name,
      .rate_limit = config->trs_rate_limit,
      .xdp = xdp_of(config),
      .ipv4 = config->ipv4,
      .ipv6 = config->ipv6,
  };
  int code = hosts_parse(config->trs_public.count > 0 ? &config->trs_public : &config->public,
                         &services->trs_hosts, error);
  if (code != ERROR_NONE) {
    return code;
  }
  trs.public_count = hosts_copy(&services->trs_hosts, trs.public, TRS_PUBLIC_MAX);
  char own[ADDRESS_TEXT_SIZE];
  if (config->trs_nms.count == 0 && config->nms_enabled) {
    trs.nms[0] = own_host(services, own);
    trs.nms_count = 1;
  } else {
    code = hosts_parse(config->trs_nms.count > 0 ? &config->trs_nms : &config->public,
                       &services->trs_nms_hosts, error);
    if (code != ERROR_NONE) {
      return code;
    }
    trs.nms_count = hosts_copy(&services->trs_nms_hosts, trs.nms, TRS_NMS_MAX);
  }
  return trs_service_new(&trs, &services->trs, error);
}

int server_services_start(struct server_services *services, struct error *error) {
  const struct server_config *config = &services->access->config;
  int code = keys_load(services, error);
  if (code == ERROR_NONE) {
    code = domain_find(services, error);
  }
  if (code == ERROR_NONE) {
    code = endpoint_start(services, error);
  }
  if (code == ERROR_NONE && config->as_enabled) {
    code = as_start(services, error);
  }
  if (code == ERROR_NONE && config->nms_enabled) {
    code = nms_start(services, error);
  }
  if (code == ERROR_NONE && config->trs_enabled) {
    code = trs_start(services, error);
  }
  return code;
}

void server_services_stop(struct server_services *services, void (*stopped)(void *context),
                          void *context) {
  if (services->as != NULL) {
    as_service_free(services->as);
    services->as = NULL;
  }
  trs_service_free(services->trs);
  services->trs = NULL;
  nms_service_free(services->nms);
  services->nms = NULL;
  if (services->observation_endpoint != NULL) {
    /* Whatever it leaves in the loop, the loop waits for. */
    quic_endpoint_close(services->observation_endpoint, NULL, NULL);
    services->observation_endpoint = NULL;
  }
  if (services->endpoint != NULL) {
    quic_endpoint_close(services->endpoint, stopped, context);
    services->endpoint = NULL;
  } else {
    stopped(context);
  }
}

void server_services_clear(struct server_services *services) {
  pki_credentials_free(services->as_credentials);
  pki_credentials_free(services->nms_credentials);
  pki_credentials_free(services->trs_credentials);
  pki_ca_free(services->intermediate);
  pki_trust_free(services->trust);
  public_hosts_clear(&services->nms_hosts);
  public_hosts_clear(&services->trs_hosts);
  public_hosts_clear(&services->trs_nms_hosts);
}
