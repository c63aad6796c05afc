/* Requests as ask.c makes them, on the rig: over the common inbox, with a subscription of their own, for many
 * replies. */
#ifndef ENGINE_ASK_H
#define ENGINE_ASK_H

#include "rig.h"

#define ASK_REPLY_MAX 400
#define ONE_SERVER "nats://a:4222"

struct ask {
    const char *subject; /* NULL: "ask" */
    const char *reply;   /* NULL: "in.box" */
    const char *data;    /* NULL: "?" */
    int64_t wait_ns;     /* 0: 1 s; NKI_NEVER */
    int64_t stall_ns;
    uint64_t max;
    uint64_t limit; /* messages in its queue; 0: 1000 */
    bool sentinel;
    bool keep;
};

int64_t ask_deadline(const struct rig *rig, const struct ask *ask);
/* Its subscription, not added yet; `op`: for one reply (takes over a reference). NULL: no memory. */
struct nki_sub *ask_sub(const struct rig *rig, const struct ask *ask, struct nki_op *op);
struct nki_sub *ask_many(struct rig *rig, struct ask ask);
/* For one reply by a subscription of its own, of this sid. */
struct nki_op *ask_own(struct rig *rig, struct ask ask, uint64_t *sid);
/* Over the common inbox, with this reply subject. */
struct nki_op *ask_mux(struct rig *rig, struct ask ask, char reply[ASK_REPLY_MAX]);

void say_msg(struct rig *rig, uint64_t sid, const char *data);
void say_hmsg(struct rig *rig, const char *subject, uint64_t sid, const char *block, const char *data);
/* How often the client has written a text, or UNSUB of this sid, on this transport. */
int count_written(const struct rig *rig, const char *text);
int unsubs(const struct rig *rig, uint64_t sid);
void expect_take(struct nki_sub *sub, const char *data);
void expect_nothing(struct nki_sub *sub);
/* The server still sends to it: an orphan, and nothing else. */
void expect_orphan(struct rig *rig, uint64_t sid);
/* No request is left, and no timer of one. */
void expect_over(struct rig *rig);
/* As the close of its handle does. */
void close_sub(struct rig *rig, struct nki_sub *sub);

#endif
