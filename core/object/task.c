/* Steps of requests about objects: see task.h. */
#include "object/task.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "jetstream/api_error.h"
#include "jetstream/bucket.h"
#include "jetstream/publish.h"
#include "jetstream/stored.h"
#include "wire/header.h"

#include <inttypes.h>
#include <stdio.h>

static struct nki_str str_of(const struct nki_buf *buf)
{
    return nki_str_make((const char *)buf->data, buf->len);
}

static struct nki_object_task *task_of(struct nki_chain *chain)
{
    return NKI_CONTAINER_OF(chain, struct nki_object_task, chain);
}

static void free_task(struct nki_op_part *part)
{
    struct nki_object_task *task = task_of(NKI_CONTAINER_OF(part, struct nki_chain, part));
    task->free(task);
}

void nki_object_task_clear(struct nki_object_task *task)
{
    nki_buf_free(&task->find_bucket);
    nki_buf_free(&task->find_name);
    nki_buf_free(&task->subject);
    nki_buf_free(&task->block);
    nki_buf_free(&task->body);
    nki_object_store_release(task->store);
}

/* -- ends ------------------------------------------------------------------------------------------------ */

enum nki_chain_next nki_object_task_fail(struct nki_chain_end *end, int32_t status)
{
    end->status = nki_error_set(&end->error, status, NULL);
    end->outcome = NKI_OUTCOME_REJECTED;
    return NKI_CHAIN_ENDS;
}

enum nki_chain_next nki_object_task_mute(struct nki_chain_end *end, int32_t status)
{
    enum nki_chain_next next = nki_object_task_fail(end, status);
    end->outcome = NKI_OUTCOME_UNKNOWN;
    return next;
}

enum nki_chain_next nki_object_task_fail_at(struct nki_chain_end *end, int32_t status, struct nki_str name)
{
    int shown = name.len < 80 ? (int)name.len : 80;
    end->status = nki_error_set(&end->error, status, "object \"%.*s\": %s", shown, name.ptr,
                                nki_status_row(status)->text);
    end->outcome = NKI_OUTCOME_REJECTED;
    return NKI_CHAIN_ENDS;
}

enum nki_chain_next nki_object_task_ask(bool shown, struct nki_chain_end *end)
{
    return shown ? NKI_CHAIN_ASKS : nki_object_task_fail(end, NKI_NO_MEMORY);
}

enum nki_chain_next nki_object_task_done(struct nki_object_task *task, struct nki_msg *msg,
                                         struct nki_chain_end *end)
{
    if (msg != NULL) {
        msg->origin = task->store->js->conn != NULL ? nki_conn_origin(task->store->js->conn) : 0;
    }
    end->status = NKI_OK;
    end->outcome = NKI_OUTCOME_DONE;
    end->msg = msg;
    return NKI_CHAIN_ENDS;
}

/* -- steps ----------------------------------------------------------------------------------------------- */

static bool show(struct nki_object_task *task, enum nki_object_step step)
{
    task->step = step;
    task->chain.out = (struct nki_outgoing_msg){.subject = str_of(&task->subject),
                                                .reply = NKI_STR(""),
                                                .header_block = str_of(&task->block),
                                                .data = str_of(&task->body)};
    return true;
}

static void forget(struct nki_object_task *task)
{
    task->subject.len = task->block.len = task->body.len = 0;
}

/* "<prefix><verb>OBJ_<bucket>" */
static bool append_api(struct nki_object_task *task, struct nki_str verb, struct nki_str bucket)
{
    return nki_buf_append_str(&task->subject, nki_js_prefix(task->store->js)) &&
           nki_buf_append_str(&task->subject, verb) &&
           nki_buf_append_str(&task->subject, NKI_STR(NKI_OBJECT_STREAM_PREFIX)) &&
           nki_buf_append_str(&task->subject, bucket);
}

bool nki_object_task_find(struct nki_object_task *task, struct nki_str bucket, struct nki_str name)
{
    forget(task);
    task->find_bucket.len = task->find_name.len = 0;
    bool ok = nki_buf_append_str(&task->find_bucket, bucket) && nki_buf_append_str(&task->find_name, name) &&
              append_api(task, NKI_STR(".STREAM.MSG.GET."), bucket) &&
              nki_buf_append_str(&task->body, NKI_STR("{\"last_by_subj\":\"")) &&
              nki_object_append_meta_subject(&task->body, bucket, name) && /* holds nothing to escape */
              nki_buf_append(&task->body, "\"}", 2);
    return ok && show(task, NKI_OBJECT_FIND);
}

static bool append_headers(struct nki_object_task *task, uint64_t expected)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%" PRIu64, expected);
    return nki_header_append(&task->block, NKI_STR("Nats-Rollup"), NKI_STR("sub"), NULL) == NKI_OK &&
           (expected == NKI_OBJECT_ANY ||
            nki_header_append(&task->block, NKI_STR("Nats-Expected-Last-Subject-Sequence"),
                              nki_str_make(text, (size_t)len), NULL) == NKI_OK);
}

bool nki_object_task_store(struct nki_object_task *task, const struct nki_object_info *info,
                           uint64_t expected)
{
    forget(task);
    bool ok = nki_bucket_append_prefix(task->store->js, &task->subject) &&
              nki_object_append_meta_subject(&task->subject, info->bucket, info->name) &&
              append_headers(task, expected) && nki_object_info_write(&task->body, info);
    return ok && show(task, NKI_OBJECT_STORE);
}

bool nki_object_task_fence(struct nki_object_task *task, struct nki_str nuid)
{
    forget(task);
    bool ok = nki_bucket_append_prefix(task->store->js, &task->subject) &&
              nki_object_append_chunk_subject(&task->subject, nki_object_store_bucket(task->store), nuid);
    return ok && show(task, NKI_OBJECT_FENCE);
}

static bool begin_purge(struct nki_object_task *task)
{
    forget(task);
    return append_api(task, NKI_STR(".STREAM.PURGE."), nki_object_store_bucket(task->store)) &&
           nki_buf_append_str(&task->body, NKI_STR("{\"filter\":\""));
}

bool nki_object_task_purge_chunks(struct nki_object_task *task, struct nki_str nuid)
{
    return begin_purge(task) &&
           nki_object_append_chunk_subject(&task->body, nki_object_store_bucket(task->store), nuid) &&
           nki_buf_append(&task->body, "\"}", 2) && show(task, NKI_OBJECT_PURGE);
}

bool nki_object_task_purge_meta(struct nki_object_task *task, struct nki_str name, uint64_t revision)
{
    return begin_purge(task) &&
           nki_object_append_meta_subject(&task->body, nki_object_store_bucket(task->store), name) &&
           nki_buf_append_str(&task->body, NKI_STR("\",\"seq\":")) &&
           nki_buf_append_u64(&task->body, revision + 1) && nki_buf_append(&task->body, "}", 1) &&
           show(task, NKI_OBJECT_PURGE);
}

/* -- answers --------------------------------------------------------------------------------------------- */

/* Nobody answers for the moment: again after a pause, or it ends with `status`. */
static enum nki_chain_next again(struct nki_object_task *task, struct nki_chain_end *end, int32_t status)
{
    if (task->retries != 0) {
        task->retries -= task->retries > 0;
        task->chain.wait_ms = task->retry_wait_ms;
        return NKI_CHAIN_WAITS;
    }
    return end->status != NKI_OK ? NKI_CHAIN_ENDS : nki_object_task_fail(end, status);
}

/* Whether an answer of the API is an error; then `*next` is what follows. */
static bool refused(struct nki_object_task *task, const struct nki_json_value *answer,
                    struct nki_chain_end *end, enum nki_chain_next *next)
{
    struct nki_json_value error;
    if (!nki_json_member(answer, NKI_STR("error"), &error)) {
        return false;
    }
    end->status = nki_js_read_error(&error, &end->error);
    end->outcome = NKI_OUTCOME_REJECTED;
    *next = NKI_CHAIN_ENDS;
    if (nki_js_may_pass(&end->error)) {
        *next = again(task, end, end->status);
    }
    return true;
}

/* Makes the info of a stored message. */
static int32_t read_stored(struct nki_object_task *task, const struct nki_json_value *answer,
                           struct nki_msg **info)
{
    struct nki_json_value message;
    struct nki_json_value value;
    struct nki_msg *stored;
    struct nki_buf subject = {0};
    uint64_t seq = 0;
    int64_t time_ns = 0;
    char time[64];
    struct nki_str bucket = str_of(&task->find_bucket);
    int32_t status = nki_stored_msg(answer, NKI_STR("_"), &stored);
    if (status != NKI_OK) {
        return status;
    }
    bool ok = nki_json_member(answer, NKI_STR("message"), &message) &&
              nki_json_member(&message, NKI_STR("seq"), &value) && nki_json_u64(&value, &seq) &&
              nki_json_member(&message, NKI_STR("time"), &value) &&
              nki_json_text(&value, time, sizeof time) > 0 && nki_rfc3339_read(nki_str_z(time), &time_ns);
    status = ok ? NKI_OK : NKI_PROTOCOL;
    if (ok && !nki_object_append_meta_subject(&subject, bucket, str_of(&task->find_name))) {
        status = NKI_NO_MEMORY;
    }
    if (status == NKI_OK) {
        status = nki_object_info_msg(str_of(&subject), nki_msg_data(stored), seq, time_ns, info);
    }
    nki_buf_free(&subject);
    nki_msg_release(stored);
    return status;
}

static enum nki_chain_next found(struct nki_object_task *task, const struct nki_json_value *answer,
                                 struct nki_chain_end *end)
{
    struct nki_object_told told = {.step = NKI_OBJECT_FIND};
    enum nki_chain_next next;
    if (refused(task, answer, end, &next)) {
        if (end->status != NKI_MSG_NOT_FOUND) {
            return next;
        }
        memset(&end->error, 0, sizeof end->error);
        end->status = NKI_OK;
        end->outcome = NKI_OUTCOME_DONE;
        return task->next(task, &told, end);
    }
    int32_t status = read_stored(task, answer, &told.info);
    if (status == NKI_PROTOCOL) {
        next = nki_object_task_fail(end, status);
        nki_error_set(&end->error, status, "what is stored under the object's name is no object");
        return next;
    }
    return status == NKI_OK ? task->next(task, &told, end) : nki_object_task_fail(end, status);
}

static enum nki_chain_next purged(struct nki_object_task *task, const struct nki_json_value *answer,
                                  struct nki_chain_end *end)
{
    struct nki_object_told told = {.step = NKI_OBJECT_PURGE};
    struct nki_json_value value;
    enum nki_chain_next next;
    if (refused(task, answer, end, &next)) {
        return next;
    }
    if (nki_json_member(answer, NKI_STR("purged"), &value)) {
        (void)nki_json_u64(&value, &told.number);
    }
    return task->next(task, &told, end);
}

static enum nki_chain_next stored(struct nki_object_task *task, struct nki_msg *msg,
                                  struct nki_chain_end *end)
{
    struct nki_object_told told = {.step = NKI_OBJECT_STORE};
    nki_js_published(msg, end);
    told.status = end->status;
    if (end->status == NKI_OK) {
        struct nki_pub_ack ack;
        nki_pub_ack_of(end->msg, &ack);
        told.number = ack.seq;
        nki_msg_release(end->msg);
        end->msg = NULL;
    }
    return task->next(task, &told, end);
}

static enum nki_chain_next answered(struct nki_object_task *task, struct nki_msg *msg,
                                    struct nki_chain_end *end)
{
    struct nki_json_value answer;
    enum nki_chain_next next;
    if (task->step == NKI_OBJECT_STORE) {
        return stored(task, msg, end);
    }
    if (task->step == NKI_OBJECT_FENCE) {
        const struct nki_object_told told = {.step = NKI_OBJECT_FENCE};
        nki_msg_release(msg);
        return task->next(task, &told, end);
    }
    if (!nki_json_check(nki_msg_data(msg), &answer) || answer.type != NKI_JSON_OBJECT) {
        next = nki_object_task_fail(end, NKI_PROTOCOL);
    } else {
        next = task->step == NKI_OBJECT_FIND ? found(task, &answer, end) : purged(task, &answer, end);
    }
    nki_msg_release(msg);
    return next;
}

static enum nki_chain_next reply(struct nki_chain *chain, int32_t status, struct nki_msg *msg,
                                 struct nki_chain_end *end)
{
    struct nki_object_task *task = task_of(chain);
    bool stores = task->step == NKI_OBJECT_STORE;
    if (status == NKI_OK) {
        return answered(task, msg, end);
    }
    if (status == NKI_NO_RESPONDERS) {
        bool publishes = stores || task->step == NKI_OBJECT_FENCE;
        return again(task, end, publishes ? NKI_NO_STREAM : NKI_JS_NOT_ENABLED);
    }
    if (!stores) {
        return NKI_CHAIN_ASKS; /* it may be asked twice */
    }
    const struct nki_object_told told = {.step = NKI_OBJECT_STORE, .status = status};
    end->status = nki_error_set(&end->error, status, NULL);
    end->outcome = NKI_OUTCOME_UNKNOWN;
    return task->next(task, &told, end);
}

static const struct nki_chain_ops ops = {.reply = reply};

void nki_object_task_init(struct nki_object_task *task, struct nki_object_store *store)
{
    task->chain.ops = &ops;
    task->chain.part.free = free_task;
    task->store = store;
    nki_object_store_retain(store);
    task->retries = store->js->api_retries;
    task->retry_wait_ms = store->js->publish_retry_wait_ms;
}

int32_t nki_object_task_begin(struct nki_object_task *task, const struct nki_js_begin *begin,
                              struct nki_op **op, struct nki_error *err)
{
    return nki_conn_chain(task->store->js->conn, &task->chain, begin->deadline_ns, begin->timed,
                          begin->wait_room, op, err);
}
