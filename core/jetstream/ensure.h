/* A consumer that has to be there: found by its stream's subject, looked at whether it is configured as
 * wanted, or made. A chain (client/chain.h); made by any thread, then under the engine lock. */
#ifndef NKI_JETSTREAM_ENSURE_H
#define NKI_JETSTREAM_ENSURE_H

#include "base/json.h"
#include "client/chain.h"
#include "jetstream/context.h"
#include "json/doc.h"

enum nki_ensure_kind { NKI_ENSURE_ANY, NKI_ENSURE_PUSH, NKI_ENSURE_PULL };

/* Texts are copied. */
struct nki_ensure_params {
    struct nki_str prefix;   /* of the API */
    struct nki_str stream;   /* checked; empty: found by `subject` */
    struct nki_str subject;  /* checked */
    struct nki_str consumer; /* checked; empty: it is made without looking, and the server names it */
    bool made_only;          /* it is made without looking */
    bool bind;               /* it is not made */
    struct nki_str wanted;   /* JSON object: what one that exists has to have */
    struct nki_str config;   /* JSON object: of one that is made */
    unsigned level;          /* of the API, for that */
    enum nki_ensure_kind kind;
    int64_t retries; /* when nobody answers; -1: without end */
};

/* Who is told how it ends, before its operation is. */
struct nki_ensure_watch {
    /* `made`: it did not exist before. */
    void (*done)(struct nki_ensure_watch *watch, const struct nki_chain_end *end, bool made, int64_t now_ns);
};

/* NULL if there is no memory. Its message is the consumer's info. */
struct nki_chain *nki_ensure_new(const struct nki_ensure_params *params);
/* Under the engine lock, or before it is begun; NULL: nobody any more. */
void nki_ensure_watch(struct nki_chain *chain, struct nki_ensure_watch *watch);

/* By the arguments of a call: "stream" or "subject", "config", "defaults" (members that `config` may lack),
 * "bind", "push" (whether it has to deliver to a subject, or must not). */
int32_t nki_ensure_make(struct nki_js *js, struct nki_doc *args, struct nki_chain **out,
                        struct nki_error *err);

/* The first member in which a consumer's configuration (JSON objects) is not as wanted, or an empty text: of
 * `wanted`. Pure. */
struct nki_str nki_ensure_differs(const struct nki_json_value *wanted, const struct nki_json_value *config);

#endif
