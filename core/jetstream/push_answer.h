/* The info of a push consumer, as it is needed to look after it: what a server answers when it is found or
 * made. Pure. */
#ifndef NKI_JETSTREAM_PUSH_ANSWER_H
#define NKI_JETSTREAM_PUSH_ANSWER_H

#include "base/status.h"
#include "jetstream/context.h"
#include "wire/subject.h"

struct nki_push_answer {
    char stream[NKI_JS_NAME_MAX + 1]; /* checked, as the others */
    char consumer[NKI_JS_NAME_MAX + 1];
    char subject[NKI_SUBJECT_MAX + 1];
    char group[NKI_SUBJECT_MAX + 1]; /* empty: none */
    bool acks;                       /* its messages are to be acked */
    bool per_subject;                /* it begins with the last message of each subject */
    bool flows;                      /* with flow control */
    bool bound;                      /* somebody is subscribed */
    bool counted;                    /* it says what was delivered: */
    uint64_t come;                   /* messages */
    uint64_t before;                 /* sequence in the stream up to which */
    uint64_t pending;                /* still to be delivered */
    int64_t heartbeat_ns;            /* 0: none */
    int64_t window_ns;               /* within which what is not acked comes again */
};

/* NKI_PROTOCOL if it is none. */
int32_t nki_push_answer_read(struct nki_str text, struct nki_push_answer *out, struct nki_error *err);

#endif
