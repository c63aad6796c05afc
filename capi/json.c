/* JSON documents. Any thread: each has a mutex, held for one call. */
#include "base/alloc.h"
#include "capi/guard.h"
#include "json/doc.h"

_Static_assert(NATSKIT_JSON_NULL == NKI_DOC_NULL && NATSKIT_JSON_BOOL == NKI_DOC_BOOL &&
                   NATSKIT_JSON_INT == NKI_DOC_INT && NATSKIT_JSON_UINT == NKI_DOC_UINT &&
                   NATSKIT_JSON_DOUBLE == NKI_DOC_DOUBLE && NATSKIT_JSON_STRING == NKI_DOC_STRING &&
                   NATSKIT_JSON_ARRAY == NKI_DOC_ARRAY && NATSKIT_JSON_OBJECT == NKI_DOC_OBJECT &&
                   NATSKIT_JSON_END == NKI_DOC_END,
               "types have the same numbers");
_Static_assert(sizeof(natskit_json_item) == sizeof(struct nki_doc_item) &&
                   offsetof(natskit_json_item, boolean) == offsetof(struct nki_doc_item, boolean) &&
                   offsetof(natskit_json_item, key) == offsetof(struct nki_doc_item, key.ptr) &&
                   offsetof(natskit_json_item, key_len) == offsetof(struct nki_doc_item, key.len) &&
                   offsetof(natskit_json_item, text) == offsetof(struct nki_doc_item, text.ptr) &&
                   offsetof(natskit_json_item, text_len) == offsetof(struct nki_doc_item, text.len) &&
                   offsetof(natskit_json_item, integer) == offsetof(struct nki_doc_item, integer) &&
                   offsetof(natskit_json_item, natural) == offsetof(struct nki_doc_item, natural) &&
                   offsetof(natskit_json_item, real) == offsetof(struct nki_doc_item, real) &&
                   offsetof(natskit_json_item, size) == offsetof(struct nki_doc_item, size),
               "natskit_json_item and struct nki_doc_item are laid out alike");
_Static_assert(sizeof(natskit_json_cursor) == sizeof(struct nki_doc_cursor) &&
                   offsetof(natskit_json_cursor, depth) == offsetof(struct nki_doc_cursor, depth) &&
                   offsetof(natskit_json_cursor, stage) == offsetof(struct nki_doc_cursor, stage) &&
                   offsetof(natskit_json_cursor, at) == offsetof(struct nki_doc_cursor, at),
               "natskit_json_cursor and struct nki_doc_cursor are laid out alike");

#define ITEM_STEP 64 /* items walked at once for a caller of another version */

struct json {
    pthread_mutex_t mu;
    /* guarded by mu */
    struct nki_doc doc;
    struct nki_doc_builder *fed; /* what natskit_json_feed has begun, or NULL */
};

/* -- life ------------------------------------------------------------------------------------------------ */

static void json_close(struct nki_handle *handle)
{
    (void)handle; /* nobody blocks on a document */
}

static void forget_fed(struct json *json)
{
    if (json->fed != NULL) {
        nki_doc_builder_free(json->fed);
        nki_free(json->fed);
        json->fed = NULL;
    }
}

static void json_destroy(struct nki_handle *handle)
{
    struct json *json = handle->object;
    forget_fed(json);
    nki_doc_free(&json->doc);
    pthread_mutex_destroy(&json->mu);
    nki_free(json);
}

static const struct nki_handle_ops json_ops = {json_close, json_destroy};

/* Gives a document, which it takes over, a handle. */
static natskit_status open_handle(struct nki_doc *doc, natskit_json *out)
{
    uint64_t id;
    struct nki_handle *handle;
    struct json *json = nki_alloc(sizeof *json);
    if (json == NULL) {
        nki_doc_free(doc);
        return NATSKIT_NO_MEMORY;
    }
    natskit_status status = nki_handle_reserve(NATSKIT_KIND_JSON, &id, &handle);
    if (status != NATSKIT_OK) {
        nki_doc_free(doc);
        nki_free(json);
        return status;
    }
    pthread_mutex_init(&json->mu, NULL);
    json->doc = *doc;
    json->fed = NULL;
    nki_handle_publish(handle, &json_ops, json, NULL);
    out->id = id;
    return NATSKIT_OK;
}

natskit_status natskit_json_open(int32_t type, natskit_json *out)
{
    struct nki_doc doc;
    if (out == NULL) {
        return NATSKIT_INVALID;
    }
    out->id = 0;
    if (type != NATSKIT_JSON_ARRAY && type != NATSKIT_JSON_OBJECT) {
        return NATSKIT_INVALID;
    }
    natskit_status status = nki_doc_init(&doc, (enum nki_doc_type)type);
    return status == NATSKIT_OK ? open_handle(&doc, out) : status;
}

natskit_status natskit_json_parse(const char *text, size_t text_len, natskit_json *out, natskit_error *err)
{
    struct nki_str str;
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    if (!nki_capi_str(text, text_len, &str)) {
        return nki_capi_invalid(err, "text: the pointer is NULL");
    }
    return nki_capi_json_read(str, out, err);
}

int32_t nki_capi_json_read(struct nki_str text, natskit_json *out, natskit_error *err)
{
    struct nki_doc doc;
    int32_t status = nki_doc_parse(&doc, text, nki_capi_err(err));
    return status == NATSKIT_OK ? nki_capi_json_give(&doc, out, err) : status;
}

int32_t nki_capi_json_give(struct nki_doc *doc, natskit_json *out, natskit_error *err)
{
    int32_t status = open_handle(doc, out);
    return status == NATSKIT_OK ? status : nki_error_set(nki_capi_err(err), status, NULL);
}

int32_t nki_capi_json_use(natskit_json json, struct nki_capi_json *out, natskit_error *err)
{
    *out = (struct nki_capi_json){0};
    if (json.id == 0) {
        return NATSKIT_OK;
    }
    int32_t status = nki_capi_pin(json.id, NATSKIT_KIND_JSON, "json", &out->handle, err);
    if (status == NATSKIT_OK) {
        struct json *object = out->handle->object;
        pthread_mutex_lock(&object->mu);
        out->doc = &object->doc;
    }
    return status;
}

void nki_capi_json_done(struct nki_capi_json *use)
{
    if (use->handle != NULL) {
        struct json *object = use->handle->object;
        pthread_mutex_unlock(&object->mu);
        nki_handle_unpin(use->handle);
    }
}

natskit_status natskit_json_close(natskit_json json)
{
    return nki_handle_close(json.id, NATSKIT_KIND_JSON);
}

/* -- use by path ----------------------------------------------------------------------------------------- */

/* A document that a call works on: pinned and locked from begin_use to end_use. */
struct use {
    struct nki_handle *handle;
    struct json *json;
    struct nki_str path;
    struct nki_doc_node *node; /* of begin_get */
    struct nki_error *err;
};

static natskit_status begin_use(struct use *use, natskit_json id, const char *path, size_t path_len,
                                natskit_error *err)
{
    use->err = nki_capi_err(err);
    if (!nki_capi_str(path, path_len, &use->path)) {
        nki_capi_invalid(err, "path: the pointer is NULL");
        return NATSKIT_INVALID;
    }
    natskit_status status = nki_capi_pin(id.id, NATSKIT_KIND_JSON, "json", &use->handle, err);
    if (status == NATSKIT_OK) {
        use->json = use->handle->object;
        pthread_mutex_lock(&use->json->mu);
    }
    return status;
}

static natskit_status end_use(struct use *use, natskit_status status)
{
    pthread_mutex_unlock(&use->json->mu);
    nki_handle_unpin(use->handle);
    return status;
}

/* For reading: finds the value, too. `out` is where the result goes. */
static natskit_status begin_get(struct use *use, natskit_json id, const char *path, size_t path_len,
                                const void *out, natskit_error *err)
{
    if (out == NULL) {
        nki_capi_invalid(err, "the pointer for the result is NULL");
        return NATSKIT_INVALID;
    }
    natskit_status status = begin_use(use, id, path, path_len, err);
    if (status == NATSKIT_OK) {
        status = nki_doc_at(&use->json->doc, use->path, &use->node, use->err);
        if (status != NATSKIT_OK) {
            end_use(use, status);
        }
    }
    return status;
}

static natskit_status end_wrong(struct use *use, natskit_status wrong, const char *wanted)
{
    struct nki_str path = use->path;
    const char *is = nki_doc_type_name(use->node->type);
    return end_use(use, nki_error_set(use->err, wrong, "path \"%.*s\" is %s, not %s",
                                      (int)(path.len < 80 ? path.len : 80), path.ptr, is, wanted));
}

/* Copies a text to the caller whole or not at all. */
static natskit_status end_text(struct use *use, struct nki_str text, char *buf, size_t cap, size_t *len)
{
    *len = text.len;
    if (text.len > cap) {
        return end_use(
            use, nki_error_set(use->err, NKI_LIMIT, "the text has %zu bytes, the buffer %zu", text.len, cap));
    }
    if (text.len > 0) {
        memcpy(buf, text.ptr, text.len);
    }
    return end_use(use, NATSKIT_OK);
}

natskit_status natskit_json_type(natskit_json json, const char *path, size_t path_len, int32_t *type,
                                 natskit_error *err)
{
    struct use use;
    natskit_status status = begin_get(&use, json, path, path_len, type, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    *type = (int32_t)use.node->type;
    return end_use(&use, NATSKIT_OK);
}

natskit_status natskit_json_size(natskit_json json, const char *path, size_t path_len, size_t *size,
                                 natskit_error *err)
{
    struct use use;
    natskit_status status = begin_get(&use, json, path, path_len, size, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    if (use.node->type != NKI_DOC_ARRAY && use.node->type != NKI_DOC_OBJECT) {
        return end_wrong(&use, NATSKIT_INVALID, "an array or object");
    }
    *size = use.node->u.list.count;
    return end_use(&use, NATSKIT_OK);
}

natskit_status natskit_json_key_at(natskit_json json, const char *path, size_t path_len, size_t index,
                                   char *buf, size_t cap, size_t *len, natskit_error *err)
{
    struct use use;
    if (buf == NULL && cap > 0) {
        return nki_capi_invalid(err, "buf: the pointer is NULL");
    }
    natskit_status status = begin_get(&use, json, path, path_len, len, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    if (use.node->type != NKI_DOC_OBJECT) {
        return end_wrong(&use, NATSKIT_INVALID, "an object");
    }
    if (index >= use.node->u.list.count) {
        return end_use(&use, nki_error_set(use.err, NKI_NOT_FOUND, "member %zu is past the last of %u", index,
                                           (unsigned)use.node->u.list.count));
    }
    return end_text(&use, use.node->u.list.items[index]->key, buf, cap, len);
}

natskit_status natskit_json_get_string(natskit_json json, const char *path, size_t path_len, char *buf,
                                       size_t cap, size_t *len, natskit_error *err)
{
    struct use use;
    if (buf == NULL && cap > 0) {
        return nki_capi_invalid(err, "buf: the pointer is NULL");
    }
    natskit_status status = begin_get(&use, json, path, path_len, len, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    if (use.node->type != NKI_DOC_STRING) {
        return end_wrong(&use, NATSKIT_INVALID, "a string");
    }
    return end_text(&use, use.node->u.text, buf, cap, len);
}

natskit_status natskit_json_get_int(natskit_json json, const char *path, size_t path_len, int64_t *value,
                                    natskit_error *err)
{
    struct use use;
    natskit_status status = begin_get(&use, json, path, path_len, value, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    if (use.node->type == NKI_DOC_UINT) {
        return end_wrong(&use, NATSKIT_LIMIT, "one that fits int64_t");
    }
    if (use.node->type != NKI_DOC_INT) {
        return end_wrong(&use, NATSKIT_INVALID, "an integer");
    }
    *value = use.node->u.integer;
    return end_use(&use, NATSKIT_OK);
}

natskit_status natskit_json_get_uint(natskit_json json, const char *path, size_t path_len, uint64_t *value,
                                     natskit_error *err)
{
    struct use use;
    natskit_status status = begin_get(&use, json, path, path_len, value, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    if (use.node->type == NKI_DOC_UINT) {
        *value = use.node->u.natural;
        return end_use(&use, NATSKIT_OK);
    }
    if (use.node->type != NKI_DOC_INT) {
        return end_wrong(&use, NATSKIT_INVALID, "an integer");
    }
    if (use.node->u.integer < 0) {
        return end_wrong(&use, NATSKIT_LIMIT, "one that fits uint64_t");
    }
    *value = (uint64_t)use.node->u.integer;
    return end_use(&use, NATSKIT_OK);
}

natskit_status natskit_json_get_double(natskit_json json, const char *path, size_t path_len, double *value,
                                       natskit_error *err)
{
    struct use use;
    struct nki_doc_item item;
    natskit_status status = begin_get(&use, json, path, path_len, value, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    if (use.node->type != NKI_DOC_INT && use.node->type != NKI_DOC_UINT && use.node->type != NKI_DOC_DOUBLE) {
        return end_wrong(&use, NATSKIT_INVALID, "a number");
    }
    nki_doc_show(use.node, &item);
    *value = item.real;
    return end_use(&use, NATSKIT_OK);
}

natskit_status natskit_json_get_bool(natskit_json json, const char *path, size_t path_len, int32_t *value,
                                     natskit_error *err)
{
    struct use use;
    natskit_status status = begin_get(&use, json, path, path_len, value, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    if (use.node->type != NKI_DOC_BOOL) {
        return end_wrong(&use, NATSKIT_INVALID, "a boolean");
    }
    *value = (int32_t)use.node->u.integer;
    return end_use(&use, NATSKIT_OK);
}

natskit_status natskit_json_text(natskit_json json, const char *path, size_t path_len, char *buf, size_t cap,
                                 size_t *len, natskit_error *err)
{
    struct use use;
    if (buf == NULL && cap > 0) {
        return nki_capi_invalid(err, "buf: the pointer is NULL");
    }
    natskit_status status = begin_get(&use, json, path, path_len, len, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    *len = nki_doc_write(use.node, buf, cap);
    if (*len > cap) {
        status = nki_error_set(use.err, NKI_LIMIT, "the text has %zu bytes, the buffer %zu", *len, cap);
    }
    return end_use(&use, status);
}

/* -- changing -------------------------------------------------------------------------------------------- */

static natskit_status set(natskit_json json, const char *path, size_t path_len,
                          const struct nki_doc_item *item, natskit_error *err)
{
    struct use use;
    natskit_status status = begin_use(&use, json, path, path_len, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    return end_use(&use, nki_doc_set(&use.json->doc, use.path, item, use.err));
}

natskit_status natskit_json_set_string(natskit_json json, const char *path, size_t path_len,
                                       const char *value, size_t value_len, natskit_error *err)
{
    struct nki_doc_item item = {.type = NKI_DOC_STRING};
    if (!nki_capi_str(value, value_len, &item.text)) {
        return nki_capi_invalid(err, "value: the pointer is NULL");
    }
    return set(json, path, path_len, &item, err);
}

natskit_status natskit_json_set_int(natskit_json json, const char *path, size_t path_len, int64_t value,
                                    natskit_error *err)
{
    const struct nki_doc_item item = {.type = NKI_DOC_INT, .integer = value};
    return set(json, path, path_len, &item, err);
}

natskit_status natskit_json_set_uint(natskit_json json, const char *path, size_t path_len, uint64_t value,
                                     natskit_error *err)
{
    const struct nki_doc_item item = {.type = NKI_DOC_UINT, .natural = value};
    return set(json, path, path_len, &item, err);
}

natskit_status natskit_json_set_double(natskit_json json, const char *path, size_t path_len, double value,
                                       natskit_error *err)
{
    const struct nki_doc_item item = {.type = NKI_DOC_DOUBLE, .real = value};
    return set(json, path, path_len, &item, err);
}

natskit_status natskit_json_set_bool(natskit_json json, const char *path, size_t path_len, int32_t value,
                                     natskit_error *err)
{
    const struct nki_doc_item item = {.type = NKI_DOC_BOOL, .boolean = value};
    return set(json, path, path_len, &item, err);
}

natskit_status natskit_json_set_null(natskit_json json, const char *path, size_t path_len, natskit_error *err)
{
    const struct nki_doc_item item = {.type = NKI_DOC_NULL};
    return set(json, path, path_len, &item, err);
}

natskit_status natskit_json_set_text(natskit_json json, const char *path, size_t path_len, const char *text,
                                     size_t text_len, natskit_error *err)
{
    struct use use;
    struct nki_doc doc;
    struct nki_str str;
    if (!nki_capi_str(text, text_len, &str)) {
        return nki_capi_invalid(err, "text: the pointer is NULL");
    }
    natskit_status status = begin_use(&use, json, path, path_len, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_doc_parse(&doc, str, use.err);
    if (status != NATSKIT_OK) {
        return end_use(&use, status);
    }
    if (use.path.len == 0) {
        nki_doc_replace(&use.json->doc, &doc);
    } else {
        status = nki_doc_set_copy(&use.json->doc, use.path, doc.root, use.err);
        nki_doc_free(&doc);
    }
    return end_use(&use, status);
}

/* Locks a second document besides the one of `use`; of two the one with the lower address goes first. */
static void lock_other(struct use *use, struct json *other)
{
    if (other < use->json) {
        pthread_mutex_unlock(&use->json->mu);
        pthread_mutex_lock(&other->mu);
        pthread_mutex_lock(&use->json->mu);
    } else if (other != use->json) {
        pthread_mutex_lock(&other->mu);
    }
}

natskit_status natskit_json_set_json(natskit_json json, const char *path, size_t path_len, natskit_json from,
                                     const char *from_path, size_t from_path_len, natskit_error *err)
{
    struct use use;
    struct nki_str from_str;
    struct nki_handle *handle;
    if (!nki_capi_str(from_path, from_path_len, &from_str)) {
        return nki_capi_invalid(err, "from_path: the pointer is NULL");
    }
    natskit_status status = nki_capi_pin(from.id, NATSKIT_KIND_JSON, "json", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = begin_use(&use, json, path, path_len, err);
    if (status != NATSKIT_OK) {
        nki_handle_unpin(handle);
        return status;
    }
    struct json *other = handle->object;
    lock_other(&use, other);
    status = nki_doc_at(&other->doc, from_str, &use.node, use.err);
    if (status == NATSKIT_OK) {
        status = nki_doc_set_copy(&use.json->doc, use.path, use.node, use.err);
    }
    if (other != use.json) {
        pthread_mutex_unlock(&other->mu);
    }
    status = end_use(&use, status);
    nki_handle_unpin(handle);
    return status;
}

natskit_status natskit_json_remove(natskit_json json, const char *path, size_t path_len, natskit_error *err)
{
    struct use use;
    natskit_status status = begin_use(&use, json, path, path_len, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    return end_use(&use, nki_doc_remove(&use.json->doc, use.path, use.err));
}

/* -- in document order ----------------------------------------------------------------------------------- */

/* Walks for a caller whose items have another size. */
static bool walk_odd(const struct nki_doc *doc, struct nki_doc_cursor *cursor, char *items, size_t item_size,
                     size_t cap, size_t *count)
{
    struct nki_doc_item step[ITEM_STEP];
    size_t some = 1;
    while (*count < cap && some > 0) {
        size_t room = cap - *count < ITEM_STEP ? cap - *count : ITEM_STEP;
        if (!nki_doc_walk(doc, cursor, step, room, &some)) {
            return false;
        }
        for (size_t i = 0; i < some; i++) {
            nki_capi_give(items + (*count)++ * item_size, item_size, &step[i], sizeof step[i]);
        }
    }
    return true;
}

natskit_status natskit_json_walk(natskit_json json, natskit_json_cursor *cursor, natskit_json_item *items,
                                 size_t item_size, size_t cap, size_t *count)
{
    struct use use;
    if (count == NULL) {
        return NATSKIT_INVALID;
    }
    *count = 0;
    if (cursor == NULL || items == NULL || item_size == 0 || cap == 0) {
        return NATSKIT_INVALID;
    }
    natskit_status status = begin_use(&use, json, NULL, 0, NULL);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_doc_cursor *at = (struct nki_doc_cursor *)(void *)cursor;
    bool went = item_size == sizeof(struct nki_doc_item)
                    ? nki_doc_walk(&use.json->doc, at, (struct nki_doc_item *)(void *)items, cap, count)
                    : walk_odd(&use.json->doc, at, (char *)(void *)items, item_size, cap, count);
    if (!went) {
        return end_use(&use, NATSKIT_INVALID);
    }
    return end_use(&use, *count > 0 ? NATSKIT_OK : NATSKIT_END);
}

/* Reads the index-th item, of which a caller of an older version has less. */
static natskit_status read_item(const char *items, size_t item_size, size_t index, struct nki_doc_item *out,
                                natskit_error *err)
{
    natskit_json_item item = {0};
    memcpy(&item, items + index * item_size, item_size < sizeof item ? item_size : sizeof item);
    *out = (struct nki_doc_item){.type = item.type,
                                 .boolean = item.boolean,
                                 .integer = item.integer,
                                 .natural = item.natural,
                                 .real = item.real};
    if (!nki_capi_str(item.key, item.key_len, &out->key)) {
        return nki_capi_invalid(err, "key: the pointer is NULL");
    }
    if (item.type == NATSKIT_JSON_STRING && !nki_capi_str(item.text, item.text_len, &out->text)) {
        return nki_capi_invalid(err, "text: the pointer is NULL");
    }
    return NATSKIT_OK;
}

static natskit_status feed(struct json *json, const char *items, size_t item_size, size_t count,
                           natskit_error *err)
{
    struct nki_doc_item item;
    if (json->fed == NULL) {
        json->fed = nki_alloc(sizeof *json->fed);
        if (json->fed == NULL) {
            return nki_error_set(nki_capi_err(err), NATSKIT_NO_MEMORY, NULL);
        }
        nki_doc_builder_init(json->fed);
    }
    for (size_t i = 0; i < count; i++) {
        natskit_status status = read_item(items, item_size, i, &item, err);
        if (status == NATSKIT_OK) {
            status = nki_doc_builder_item(json->fed, &item, nki_capi_err(err));
        }
        if (status != NATSKIT_OK) {
            return status;
        }
    }
    if (json->fed->doc.root != NULL) {
        nki_doc_replace(&json->doc, &json->fed->doc);
        forget_fed(json);
    }
    return NATSKIT_OK;
}

natskit_status natskit_json_feed(natskit_json json, const natskit_json_item *items, size_t item_size,
                                 size_t count, natskit_error *err)
{
    struct use use;
    if (count > 0 && (items == NULL || item_size == 0)) {
        return nki_capi_invalid(err, "items: the pointer is NULL or the size is 0");
    }
    natskit_status status = begin_use(&use, json, NULL, 0, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    if (count > 0) {
        status = feed(use.json, (const char *)(const void *)items, item_size, count, err);
    }
    if (count == 0 || status != NATSKIT_OK) {
        forget_fed(use.json);
    }
    return end_use(&use, status);
}
