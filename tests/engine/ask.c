/* See ask.h. */
#include "ask.h"

#include <stdio.h>

static const char *subject_of(const struct ask *ask)
{
    return ask->subject != NULL ? ask->subject : "ask";
}

static void put_request(struct rig *rig, const struct ask *ask, struct nki_str reply)
{
    struct nki_outgoing_msg msg = {.subject = nki_str_z(subject_of(ask)),
                                   .reply = reply,
                                   .data = nki_str_z(ask->data != NULL ? ask->data : "?")};
    size_t done;
    bool kick;
    assert_int_equal(nki_outbox_append(&rig->engine.outbox, &msg, 1, 0, &done, &kick), NKI_OK);
    rig->right = rig->right || kick;
    rig_settle(rig);
}

int64_t ask_deadline(const struct rig *rig, const struct ask *ask)
{
    int64_t wait_ns = ask->wait_ns != 0 ? ask->wait_ns : RIG_MS(1000);
    return wait_ns == NKI_NEVER ? NKI_NEVER : rig->now_ns + wait_ns;
}

struct nki_sub *ask_sub(const struct rig *rig, const struct ask *ask, struct nki_op *op)
{
    struct nki_sub_params params = {.subject = nki_str_z(ask->reply != NULL ? ask->reply : "in.box"),
                                    .queue = NKI_STR(""),
                                    .limits = {ask->limit > 0 ? ask->limit : 1000, UINT64_MAX / 2},
                                    .max = op != NULL ? 1 : ask->max};
    struct nki_collect collect = {.op = op,
                                  .request = true,
                                  .keep = ask->keep,
                                  .sentinel = ask->sentinel,
                                  .deadline_ns = op != NULL ? NKI_NEVER : ask_deadline(rig, ask),
                                  .stall_ns = ask->stall_ns,
                                  .asked = nki_str_hash(nki_str_z(subject_of(ask)))};
    struct nki_sub *sub = nki_sub_new(&params);
    if (sub != NULL && !nki_sub_collect(sub, &collect)) {
        nki_sub_release(sub);
        sub = NULL;
    }
    return sub;
}

struct nki_sub *ask_many(struct rig *rig, struct ask ask)
{
    struct nki_sub *sub = ask_sub(rig, &ask, NULL);
    assert_non_null(sub);
    assert_int_equal(nki_engine_subscribe(&rig->engine, sub), NKI_OK);
    rig_settle(rig);
    put_request(rig, &ask, nki_sub_subject(sub));
    return sub;
}

struct nki_op *ask_own(struct rig *rig, struct ask ask, uint64_t *sid)
{
    struct nki_op *op = nki_op_new();
    nki_op_retain(op);
    struct nki_sub *sub = ask_sub(rig, &ask, op);
    assert_non_null(sub);
    assert_int_equal(nki_engine_subscribe(&rig->engine, sub), NKI_OK);
    op->own_sub = sub;
    assert_true(nki_engine_timer(&rig->engine, op, ask_deadline(rig, &ask)));
    rig_settle(rig);
    put_request(rig, &ask, nki_sub_subject(sub));
    *sid = sub->sid;
    nki_sub_release(sub);
    return op;
}

struct nki_op *ask_mux(struct rig *rig, struct ask ask, char reply[ASK_REPLY_MAX])
{
    size_t len;
    struct nki_op *op = nki_op_new();
    op->asked = nki_str_hash(nki_str_z(subject_of(&ask)));
    op->keep = ask.keep;
    assert_int_equal(nki_engine_request(&rig->engine, op, ask_deadline(rig, &ask), reply, &len), NKI_OK);
    reply[len] = '\0';
    rig_settle(rig);
    put_request(rig, &ask, nki_str_make(reply, len));
    return op;
}

void say_msg(struct rig *rig, uint64_t sid, const char *data)
{
    char text[256];
    snprintf(text, sizeof text, "MSG in.box %llu %zu\r\n%s\r\n", (unsigned long long)sid, strlen(data), data);
    rig_say(rig, text);
}

void say_hmsg(struct rig *rig, const char *subject, uint64_t sid, const char *block, const char *data)
{
    char text[512];
    snprintf(text, sizeof text, "HMSG %s %llu %zu %zu\r\n%s%s\r\n", subject, (unsigned long long)sid,
             strlen(block), strlen(block) + strlen(data), block, data);
    rig_say(rig, text);
}

int count_written(const struct rig *rig, const char *text)
{
    int count = 0;
    const char *at = (const char *)rig->written.at;
    size_t left = rig->written.len;
    const char *found;
    while (left > 0 && (found = memmem(at, left, text, strlen(text))) != NULL) {
        count++;
        left -= (size_t)(found - at) + strlen(text);
        at = found + strlen(text);
    }
    return count;
}

int unsubs(const struct rig *rig, uint64_t sid)
{
    char text[64];
    snprintf(text, sizeof text, "UNSUB %llu\r\n", (unsigned long long)sid);
    return count_written(rig, text);
}

void expect_take(struct nki_sub *sub, const char *data)
{
    char have[64];
    assert_true(rig_take(sub, have, sizeof have));
    assert_string_equal(have, data);
}

void expect_nothing(struct nki_sub *sub)
{
    char have[64];
    assert_false(rig_take(sub, have, sizeof have));
}

void expect_orphan(struct rig *rig, uint64_t sid)
{
    uint64_t before = rig->engine.counts.orphan_msgs;
    say_msg(rig, sid, "late");
    assert_int_equal(rig->engine.counts.orphan_msgs, before + 1);
}

void expect_over(struct rig *rig)
{
    assert_int_equal(rig->engine.subs.request_count, 0);
    assert_true(nki_list_empty(&rig->engine.subs.requests));
    assert_true(nki_heap_top_ns(&rig->engine.subs.timers) == NKI_NEVER);
    assert_true(nki_heap_top_ns(&rig->engine.timers) == NKI_NEVER);
}

void close_sub(struct rig *rig, struct nki_sub *sub)
{
    nki_engine_close_sub(&rig->engine, sub, rig->now_ns);
    rig_settle(rig);
    nki_sub_release(sub);
}
