/* A subscription to a pull consumer, as the feed of its queue (client/feed.h): it asks the server for
 * messages, tells messages from statuses, and sees to it that it never waits for something that will not
 * come. Under the engine lock.
 *
 * It subscribes to "<inbox>.*". Each request has a reply subject below the inbox of its own, so that a status
 * says which one it is about; messages come with the subject of the stream. What is asked for and when, and
 * what a status means, is the mode's: fetch.c (one request, then the end), consume.c (for ever). */
#ifndef NKI_JETSTREAM_PULLER_H
#define NKI_JETSTREAM_PULLER_H

#include "client/feed.h"
#include "delivery/notice.h"
#include "jetstream/pins.h"
#include "jetstream/pull.h"
#include "jetstream/pull_status.h"

#define NKI_PULL_GROUP_MAX 16
#define NKI_PULL_PIN_MAX NKI_PIN_MAX
#define NKI_PULL_TEXT_MAX 128
#define NKI_PULL_BATCH_MAX 1000000 /* asked for when bytes are the limit */
/* A server may be about a second late in saying that the time is over. */
#define NKI_PULL_LATE_NS (2000 * NKI_NS_PER_MS)

struct nki_pull_params {
    struct nki_str api_prefix;
    struct nki_str stream;
    struct nki_str consumer;
    struct nki_str inbox; /* a new one */
    bool endless;         /* consume; else fetch */
    uint64_t max_msgs;    /* 0: no limit (then there is one of bytes) */
    uint64_t max_bytes;   /* 0: no limit */
    uint64_t threshold;   /* consume: of messages, or of bytes if they are the limit; below it */
    int64_t expires_ns;
    int64_t beat_ns; /* of heartbeats; 0: none */
    bool no_wait;    /* fetch */
    bool abort;      /* consume: ends when the consumer is missing */
    bool notices;
    bool bind; /* never asks for the consumer's info */
    struct nki_str group;
    struct nki_str pin;
    struct nki_pins *pins; /* fetch: where the id is found, and kept for the next one; or NULL */
    uint64_t priority;
    uint64_t min_pending;
    uint64_t min_ack_pending;
};

struct nki_pull_counts {
    uint64_t pulls;
    uint64_t msgs;
    uint64_t bytes;
    uint64_t beats;
    uint64_t statuses; /* without heartbeats */
    uint64_t unknown;
    uint64_t missed;
    uint64_t given_up; /* requests that nothing came of in time */
    uint64_t infos;
    int32_t last_code;
    char last_text[NKI_PULL_TEXT_MAX];
};

/* What became of asking for the consumer's info. */
enum nki_pull_info {
    NKI_INFO_THERE,
    NKI_INFO_NO_CONSUMER,
    NKI_INFO_NO_STREAM,
    NKI_INFO_NO_JETSTREAM,
    NKI_INFO_TROUBLE
};

struct nki_puller;

/* Each may set an end (nki_puller_end), and then nothing more is asked of it. */
struct nki_puller_mode {
    /* Asks for what is due, if anything is. */
    void (*step)(struct nki_puller *puller, int64_t now_ns);
    /* A message of so many bytes has come, and is staged. */
    void (*got)(struct nki_puller *puller, uint64_t size);
    /* A status that is no heartbeat; it is accounted for. `pull`: the request as it was; zeroed: none any
     * more. */
    void (*status)(struct nki_puller *puller, const struct nki_pull_status *status,
                   const struct nki_pull *pull, int64_t now_ns);
    /* `missed`: it was asked for because of missed heartbeats. */
    void (*info)(struct nki_puller *puller, enum nki_pull_info info, bool missed, int64_t now_ns);
};

extern const struct nki_puller_mode nki_fetch_mode;
extern const struct nki_puller_mode nki_consume_mode;

struct nki_puller {
    struct nki_feed feed;
    const struct nki_puller_mode *mode;
    struct nki_pull_params params; /* its texts lie behind the structure */
    struct nki_str next_subject;
    struct nki_str info_subject;
    struct nki_pulls pulls;
    struct nki_pull_counts counts;
    int64_t heard_ns;           /* when the server last gave a sign of life */
    int64_t beat_ns;            /* of the requests that are open */
    int64_t retry_ns;           /* nothing is asked for before it; 0: at once */
    int64_t deadline_ns;        /* fetch: of the whole; NKI_NEVER */
    uint64_t need_bytes;        /* the next message is not smaller */
    uint32_t failures;          /* in a row: for the pause after them */
    uint32_t missed;            /* in a row */
    uint32_t quick;             /* requests in a row that ended at once and brought nothing */
    uint32_t lost;              /* requests in a row that nothing came of in time */
    struct nki_trouble trouble; /* for health: since the last sign of life */
    int64_t life_ns;            /* of that; 0: none has come */
    int64_t last_beat_ns;       /* 0: none has come */
    bool troubled;              /* to be told when it is over */
    bool missing;               /* consumer or stream */
    bool held;                  /* too many requests are open for one more */
    bool asking;                /* for the info */
    bool asking_missed;
    uint64_t info_serial;
    int64_t info_asked_ns;
    int32_t end_reason; /* 0: it goes on */
    struct nki_error end_error;
    uint64_t pin_key; /* with params.pins, a reference */
    size_t pin_len;
    char pin[NKI_PULL_PIN_MAX];
};

/* The feed of a subscription to "<inbox>.*"; NULL if there is no memory. */
struct nki_feed *nki_puller_new(const struct nki_pull_params *params);
/* The puller of a subscription's feed, or NULL if it is another one. */
struct nki_puller *nki_puller_of(struct nki_feed *feed);
/* What is wrong with the name of a priority group, or NULL. */
const char *nki_pull_group_fault(struct nki_str group);
/* What is wrong with the id of who is pinned, which goes into a request as it is, or NULL; empty is none. */
const char *nki_puller_pin_fault(struct nki_str pin);

/* The modes' tools. */

/* Whether anything may be asked for now. */
static inline bool nki_puller_may_ask(const struct nki_puller *puller, int64_t now_ns)
{
    return puller->feed.up && puller->end_reason == 0 && !puller->asking && now_ns >= puller->retry_ns &&
           puller->feed.sub->drain == NKI_DRAIN_NONE;
}
/* Sends a request; `max_bytes` 0: no limit; `expires_ns` 0: it does not wait. */
void nki_puller_ask(struct nki_puller *puller, uint64_t msgs, uint64_t max_bytes, int64_t expires_ns,
                    int64_t now_ns);
void nki_puller_ask_info(struct nki_puller *puller, bool missed, int64_t now_ns);
/* Nothing is asked for until a pause that grows has passed. */
void nki_puller_pause(struct nki_puller *puller, int64_t now_ns);
/* Nothing that was asked for will come. */
void nki_puller_forget(struct nki_puller *puller);
/* It is to end: `status` (may be NULL) has the server's words. The first reason counts. */
void nki_puller_end(struct nki_puller *puller, int32_t reason, const struct nki_pull_status *status);
/* Something of it is wrong until the next sign of life. */
void nki_puller_trouble(struct nki_puller *puller, enum nki_notice_type type, uint64_t count,
                        const struct nki_pull_status *status, int64_t since_ns);
void nki_puller_notify(struct nki_puller *puller, enum nki_notice_type type, uint64_t count, int32_t code,
                       struct nki_str text);
void nki_puller_unpin(struct nki_puller *puller, const struct nki_pull_status *status);

#endif
