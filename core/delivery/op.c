/* Operations: see op.h. */
#include "delivery/op.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/probe.h"

struct nki_op *nki_op_new(void)
{
    struct nki_op *op = nki_alloc(sizeof *op);
    if (op == NULL) {
        return NULL;
    }
    memset(op, 0, sizeof *op);
    if (nki_waitable_init(&op->wait) != 0) {
        nki_free(op);
        return NULL;
    }
    atomic_init(&op->refs, 1);
    op->status = NKI_PENDING;
    op->outcome = NKI_OUTCOME_PENDING;
    op->begin_ns = nki_clock_now_ns();
    nki_list_init(&op->engine_node);
    nki_list_init(&op->outbox_node);
    return op;
}

void nki_op_retain(struct nki_op *op)
{
    atomic_fetch_add_explicit(&op->refs, 1, memory_order_relaxed);
}

void nki_op_release(struct nki_op *op)
{
    if (op == NULL || atomic_fetch_sub_explicit(&op->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    nki_msg_release(op->msg);
    nki_free(op->error);
    if (op->part != NULL) {
        op->part->free(op->part);
    }
    nki_waitable_destroy(&op->wait);
    nki_free(op);
}

bool nki_op_finish(struct nki_op *op, int32_t status, int32_t outcome, struct nki_msg *msg,
                   const struct nki_error *error)
{
    /* A text that finds no memory is left out: finishing never fails. */
    struct nki_error *copy = error != NULL && error->text[0] != '\0' ? nki_alloc(sizeof *copy) : NULL;
    if (copy != NULL) {
        *copy = *error;
        copy->status = status; /* the reason's own may be another */
    }
    pthread_mutex_lock(&op->wait.mu);
    bool finishes = !op->done;
    if (finishes) {
        op->done = true;
        op->status = status;
        op->outcome = outcome;
        op->end_ns = nki_clock_now_ns();
        op->error = copy;
        copy = NULL;
        if (!op->wait.closed) {
            op->msg = msg;
            msg = NULL;
        }
        nki_waitable_signal(&op->wait, true);
    }
    if (finishes && op->asks) {
        NKI_PROBE(request__end, op, status, op->end_ns - op->begin_ns);
    }
    pthread_mutex_unlock(&op->wait.mu);
    nki_free(copy);
    nki_msg_release(msg);
    return finishes;
}

void nki_op_close(struct nki_op *op)
{
    pthread_mutex_lock(&op->wait.mu);
    struct nki_msg *msg = op->msg;
    op->msg = NULL;
    op->wait.closed = true;
    nki_link_remove(&op->wait.link);
    nki_waitable_signal(&op->wait, true);
    pthread_mutex_unlock(&op->wait.mu);
    nki_msg_release(msg);
}

int32_t nki_op_result(struct nki_op *op, int32_t *outcome, struct nki_error *error)
{
    pthread_mutex_lock(&op->wait.mu);
    int32_t status = op->status;
    if (outcome != NULL) {
        *outcome = op->outcome;
    }
    if (error != NULL && status != NKI_OK && status != NKI_PENDING) {
        if (op->error != NULL) {
            *error = *op->error;
        } else {
            nki_error_set(error, status, NULL);
        }
    }
    pthread_mutex_unlock(&op->wait.mu);
    return status;
}

int64_t nki_op_duration_ns(struct nki_op *op)
{
    pthread_mutex_lock(&op->wait.mu);
    int64_t end_ns = op->done ? op->end_ns : nki_clock_now_ns();
    pthread_mutex_unlock(&op->wait.mu);
    return end_ns - op->begin_ns;
}

int32_t nki_op_take_msg(struct nki_op *op, struct nki_msg **out)
{
    pthread_mutex_lock(&op->wait.mu);
    int32_t status = op->status;
    if (status == NKI_OK && op->msg == NULL) {
        status = NKI_NOT_FOUND;
    }
    *out = status == NKI_OK ? op->msg : NULL;
    if (status == NKI_OK) {
        op->msg = NULL;
    }
    pthread_mutex_unlock(&op->wait.mu);
    return status;
}
