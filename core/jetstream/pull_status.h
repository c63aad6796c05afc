/* What a server answers to a request for messages instead of messages: texts of server 2.15. Pure. */
#ifndef NKI_JETSTREAM_PULL_STATUS_H
#define NKI_JETSTREAM_PULL_STATUS_H

#include "base/str.h"

enum nki_pull_word {
    NKI_SAYS_UNKNOWN,
    NKI_SAYS_BEAT,     /* 100: it lives */
    NKI_SAYS_NOTHING,  /* 404: no messages (any more), for one that does not wait */
    NKI_SAYS_EXPIRED,  /* 408: its time is over */
    NKI_SAYS_FULL,     /* 409: its bytes are used up, but for less than the next message needs */
    NKI_SAYS_COMPLETE, /* 409: all messages that were asked for have come, before the bytes were used up */
    NKI_SAYS_MOVED,    /* the consumer's leader has changed or leaves: it forgets the requests */
    NKI_SAYS_CROWDED,  /* 409: too many requests wait */
    NKI_SAYS_REFUSED,  /* 400, 409: the same request will never be taken */
    NKI_SAYS_DELETED,  /* 409: the consumer was deleted, or its stream */
    NKI_SAYS_LEVEL,    /* 412: the server is too old */
    NKI_SAYS_UNPINNED, /* 423: another one is pinned */
    NKI_SAYS_NOBODY    /* 503: nobody answers for the consumer */
};

struct nki_pull_status {
    enum nki_pull_word word;
    int32_t code;
    struct nki_str text; /* the server's; in the message */
    bool ends;           /* the request is over */
    bool counted;        /* it says what of it is given back: */
    uint64_t msgs;
    uint64_t bytes;
};

/* Reads a header block; false if it holds no status. */
bool nki_pull_status_read(struct nki_str block, struct nki_pull_status *out);

#endif
