/* Options handles: a core set of options behind a mutex. Any thread. */
#include "base/alloc.h"
#include "capi/guard.h"
#include "options/context.h"

struct options {
    pthread_mutex_t mu;
    struct nki_options *values; /* guarded by mu */
};

_Static_assert(
    NATSKIT_OPTIONS_CONNECT == (int)NKI_SCOPE_CONNECT &&
        NATSKIT_OPTIONS_SUBSCRIBE == (int)NKI_SCOPE_SUBSCRIBE &&
        NATSKIT_OPTIONS_REQUEST == (int)NKI_SCOPE_REQUEST &&
        NATSKIT_OPTIONS_EVENTS == (int)NKI_SCOPE_EVENTS &&
        NATSKIT_OPTIONS_REQUEST_MANY == (int)NKI_SCOPE_REQUEST_MANY &&
        NATSKIT_OPTIONS_AUTH == (int)NKI_SCOPE_AUTH && NATSKIT_OPTIONS_USER_JWT == (int)NKI_SCOPE_USER_JWT &&
        NATSKIT_OPTIONS_JETSTREAM == (int)NKI_SCOPE_JETSTREAM &&
        NATSKIT_OPTIONS_PUBLISHER == (int)NKI_SCOPE_PUBLISHER &&
        NATSKIT_OPTIONS_FETCH == (int)NKI_SCOPE_FETCH && NATSKIT_OPTIONS_CONSUME == (int)NKI_SCOPE_CONSUME &&
        NATSKIT_OPTIONS_KV_WATCH == (int)NKI_SCOPE_KV_WATCH &&
        NATSKIT_OPTIONS_ORDERED == (int)NKI_SCOPE_ORDERED && NATSKIT_OPTIONS_BATCH == (int)NKI_SCOPE_BATCH &&
        NATSKIT_OPTIONS_GET_BATCH == (int)NKI_SCOPE_GET_BATCH &&
        NATSKIT_OPTIONS_GET_LAST == (int)NKI_SCOPE_GET_LAST &&
        NATSKIT_OPTIONS_SERVICE == (int)NKI_SCOPE_SERVICE &&
        NATSKIT_OPTIONS_OBJECT_PUT == (int)NKI_SCOPE_OBJECT_PUT &&
        NATSKIT_OPTIONS_OBJECT_WATCH == (int)NKI_SCOPE_OBJECT_WATCH &&
        NATSKIT_OPTIONS_KV == (int)NKI_SCOPE_KV && NATSKIT_OPTIONS_KV_SWEEP == (int)NKI_SCOPE_KV_SWEEP &&
        NATSKIT_OPTIONS_PUSH == (int)NKI_SCOPE_PUSH && NATSKIT_OPTIONS_KV_MANY == (int)NKI_SCOPE_KV_MANY &&
        NATSKIT_OPTIONS_INGEST == (int)NKI_SCOPE_INGEST,
    "scopes are numbered alike");
_Static_assert(NATSKIT_TYPE_STRING == (int)NKI_OPTION_STRING && NATSKIT_TYPE_LIST == (int)NKI_OPTION_LIST &&
                   NATSKIT_TYPE_INTEGER == (int)NKI_OPTION_INTEGER &&
                   NATSKIT_TYPE_BOOLEAN == (int)NKI_OPTION_BOOLEAN &&
                   NATSKIT_TYPE_DURATION == (int)NKI_OPTION_DURATION &&
                   NATSKIT_TYPE_CHOICE == (int)NKI_OPTION_CHOICE && NATSKIT_TYPE_TEXT == (int)NKI_OPTION_TEXT,
               "types are numbered alike");

static const char *const scope_names[] = {
    "no",       "connect",   "subscribe", "request", "events",     "request_many", "auth",
    "user_jwt", "jetstream", "publisher", "fetch",   "consume",    "kv_watch",     "ordered",
    "batch",    "get_batch", "get_last",  "service", "object_put", "object_watch", "kv",
    "kv_sweep", "push",      "kv_many",   "ingest"};
_Static_assert(NKI_ARRAY_LEN(scope_names) == NKI_SCOPE_COUNT, "each scope has a name");

static void options_close(struct nki_handle *handle)
{
    (void)handle; /* nobody blocks on options */
}

static void options_destroy(struct nki_handle *handle)
{
    struct options *options = handle->object;
    nki_options_free(options->values);
    pthread_mutex_destroy(&options->mu);
    nki_free(options);
}

static const struct nki_handle_ops options_ops = {options_close, options_destroy};

natskit_status natskit_option_at(int32_t scope, size_t index, natskit_option_info *info, size_t info_size)
{
    if (info == NULL || info_size == 0 || scope < 1 || scope >= (int32_t)NKI_SCOPE_COUNT) {
        return NATSKIT_INVALID;
    }
    const struct nki_option_row *row = nki_option_at(scope, index);
    if (row == NULL) {
        return NATSKIT_NOT_FOUND;
    }
    natskit_option_info filled = {
        .scope = row->scope,
        .type = row->type,
        .name = row->name,
        .default_text = row->default_text,
        .unit = row->unit,
        .min = row->min,
        .max = row->max,
        .since = row->since,
        .text = row->text,
        .secret = row->secret,
    };
    return nki_capi_give(info, info_size, &filled, sizeof filled);
}

static struct options *options_new(int32_t scope)
{
    struct options *options = nki_alloc(sizeof *options);
    if (options == NULL) {
        return NULL;
    }
    options->values = nki_options_new((enum nki_scope)scope);
    if (options->values == NULL) {
        nki_free(options);
        return NULL;
    }
    pthread_mutex_init(&options->mu, NULL);
    return options;
}

natskit_status natskit_options_open(int32_t scope, natskit_options *out)
{
    if (out == NULL) {
        return NATSKIT_INVALID;
    }
    out->id = 0;
    if (scope < 1 || scope >= (int32_t)NKI_SCOPE_COUNT) {
        return NATSKIT_INVALID;
    }
    uint64_t id;
    struct nki_handle *handle;
    natskit_status status = nki_handle_reserve(NATSKIT_KIND_OPTIONS, &id, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct options *options = options_new(scope);
    if (options == NULL) {
        nki_handle_cancel(handle);
        return NATSKIT_NO_MEMORY;
    }
    nki_handle_publish(handle, &options_ops, options, NULL);
    out->id = id;
    return NATSKIT_OK;
}

natskit_status natskit_options_close(natskit_options options)
{
    return nki_handle_close(options.id, NATSKIT_KIND_OPTIONS);
}

/* -- values ---------------------------------------------------------------------------------------------- */

typedef int32_t text_setter(struct nki_options *options, struct nki_str name, struct nki_str value,
                            struct nki_error *err);

static natskit_status set_text(natskit_options id, const char *name, size_t name_len, const char *value,
                               size_t value_len, natskit_error *err, text_setter *set)
{
    struct nki_str name_str;
    struct nki_str value_str;
    if (!nki_capi_str(name, name_len, &name_str)) {
        return nki_capi_invalid(err, "name: the pointer is NULL");
    }
    if (!nki_capi_str(value, value_len, &value_str)) {
        return nki_capi_invalid(err, "value: the pointer is NULL");
    }
    struct nki_handle *handle;
    natskit_status status = nki_capi_pin(id.id, NATSKIT_KIND_OPTIONS, "options", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct options *options = handle->object;
    pthread_mutex_lock(&options->mu);
    status = set(options->values, name_str, value_str, nki_capi_err(err));
    pthread_mutex_unlock(&options->mu);
    nki_handle_unpin(handle);
    return status;
}

natskit_status natskit_options_set(natskit_options options, const char *name, size_t name_len,
                                   const char *value, size_t value_len, natskit_error *err)
{
    return set_text(options, name, name_len, value, value_len, err, nki_options_set);
}

natskit_status natskit_options_add(natskit_options options, const char *name, size_t name_len,
                                   const char *value, size_t value_len, natskit_error *err)
{
    return set_text(options, name, name_len, value, value_len, err, nki_options_add);
}

natskit_status natskit_options_set_int(natskit_options id, const char *name, size_t name_len, int64_t value,
                                       natskit_error *err)
{
    struct nki_str name_str;
    if (!nki_capi_str(name, name_len, &name_str)) {
        return nki_capi_invalid(err, "name: the pointer is NULL");
    }
    struct nki_handle *handle;
    natskit_status status = nki_capi_pin(id.id, NATSKIT_KIND_OPTIONS, "options", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct options *options = handle->object;
    pthread_mutex_lock(&options->mu);
    status = nki_options_set_int(options->values, name_str, value, nki_capi_err(err));
    pthread_mutex_unlock(&options->mu);
    nki_handle_unpin(handle);
    return status;
}

/* With the handle pinned; not locked while files are read. */
static natskit_status lay_context(struct options *options, struct nki_str name, struct nki_error *err)
{
    struct nki_file file;
    int32_t scope = (int32_t)nki_options_scope(options->values); /* never changes */
    if (scope != NATSKIT_OPTIONS_CONNECT) {
        return nki_error_set(err, NATSKIT_INVALID, "options: opened for %s, not for %s", scope_names[scope],
                             scope_names[NATSKIT_OPTIONS_CONNECT]);
    }
    natskit_status status = nki_context_read(name, &file, err);
    if (status == NATSKIT_OK) {
        pthread_mutex_lock(&options->mu);
        status = nki_context_apply(nki_str_make(file.ptr, file.len), options->values, err);
        pthread_mutex_unlock(&options->mu);
        nki_file_free(&file);
    }
    return status;
}

natskit_status natskit_options_context(natskit_options options, const char *name, size_t name_len,
                                       natskit_error *err)
{
    struct nki_str name_str;
    struct nki_handle *handle;
    if (!nki_capi_str(name, name_len, &name_str)) {
        return nki_capi_invalid(err, "name: the pointer is NULL");
    }
    natskit_status status = nki_capi_pin(options.id, NATSKIT_KIND_OPTIONS, "options", &handle, err);
    if (status == NATSKIT_OK) {
        status = lay_context(handle->object, name_str, nki_capi_err(err));
        nki_handle_unpin(handle);
    }
    return status;
}

/* -- for the calls that take options --------------------------------------------------------------------- */

int32_t nki_capi_options_use(natskit_options id, int32_t scope, struct nki_capi_options *out,
                             natskit_error *err)
{
    *out = (struct nki_capi_options){NULL, NULL};
    if (id.id == 0) {
        return NATSKIT_OK;
    }
    struct nki_handle *handle;
    int32_t status = nki_capi_pin(id.id, NATSKIT_KIND_OPTIONS, "options", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct options *options = handle->object;
    pthread_mutex_lock(&options->mu);
    int32_t has = (int32_t)nki_options_scope(options->values);
    if (has != scope) {
        pthread_mutex_unlock(&options->mu);
        nki_handle_unpin(handle);
        return nki_error_set(nki_capi_err(err), NATSKIT_INVALID, "options: opened for %s, not for %s",
                             scope_names[has], scope_names[scope]);
    }
    *out = (struct nki_capi_options){options->values, handle};
    return NATSKIT_OK;
}

void nki_capi_options_done(struct nki_capi_options *use)
{
    if (use->handle == NULL) {
        return;
    }
    struct options *options = use->handle->object;
    pthread_mutex_unlock(&options->mu);
    nki_handle_unpin(use->handle);
}

int32_t nki_capi_options_check(natskit_options options, int32_t scope, natskit_error *err)
{
    struct nki_capi_options use;
    int32_t status = nki_capi_options_use(options, scope, &use, err);
    if (status == NATSKIT_OK) {
        nki_capi_options_done(&use);
    }
    return status;
}
