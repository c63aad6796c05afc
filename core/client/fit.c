/* What waits in the outbox when the next server takes smaller messages than the one before, or no headers: it
 * would cut the connection for each of them, so they are not sent. Who waits for the answer to one is told;
 * of the others an event tells. Under the engine lock. */
#include "client/chain.h"
#include "client/feed.h"

#include "wire/emit.h"

#include <inttypes.h>

#define SHOWN_MAX 80 /* of a subject in an error */

static void say(const struct nki_engine *engine, const struct nki_emit_pub_line *line,
                struct nki_error *error)
{
    int shown = (int)(line->subject.len < SHOWN_MAX ? line->subject.len : SHOWN_MAX);
    if (line->body_len > (uint64_t)engine->info.max_payload) {
        nki_error_set(error, NKI_TOO_LARGE,
                      "not sent: a message of %" PRIu64 " bytes to \"%.*s\", since %s takes %" PRId64,
                      line->body_len, shown, line->subject.ptr, engine->servers.current->text,
                      engine->info.max_payload);
    } else {
        nki_error_set(error, NKI_NO_HEADERS,
                      "not sent: a message with headers to \"%.*s\", since %s takes none", shown,
                      line->subject.ptr, engine->servers.current->text);
    }
}

/* A request over the common inbox. */
static bool end_request(struct nki_engine *engine, struct nki_str reply, const struct nki_error *error)
{
    struct nki_op *op = nki_replies_find(&engine->replies, reply);
    if (op == NULL) {
        return false;
    }
    nki_op_retain(op);
    nki_engine_cancel(engine, op);
    nki_op_finish(op, error->status, nki_op_unsent_outcome(op), NULL, error);
    nki_op_release(op);
    return true;
}

/* A request with a subscription of its own. */
static bool end_own(struct nki_engine *engine, struct nki_str reply, const struct nki_error *error)
{
    struct nki_list *requests = &engine->subs.requests;
    for (struct nki_list *at = requests->next; at != requests; at = at->next) {
        const struct nki_collect *collect = NKI_CONTAINER_OF(at, struct nki_collect, node);
        struct nki_sub *sub = collect->sub;
        if (collect->feed == NULL && nki_str_eq(nki_sub_subject(sub), reply)) {
            nki_sub_retain(sub);
            nki_subs_refused(sub, error, NKI_OUTCOME_NOT_SENT);
            nki_engine_end_sub(engine, sub, error->status, true);
            nki_sub_release(sub);
            return true;
        }
    }
    return false;
}

bool nki_engine_fit(struct nki_engine *engine)
{
    struct nki_buf lines = {0};
    bool ok =
        nki_outbox_fit(&engine->outbox, (uint64_t)engine->info.max_payload, engine->info.headers, &lines);
    struct nki_event event = {.type = NKI_EVENT_ASYNC_ERROR};
    struct nki_error first;
    if (lines.len > 0) {
        nki_engine_hand_over(engine); /* so that ending drops nothing unnoticed */
    }
    struct nki_emit_pub_line line;
    for (size_t at = 0; at < lines.len; at += line.len) {
        struct nki_error error;
        nki_emit_read_pub(lines.data + at, lines.len - at, &line);
        say(engine, &line, &error);
        engine->counts.unsent++;
        bool told = line.reply.len > 0 &&
                    (end_request(engine, line.reply, &error) || end_own(engine, line.reply, &error) ||
                     nki_engine_feeds_unsent(engine, line.reply, &error));
        if (!told && event.count++ == 0) {
            first = error;
            event.status = error.status;
            event.subject = line.subject;
        }
    }
    if (event.count > 0) {
        event.text = nki_str_z(first.text);
        nki_engine_emit(engine, &event);
    }
    nki_buf_free(&lines);
    return ok;
}
