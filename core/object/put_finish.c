/* The end of a put: storing what the object is, or taking its chunks back. See put.h.
 *
 * What it is, is stored over just the revision that was looked at. So it may be asked for again when nobody
 * knows whether it was stored: either it was, and is found, or it is refused. Once it was sent and nobody
 * knows, the chunks stay, since they may be the object's. */
#include "object/put_inside.h"
#include "object/task.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "jetstream/bucket.h"

#define ROUNDS_MAX 32
#define RETRIES 40 /* with pauses of 250 ms: a cluster elects a leader in that */
#define PURGES_MAX 16
#define PURGES_DOUBT 6      /* where something was amiss: a stream without a leader takes its time */
#define PURGE_TIME_MS 30000 /* that nobody waits for */

/* -- storing --------------------------------------------------------------------------------------------- */

struct finish {
    struct nki_object_task task;
    struct nki_object_put *put; /* a reference */
    unsigned rounds;
    bool begun;          /* it has made the put `finishing` */
    bool sent;           /* nobody knows what became of one that was sent */
    struct nki_msg *old; /* what had the name */
    struct nki_msg *made;
};

/* It was not stored, and will not be: another finish may, or an abort take the chunks back. */
static void reopen(struct nki_object_put *put)
{
    int storing = NKI_PUT_STORING;
    atomic_compare_exchange_strong(&put->state, &storing, NKI_PUT_OPEN);
}

/* The last reference to the operation has gone, if there was one. */
static void free_finish(struct nki_object_task *task)
{
    struct finish *finish = NKI_CONTAINER_OF(task, struct finish, task);
    const struct nki_op *op = task->chain.op;
    bool stayed = op != NULL && (op->outcome == NKI_OUTCOME_NOT_SENT || op->outcome == NKI_OUTCOME_REJECTED);
    if (stayed && !finish->sent) {
        reopen(finish->put); /* the request to store it was never sent */
    }
    if (finish->begun) {
        atomic_store(&finish->put->finishing, false);
    }
    nki_object_task_clear(task);
    nki_msg_release(finish->old);
    nki_msg_release(finish->made);
    nki_object_put_release(finish->put);
    nki_free(finish);
}

static struct nki_str name_of(const struct finish *finish)
{
    return nki_str_make((const char *)finish->put->name.data, finish->put->name.len);
}

static bool find(struct finish *finish)
{
    return nki_object_task_find(&finish->task, nki_object_store_bucket(finish->put->store), name_of(finish));
}

static enum nki_chain_next give_up(struct finish *finish)
{
    reopen(finish->put);
    return NKI_CHAIN_ENDS;
}

static enum nki_chain_next stored(struct finish *finish, struct nki_chain_end *end)
{
    const struct nki_object_info *old = finish->old != NULL ? nki_object_info_of(finish->old) : NULL;
    struct nki_msg *made = finish->made;
    atomic_store(&finish->put->state, NKI_PUT_STORED);
    finish->task.retries = 2; /* it is stored: what is left behind is no reason to wait for long */
    if (old != NULL && !old->deleted && old->size > 0 && nki_object_nuid_ok(old->nuid) &&
        old->link_bucket.len == 0 && !nki_str_eq(old->nuid, nki_put_nuid(finish->put))) {
        return nki_object_task_ask(nki_object_task_purge_chunks(&finish->task, old->nuid), end);
    }
    finish->made = NULL;
    return nki_object_task_done(&finish->task, made, end);
}

static enum nki_chain_next store(struct finish *finish, struct nki_chain_end *end)
{
    char digest[NKI_DIGEST_TEXT];
    struct nki_object_info info;
    const struct nki_object_put *put = finish->put;
    uint64_t seen = finish->old != NULL ? nki_object_info_of(finish->old)->revision : 0;
    int open = NKI_PUT_OPEN;
    if (!finish->sent && !atomic_compare_exchange_strong(&finish->put->state, &open, NKI_PUT_STORING)) {
        return nki_object_task_fail(end, NKI_CLOSED);
    }
    nki_put_describe(put, &info, digest);
    bool shown = nki_object_task_store(&finish->task, &info, put->has_revision ? put->revision : seen);
    return shown ? NKI_CHAIN_ASKS : (give_up(finish), nki_object_task_fail(end, NKI_NO_MEMORY));
}

/* What has the name. */
static enum nki_chain_next found(struct finish *finish, struct nki_msg *msg, struct nki_chain_end *end)
{
    const struct nki_object_info *info = msg != NULL ? nki_object_info_of(msg) : NULL;
    if (info != NULL && nki_str_eq(info->nuid, nki_put_nuid(finish->put))) { /* it was stored after all */
        nki_msg_release(finish->made);
        finish->made = msg;
        return stored(finish, end);
    }
    nki_msg_release(finish->old);
    finish->old = msg;
    return store(finish, end);
}

/* What it came to that it was stored. */
static enum nki_chain_next told(struct finish *finish, const struct nki_object_told *told,
                                struct nki_chain_end *end)
{
    if (told->status == NKI_OK) {
        struct nki_object_task *task = &finish->task;
        size_t prefix = nki_bucket_prefix_len(task->store->js);
        struct nki_str subject =
            nki_str_make((const char *)task->subject.data + prefix, task->subject.len - prefix);
        struct nki_str json = nki_str_make((const char *)task->body.data, task->body.len);
        nki_msg_release(finish->made);
        finish->made = NULL;
        int32_t status = nki_object_info_msg(subject, json, told->number, nki_clock_wall_ns(), &finish->made);
        if (status != NKI_OK) {
            atomic_store(&finish->put->state, NKI_PUT_STORED);
            return nki_object_task_mute(end, status);
        }
        return stored(finish, end);
    }
    bool unknown = told->status == NKI_DISCONNECTED || end->outcome == NKI_OUTCOME_UNKNOWN;
    bool faster = told->status == NKI_WRONG_LAST && (!finish->put->has_revision || finish->sent);
    finish->sent = finish->sent || unknown;
    if ((unknown || faster) && ++finish->rounds < ROUNDS_MAX) {
        if (finish->sent && told->status == NKI_WRONG_LAST && finish->put->has_revision) {
            finish->rounds = ROUNDS_MAX; /* one look whether it was this very put */
        }
        memset(&end->error, 0, sizeof end->error);
        end->status = NKI_OK;
        return nki_object_task_ask(find(finish), end);
    }
    return unknown ? NKI_CHAIN_ENDS : give_up(finish);
}

static enum nki_chain_next finish_next(struct nki_object_task *task, const struct nki_object_told *step,
                                       struct nki_chain_end *end)
{
    struct finish *finish = NKI_CONTAINER_OF(task, struct finish, task);
    if (step->step == NKI_OBJECT_FIND) {
        return found(finish, step->info, end);
    }
    if (step->step == NKI_OBJECT_STORE) {
        return told(finish, step, end);
    }
    struct nki_msg *made = finish->made;
    finish->made = NULL;
    return nki_object_task_done(task, made, end);
}

int32_t nki_object_put_finish(struct nki_object_put *put, const struct nki_js_begin *begin,
                              struct nki_op **op, struct nki_error *err)
{
    struct finish *finish = nki_calloc(1, sizeof *finish);
    if (finish == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    nki_object_task_init(&finish->task, put->store);
    finish->task.next = finish_next;
    finish->task.free = free_finish;
    finish->task.retries = RETRIES;
    finish->put = put;
    nki_object_put_retain(put);
    int32_t status = find(finish) ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
    status = status == NKI_OK ? nki_object_put_ready(put, err) : status;
    if (status != NKI_OK) {
        free_finish(&finish->task);
        return status;
    }
    finish->begun = true;
    return nki_object_task_begin(&finish->task, begin, op, err);
}

/* -- taking back ----------------------------------------------------------------------------------------- */

struct purge {
    struct nki_object_task task;
    struct nki_object_put *put; /* a reference */
    unsigned purges;
    unsigned wanted; /* of them at least, the last of which finds nothing unless it is the only one */
};

static void free_purge(struct nki_object_task *task)
{
    struct purge *purge = NKI_CONTAINER_OF(task, struct purge, task);
    nki_object_task_clear(task);
    nki_object_put_release(purge->put);
    nki_free(purge);
}

/* Chunks that were under way are waited for. Those of a lost connection may still be stored after a purge: it
 * is done again until it finds nothing. */
static enum nki_chain_next purge_next(struct nki_object_task *task, const struct nki_object_told *told,
                                      struct nki_chain_end *end)
{
    struct purge *purge = NKI_CONTAINER_OF(task, struct purge, task);
    if (told->step == NKI_OBJECT_FENCE) {
        return nki_object_task_ask(nki_object_task_purge_chunks(task, nki_put_nuid(purge->put)), end);
    }
    purge->purges++;
    bool nothing = told->number == 0 && purge->purges >= purge->wanted;
    if (purge->wanted == 1 || nothing || purge->purges >= PURGES_MAX) {
        atomic_store(&purge->put->purged, true);
        return nki_object_task_done(task, NULL, end);
    }
    task->chain.wait_ms = task->retry_wait_ms;
    return NKI_CHAIN_WAITS;
}

int32_t nki_object_put_abort(struct nki_object_put *put, const struct nki_js_begin *begin, struct nki_op **op,
                             struct nki_error *err)
{
    struct nki_publisher_info under_way;
    int state = NKI_PUT_OPEN;
    *op = NULL;
    if (!atomic_compare_exchange_strong(&put->state, &state, NKI_PUT_ABORTED) && state != NKI_PUT_ABORTED) {
        return state == NKI_PUT_STORING ? nki_error_set(err, NKI_BUSY, "the object is being stored") : NKI_OK;
    }
    struct nki_publisher_info after;
    nki_publisher_info_get(put->publisher, &under_way);
    nki_publisher_close(put->publisher);
    nki_publisher_info_get(put->publisher, &after); /* another thread may just have written */
    bool pending = under_way.pending > 0 || after.published != under_way.published;
    if (after.published == 0 || atomic_load(&put->purged)) {
        return NKI_OK;
    }
    struct purge *purge = nki_calloc(1, sizeof *purge);
    if (purge == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    nki_object_task_init(&purge->task, put->store);
    purge->task.next = purge_next;
    purge->task.free = free_purge;
    purge->task.retries = RETRIES;
    bool amiss = under_way.failed > 0 || under_way.resent > 0 || under_way.retried > 0;
    purge->wanted = amiss ? PURGES_DOUBT : pending ? 2 : 1;
    purge->put = put;
    nki_object_put_retain(put);
    bool shown = purge->wanted > 1 ? nki_object_task_fence(&purge->task, nki_put_nuid(put))
                                   : nki_object_task_purge_chunks(&purge->task, nki_put_nuid(put));
    if (!shown) {
        free_purge(&purge->task);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    return nki_object_task_begin(&purge->task, begin, op, err);
}

void nki_object_put_close(struct nki_object_put *put)
{
    struct nki_op *op;
    const struct nki_js_begin begin = {.deadline_ns = nki_deadline_ns(nki_clock_now_ns(), PURGE_TIME_MS),
                                       .timed = true};
    if (nki_object_put_abort(put, &begin, &op, NULL) == NKI_OK && op != NULL) {
        nki_op_release(op); /* it goes on */
    }
    nki_publisher_close(put->publisher);
    nki_sub_close(put->acks);
}
