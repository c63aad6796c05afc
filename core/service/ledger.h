/* Who a service is, what endpoints it has, and what its statistics are: all that PING, INFO and STATS tell.
 * Reference counted, by the service and by every request that is not released. Any thread; the mutex is taken
 * last and alone. */
#ifndef NKI_SERVICE_LEDGER_H
#define NKI_SERVICE_LEDGER_H

#include "base/buf.h"
#include "service/config.h"
#include "wire/nuid.h"

#include <pthread.h>
#include <stdatomic.h>

#define NKI_SERVICE_ENDPOINTS_MAX 256
#define NKI_SERVICE_GROUPS_MAX 256
#define NKI_SERVICE_DATA_MAX ((size_t)256 * NKI_KIB) /* custom data of all endpoints */
#define NKI_SERVICE_INFO_MAX ((size_t)512 * NKI_KIB) /* the answer to INFO */
#define NKI_SERVICE_ERROR_MAX 1024                   /* an error's description */

enum nki_service_verb { NKI_SERVICE_PING = 1, NKI_SERVICE_INFO, NKI_SERVICE_STATS };

/* Prefix and queue group of endpoints; 0 is the service itself, whose prefix is empty. */
struct nki_service_group {
    struct nki_buf prefix;
    struct nki_buf queue; /* empty: none */
};

struct nki_service_counts {
    uint64_t requests;
    uint64_t errors;
    uint64_t processing_ns;
    char last_error[NKI_SERVICE_ERROR_MAX + 16]; /* with its code before it; valid UTF-8 */
};

struct nki_endpoint {
    /* constant */
    struct nki_buf name;
    struct nki_buf prefix; /* of its group */
    struct nki_buf subject;
    struct nki_buf queue;
    struct nki_buf info; /* its part of INFO */
    struct nki_buf head; /* the begin of its part of STATS */

    /* guarded by the ledger's mutex */
    struct nki_service_counts counts;
    struct nki_buf data; /* JSON of the application; empty: none */
};

struct nki_ledger {
    atomic_uint refs;
    char id[NKI_NUID_LEN]; /* constant */
    struct nki_buf name;   /* constant */
    struct nki_buf common; /* constant: members that all answers have */
    struct nki_buf about;  /* constant: the description, as a JSON string */
    pthread_mutex_t mu;
    /* guarded by mu */
    int64_t started_ns;
    size_t data_bytes;
    struct nki_buf info; /* the answer to INFO */
    uint32_t group_count;
    uint32_t endpoint_count;
    struct nki_service_group groups[NKI_SERVICE_GROUPS_MAX];
    struct nki_endpoint *endpoints[NKI_SERVICE_ENDPOINTS_MAX]; /* those that there are are constant */
};

/* One reference for the caller; NULL if there is no memory. */
struct nki_ledger *nki_ledger_new(const struct nki_service_config *config, const char id[NKI_NUID_LEN]);
void nki_ledger_retain(struct nki_ledger *ledger);
void nki_ledger_release(struct nki_ledger *ledger);

/* NKI_OK, NKI_INVALID (no such parent; prefix or subject too long), NKI_LIMIT, NKI_NO_MEMORY. */
int32_t nki_ledger_add_group(struct nki_ledger *ledger, uint32_t parent,
                             const struct nki_service_config *config, uint32_t *out, struct nki_error *err);
int32_t nki_ledger_add_endpoint(struct nki_ledger *ledger, uint32_t group,
                                const struct nki_service_config *config, uint32_t *out,
                                struct nki_error *err);
/* The last one that was added: it could not be subscribed. */
void nki_ledger_drop_endpoint(struct nki_ledger *ledger);
/* NULL: there is none. The endpoint lives as long as the ledger. */
const struct nki_endpoint *nki_ledger_endpoint(struct nki_ledger *ledger, uint32_t index);

/* Custom data of an endpoint, in its STATS from now on; NULL: none any more. NKI_OK, NKI_NOT_FOUND,
 * NKI_LIMIT, NKI_NO_MEMORY. */
int32_t nki_ledger_set_data(struct nki_ledger *ledger, uint32_t endpoint, const struct nki_doc_node *data,
                            struct nki_error *err);
/* Counters are 0 again, and `started` is now. */
void nki_ledger_reset(struct nki_ledger *ledger);
/* Counts a request of `processing_ns`; one that ended with an error. */
void nki_ledger_count(struct nki_ledger *ledger, uint32_t endpoint, int64_t processing_ns);
void nki_ledger_count_error(struct nki_ledger *ledger, uint32_t endpoint, int32_t code,
                            struct nki_str description);

/* report.c: appends an answer. False if there is no memory. */
bool nki_ledger_write(struct nki_ledger *ledger, enum nki_service_verb verb, struct nki_buf *out)
    __attribute__((warn_unused_result));
/* Between the files: make texts of a service and of an endpoint. */
bool nki_report_endpoint(struct nki_endpoint *endpoint, const struct nki_doc_node *metadata)
    __attribute__((warn_unused_result));
bool nki_report_identity(struct nki_ledger *ledger, const struct nki_service_config *config)
    __attribute__((warn_unused_result));
bool nki_report_info(struct nki_ledger *ledger) __attribute__((warn_unused_result));
/* With the mutex: into the answer to INFO, and out of it; the ledger does not count the endpoint. */
bool nki_report_add(struct nki_ledger *ledger, const struct nki_endpoint *endpoint)
    __attribute__((warn_unused_result));
void nki_report_drop(struct nki_ledger *ledger, const struct nki_endpoint *endpoint);

static inline struct nki_str nki_service_text(const struct nki_buf *buf)
{
    return nki_str_make(buf->len > 0 ? (const char *)buf->data : "", buf->len);
}

#endif
