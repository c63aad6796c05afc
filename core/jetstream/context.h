/* A JetStream context: a connection, and how its account's JetStream is spoken to. Constant once it is made
 * but for what it learns; reference counted. */
#ifndef NKI_JETSTREAM_CONTEXT_H
#define NKI_JETSTREAM_CONTEXT_H

#include "client/conn.h"

#define NKI_JS_NAME_MAX 255 /* of streams and consumers: server 2.15, ADR-6 */
#define NKI_JS_PREFIX_MAX 200
#define NKI_JS_INBOX_MAX 344 /* of an inbox with a token behind it */

struct nki_js {
    atomic_uint refs;
    struct nki_conn *conn; /* a reference */
    int64_t timeout_ms;    /* of calls that name none */
    int64_t api_retries;   /* -1: until the deadline */
    int64_t publish_retries;
    int64_t publish_retry_wait_ms;
    struct nki_pins *pins; /* of its fetches: pins.h; a reference */
    atomic_int api_level;  /* that the server has told of; 0: none so far */
    size_t prefix_len;
    char prefix[NKI_JS_PREFIX_MAX + 1]; /* "$JS.API", without a dot at the end */
};

/* How an operation is begun: see nki_conn_request. */
struct nki_js_begin {
    int64_t deadline_ns;
    bool timed;
    bool wait_room;
};

/* `options` of scope JETSTREAM, or NULL. NKI_OK, NKI_INVALID, NKI_NO_MEMORY. One reference. */
int32_t nki_js_open(struct nki_conn *conn, const struct nki_options *options, struct nki_js **out,
                    struct nki_error *err);
void nki_js_retain(struct nki_js *js);
void nki_js_release(struct nki_js *js);

static inline struct nki_str nki_js_prefix(const struct nki_js *js)
{
    return nki_str_make(js->prefix, js->prefix_len);
}

/* What is wrong with the name of a stream or consumer, or NULL. */
const char *nki_js_name_fault(struct nki_str name);

#endif
