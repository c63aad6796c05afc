/* Changing objects: see change.h. Each change looks what there is and stores over just that; if others were
 * faster it looks again. */
#include "object/change.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "jetstream/bucket.h"
#include "object/task.h"
#include "wire/nuid.h"

#define ROUNDS_MAX 8

struct change {
    struct nki_object_task task;
    unsigned rounds;
    bool found;                  /* update: what it is, is in `old`; link: its target was looked at */
    bool cleaned;                /* what is to go was purged */
    struct nki_msg *old;         /* what it was, or NULL */
    struct nki_msg *made;        /* what it is now; or is to be, while that is being stored */
    struct nki_buf name;         /* of the object */
    struct nki_buf bucket;       /* link: that it leads to */
    struct nki_buf target;       /* link: empty for a store */
    struct nki_object_meta meta; /* update */
    char nuid[NKI_NUID_LEN];     /* link */
};

static struct nki_str str_of(const struct nki_buf *buf)
{
    return nki_str_make((const char *)buf->data, buf->len);
}

static struct change *change_of(struct nki_object_task *task)
{
    return NKI_CONTAINER_OF(task, struct change, task);
}

static void free_change(struct nki_object_task *task)
{
    struct change *change = change_of(task);
    nki_object_task_clear(task);
    nki_msg_release(change->old);
    nki_msg_release(change->made);
    nki_buf_free(&change->name);
    nki_buf_free(&change->bucket);
    nki_buf_free(&change->target);
    nki_object_meta_free(&change->meta);
    nki_free(change);
}

static bool find_own(struct change *change)
{
    return nki_object_task_find(&change->task, nki_object_store_bucket(change->task.store),
                                str_of(&change->name));
}

static void keep(struct nki_msg **place, struct nki_msg *msg)
{
    nki_msg_release(*place);
    *place = msg;
}

static uint64_t revision_of(const struct nki_msg *msg)
{
    return msg != NULL ? nki_object_info_of(msg)->revision : 0;
}

/* Stores over the revision. */
static enum nki_chain_next store(struct change *change, const struct nki_object_info *info, uint64_t expected,
                                 struct nki_chain_end *end)
{
    return nki_object_task_ask(nki_object_task_store(&change->task, info, expected), end);
}

/* It was not stored: looks again if others were faster. */
static enum nki_chain_next not_stored(struct change *change, const struct nki_object_told *told,
                                      struct nki_chain_end *end)
{
    if (told->status != NKI_WRONG_LAST || ++change->rounds >= ROUNDS_MAX) {
        return NKI_CHAIN_ENDS;
    }
    memset(&end->error, 0, sizeof end->error);
    end->status = NKI_OK;
    change->found = false;
    return nki_object_task_ask(find_own(change), end);
}

/* What was stored as a message; false if there is no memory. */
static bool keep_made(struct change *change, uint64_t revision)
{
    struct nki_msg *msg;
    struct nki_str subject = str_of(&change->task.subject);
    size_t prefix = nki_bucket_prefix_len(change->task.store->js);
    subject = nki_str_make(subject.ptr + prefix, subject.len - prefix);
    if (nki_object_info_msg(subject, str_of(&change->task.body), revision, nki_clock_wall_ns(), &msg) !=
        NKI_OK) {
        return false;
    }
    keep(&change->made, msg);
    return true;
}

static enum nki_chain_next done(struct change *change, struct nki_chain_end *end)
{
    struct nki_msg *msg = change->made;
    change->made = NULL;
    return nki_object_task_done(&change->task, msg, end);
}

/* What the object is; false, with `*next`, if it is not there. Keeps the reference. */
static bool exists(struct change *change, const struct nki_object_told *told, struct nki_chain_end *end,
                   enum nki_chain_next *next)
{
    keep(&change->old, told->info);
    if (told->info != NULL && !nki_object_info_of(told->info)->deleted) {
        return true;
    }
    *next = nki_object_task_fail_at(end, told->info == NULL ? NKI_OBJECT_NOT_FOUND : NKI_OBJECT_DELETED,
                                    str_of(&change->name));
    return false;
}

/* -- deleting -------------------------------------------------------------------------------------------- */

static enum nki_chain_next delete_next(struct nki_object_task *task, const struct nki_object_told *told,
                                       struct nki_chain_end *end)
{
    struct change *change = change_of(task);
    enum nki_chain_next next;
    if (told->step == NKI_OBJECT_FIND) {
        if (!exists(change, told, end, &next)) {
            return next;
        }
        struct nki_object_info info = *nki_object_info_of(change->old);
        info.size = info.chunks = 0;
        info.digest = NKI_STR("");
        info.deleted = true;
        return store(change, &info, info.revision, end);
    }
    if (told->step == NKI_OBJECT_PURGE) {
        return done(change, end);
    }
    if (told->status != NKI_OK) {
        return not_stored(change, told, end);
    }
    if (!keep_made(change, told->number)) {
        return nki_object_task_mute(end, NKI_NO_MEMORY);
    }
    const struct nki_object_info *old = nki_object_info_of(change->old);
    if (old->size == 0 || !nki_object_nuid_ok(old->nuid) || old->link_bucket.len > 0) {
        return done(change, end);
    }
    return nki_object_task_ask(nki_object_task_purge_chunks(task, old->nuid), end);
}

/* -- updating -------------------------------------------------------------------------------------------- */

static enum nki_chain_next store_update(struct change *change, uint64_t expected, struct nki_chain_end *end)
{
    const struct nki_object_meta *meta = &change->meta;
    struct nki_object_info info = *nki_object_info_of(change->old);
    info.name = meta->has_name ? str_of(&meta->name) : info.name;
    info.description = meta->has_description ? str_of(&meta->description) : info.description;
    info.headers = meta->has_headers ? str_of(&meta->headers) : info.headers;
    info.metadata = meta->has_metadata ? str_of(&meta->metadata) : info.metadata;
    return store(change, &info, expected, end);
}

static bool renames(const struct change *change)
{
    return change->meta.has_name && !nki_str_eq(str_of(&change->meta.name), str_of(&change->name));
}

/* What has the new name. Takes over the reference. */
static enum nki_chain_next taken(struct change *change, struct nki_msg *msg, struct nki_chain_end *end)
{
    if (msg != NULL && !nki_object_info_of(msg)->deleted) {
        nki_msg_release(msg);
        return nki_object_task_fail_at(end, NKI_OBJECT_EXISTS, str_of(&change->meta.name));
    }
    uint64_t revision = revision_of(msg);
    nki_msg_release(msg);
    return store_update(change, revision, end);
}

static enum nki_chain_next update_next(struct nki_object_task *task, const struct nki_object_told *told,
                                       struct nki_chain_end *end)
{
    struct change *change = change_of(task);
    enum nki_chain_next next;
    if (told->step == NKI_OBJECT_FIND && change->found) {
        return taken(change, told->info, end);
    }
    if (told->step == NKI_OBJECT_FIND) {
        if (!exists(change, told, end, &next)) {
            return next;
        }
        change->found = true;
        return renames(change)
                   ? nki_object_task_ask(nki_object_task_find(task, nki_object_store_bucket(task->store),
                                                              str_of(&change->meta.name)),
                                         end)
                   : store_update(change, nki_object_info_of(change->old)->revision, end);
    }
    if (told->step == NKI_OBJECT_PURGE) {
        return done(change, end);
    }
    if (told->status != NKI_OK) {
        return not_stored(change, told, end);
    }
    if (!keep_made(change, told->number)) {
        return nki_object_task_mute(end, NKI_NO_MEMORY);
    }
    return renames(change)
               ? nki_object_task_ask(nki_object_task_purge_meta(task, str_of(&change->name),
                                                                nki_object_info_of(change->old)->revision),
                                     end)
               : done(change, end);
}

/* -- linking --------------------------------------------------------------------------------------------- */

/* The target. Takes over the reference. */
static enum nki_chain_next look_at_target(struct change *change, struct nki_msg *msg,
                                          struct nki_chain_end *end)
{
    const struct nki_object_info *info = msg != NULL ? nki_object_info_of(msg) : NULL;
    int32_t status = info == NULL                ? NKI_OBJECT_NOT_FOUND
                     : info->deleted             ? NKI_OBJECT_DELETED
                     : info->link_bucket.len > 0 ? NKI_LINK_TO_LINK
                                                 : NKI_OK;
    nki_msg_release(msg);
    if (status != NKI_OK) {
        return nki_object_task_fail_at(end, status, str_of(&change->target));
    }
    change->found = true;
    return nki_object_task_ask(find_own(change), end);
}

static enum nki_chain_next link_next(struct nki_object_task *task, const struct nki_object_told *told,
                                     struct nki_chain_end *end)
{
    struct change *change = change_of(task);
    if (told->step == NKI_OBJECT_FIND && !change->found) {
        return look_at_target(change, told->info, end);
    }
    if (told->step == NKI_OBJECT_FIND) {
        keep(&change->old, told->info);
        const struct nki_object_info *old = told->info != NULL ? nki_object_info_of(told->info) : NULL;
        if (old != NULL && !old->deleted && old->link_bucket.len == 0) {
            return nki_object_task_fail_at(end, NKI_OBJECT_EXISTS, str_of(&change->name));
        }
        const struct nki_object_info info = {
            .bucket = nki_object_store_bucket(task->store),
            .name = str_of(&change->name),
            .description = NKI_STR(""),
            .headers = NKI_STR(""),
            .metadata = NKI_STR(""),
            .nuid = nki_str_make(change->nuid, NKI_NUID_LEN),
            .digest = NKI_STR(""),
            .link_bucket = str_of(&change->bucket),
            .link_name = str_of(&change->target),
        };
        return store(change, &info, revision_of(change->old), end);
    }
    if (told->status != NKI_OK) {
        enum nki_chain_next next = not_stored(change, told, end);
        change->found = true; /* the target was looked at */
        return next;
    }
    return keep_made(change, told->number) ? done(change, end) : nki_object_task_mute(end, NKI_NO_MEMORY);
}

/* -- beginning ------------------------------------------------------------------------------------------- */

static int32_t make(struct nki_object_store *store, struct nki_str name, struct change **out,
                    struct nki_error *err)
{
    int32_t status = nki_object_name_check(name, err);
    if (status != NKI_OK) {
        return status;
    }
    struct change *change = nki_calloc(1, sizeof *change);
    if (change == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    nki_object_task_init(&change->task, store);
    change->task.free = free_change;
    if (!nki_buf_append_str(&change->name, name)) {
        free_change(&change->task);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    *out = change;
    return NKI_OK;
}

static int32_t begin_shown(struct change *change, bool shown, const struct nki_js_begin *begin,
                           struct nki_op **op, struct nki_error *err)
{
    if (!shown) {
        free_change(&change->task);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    return nki_object_task_begin(&change->task, begin, op, err);
}

int32_t nki_object_delete(struct nki_object_store *store, struct nki_str name,
                          const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err)
{
    struct change *change;
    int32_t status = make(store, name, &change, err);
    if (status != NKI_OK) {
        return status;
    }
    change->task.next = delete_next;
    return begin_shown(change, find_own(change), begin, op, err);
}

int32_t nki_object_update(struct nki_object_store *store, struct nki_str name, struct nki_object_meta *meta,
                          const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err)
{
    struct change *change;
    int32_t status = make(store, name, &change, err);
    if (status != NKI_OK) {
        return status;
    }
    change->task.next = update_next;
    change->meta = *meta;
    memset(meta, 0, sizeof *meta);
    return begin_shown(change, find_own(change), begin, op, err);
}

int32_t nki_object_link(struct nki_object_store *store, struct nki_str name, struct nki_str bucket,
                        struct nki_str target, const struct nki_js_begin *begin, struct nki_op **op,
                        struct nki_error *err)
{
    struct change *change;
    int32_t status = nki_bucket_check(bucket, NKI_OBJECT_BUCKET_MAX, err);
    if (status == NKI_OK && target.len > 0) {
        status = nki_object_name_check(target, err);
    }
    status = status == NKI_OK ? make(store, name, &change, err) : status;
    if (status != NKI_OK) {
        return status;
    }
    struct nki_nuid nuid;
    nki_nuid_init(&nuid);
    nki_nuid_next(&nuid, change->nuid);
    change->task.next = link_next;
    change->found = target.len == 0;
    bool ok = nki_buf_append_str(&change->bucket, bucket) && nki_buf_append_str(&change->target, target) &&
              (change->found ? find_own(change) : nki_object_task_find(&change->task, bucket, target));
    return begin_shown(change, ok, begin, op, err);
}
