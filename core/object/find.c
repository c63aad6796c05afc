/* Finding objects: see find.h. */
#include "object/find.h"

#include "base/alloc.h"
#include "jetstream/bucket.h"
#include "object/task.h"

struct find {
    struct nki_object_task task;
    uint32_t flags;
    bool followed;
};

static struct nki_str name_of(const struct find *find)
{
    return nki_str_make((const char *)find->task.find_name.data, find->task.find_name.len);
}

/* Of a link that is to be followed. Takes over the reference. */
static enum nki_chain_next follow(struct find *find, struct nki_msg *msg, struct nki_chain_end *end)
{
    const struct nki_object_info *info = nki_object_info_of(msg);
    enum nki_chain_next next;
    if (info->link_name.len == 0) {
        next = nki_object_task_fail_at(end, NKI_LINK_TO_STORE, info->name);
    } else if (find->followed) {
        next = nki_object_task_fail_at(end, NKI_LINK_TO_LINK, info->name);
    } else if (nki_bucket_fault(info->link_bucket, NKI_OBJECT_BUCKET_MAX) != NULL ||
               nki_object_name_fault(info->link_name) != NULL) {
        next = nki_object_task_fail_at(end, NKI_PROTOCOL, info->name);
    } else {
        find->followed = true;
        next =
            nki_object_task_ask(nki_object_task_find(&find->task, info->link_bucket, info->link_name), end);
    }
    nki_msg_release(msg);
    return next;
}

static enum nki_chain_next found(struct nki_object_task *task, const struct nki_object_told *told,
                                 struct nki_chain_end *end)
{
    struct find *find = NKI_CONTAINER_OF(task, struct find, task);
    if (told->info == NULL) {
        return nki_object_task_fail_at(end, NKI_OBJECT_NOT_FOUND, name_of(find));
    }
    const struct nki_object_info *info = nki_object_info_of(told->info);
    if (info->deleted && (find->flags & NKI_OBJECT_DELETED_TOO) == 0) {
        nki_msg_release(told->info);
        return nki_object_task_fail_at(end, NKI_OBJECT_DELETED, name_of(find));
    }
    if (info->link_bucket.len > 0 && (find->flags & NKI_OBJECT_FOLLOW) != 0) {
        return follow(find, told->info, end);
    }
    return nki_object_task_done(task, told->info, end);
}

static void free_find(struct nki_object_task *task)
{
    nki_object_task_clear(task);
    nki_free(NKI_CONTAINER_OF(task, struct find, task));
}

int32_t nki_object_find(struct nki_object_store *store, struct nki_str name, uint32_t flags,
                        const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err)
{
    int32_t status = nki_object_name_check(name, err);
    if (status != NKI_OK) {
        return status;
    }
    struct find *find = nki_calloc(1, sizeof *find);
    if (find == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    nki_object_task_init(&find->task, store);
    find->task.next = found;
    find->task.free = free_find;
    find->flags = flags;
    if (!nki_object_task_find(&find->task, nki_object_store_bucket(store), name)) {
        free_find(&find->task);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    return nki_object_task_begin(&find->task, begin, op, err);
}
