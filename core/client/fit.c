/* What waits in the outbox when the next server takes smaller messages than the one before, or no headers: it
 * would cut the connection for each of them, so they are not sent. Who waits for the answer to one is told;
 * of the others an event tells. Under the engine lock. */
#include "client/chain.h"
#include "client/feed.h"

#include "base/alloc.h"
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

/* Requests with subscriptions of their own, found by the subjects that they wait at, which any may be. One
 * that is found leaves its place filled, so that others of the same subject are found behind it. */
struct own {
    struct nki_sub **places; /* references; half of them NULL, or more; NULL: there are no requests */
    size_t mask;
};

/* The first place at or behind that of the subject's hash that is empty, or of a request that waits there. */
static struct nki_sub **place_of(const struct own *own, struct nki_str subject, bool empty)
{
    assert(own->places != NULL);
    size_t at = (size_t)nki_str_hash(subject) & own->mask;
    while (own->places[at] != NULL &&
           (empty || !own->places[at]->live || !nki_str_eq(nki_sub_subject(own->places[at]), subject))) {
        at = (at + 1) & own->mask;
    }
    return &own->places[at];
}

static bool own_begin(struct own *own, const struct nki_engine *engine)
{
    size_t count = 2;
    *own = (struct own){NULL, 0};
    if (engine->subs.request_count == 0) {
        return true;
    }
    while (count < 2 * engine->subs.request_count) {
        count *= 2;
    }
    own->places = nki_calloc(count, sizeof(struct nki_sub *));
    own->mask = count - 1;
    return own->places != NULL;
}

static void own_fill(struct own *own, struct nki_engine *engine)
{
    struct nki_list *requests = &engine->subs.requests;
    for (struct nki_list *at = requests->next; at != requests; at = at->next) {
        const struct nki_collect *collect = NKI_CONTAINER_OF(at, struct nki_collect, node);
        if (collect->feed == NULL) {
            nki_sub_retain(collect->sub);
            *place_of(own, nki_sub_subject(collect->sub), true) = collect->sub;
        }
    }
}

static void own_end(struct own *own)
{
    for (size_t i = 0; own->places != NULL && i <= own->mask; i++) {
        if (own->places[i] != NULL) {
            nki_sub_release(own->places[i]);
        }
    }
    nki_free(own->places);
}

static bool end_own(struct nki_engine *engine, const struct own *own, struct nki_str reply,
                    const struct nki_error *error)
{
    struct nki_sub *sub = own->places != NULL ? *place_of(own, reply, false) : NULL;
    if (sub == NULL) {
        return false;
    }
    nki_subs_refused(sub, error, NKI_OUTCOME_NOT_SENT);
    nki_engine_end_sub(engine, sub, error->status, true);
    return true;
}

/* Feeds ask for replies to fresh inboxes alone, so that not each of them looks at what others publish. */
static bool tell_feeds(struct nki_engine *engine, struct nki_str reply, const struct nki_error *error)
{
    struct nki_str prefix = nki_options_str(engine->options, NKI_OPT_CONNECT_inbox_prefix);
    return reply.len > prefix.len && reply.ptr[prefix.len] == '.' &&
           memcmp(reply.ptr, prefix.ptr, prefix.len) == 0 && nki_engine_feeds_unsent(engine, reply, error);
}

bool nki_engine_fit(struct nki_engine *engine)
{
    struct nki_buf lines = {0};
    struct own own;
    if (!own_begin(&own, engine)) { /* before anything is taken out */
        return false;
    }
    bool ok =
        nki_outbox_fit(&engine->outbox, (uint64_t)engine->info.max_payload, engine->info.headers, &lines);
    struct nki_event event = {.type = NKI_EVENT_ASYNC_ERROR};
    struct nki_error first;
    if (lines.len > 0) {
        nki_engine_hand_over(engine); /* so that ending drops nothing unnoticed */
        own_fill(&own, engine);
    }
    struct nki_emit_pub_line line;
    for (size_t at = 0; at < lines.len; at += line.len) {
        struct nki_error error;
        nki_emit_read_pub(lines.data + at, lines.len - at, &line);
        say(engine, &line, &error);
        engine->counts.unsent++;
        bool told = line.reply.len > 0 &&
                    (end_request(engine, line.reply, &error) || end_own(engine, &own, line.reply, &error) ||
                     tell_feeds(engine, line.reply, &error));
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
    own_end(&own);
    nki_buf_free(&lines);
    return ok;
}
