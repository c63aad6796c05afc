/* What happened to a connection, as a message. */
#ifndef NKI_DELIVERY_EVENT_H
#define NKI_DELIVERY_EVENT_H

#include "delivery/msg.h"

enum nki_event_type {
    NKI_EVENT_CONNECTED = 1,
    NKI_EVENT_DISCONNECTED,
    NKI_EVENT_RECONNECTING,
    NKI_EVENT_RECONNECTED,
    NKI_EVENT_SERVERS,
    NKI_EVENT_LAME_DUCK,
    NKI_EVENT_SLOW_CONSUMER,
    NKI_EVENT_ASYNC_ERROR,
    NKI_EVENT_STALE,
    NKI_EVENT_CLOSED,
    NKI_EVENT_PING,
    NKI_EVENT_FORCED_RECONNECT,
    NKI_EVENT_DELAY_NEEDED,
    NKI_EVENT_AUTH_NEEDED
};

struct nki_event {
    int32_t type;
    int32_t status;
    uint64_t epoch;
    uint64_t sid;
    uint64_t count;
    int64_t time_ns;
    struct nki_str server;
    struct nki_str subject;
    struct nki_str text;
    uint64_t request;
    int64_t delay_ms;
    uint64_t pending;
};

/* Copies the event with its texts; NULL if there is no memory. */
struct nki_msg *nki_event_msg(const struct nki_event *event);
/* The event in a message of kind NKI_MSG_EVENT. */
const struct nki_event *nki_event_of(const struct nki_msg *msg);

#endif
