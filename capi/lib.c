/* The library as a whole: version, status texts, counters, shutdown, and what a child process keeps after
 * fork(). Any thread; natskit_shutdown not at the same time as itself. */
#include "base/alloc.h"
#include "base/sync.h"
#include "capi/guard.h"
#include "delivery/slab.h"
#include "jetstream/ack.h"
#include "wire/nuid.h"

#define FAULT_VALUE_MAX 80 /* bytes of a refused value that an error text shows */

int32_t(nki_capi_fault)(natskit_error *err, const char *what, struct nki_str value, const char *fault)
{
    bool cut = value.len > FAULT_VALUE_MAX;
    return nki_error_set(nki_capi_err(err), NATSKIT_INVALID, "%s \"%.*s%s\" %s", what,
                         (int)(cut ? FAULT_VALUE_MAX : value.len), value.ptr, cut ? "..." : "", fault);
}

int32_t(nki_capi_invalid)(natskit_error *err, const char *text)
{
    return nki_error_set(nki_capi_err(err), NATSKIT_INVALID, "%s", text);
}

/* -- version and status ---------------------------------------------------------------------------------- */

natskit_status natskit_version(uint32_t *abi_major, uint32_t *abi_minor, const char **text)
{
    if (abi_major != NULL) {
        *abi_major = NATSKIT_ABI_MAJOR;
    }
    if (abi_minor != NULL) {
        *abi_minor = NATSKIT_ABI_MINOR;
    }
    if (text != NULL) {
        *text = NKI_VERSION;
    }
    return NATSKIT_OK;
}

natskit_status natskit_nuid(char *buf, size_t cap, size_t *len)
{
    if (len == NULL || (buf == NULL && cap > 0)) {
        return NATSKIT_INVALID;
    }
    *len = NKI_NUID_LEN;
    if (cap < NKI_NUID_LEN) {
        return NATSKIT_LIMIT;
    }
    struct nki_nuid nuid; /* of its own: nothing is shared between threads */
    nki_nuid_init(&nuid);
    nki_nuid_next(&nuid, buf);
    return NATSKIT_OK;
}

static natskit_status give_row(const struct nki_status_row *row, natskit_status_info *info, size_t info_size)
{
    if (info == NULL || info_size == 0) {
        return NATSKIT_INVALID;
    }
    if (row == NULL) {
        return NATSKIT_NOT_FOUND;
    }
    natskit_status_info filled = {
        .status = row->status, .status_class = row->status_class, .name = row->name, .text = row->text};
    return nki_capi_give(info, info_size, &filled, sizeof filled);
}

natskit_status natskit_status_at(size_t index, natskit_status_info *info, size_t info_size)
{
    return give_row(nki_status_at(index), info, info_size);
}

natskit_status natskit_status_describe(natskit_status status, natskit_status_info *info, size_t info_size)
{
    return give_row(nki_status_row(status), info, info_size);
}

/* -- the process ----------------------------------------------------------------------------------------- */

natskit_status natskit_counters_get(natskit_counters *counters, size_t counters_size)
{
    if (counters == NULL || counters_size == 0) {
        return NATSKIT_INVALID;
    }
    natskit_counters filled = {
        .options = nki_handle_live(NATSKIT_KIND_OPTIONS),
        .headers = nki_handle_live(NATSKIT_KIND_HEADERS),
        .conns = nki_handle_live(NATSKIT_KIND_CONN),
        .subs = nki_handle_live(NATSKIT_KIND_SUB),
        .ops = nki_handle_live(NATSKIT_KIND_OP),
        .waitsets = nki_handle_live(NATSKIT_KIND_WAITSET),
        .msgs = nki_msg_count(),
        .threads = nki_thread_count(),
        .jsons = nki_handle_live(NATSKIT_KIND_JSON),
        .contexts = nki_handle_live(NATSKIT_KIND_JS),
        .publishers = nki_handle_live(NATSKIT_KIND_PUBLISHER),
        .kvs = nki_handle_live(NATSKIT_KIND_KV),
        .batches = nki_handle_live(NATSKIT_KIND_BATCH),
        .services = nki_handle_live(NATSKIT_KIND_SERVICE),
        .object_stores = nki_handle_live(NATSKIT_KIND_OBJECT_STORE),
        .object_writers = nki_handle_live(NATSKIT_KIND_OBJECT_WRITER),
        .object_readers = nki_handle_live(NATSKIT_KIND_OBJECT_READER),
        .ingests = nki_handle_live(NATSKIT_KIND_INGEST),
    };
    /* The table of handles never shrinks: with it, the number would not fall back to its start. */
    uint64_t table = nki_handle_table_bytes();
    uint64_t held = nki_alloc_bytes();
    filled.allocated_bytes = held > table ? held - table : 0;
    return nki_capi_give(counters, counters_size, &filled, sizeof filled);
}

natskit_status natskit_shutdown(int64_t timeout_ms)
{
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return NATSKIT_INVALID;
    }
    int64_t deadline = nki_deadline_ns(nki_clock_now_ns(), timeout_ms);
    nki_handle_close_all(deadline);
    bool ended = nki_client_shutdown(deadline);
    nki_slab_release_cache();
    nki_handle_reopen();
    return ended ? NATSKIT_OK : NATSKIT_TIMEOUT;
}

void nki_capi_after_fork(void)
{
    nki_handle_forget();
    nki_client_forget();
    nki_ack_forget();
    nki_slab_forget();
    nki_thread_forget();
}
