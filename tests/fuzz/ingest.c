/* Fuzzes what a fast ingest makes of the answers of a stream, line by line: whatever comes, its numbers stay
 * those that it has given out, it ends once, and everybody who waits is told.
 *
 * The first byte chooses on_gap ('f': fail). Of each line the first byte chooses: 'p' publishes as many
 * messages as the next digit says, 'c' commits, 'd' and 'u' lose and regain the connection, 't' passes time,
 * 'n' says that nobody has got a frame, to the rest as the subject; else all of it is an answer, in which
 * "ID" stands for the id of the batch. One thread. */
#include "base/alloc.h"
#include "client/engine.h"
#include "jetstream/ingest_inside.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

#define INBOX "_INBOX.AAAAAAAAAAAAAAAAAAAAAA"
#define ID "AAAAAAAAAAAAAAAAAAAAAA"
#define LINES_MAX 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
    struct nki_engine engine;
    struct nki_ingest *ingest;
    struct nki_sub *sub;
    struct nki_op *commit; /* or NULL */
    struct nki_op *room;   /* or NULL */
    int64_t now_ns;
    uint64_t lost;
    uint64_t refused;
};

static const struct nki_feed_ops *const ops = &nki_ingest_feed_ops;

/* -- begin and end --------------------------------------------------------------------------------------- */

static void begin(struct run *run, bool fails)
{
    memset(run, 0, sizeof *run);
    run->now_ns = NKI_NS_PER_MS;
    struct nki_options *connect = nki_options_new(NKI_SCOPE_CONNECT);
    struct nki_options *options = nki_options_new(NKI_SCOPE_INGEST);
    CHECK(connect != NULL && options != NULL);
    CHECK(nki_engine_init(&run->engine, connect, NKI_STR("nats://a:4222"), NULL) == NKI_OK);
    CHECK(nki_options_set(options, NKI_STR("on_gap"), fails ? NKI_STR("fail") : NKI_STR("go_on"), NULL) ==
          NKI_OK);
    run->ingest = nki_ingest_new(options, NKI_STR(INBOX), ops);
    CHECK(run->ingest != NULL && nki_buf_append_str(&run->ingest->subject, NKI_STR("f.a")));
    nki_options_free(options);
    const struct nki_sub_params params = {
        .subject = NKI_STR(INBOX ".>"), .queue = NKI_STR(""), .limits = {1000, UINT64_MAX / 2}};
    struct nki_collect collect = {
        .deadline_ns = NKI_NEVER, .feed = &run->ingest->feed, .request = true, .keep = true};
    run->sub = nki_sub_new(&params);
    CHECK(run->sub != NULL && nki_sub_collect(run->sub, &collect));
    nki_feed_attach(&run->ingest->feed, &run->engine, run->sub);
    CHECK(nki_engine_subscribe(&run->engine, run->sub) == NKI_OK);
    nki_engine_feed_begin(&run->engine, &run->ingest->feed, run->now_ns);
}

static void release_op(struct nki_op *op)
{
    if (op != NULL) {
        CHECK(nki_op_result(op, NULL, NULL) != NKI_PENDING);
        nki_op_release(op);
    }
}

static void end(struct run *run)
{
    nki_engine_close_sub(&run->engine, run->sub, run->now_ns);
    CHECK(run->ingest->ended != 0);
    release_op(run->commit);
    release_op(run->room);
    nki_sub_release(run->sub);
    nki_ingest_release(run->ingest);
    nki_engine_close(&run->engine, NULL, run->now_ns);
    nki_engine_free(&run->engine);
    nki_slab_release_cache();
    nki_outbox_release_cache();
}

/* -- what happens ---------------------------------------------------------------------------------------- */

static struct nki_op *list_op(struct run *run, struct nki_list *list)
{
    struct nki_op *op = nki_op_new();
    CHECK(op != NULL && nki_engine_timer(&run->engine, op, NKI_NEVER));
    nki_op_retain(op);
    nki_list_append(list, &op->engine_node);
    return op;
}

static void publish(struct run *run, char digit)
{
    for (int count = digit >= '0' && digit <= '9' ? digit - '0' : 1; count > 0; count--) {
        if (nki_ingest_may_publish(run->ingest) == NKI_OK) {
            run->ingest->asked_ns = run->ingest->issued == 0 ? run->now_ns : run->ingest->asked_ns;
            run->ingest->issued++;
        } else if (run->room == NULL && nki_ingest_may_publish(run->ingest) == NKI_WOULD_BLOCK) {
            run->room = list_op(run, &run->ingest->room_ops);
        }
    }
}

static void commit(struct run *run)
{
    if (run->commit == NULL && run->ingest->issued > 0 && run->ingest->ended == 0) {
        run->commit = list_op(run, &run->ingest->commit_ops);
        run->ingest->committing = true;
        nki_ingest_see_to_commit(run->ingest, run->now_ns);
    }
}

static struct nki_msg *message(struct nki_str subject, struct nki_str block, struct nki_str body)
{
    struct nki_msg *msg =
        nki_msg_new(NULL, subject, NKI_STR(""), (uint32_t)block.len, (uint32_t)(block.len + body.len));
    CHECK(msg != NULL);
    memcpy(nki_msg_body(msg), block.ptr, block.len);
    memcpy((uint8_t *)nki_msg_body(msg) + block.len, body.ptr, body.len);
    return msg;
}

static void answer(struct run *run, struct nki_str line)
{
    struct nki_buf text = {0};
    for (size_t i = 0; i < line.len; i++) {
        bool id = line.len - i >= 2 && memcmp(line.ptr + i, "ID", 2) == 0;
        CHECK(nki_buf_append_str(&text, id ? NKI_STR(ID) : nki_str_make(line.ptr + i, 1)));
        i += id;
    }
    struct nki_str body = nki_str_make(text.len > 0 ? (const char *)text.data : "", text.len);
    ops->message(&run->ingest->feed, message(NKI_STR(INBOX ".x"), NKI_STR(""), body), run->now_ns);
    nki_buf_free(&text);
}

static void step(struct run *run, struct nki_str line)
{
    struct nki_feed *feed = &run->ingest->feed;
    struct nki_str rest = nki_str_make(line.ptr + 1, line.len - 1);
    switch (line.ptr[0]) {
    case 'p':
        publish(run, rest.len > 0 ? rest.ptr[0] : '1');
        break;
    case 'c':
        commit(run);
        break;
    case 'u':
    case 'd':
        if (feed->up != (line.ptr[0] == 'u')) {
            feed->up = !feed->up;
            (feed->up ? ops->up : ops->down)(feed, run->now_ns);
        }
        break;
    case 't':
        run->now_ns += (int64_t)3000 * NKI_NS_PER_MS;
        ops->tick(feed, run->now_ns);
        break;
    case 'n':
        if (rest.len > 0 && rest.len < 200) {
            ops->message(feed, message(rest, NKI_STR("NATS/1.0 503\r\n\r\n"), NKI_STR("")), run->now_ns);
        }
        break;
    default:
        answer(run, line);
        break;
    }
}

static void check(struct run *run)
{
    const struct nki_ingest *ingest = run->ingest;
    CHECK(ingest->acked <= ingest->issued || ingest->ended != 0);
    CHECK(ingest->lost >= run->lost && ingest->refused >= run->refused);
    CHECK(ingest->each <= UINT32_MAX);
    CHECK(nki_list_empty(&ingest->room_ops) || nki_ingest_may_publish(ingest) == NKI_WOULD_BLOCK);
    CHECK(ingest->ended == 0 || nki_list_empty(&ingest->commit_ops));
    CHECK(ingest->error.status <= 0 && memchr(ingest->error.text, '\0', sizeof ingest->error.text) != NULL);
    run->lost = ingest->lost;
    run->refused = ingest->refused;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run run;
    if (size == 0) {
        return 0;
    }
    struct nki_str lines = nki_str_make((const char *)data + 1, size - 1);
    begin(&run, data[0] == 'f');
    for (int i = 0; i < LINES_MAX && lines.ptr != NULL && run.ingest->ended == 0; i++) {
        struct nki_str line = nki_str_cut(&lines, '\n');
        if (line.len > 0) {
            step(&run, line);
        }
        check(&run);
    }
    end(&run);
    CHECK(nki_alloc_bytes() == 0);
    return 0;
}
