/* The entries of a bucket at hand: see cache.h. An open-addressing table of messages, found by their keys. */
#include "kv/cache.h"

#include "base/alloc.h"
#include "base/rand.h"
#include "base/sip.h"
#include "kv/entry.h"

#define SLOTS_MIN 64

struct slot {
    uint64_t hash;
    struct nki_msg *msg; /* a reference, or NULL: free */
};

/* Guarded by the bucket's cache_mu. */
struct nki_kv_cache {
    struct slot *slots;
    size_t cap; /* power of two, or 0 */
    size_t len;
    uint64_t seed[2];
    uint64_t bytes;
    uint64_t last_revision;
    bool complete;
    int32_t reason; /* NKI_PENDING while it lives */
};

/* -- the table ------------------------------------------------------------------------------------------- */

/* "$KV.<bucket>." was cut off when it was decoded, or is cut off here. */
static struct nki_str key_of(const struct nki_msg *msg)
{
    struct nki_str rest = nki_msg_subject(msg);
    (void)nki_str_cut(&rest, '.');
    (void)nki_str_cut(&rest, '.');
    return rest.ptr != NULL ? rest : NKI_STR("");
}

/* The slot of the key, or the free one where it belongs; the table has a free one. */
static struct slot *slot_of(const struct nki_kv_cache *cache, struct nki_str key, uint64_t hash)
{
    size_t at = hash & (cache->cap - 1);
    while (cache->slots[at].msg != NULL &&
           (cache->slots[at].hash != hash || !nki_str_eq(key_of(cache->slots[at].msg), key))) {
        at = (at + 1) & (cache->cap - 1);
    }
    return &cache->slots[at];
}

/* Room for one more; false if there is no memory. */
static bool widen(struct nki_kv_cache *cache)
{
    if (cache->cap > 0 && cache->len + 1 <= cache->cap / 4 * 3) {
        return true;
    }
    struct nki_kv_cache wider = *cache;
    wider.cap = cache->cap > 0 ? cache->cap * 2 : SLOTS_MIN;
    wider.slots = nki_calloc(wider.cap, sizeof *wider.slots);
    if (wider.slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < cache->cap; i++) {
        if (cache->slots[i].msg != NULL) {
            *slot_of(&wider, key_of(cache->slots[i].msg), cache->slots[i].hash) = cache->slots[i];
        }
    }
    nki_free(cache->slots);
    *cache = wider;
    return true;
}

/* Takes a slot out, and closes the gap behind it. */
static void take_out(struct nki_kv_cache *cache, struct slot *slot)
{
    size_t mask = cache->cap - 1;
    size_t gap = (size_t)(slot - cache->slots);
    cache->bytes -= slot->msg->slot_bytes;
    nki_msg_release(slot->msg);
    cache->len--;
    for (size_t at = (gap + 1) & mask; cache->slots[at].msg != NULL; at = (at + 1) & mask) {
        size_t home = cache->slots[at].hash & mask;
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            cache->slots[gap] = cache->slots[at];
            gap = at;
        }
    }
    cache->slots[gap].msg = NULL;
}

static void clear(struct nki_kv_cache *cache)
{
    for (size_t i = 0; i < cache->cap; i++) {
        nki_msg_release(cache->slots[i].msg);
    }
    nki_free(cache->slots);
    cache->slots = NULL;
    cache->cap = cache->len = 0;
    cache->bytes = cache->last_revision = 0;
    cache->complete = false;
}

/* -- what the watch brings: under the engine lock ---------------------------------------------------------
 */

static int32_t entry_came(void *context, struct nki_msg *msg)
{
    struct nki_kv *kv = context;
    struct nki_kv_entry entry;
    int32_t status = NKI_OK;
    if (!nki_kv_entry_read(msg, &entry)) {
        nki_msg_release(msg);
        return NKI_OK;
    }
    struct nki_str key = key_of(msg);
    pthread_mutex_lock(&kv->cache_mu);
    struct nki_kv_cache *cache = kv->cache;
    uint64_t hash = nki_sip_hash(cache->seed, key);
    bool put = entry.operation == NKI_KV_PUT;
    cache->last_revision = entry.revision > cache->last_revision ? entry.revision : cache->last_revision;
    if (cache->cap == 0 && !put) {
        put = false; /* there is nothing to take out */
    } else if (put && !widen(cache)) {
        clear(cache); /* it ends */
        status = NKI_NO_MEMORY;
        put = false;
    } else {
        struct slot *slot = slot_of(cache, key, hash);
        if (slot->msg != NULL) {
            take_out(cache, slot);
            slot = slot_of(cache, key, hash);
        }
        if (put) {
            *slot = (struct slot){.hash = hash, .msg = msg};
            cache->len++;
            cache->bytes += msg->slot_bytes;
        }
    }
    pthread_mutex_unlock(&kv->cache_mu);
    if (!put) {
        nki_msg_release(msg);
    }
    return status;
}

static void rewound(void *context)
{
    struct nki_kv *kv = context;
    pthread_mutex_lock(&kv->cache_mu);
    clear(kv->cache);
    pthread_mutex_unlock(&kv->cache_mu);
}

static int32_t done(void *context, struct nki_feed *feed)
{
    struct nki_kv *kv = context;
    (void)feed;
    pthread_mutex_lock(&kv->cache_mu);
    kv->cache->complete = true;
    pthread_mutex_unlock(&kv->cache_mu);
    return NKI_OK;
}

static void ended(void *context, struct nki_engine *engine, int32_t reason, const struct nki_error *error)
{
    struct nki_kv *kv = context;
    (void)engine;
    (void)error;
    pthread_mutex_lock(&kv->cache_mu);
    kv->cache->reason = reason;
    pthread_mutex_unlock(&kv->cache_mu);
    nki_kv_release(kv);
}

static const struct nki_ordered_sink sink = {
    .message = entry_came, .rewound = rewound, .done = done, .end = ended};

/* -- any thread ------------------------------------------------------------------------------------------ */

/* An empty one in place of none, or of one that has ended. */
static int32_t begin(struct nki_kv *kv)
{
    struct nki_kv_cache *fresh = nki_calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return NKI_NO_MEMORY;
    }
    fresh->reason = NKI_PENDING;
    nki_rand_system(fresh->seed, sizeof fresh->seed);
    pthread_mutex_lock(&kv->cache_mu);
    struct nki_kv_cache *old = kv->cache;
    bool busy = old != NULL && old->reason == NKI_PENDING;
    if (!busy) {
        kv->cache = fresh;
    }
    pthread_mutex_unlock(&kv->cache_mu);
    nki_kv_cache_release(busy ? fresh : old);
    return busy ? NKI_BUSY : NKI_OK;
}

int32_t nki_kv_cache_open(struct nki_kv *kv, const struct nki_str *patterns, size_t pattern_count,
                          bool headers_only, struct nki_sub **out, struct nki_error *err)
{
    int32_t status = begin(kv);
    if (status != NKI_OK) {
        return nki_error_set(err, status, status == NKI_BUSY ? "the bucket has a cache already" : NULL);
    }
    const struct nki_kv_watch_params params = {.patterns = patterns,
                                               .pattern_count = pattern_count,
                                               .headers_only = headers_only,
                                               .marks = true,
                                               .sink = &sink,
                                               .sink_context = kv};
    nki_kv_retain(kv);
    return nki_kv_watch(kv, &params, out, err);
}

/* What stands in the way of looking something up. With the lock. */
static int32_t state_of(const struct nki_kv_cache *cache)
{
    if (cache == NULL) {
        return NKI_NOT_FOUND;
    }
    return cache->reason != NKI_PENDING ? cache->reason : cache->complete ? NKI_OK : NKI_PENDING;
}

/* The key as entries have it that were decoded. */
static struct nki_str as_decoded(const struct nki_kv *kv, struct nki_str key)
{
    if (kv->codecs.keys == NKI_KV_PATH && key.len > 1 && key.ptr[key.len - 1] == '/') {
        key.len--;
    }
    return key;
}

static const char *key_fault(const struct nki_kv *kv, struct nki_str key)
{
    if (kv->codecs.keys == NKI_KV_PLAIN) {
        return nki_kv_key_fault(key);
    }
    return key.len == 0 || key.len > NKI_KV_KEY_MAX ? "is empty, or too long"
                                                    : nki_kv_codec_fault(kv->codecs.keys, key);
}

int32_t nki_kv_cached(struct nki_kv *kv, struct nki_str key, struct nki_msg **out)
{
    if (key_fault(kv, key) != NULL) {
        return NKI_INVALID;
    }
    key = as_decoded(kv, key);
    pthread_mutex_lock(&kv->cache_mu);
    const struct nki_kv_cache *cache = kv->cache;
    int32_t status = state_of(cache);
    if (status == NKI_OK) {
        const struct slot *slot = cache->cap > 0 ? slot_of(cache, key, nki_sip_hash(cache->seed, key)) : NULL;
        if (slot != NULL && slot->msg != NULL) {
            nki_msg_retain(slot->msg);
            *out = slot->msg;
        } else {
            status = NKI_KEY_NOT_FOUND;
        }
    }
    pthread_mutex_unlock(&kv->cache_mu);
    return status;
}

int32_t nki_kv_cached_all(struct nki_kv *kv, struct nki_msg **out, size_t cap, size_t *count)
{
    pthread_mutex_lock(&kv->cache_mu);
    const struct nki_kv_cache *cache = kv->cache;
    int32_t status = state_of(cache);
    *count = 0;
    if (status == NKI_OK) {
        size_t given = 0;
        for (size_t i = 0; i < cache->cap && given < cap; i++) {
            if (cache->slots[i].msg != NULL) {
                nki_msg_retain(cache->slots[i].msg);
                out[given++] = cache->slots[i].msg;
            }
        }
        *count = cache->len;
    }
    pthread_mutex_unlock(&kv->cache_mu);
    return status;
}

bool nki_kv_cache_info_get(struct nki_kv *kv, struct nki_kv_cache_info *out)
{
    pthread_mutex_lock(&kv->cache_mu);
    const struct nki_kv_cache *cache = kv->cache;
    bool has = cache != NULL;
    if (has) {
        *out = (struct nki_kv_cache_info){.entries = cache->len,
                                          .bytes = cache->bytes,
                                          .last_revision = cache->last_revision,
                                          .complete = cache->complete,
                                          .reason = cache->reason};
    }
    pthread_mutex_unlock(&kv->cache_mu);
    return has;
}

void nki_kv_cache_release(struct nki_kv_cache *cache)
{
    if (cache != NULL) {
        clear(cache);
        nki_free(cache);
    }
}
