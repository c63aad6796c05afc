/* Calls of the JetStream API by name, from the table in calls.def: arguments in, a chain of requests, the
 * server's answer out. */
#ifndef NKI_JETSTREAM_CALL_H
#define NKI_JETSTREAM_CALL_H

#include "client/chain.h"
#include "jetstream/context.h"
#include "json/doc.h"

enum nki_js_body {
    NKI_JS_BODY_NONE,
    NKI_JS_BODY_ARGS,
    NKI_JS_BODY_STREAM,
    NKI_JS_BODY_CONSUMER,
    NKI_JS_BODY_ENSURE
};

/* What follows the first answer. */
enum nki_js_then {
    NKI_JS_THEN_ENDS,               /* nothing: it is the call's */
    NKI_JS_THEN_UPDATES_STREAM,     /* the configuration in it is changed and sent back */
    NKI_JS_THEN_UPDATES_OR_CREATES, /* the same, or there is none, and it is created */
    NKI_JS_THEN_UPDATES_CONSUMER,
    NKI_JS_THEN_PAGES_STREAMS, /* more pages, which become one */
    NKI_JS_THEN_PAGES_CONSUMERS,
    NKI_JS_THEN_PAGES_SUBJECTS,
    NKI_JS_THEN_FINDS /* it has to hold one name */
};

struct nki_js_call_row {
    const char *name;
    const char *endpoint;
    enum nki_js_body body;
    enum nki_js_then then;
    bool reads;
    const char *args;
    const char *since;
    const char *text;
};

/* The index-th row, or NULL past the last. */
const struct nki_js_call_row *nki_js_call_at(size_t index);

/* A call as a chain, to be begun (nki_conn_chain); `args` (an object, or NULL) is read meanwhile, and not
 * needed later. NKI_UNKNOWN_OPTION, NKI_INVALID, NKI_LIMIT, NKI_NO_MEMORY. Any thread. */
int32_t nki_js_call_make(struct nki_js *js, struct nki_str name, struct nki_doc *args, struct nki_chain **out,
                         struct nki_error *err);

#endif
