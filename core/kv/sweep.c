/* Changing all keys that match: see sweep.h. All but the begin runs under the engine lock.
 *
 * The list is a sink of a watch that ends with what there is. When it has ended, workers begin: chains, each
 * of which takes the next key once its request was answered. Whoever drops the last reference finishes the
 * operation. */
#include "kv/sweep.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "client/chain.h"
#include "jetstream/api_error.h"
#include "jetstream/publish.h"
#include "kv/entry.h"
#include "wire/header.h"
#include "wire/subject.h"

#include <inttypes.h>
#include <stdio.h>

struct item {
    size_t end; /* of its subject in `subjects`; it begins where the one before ends */
    uint64_t revision;
    bool old; /* DELETES: the mark goes, too */
};

struct sweep {
    atomic_uint refs; /* the list's, and one of each worker */
    struct nki_kv *kv;
    struct nki_op *op; /* that the caller waits for: a reference */
    enum nki_kv_sweep_action action;
    int64_t latest_ns; /* when what is old was stored at the latest */
    size_t in_flight;
    int64_t deadline_ns;

    struct nki_buf subjects;
    struct item *items;
    size_t count;
    size_t cap;
    size_t next;   /* item that the next worker takes */
    uint64_t keys; /* that were changed */
    int32_t status;
    struct nki_error error;
};

struct worker {
    struct nki_chain chain;
    struct sweep *sweep; /* a reference */
    bool busy;           /* a request of it was not answered yet */
    int64_t retries;
    struct nki_buf subject;
    struct nki_buf block;
    struct nki_buf body;
};

static struct nki_str str_of(const struct nki_buf *buf)
{
    return nki_str_make((const char *)buf->data, buf->len);
}

/* -- the end --------------------------------------------------------------------------------------------- */

static void fail(struct sweep *sweep, int32_t status, const struct nki_error *error)
{
    if (sweep->status == NKI_OK) {
        sweep->status = status;
        nki_error_set(&sweep->error, status, NULL);
        if (error != NULL && error->text[0] != '\0') {
            sweep->error = *error;
        }
    }
}

static void finish(struct sweep *sweep)
{
    struct nki_msg *msg = NULL;
    if (sweep->status == NKI_OK) {
        char text[40];
        int len = snprintf(text, sizeof text, "{\"keys\":%" PRIu64 "}", sweep->keys);
        msg = nki_msg_new(NULL, NKI_STR("_"), NKI_STR(""), 0, (uint32_t)len);
        if (msg != NULL) {
            memcpy(nki_msg_body(msg), text, (size_t)len);
        } else {
            fail(sweep, NKI_NO_MEMORY, NULL);
        }
    }
    int32_t outcome = sweep->status == NKI_OK ? NKI_OUTCOME_DONE : NKI_OUTCOME_UNKNOWN;
    nki_op_finish(sweep->op, sweep->status, outcome, msg, sweep->status != NKI_OK ? &sweep->error : NULL);
}

static void release(struct sweep *sweep)
{
    if (atomic_fetch_sub_explicit(&sweep->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    finish(sweep);
    nki_op_release(sweep->op);
    nki_buf_free(&sweep->subjects);
    nki_free(sweep->items);
    nki_kv_release(sweep->kv);
    nki_free(sweep);
}

/* Nobody waits any more, or something has gone wrong. */
static bool is_over(struct sweep *sweep)
{
    pthread_mutex_lock(&sweep->op->wait.mu);
    bool over = nki_op_ready_locked(sweep->op);
    pthread_mutex_unlock(&sweep->op->wait.mu);
    return over || sweep->status != NKI_OK;
}

/* -- workers --------------------------------------------------------------------------------------------- */

static void free_worker(struct nki_op_part *part)
{
    struct worker *worker = NKI_CONTAINER_OF(part, struct worker, chain.part);
    if (worker->busy) {
        int32_t status =
            worker->chain.op != NULL ? nki_op_result(worker->chain.op, NULL, NULL) : NKI_NO_MEMORY;
        fail(worker->sweep, status == NKI_PENDING || status == NKI_OK ? NKI_CLOSED : status, NULL);
    }
    nki_buf_free(&worker->subject);
    nki_buf_free(&worker->block);
    nki_buf_free(&worker->body);
    release(worker->sweep);
    nki_free(worker);
}

/* A delete or purge of the key, if its last entry is still the one that was listed. */
static bool show_change(struct worker *worker, const struct nki_kv_place *place, struct nki_str subject,
                        uint64_t revision)
{
    char number[24];
    int len = snprintf(number, sizeof number, "%" PRIu64, revision);
    bool purges = worker->sweep->action == NKI_KV_SWEEP_PURGE;
    bool prefix = strcmp(place->api, "$JS.API") != 0;
    return (!prefix || (nki_buf_append(&worker->subject, place->api, place->api_len) &&
                        nki_buf_append(&worker->subject, ".", 1))) &&
           nki_buf_append_str(&worker->subject, subject) &&
           nki_header_append(&worker->block, NKI_STR("KV-Operation"),
                             purges ? NKI_STR("PURGE") : NKI_STR("DEL"), NULL) == NKI_OK &&
           (!purges ||
            nki_header_append(&worker->block, NKI_STR("Nats-Rollup"), NKI_STR("sub"), NULL) == NKI_OK) &&
           nki_header_append(&worker->block, NKI_STR("Nats-Expected-Last-Subject-Sequence"),
                             nki_str_make(number, (size_t)len), NULL) == NKI_OK;
}

/* Up to a revision, not the whole key: that may have a value again by now. */
static bool show_removal(struct worker *worker, const struct nki_kv_place *place, struct nki_str subject,
                         uint64_t below)
{
    return nki_buf_append(&worker->subject, place->api, place->api_len) &&
           nki_buf_append_str(&worker->subject, NKI_STR(".STREAM.PURGE.")) &&
           nki_buf_append(&worker->subject, place->stream, place->stream_len) &&
           nki_buf_append_str(&worker->body, NKI_STR("{\"filter\":\"")) &&
           nki_buf_append_str(&worker->body, subject) &&
           nki_buf_append_str(&worker->body, NKI_STR("\",\"seq\":")) &&
           nki_buf_append_u64(&worker->body, below) && nki_buf_append(&worker->body, "}", 1);
}

/* Takes the next item; false if there is none, or it goes on no more. */
static bool take_next(struct worker *worker)
{
    struct sweep *sweep = worker->sweep;
    if (sweep->next == sweep->count || is_over(sweep)) {
        return false;
    }
    const struct item *item = &sweep->items[sweep->next];
    size_t begin = sweep->next > 0 ? sweep->items[sweep->next - 1].end : 0;
    struct nki_str subject = nki_str_make((const char *)sweep->subjects.data + begin, item->end - begin);
    const struct nki_kv_place *place = nki_kv_place(sweep->kv);
    worker->subject.len = worker->block.len = worker->body.len = 0;
    bool ok = sweep->action == NKI_KV_SWEEP_DELETES
                  ? show_removal(worker, place, subject, item->revision + item->old)
                  : show_change(worker, place, subject, item->revision);
    if (!ok) {
        fail(sweep, NKI_NO_MEMORY, NULL);
        return false;
    }
    sweep->next++;
    worker->busy = true;
    worker->retries = sweep->kv->js->publish_retries;
    worker->chain.wait_ms = sweep->kv->js->publish_retry_wait_ms;
    worker->chain.out = (struct nki_outgoing_msg){.subject = str_of(&worker->subject),
                                                  .reply = NKI_STR(""),
                                                  .header_block = str_of(&worker->block),
                                                  .data = str_of(&worker->body)};
    return true;
}

/* The answer to a purge of the stream. Takes over the message. */
static int32_t read_removal(struct nki_msg *msg, struct nki_error *error)
{
    struct nki_json_value answer;
    struct nki_json_value member;
    int32_t status = NKI_OK;
    if (!nki_json_check(nki_msg_data(msg), &answer) || answer.type != NKI_JSON_OBJECT) {
        status = nki_error_set(error, NKI_PROTOCOL, "the answer to a purge is no JSON object");
    } else if (nki_json_member(&answer, NKI_STR("error"), &member)) {
        status = nki_js_read_error(&member, error);
    }
    nki_msg_release(msg);
    return status;
}

static int32_t read_answer(const struct sweep *sweep, struct nki_msg *msg, struct nki_error *error)
{
    if (sweep->action == NKI_KV_SWEEP_DELETES) {
        return read_removal(msg, error);
    }
    struct nki_chain_end end = {.outcome = NKI_OUTCOME_DONE};
    nki_js_published(msg, &end);
    nki_msg_release(end.msg);
    *error = end.error;
    return end.status;
}

static enum nki_chain_next reply(struct nki_chain *chain, int32_t status, struct nki_msg *msg,
                                 struct nki_chain_end *end)
{
    struct worker *worker = NKI_CONTAINER_OF(chain, struct worker, chain);
    struct sweep *sweep = worker->sweep;
    struct nki_error error = {.status = NKI_OK};
    if (status == NKI_DISCONNECTED && !is_over(sweep)) {
        return NKI_CHAIN_ASKS; /* done twice it is done once */
    }
    if (status == NKI_NO_RESPONDERS && worker->retries != 0 && !is_over(sweep)) {
        worker->retries -= worker->retries > 0;
        return NKI_CHAIN_WAITS;
    }
    worker->busy = false;
    if (status == NKI_OK) {
        status = read_answer(sweep, msg, &error);
    } else if (status == NKI_NO_RESPONDERS) {
        status = NKI_NO_STREAM;
    }
    if (status == NKI_OK) {
        sweep->keys++;
    } else if (status != NKI_WRONG_LAST) { /* else it was written meanwhile */
        fail(sweep, status, &error);
    }
    end->status = NKI_OK;
    return take_next(worker) ? NKI_CHAIN_ASKS : NKI_CHAIN_ENDS;
}

static const struct nki_chain_ops ops = {.reply = reply};

static void begin_workers(struct sweep *sweep, struct nki_engine *engine)
{
    for (size_t i = 0; i < sweep->in_flight && sweep->next < sweep->count; i++) {
        struct worker *worker = nki_calloc(1, sizeof *worker);
        if (worker == NULL) {
            fail(sweep, NKI_NO_MEMORY, NULL);
            return;
        }
        worker->chain.ops = &ops;
        worker->chain.part.free = free_worker;
        worker->sweep = sweep;
        atomic_fetch_add_explicit(&sweep->refs, 1, memory_order_relaxed);
        if (!take_next(worker)) {
            free_worker(&worker->chain.part);
            return;
        }
        struct nki_op *op =
            nki_engine_chain_open(engine, &worker->chain, sweep->deadline_ns, nki_clock_now_ns());
        if (op != NULL) {
            nki_op_release(op); /* nobody waits for it: its end shows in free_worker */
        }
    }
}

/* -- the list -------------------------------------------------------------------------------------------- */

/* Whether it can stand in a filter: what is stored was published by anybody who may. */
static bool is_plain(struct nki_str subject)
{
    return nki_subject_publish_fault(subject) == NULL && nki_str_utf8_valid(subject) &&
           memchr(subject.ptr, '"', subject.len) == NULL && memchr(subject.ptr, '\\', subject.len) == NULL;
}

static bool keep(struct sweep *sweep, struct nki_str subject, const struct nki_kv_entry *entry)
{
    if (sweep->count == sweep->cap) {
        size_t cap = sweep->cap > 0 ? sweep->cap * 2 : 64;
        struct item *wider = nki_realloc(sweep->items, cap * sizeof *wider);
        if (wider == NULL) {
            return false;
        }
        sweep->items = wider;
        sweep->cap = cap;
    }
    if (!nki_buf_append_str(&sweep->subjects, subject)) {
        return false;
    }
    sweep->items[sweep->count++] = (struct item){
        .end = sweep->subjects.len, .revision = entry->revision, .old = entry->time_ns <= sweep->latest_ns};
    return true;
}

static int32_t listed(void *context, struct nki_msg *msg)
{
    struct sweep *sweep = context;
    struct nki_kv_entry entry;
    int32_t status = NKI_OK;
    if (nki_kv_entry_read(msg, &entry)) {
        bool has_value = entry.operation == NKI_KV_PUT;
        bool removes = sweep->action == NKI_KV_SWEEP_DELETES;
        bool wanted = has_value != removes && (!removes || is_plain(nki_msg_subject(msg)));
        if (wanted && !keep(sweep, nki_msg_subject(msg), &entry)) {
            status = NKI_NO_MEMORY;
        }
    }
    nki_msg_release(msg);
    return status;
}

static int32_t list_done(void *context, struct nki_feed *feed)
{
    (void)context;
    (void)feed;
    return NKI_OK;
}

/* The list has ended: for MAX_REACHED it is whole. */
static void list_end(void *context, struct nki_engine *engine, int32_t reason, const struct nki_error *error)
{
    struct sweep *sweep = context;
    if (reason != NKI_MAX_REACHED) {
        fail(sweep, reason == NKI_UNSUBSCRIBED ? NKI_DRAINING : reason, error); /* nobody else ends it */
    }
    if (sweep->status == NKI_OK) {
        begin_workers(sweep, engine);
    }
    release(sweep);
}

static const struct nki_ordered_sink sink = {.message = listed, .done = list_done, .end = list_end};

/* -- any thread ------------------------------------------------------------------------------------------ */

int32_t nki_kv_sweep(struct nki_kv *kv, const struct nki_kv_sweep_params *params, int64_t deadline_ns,
                     bool timed, struct nki_op **out, struct nki_error *err)
{
    if (kv->read_only) {
        return nki_error_set(err, NKI_READ_ONLY, "bucket %s was opened to be read alone", kv->stream + 3);
    }
    struct sweep *sweep = nki_calloc(1, sizeof *sweep);
    if (sweep == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    int32_t status = nki_conn_promise(kv->js->conn, deadline_ns, timed, out, err);
    if (status != NKI_OK) {
        nki_free(sweep);
        return status;
    }
    atomic_init(&sweep->refs, 1);
    sweep->kv = kv;
    nki_kv_retain(kv);
    sweep->op = *out;
    nki_op_retain(sweep->op);
    sweep->action = params->action;
    sweep->in_flight = params->in_flight;
    sweep->deadline_ns = deadline_ns;
    sweep->latest_ns =
        params->older_than_ms < 0 ? INT64_MAX : nki_clock_wall_ns() - params->older_than_ms * NKI_NS_PER_MS;
    const struct nki_kv_watch_params list = {.patterns = params->patterns,
                                             .pattern_count = params->pattern_count,
                                             .headers_only = true,
                                             .raw = true,
                                             .ends = true,
                                             .sink = &sink,
                                             .sink_context = sweep};
    struct nki_sub *sub;
    status = nki_kv_watch(kv, &list, &sub, err);
    if (status != NKI_OK) { /* the operation was finished with that, and is of no use to anybody */
        nki_op_release(*out);
        return status;
    }
    nki_sub_leave(sub);
    return NKI_OK;
}
