/* What happened to what a subscription is fed by, as a message in its queue. */
#ifndef NKI_DELIVERY_NOTICE_H
#define NKI_DELIVERY_NOTICE_H

#include "delivery/msg.h"

enum nki_notice_type {
    NKI_NOTICE_HEARTBEATS_MISSED = 1,
    NKI_NOTICE_CONSUMER_NOT_FOUND,
    NKI_NOTICE_STREAM_NOT_FOUND,
    NKI_NOTICE_CONSUMER_DELETED,
    NKI_NOTICE_LEADERSHIP,
    NKI_NOTICE_NO_RESPONDERS,
    NKI_NOTICE_EXCEEDED,
    NKI_NOTICE_PINNED,
    NKI_NOTICE_UNPINNED,
    NKI_NOTICE_UNKNOWN,
    NKI_NOTICE_RESUMED,
    NKI_NOTICE_INITIAL_DONE,
    NKI_NOTICE_RECREATED
};

struct nki_notice {
    int32_t type;
    int32_t code;   /* of the server, or 0 */
    uint64_t count; /* how often in a row */
    struct nki_str text;
};

/* Copies the notice with its text; NULL if there is no memory. */
struct nki_msg *nki_notice_msg(const struct nki_notice *notice);
/* The notice in a message of kind NKI_MSG_STATUS; its text lives as long as the message. */
struct nki_notice nki_notice_of(const struct nki_msg *msg);

#endif
