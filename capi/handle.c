/* The table of handles. Any thread.
 *
 * A slot's state is one atomic word:
 *
 *   generation 25 bits (39-63) | kind 5 (34-38) | used 1 (33) | closing 1 (32) | pins 32 (0-31)
 *
 * An open handle holds one pin itself, which its close gives up; so the count reaches zero exactly once,
 * after the close, in whichever call leaves last. That call destroys the object and frees the slot under the
 * next generation. A slot that has used up its generations is retired: its word then holds a generation that
 * no id can have.
 *
 * Slots live in chunks that are never freed or moved, so a lookup needs no lock whatever the number is. The
 * mutex guards the allocation of slots alone. After fork() the child may find the mutex locked by a thread
 * that it has not got: the child handler makes it anew, forgets the free list, and from then on takes slots
 * behind all that existed. */
#include "capi/handle.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/rand.h"
#include "capi/guard.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_BITS 10
#define CHUNK_SLOTS (1u << CHUNK_BITS)
#define INDEX_BITS 24
#define INDEX_END (UINT32_C(1) << INDEX_BITS)
#define CHUNKS (INDEX_END >> CHUNK_BITS)
#define GENERATION_BITS 24
#define GENERATION_MASK ((UINT64_C(1) << GENERATION_BITS) - 1)

/* Of the upper half of the word. */
#define HIGH_CLOSING UINT64_C(1)
#define HIGH_USED UINT64_C(2)
#define HIGH_KIND_SHIFT 2
#define HIGH_GENERATION_SHIFT 7
#define WORD_CLOSING (HIGH_CLOSING << 32)
#define KIND_COUNT (1 << (HIGH_GENERATION_SHIFT - HIGH_KIND_SHIFT)) /* that a word has room for */

struct chunk {
    struct nki_handle slots[CHUNK_SLOTS];
};

/* The first one is static: small programs never need another. */
static struct chunk first_chunk;
static _Atomic(struct chunk *) chunks[CHUNKS] = {&first_chunk};

static _Atomic uint32_t forked_below;   /* slots below belong to the parent process */
static _Atomic uint32_t next_fresh = 1; /* slots from here on were never used; written under the mutex */
static _Atomic uint64_t first_generation;
static _Atomic uint32_t reserved; /* ids that are neither published nor cancelled */
static _Atomic uint64_t live[KIND_COUNT];
static _Atomic uint64_t table_bytes;

static pthread_mutex_t table_mu = PTHREAD_MUTEX_INITIALIZER;
/* guarded by table_mu */
static uint32_t free_head; /* 0: empty */
static uint32_t free_tail;
static bool shutting_down;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_failed;

static uint64_t high_of(uint64_t generation, int32_t kind)
{
    return generation << HIGH_GENERATION_SHIFT | (uint64_t)kind << HIGH_KIND_SHIFT | HIGH_USED;
}

static struct nki_handle *slot_at(uint32_t index)
{
    struct chunk *chunk = atomic_load_explicit(&chunks[index >> CHUNK_BITS], memory_order_acquire);
    return chunk != NULL ? &chunk->slots[index & (CHUNK_SLOTS - 1)] : NULL;
}

static void prepare(void)
{
    uint64_t random;
    nki_rand_system(&random, sizeof random);
    /* From the lower half, so that every slot has millions of turns; 0 is no generation. */
    atomic_store_explicit(&first_generation, random % (GENERATION_MASK / 2) + 1, memory_order_relaxed);
    once_failed = pthread_atfork(NULL, NULL, nki_capi_after_fork);
}

/* -- allocating slots ------------------------------------------------------------------------------------ */

/* With the mutex held. */
static int32_t take_fresh(struct nki_handle **out)
{
    uint32_t index = atomic_load_explicit(&next_fresh, memory_order_relaxed);
    if (index >= INDEX_END) {
        return NATSKIT_LIMIT;
    }
    if (slot_at(index) == NULL) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        size_t size = (sizeof(struct chunk) + page - 1) / page * page;
        struct chunk *chunk = nki_pages_alloc(size, page);
        if (chunk == NULL) {
            return NATSKIT_NO_MEMORY;
        }
        atomic_fetch_add_explicit(&table_bytes, size, memory_order_relaxed);
        atomic_store_explicit(&chunks[index >> CHUNK_BITS], chunk, memory_order_release);
    }
    /* First the mark, then the slot: a fork in between leaves the slot with the parent. */
    atomic_store_explicit(&next_fresh, index + 1, memory_order_release);
    struct nki_handle *handle = slot_at(index);
    handle->index = index;
    uint64_t generation = atomic_load_explicit(&first_generation, memory_order_relaxed);
    atomic_store_explicit(&handle->word, generation << (32 + HIGH_GENERATION_SHIFT), memory_order_relaxed);
    *out = handle;
    return NATSKIT_OK;
}

/* With the mutex held. Oldest first, so that a number stays out of use as long as possible. */
static int32_t take_slot(struct nki_handle **out)
{
    if (free_head == 0) {
        return take_fresh(out);
    }
    struct nki_handle *handle = slot_at(free_head);
    free_head = handle->next_free;
    if (free_head == 0) {
        free_tail = 0;
    }
    *out = handle;
    return NATSKIT_OK;
}

/* With the mutex held; `generation` is the one that the slot had. */
static void give_slot(struct nki_handle *handle, uint64_t generation)
{
    generation++;
    atomic_store_explicit(&handle->word, generation << (32 + HIGH_GENERATION_SHIFT), memory_order_relaxed);
    if (generation > GENERATION_MASK) {
        return; /* retired */
    }
    handle->next_free = 0;
    if (free_tail != 0) {
        slot_at(free_tail)->next_free = handle->index;
    } else {
        free_head = handle->index;
    }
    free_tail = handle->index;
}

static uint64_t generation_of_word(uint64_t word)
{
    return word >> (32 + HIGH_GENERATION_SHIFT);
}

static int32_t kind_of_word(uint64_t word)
{
    return (int32_t)(word >> (32 + HIGH_KIND_SHIFT) & 31);
}

int32_t nki_handle_reserve(int32_t kind, uint64_t *id, struct nki_handle **handle)
{
    assert(kind > 0 && kind < KIND_COUNT);
    pthread_once(&once, prepare);
    if (once_failed != 0) {
        return NATSKIT_NO_MEMORY;
    }
    pthread_mutex_lock(&table_mu);
    int32_t status = shutting_down ? NATSKIT_SHUTDOWN : take_slot(handle);
    if (status == NATSKIT_OK) {
        uint64_t word = atomic_load_explicit(&(*handle)->word, memory_order_relaxed);
        uint64_t generation = generation_of_word(word);
        /* Not used yet, so no pin succeeds; the kind is kept for publishing. */
        uint64_t high = high_of(generation, kind) & ~HIGH_USED;
        atomic_store_explicit(&(*handle)->word, high << 32, memory_order_relaxed);
        *id = (uint64_t)kind << 48 | generation << INDEX_BITS | (*handle)->index;
        atomic_fetch_add_explicit(&reserved, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&live[kind], 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&table_mu);
    return status;
}

void nki_handle_publish(struct nki_handle *handle, const struct nki_handle_ops *ops, void *object,
                        void *parent)
{
    handle->ops = ops;
    handle->object = object;
    handle->parent = parent;
    uint64_t word = atomic_load_explicit(&handle->word, memory_order_relaxed);
    atomic_store_explicit(&handle->word, (word | HIGH_USED << 32) + 1, memory_order_release);
    atomic_fetch_sub_explicit(&reserved, 1, memory_order_release);
}

static void free_handle(struct nki_handle *handle, uint64_t word)
{
    pthread_mutex_lock(&table_mu);
    atomic_fetch_sub_explicit(&live[kind_of_word(word)], 1, memory_order_relaxed);
    give_slot(handle, generation_of_word(word));
    pthread_mutex_unlock(&table_mu);
}

void nki_handle_cancel(struct nki_handle *handle)
{
    free_handle(handle, atomic_load_explicit(&handle->word, memory_order_relaxed));
    atomic_fetch_sub_explicit(&reserved, 1, memory_order_release);
}

/* -- pins ------------------------------------------------------------------------------------------------ */

static uint64_t generation_of_id(uint64_t id)
{
    return id >> INDEX_BITS & GENERATION_MASK;
}

static int32_t find(uint64_t id, int32_t kind, struct nki_handle **out)
{
    uint32_t index = (uint32_t)id & (INDEX_END - 1);
    if (id >> 48 != (uint64_t)kind || index == 0) {
        return NATSKIT_BAD_HANDLE;
    }
    if (NKI_UNLIKELY(index < atomic_load_explicit(&forked_below, memory_order_relaxed))) {
        return NATSKIT_FORKED;
    }
    *out = slot_at(index);
    return *out != NULL ? NATSKIT_OK : NATSKIT_BAD_HANDLE;
}

/* Why an id does not match its slot: it had its turn, or it never was one. */
static int32_t mismatch(uint64_t word, uint64_t id)
{
    uint64_t mine = generation_of_id(id);
    uint64_t now = generation_of_word(word);
    if (now == 0 || mine > now || mine < atomic_load_explicit(&first_generation, memory_order_relaxed)) {
        return NATSKIT_BAD_HANDLE;
    }
    if (mine < now) {
        return NATSKIT_CLOSED;
    }
    return word >> 32 == (high_of(mine, (int32_t)(id >> 48)) | HIGH_CLOSING) ? NATSKIT_CLOSED
                                                                             : NATSKIT_BAD_HANDLE;
}

int32_t nki_handle_pin(uint64_t id, int32_t kind, struct nki_handle **out)
{
    struct nki_handle *handle;
    int32_t status = find(id, kind, &handle);
    if (NKI_UNLIKELY(status != NATSKIT_OK)) {
        return status;
    }
    uint64_t want = high_of(generation_of_id(id), kind);
    uint64_t word = atomic_load_explicit(&handle->word, memory_order_relaxed);
    do {
        if (NKI_UNLIKELY(word >> 32 != want)) {
            return mismatch(word, id);
        }
        /* In the one order of all, so that what is_alone did not count comes after it. */
    } while (!atomic_compare_exchange_weak_explicit(&handle->word, &word, word + 1, memory_order_seq_cst,
                                                    memory_order_relaxed));
    *out = handle;
    return NATSKIT_OK;
}

bool nki_handle_is_alone(const struct nki_handle *handle)
{
    uint64_t word = atomic_load(&handle->word);
    uint32_t ours =
        (word & WORD_CLOSING) != 0 ? 1 : 2; /* the caller's, and that of the table until it is closed */
    return (uint32_t)word <= ours;
}

void nki_handle_unpin(struct nki_handle *handle)
{
    uint64_t before = atomic_fetch_sub_explicit(&handle->word, 1, memory_order_acq_rel);
    assert((uint32_t)before > 0);
    if (NKI_LIKELY((uint32_t)before != 1)) {
        return;
    }
    assert((before & WORD_CLOSING) != 0);
    handle->ops->destroy(handle);
    handle->object = NULL;
    handle->parent = NULL;
    free_handle(handle, before);
}

bool nki_handle_next(uint32_t *index, uint64_t *id)
{
    uint32_t end = atomic_load_explicit(&next_fresh, memory_order_acquire);
    uint32_t below = atomic_load_explicit(&forked_below, memory_order_relaxed);
    for (uint32_t at = *index + 1 > below ? *index + 1 : below; at < end; at++) {
        uint64_t word = atomic_load_explicit(&slot_at(at)->word, memory_order_acquire);
        if ((word & HIGH_USED << 32) != 0 && (word & WORD_CLOSING) == 0) {
            *index = at;
            *id = (uint64_t)kind_of_word(word) << 48 | generation_of_word(word) << INDEX_BITS | at;
            return true;
        }
    }
    return false;
}

/* -- closing --------------------------------------------------------------------------------------------- */

int32_t nki_handle_begin_close(uint64_t id, int32_t kind, struct nki_handle **out)
{
    struct nki_handle *handle;
    int32_t status = find(id, kind, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    uint64_t want = high_of(generation_of_id(id), kind);
    uint64_t word = atomic_load_explicit(&handle->word, memory_order_relaxed);
    do {
        if (word >> 32 != want) {
            return mismatch(word, id);
        }
    } while (!atomic_compare_exchange_weak_explicit(&handle->word, &word, word | WORD_CLOSING,
                                                    memory_order_acq_rel, memory_order_relaxed));
    *out = handle;
    return NATSKIT_OK;
}

int32_t nki_handle_close(uint64_t id, int32_t kind)
{
    struct nki_handle *handle;
    int32_t status = nki_handle_begin_close(id, kind, &handle);
    if (status == NATSKIT_OK) {
        handle->ops->close(handle);
        nki_handle_unpin(handle);
    }
    return status;
}

/* Closes whatever the slot holds. A connection whose closer still lingers is closed again, which ends that
 * linger; for the other kinds closing never waits, so their closer is done in a moment. */
static void close_slot(struct nki_handle *handle)
{
    uint64_t word = atomic_load_explicit(&handle->word, memory_order_relaxed);
    for (;;) {
        bool closing = (word & WORD_CLOSING) != 0;
        bool lingers = closing && kind_of_word(word) == NATSKIT_KIND_CONN;
        if ((word & HIGH_USED << 32) == 0 || (uint32_t)word == 0 || (closing && !lingers)) {
            return;
        }
        uint64_t wanted = lingers ? word + 1 : word | WORD_CLOSING;
        if (atomic_compare_exchange_weak_explicit(&handle->word, &word, wanted, memory_order_acq_rel,
                                                  memory_order_relaxed)) {
            break;
        }
    }
    handle->ops->close(handle);
    nki_handle_unpin(handle);
}

void nki_handle_close_all(int64_t deadline_ns)
{
    pthread_mutex_lock(&table_mu);
    shutting_down = true;
    pthread_mutex_unlock(&table_mu);
    /* Between reserving and publishing nobody waits: this is over in a moment. */
    while (atomic_load_explicit(&reserved, memory_order_acquire) > 0 && nki_clock_now_ns() < deadline_ns) {
        const struct timespec moment = {.tv_nsec = 100000};
        (void)nanosleep(&moment, NULL);
    }
    uint32_t begin = atomic_load_explicit(&forked_below, memory_order_relaxed);
    uint32_t end = atomic_load_explicit(&next_fresh, memory_order_acquire);
    for (uint32_t index = begin > 0 ? begin : 1; index < end; index++) {
        close_slot(slot_at(index));
    }
}

void nki_handle_reopen(void)
{
    pthread_mutex_lock(&table_mu);
    shutting_down = false;
    pthread_mutex_unlock(&table_mu);
}

/* -- the process ----------------------------------------------------------------------------------------- */

uint64_t nki_handle_live(int32_t kind)
{
    assert(kind > 0 && kind < KIND_COUNT);
    return atomic_load_explicit(&live[kind], memory_order_relaxed);
}

uint64_t nki_handle_table_bytes(void)
{
    return atomic_load_explicit(&table_bytes, memory_order_relaxed);
}

void nki_handle_forget(void)
{
    uint32_t fresh = atomic_load_explicit(&next_fresh, memory_order_relaxed);
    atomic_store_explicit(&forked_below, fresh, memory_order_relaxed);
    atomic_store_explicit(&reserved, 0, memory_order_relaxed);
    for (int32_t kind = 0; kind < KIND_COUNT; kind++) {
        atomic_store_explicit(&live[kind], 0, memory_order_relaxed);
    }
    free_head = 0;
    free_tail = 0;
    shutting_down = false;
    pthread_mutex_init(&table_mu, NULL);
}
