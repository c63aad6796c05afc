/* Ids of pinned clients: see pins.h. Keys are hashes: where two were alike the server would refuse the id,
 * and it is forgotten. */
#include "jetstream/pins.h"

#include "base/alloc.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

struct pin {
    uint64_t key;
    uint64_t used; /* when, in the order of uses; 0: there is none */
    size_t len;
    char id[NKI_PIN_MAX];
};

struct nki_pins {
    atomic_uint refs;
    pthread_mutex_t mu;
    uint64_t uses;
    struct pin pins[NKI_PINS_MAX];
};

struct nki_pins *nki_pins_new(void)
{
    struct nki_pins *pins = nki_calloc(1, sizeof *pins);
    if (pins != NULL) {
        atomic_init(&pins->refs, 1);
        pthread_mutex_init(&pins->mu, NULL);
    }
    return pins;
}

void nki_pins_retain(struct nki_pins *pins)
{
    atomic_fetch_add_explicit(&pins->refs, 1, memory_order_relaxed);
}

void nki_pins_release(struct nki_pins *pins)
{
    if (pins != NULL && atomic_fetch_sub_explicit(&pins->refs, 1, memory_order_acq_rel) == 1) {
        pthread_mutex_destroy(&pins->mu);
        nki_free(pins);
    }
}

uint64_t nki_pins_key(struct nki_str stream, struct nki_str consumer, struct nki_str group)
{
    const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
    return (nki_str_hash(stream) * odd + nki_str_hash(consumer)) * odd + nki_str_hash(group);
}

/* With mu. */
static struct pin *find(struct nki_pins *pins, uint64_t key)
{
    for (size_t i = 0; i < NKI_PINS_MAX; i++) {
        if (pins->pins[i].used > 0 && pins->pins[i].key == key) {
            return &pins->pins[i];
        }
    }
    return NULL;
}

/* With mu: one that is free, or was used longest ago. */
static struct pin *oldest(struct nki_pins *pins)
{
    struct pin *oldest = &pins->pins[0];
    for (size_t i = 1; i < NKI_PINS_MAX; i++) {
        if (pins->pins[i].used < oldest->used) {
            oldest = &pins->pins[i];
        }
    }
    return oldest;
}

size_t nki_pins_get(struct nki_pins *pins, uint64_t key, char out[NKI_PIN_MAX])
{
    size_t len = 0;
    pthread_mutex_lock(&pins->mu);
    struct pin *pin = find(pins, key);
    if (pin != NULL) {
        pin->used = ++pins->uses;
        len = pin->len;
        memcpy(out, pin->id, len);
    }
    pthread_mutex_unlock(&pins->mu);
    return len;
}

void nki_pins_keep(struct nki_pins *pins, uint64_t key, struct nki_str id)
{
    assert(id.len > 0 && id.len <= NKI_PIN_MAX);
    pthread_mutex_lock(&pins->mu);
    struct pin *pin = find(pins, key);
    pin = pin != NULL ? pin : oldest(pins);
    pin->key = key;
    pin->used = ++pins->uses;
    pin->len = id.len;
    memcpy(pin->id, id.ptr, id.len);
    pthread_mutex_unlock(&pins->mu);
}

void nki_pins_forget(struct nki_pins *pins, uint64_t key, struct nki_str id)
{
    pthread_mutex_lock(&pins->mu);
    struct pin *pin = find(pins, key);
    if (pin != NULL && nki_str_eq(nki_str_make(pin->id, pin->len), id)) {
        pin->used = 0;
    }
    pthread_mutex_unlock(&pins->mu);
}
