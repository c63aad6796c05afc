/* Whether a connection, a subscription or what feeds it works, as one look tells: from what the engine knows
 * anyway and the time. Under the engine lock, but for the first two. */
#ifndef NKI_CLIENT_HEALTH_H
#define NKI_CLIENT_HEALTH_H

#include "base/str.h"
#include "client/conn.h"

enum nki_health_state {
    NKI_HEALTH_OK = 1,
    NKI_HEALTH_DEGRADED, /* it works, but something is amiss */
    NKI_HEALTH_STARTING, /* nothing is known yet: it is being made, found or connected */
    NKI_HEALTH_SILENT,   /* a sign of life is overdue */
    NKI_HEALTH_DOWN,     /* it cannot work at the moment; it is tried again */
    NKI_HEALTH_ENDED
};

#define NKI_HEALTH_TEXT_MAX 240

struct nki_health {
    enum nki_health_state state;
    int32_t reason;      /* NKI_OK: nothing is amiss */
    int64_t since_ns;    /* monotonic, as the others: when it came into this state */
    int64_t activity_ns; /* the last that came; NKI_NEVER: nothing has */
    int64_t beat_ns;     /* the last heartbeat, of a connection the last PONG; NKI_NEVER: none has come */
    char text[NKI_HEALTH_TEXT_MAX];
};

/* Any thread, without locks. Gives the time of the look. */
int64_t nki_conn_health(struct nki_conn *conn, struct nki_health *out);
int64_t nki_sub_health(struct nki_sub *sub, struct nki_health *out);

/* Milliseconds from one of its times until then; -1: it is NKI_NEVER. */
int64_t nki_health_ms(int64_t then_ns, int64_t now_ns);

struct nki_engine;
void nki_engine_health(const struct nki_engine *engine, int64_t now_ns, struct nki_health *out);
void nki_engine_sub_health(const struct nki_engine *engine, struct nki_sub *sub, int64_t now_ns,
                           struct nki_health *out);

/* For feeds: what is amiss with what they are fed by. Starts as {0}. */
struct nki_trouble {
    int32_t reason;   /* NKI_OK: nothing */
    int64_t since_ns; /* of that, or of its end */
    char text[128];   /* the server's words; may be empty */
};

/* Since `since_ns`, unless it was amiss for the same reason before. */
void nki_trouble_begin(struct nki_trouble *trouble, int32_t reason, struct nki_str text, int64_t since_ns);
static inline void nki_trouble_end(struct nki_trouble *trouble, int64_t now_ns)
{
    if (trouble->reason != NKI_OK) {
        *trouble = (struct nki_trouble){.since_ns = now_ns};
    }
}
/* What came of it, for `ops.health`: NKI_HEALTH_OK lets the rest as it is but for the time. */
void nki_health_of_trouble(struct nki_health *health, enum nki_health_state state,
                           const struct nki_trouble *trouble, struct nki_str stream, struct nki_str consumer);

#endif
