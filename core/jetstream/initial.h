/* Whether what a stream held when a consumer was made has come by it. Pure; guarded by who has it.
 *
 * As many messages as there were then do not tell: one that is replaced or taken away before its turn is
 * never sent, and what was written since is counted in its place. Nor does the server's count of what is
 * pending: it lags behind what is written. What does tell, of as many messages as there were:
 *  - none of them was stored after the consumer was made, or
 *  - they are those right behind where it begins, without a gap between their sequences.
 * Else the next consumer is made behind the last message that has come. The server then counts anew, and if
 * there is nothing, nothing is missing. */
#ifndef NKI_JETSTREAM_INITIAL_H
#define NKI_JETSTREAM_INITIAL_H

#include "base/json.h"
#include "jetstream/ack_subject.h"

enum nki_initial_need {
    NKI_INITIAL_COUNT, /* as many as there were: where messages are not replaced */
    NKI_INITIAL_ALL,   /* nothing may be missing that has a successor, or is there still */
    NKI_INITIAL_EXACT  /* and what has come is all that there was at one moment */
};

enum nki_initial_step {
    NKI_INITIAL_WAIT,   /* not yet, or not known yet */
    NKI_INITIAL_DONE,   /* it has come */
    NKI_INITIAL_LOOK,   /* the next consumer has to be made, behind the last message */
    NKI_INITIAL_CHANGED /* EXACT: there was no such moment in many looks */
};

struct nki_initial {
    enum nki_initial_need need;
    bool own_times; /* the stream itself has given its messages their times: it is no mirror, */
    bool unsure;    /* or that is not known: a mirror lags by up to NKI_ORDERED_SKEW_NS */
    unsigned looks;
    /* Of the present consumer. */
    bool answered;     /* its making, so that the next two are known */
    uint64_t expected; /* its sequence with which all has come if nothing was replaced */
    int64_t made_ns;   /* what was stored by then was there when it was made */
    int64_t newest_ns; /* when the newest of its messages was stored */
    bool drained;      /* nothing more was pending with the last one */
    uint64_t behind;   /* where it begins: behind this sequence of the stream */
    uint64_t run;      /* so many of its messages are those right behind that */
};

/* The next consumer is asked for: one that begins behind this sequence of the stream, or UINT64_MAX: is not
 * told where. */
void nki_initial_ask(struct nki_initial *initial, uint64_t behind);
/* The answer to that. */
void nki_initial_answer(struct nki_initial *initial, const struct nki_json_value *answer);
/* A message of it has come, whether wanted or not. */
void nki_initial_came(struct nki_initial *initial, const struct nki_ack_subject *place);
/* `seq`: the consumer's sequence of the last message; `idle`: the server had nothing more to send. */
enum nki_initial_step nki_initial_next(struct nki_initial *initial, uint64_t seq, bool idle);

#endif
