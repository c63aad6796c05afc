/* A service on a connection: one subscription that gives out the requests of all endpoints, fed by those of
 * the endpoints; and nine that the engine answers itself, with PING, INFO and STATS. Any thread. */
#ifndef NKI_SERVICE_SERVICE_H
#define NKI_SERVICE_SERVICE_H

#include "client/conn.h"
#include "service/ledger.h"

struct nki_service {
    atomic_uint refs;
    struct nki_ledger *ledger; /* a reference */
    struct nki_sub *sub;       /* a reference: of the requests */
};

struct nki_service_params {
    struct nki_doc *config; /* of a service (config.h) */
    struct nki_str prefix;  /* of the subjects for discovery, checked */
    struct nki_inlet_limits limits;
};

/* One reference for the caller. NKI_OK, NKI_INVALID, NKI_NO_MEMORY, NKI_CLOSED, NKI_DRAINING. */
int32_t nki_service_open(struct nki_conn *conn, const struct nki_service_params *params,
                         struct nki_service **out, struct nki_error *err);
void nki_service_retain(struct nki_service *service);
void nki_service_release(struct nki_service *service);

/* NKI_OK, NKI_INVALID, NKI_LIMIT, NKI_NO_MEMORY, NKI_CLOSED (it was stopped), NKI_DRAINING. */
int32_t nki_service_add_group(struct nki_service *service, uint32_t parent, struct nki_doc *config,
                              uint32_t *out, struct nki_error *err);
int32_t nki_service_add_endpoint(struct nki_service *service, uint32_t group, struct nki_doc *config,
                                 uint32_t *out, struct nki_error *err);
/* Begins to drain it, without a deadline and without waiting; harmless if it has ended. NKI_OK,
 * NKI_NO_MEMORY, NKI_LIMIT. */
int32_t nki_service_stop(struct nki_service *service, struct nki_error *err);

/* discover.c: asks services; `name` and `id` may be empty. The answers are JSON. */
struct nki_discover_params {
    enum nki_service_verb verb;
    struct nki_str prefix;
    struct nki_str name;
    struct nki_str id;
};
int32_t nki_discover(struct nki_conn *conn, const struct nki_discover_params *params,
                     const struct nki_many_params *many, struct nki_sub **out, struct nki_error *err);
/* Appends the subject: "prefix.VERB.name.id". False if there is no memory. */
bool nki_service_subject(struct nki_buf *out, const struct nki_discover_params *params);

#endif
