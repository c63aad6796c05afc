/* The store of the chaos of JetStream: who puts objects, each its own, again and again, and who reads them;
 * each with a thread and a connection.
 *
 * What is read to its end is what was put, whole, whatever happened meanwhile; a put or a get that does not
 * succeed says why. In the end each object is one that was put no earlier than the last of which that is
 * known, and chunks are left only by puts of which nobody knows what became. */
#include "js_chaos.h"

#include "support/chance.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PUT_MS = 10000,
    ACK_WAIT_MS = 3000,
    READ_MS = 5000,
    PAUSE_MS = 20,
    CHUNK = 16 << 10,
    SIZE_MAX_BYTES = 20 * CHUNK
};

/* The highest number of each object of which it is known that it was put, and of which it is not. */
static _Atomic uint64_t put_numbers[JC_PUTTERS][JC_OBJECTS];
static _Atomic uint64_t tried_numbers[JC_PUTTERS][JC_OBJECTS];

/* -- what is in an object ---------------------------------------------------------------------------------
 */

static size_t size_of(size_t putter, uint64_t number)
{
    struct ts_chance chance = ts_chance_of(jc.seed + putter, number);
    return ts_chance_below(&chance, 8) == 0 ? 0 : ts_chance_below(&chance, SIZE_MAX_BYTES + 1);
}

/* The content of an object, to be freed. */
static uint8_t *content_of(size_t size, size_t putter, uint64_t number)
{
    uint8_t *out = malloc(size + 1);
    JC_CHECK(out != NULL, "memory");
    struct ts_chance chance = ts_chance_of(jc.seed + putter, number + (UINT64_C(1) << 32));
    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
        uint64_t word = ts_chance_u64(&chance);
        memcpy(out + i, &word, size - i < sizeof word ? size - i : sizeof word);
    }
    return out;
}

static natskit_object_store open_store(natskit_js js)
{
    natskit_object_store store;
    natskit_error err = {0};
    JC_CHECK(natskit_object_store_open(js, JC_STORE, Z, &store, &err) == NATSKIT_OK, "store: %s", err.text);
    return store;
}

/* What may be the end of a call while servers fail. */
static bool is_fault(natskit_status status)
{
    return status == NATSKIT_TIMEOUT || status == NATSKIT_DISCONNECTED || status == NATSKIT_NO_STREAM ||
           status == NATSKIT_JS_REFUSED || status == NATSKIT_JS_NOT_ENABLED ||
           status == NATSKIT_NO_RESPONDERS || status == NATSKIT_CHUNKS_DISORDERED ||
           status == NATSKIT_WRONG_LAST;
}

/* -- putting ----------------------------------------------------------------------------------------------
 */

static natskit_status put_one(natskit_object_store store, size_t me, uint64_t number, natskit_options options)
{
    char name[32];
    char description[64];
    natskit_json meta;
    natskit_error err = {0};
    size_t object = number % JC_OBJECTS;
    size_t size = size_of(me, number);
    uint8_t *content = content_of(size, me, number);
    snprintf(name, sizeof name, "o.%zu.%zu", me, object);
    snprintf(description, sizeof description, "%" PRIu64, number);
    JC_CHECK(natskit_json_open(NATSKIT_JSON_OBJECT, &meta) == NATSKIT_OK &&
                 natskit_json_set_string(meta, "/description", Z, description, Z, NULL) == NATSKIT_OK,
             "meta");
    atomic_store(&tried_numbers[me][object], number);
    natskit_status status =
        natskit_object_put(store, name, Z, meta, content, size, options, PUT_MS, NULL, &err);
    natskit_json_close(meta);
    free(content);
    if (status == NATSKIT_OK) {
        atomic_store(&put_numbers[me][object], number);
        jc_progress(&jc.actors[JC_FIRST_PUTTER + me], (int64_t)number);
    }
    JC_CHECK(status == NATSKIT_OK || is_fault(status), "put of %s: %d, %s", name, status, err.text);
    return status;
}

static natskit_options put_options(void)
{
    natskit_options options = jc_options(NATSKIT_OPTIONS_OBJECT_PUT);
    jc_set_int(options, "chunk_size", CHUNK);
    jc_set_int(options, "ack_wait_ms", ACK_WAIT_MS);
    return options;
}

void *jc_put(void *index)
{
    size_t me = (size_t)(uintptr_t)index - JC_FIRST_PUTTER;
    natskit_object_store store = open_store(jc.actors[JC_FIRST_PUTTER + me].js);
    natskit_options options = put_options();
    for (uint64_t number = JC_OBJECTS; !atomic_load(&jc.stop_publishing); number++) {
        atomic_fetch_add(&jc.puts, 1);
        if (put_one(store, me, number, options) != NATSKIT_OK) {
            atomic_fetch_add(&jc.puts_failed, 1);
        }
        ts_pause_ms(PAUSE_MS);
    }
    natskit_options_close(options);
    natskit_object_store_close(store);
    return NULL;
}

/* -- reading ----------------------------------------------------------------------------------------------
 */

/* Whether what was read is what an info says that it is. */
static void judge_content(const natskit_object_view *view, size_t putter, size_t object, const uint8_t *got,
                          size_t len)
{
    uint64_t number;
    JC_CHECK(ts_parse_u64(view->description, view->description_len, UINT32_MAX, &number) &&
                 number % JC_OBJECTS == object,
             "object o.%zu.%zu is somebody else's", putter, object);
    size_t size = size_of(putter, number);
    uint8_t *wanted = content_of(size, putter, number);
    JC_CHECK(len == size && memcmp(wanted, got, size) == 0,
             "object o.%zu.%zu, number %" PRIu64 ", of %zu bytes was read as %zu others", putter, object,
             number, size, len);
    free(wanted);
    uint64_t tried = atomic_load(&tried_numbers[putter][object]);
    JC_CHECK(number <= tried, "object o.%zu.%zu: number %" PRIu64 " was not put yet", putter, object, number);
}

/* Reads an object to its end: NATSKIT_END, or why not. */
static natskit_status get_one(natskit_object_store store, size_t putter, size_t object, uint64_t *number,
                              natskit_error *err)
{
    char name[32];
    natskit_msg *info = NULL;
    natskit_object_view view = {0};
    natskit_object_reader reader = {0};
    size_t len = 0;
    uint8_t *got = malloc(SIZE_MAX_BYTES + 1);
    JC_CHECK(got != NULL, "memory");
    snprintf(name, sizeof name, "o.%zu.%zu", putter, object);
    natskit_status status = natskit_object_info(store, name, Z, 0, READ_MS, &info, err);
    if (status == NATSKIT_OK) {
        JC_CHECK(natskit_msg_object(info, &view, sizeof view) == NATSKIT_OK, "the info of %s", name);
        status = natskit_object_reader_open(store, info, &reader, err);
    }
    while (status == NATSKIT_OK) {
        size_t part = 0;
        status = natskit_object_reader_read(reader, got + len, SIZE_MAX_BYTES + 1 - len, READ_MS, &part, err);
        len += part;
    }
    if (status == NATSKIT_END) {
        judge_content(&view, putter, object, got, len);
        (void)ts_parse_u64(view.description, view.description_len, UINT32_MAX, number);
    }
    natskit_object_reader_close(reader);
    natskit_msg_release(info);
    free(got);
    return status;
}

void *jc_get(void *index)
{
    size_t me = (size_t)(uintptr_t)index - JC_FIRST_GETTER;
    struct jc_actor *actor = &jc.actors[JC_FIRST_GETTER + me];
    struct ts_chance chance = ts_chance_of(jc.seed, 200 + me);
    natskit_object_store store = open_store(actor->js);
    while (!atomic_load(&jc.stop)) {
        uint64_t number;
        natskit_error err = {0};
        size_t putter = ts_chance_below(&chance, JC_PUTTERS);
        size_t object = ts_chance_below(&chance, JC_OBJECTS);
        natskit_status status = get_one(store, putter, object, &number, &err);
        if (status == NATSKIT_END) {
            jc_progress(actor, (int64_t)atomic_fetch_add(&jc.gets, 1));
        } else { /* it was replaced while it was read, or a server fails */
            JC_CHECK(status == NATSKIT_OBJECT_INCOMPLETE || is_fault(status), "get of o.%zu.%zu: %d, %s",
                     putter, object, status, err.text);
            atomic_fetch_add(&jc.gets_failed, 1);
        }
        ts_pause_ms(PAUSE_MS);
    }
    natskit_object_store_close(store);
    return NULL;
}

/* -- begin and end ----------------------------------------------------------------------------------------
 */

void jc_objects_open(void)
{
    static const char text[] = "{\"bucket\":\"" JC_STORE "\",\"num_replicas\":3,\"storage\":\"file\"}";
    natskit_json wanted;
    natskit_json config;
    char made[2000];
    size_t len = 0;
    natskit_error err = {0};
    JC_CHECK(natskit_json_parse(text, Z, &wanted, &err) == NATSKIT_OK &&
                 natskit_object_store_config(wanted, &config, &err) == NATSKIT_OK &&
                 natskit_json_text(config, "", 0, made, sizeof made, &len, &err) == NATSKIT_OK,
             "store: %s", err.text);
    jc_do("stream.create", "{'config':%.*s}", (int)len, made);
    natskit_json_close(wanted);
    natskit_json_close(config);
    natskit_options options = put_options();
    for (size_t i = 0; i < JC_PUTTERS; i++) { /* each object is there before anybody reads it */
        natskit_object_store store = open_store(jc.actors[JC_FIRST_PUTTER + i].js);
        for (uint64_t number = 0; number < JC_OBJECTS; number++) {
            JC_CHECK(put_one(store, i, number, options) == NATSKIT_OK, "the first put of an object");
        }
        natskit_object_store_close(store);
    }
    natskit_options_close(options);
}

/* How many messages a store has in which nothing is left over. */
static uint64_t judge_objects(natskit_object_store store)
{
    uint64_t messages = 0;
    for (size_t i = 0; i < JC_PUTTERS; i++) {
        for (size_t k = 0; k < JC_OBJECTS; k++) {
            uint64_t number = 0;
            natskit_error err = {0};
            natskit_status status = get_one(store, i, k, &number, &err);
            JC_CHECK(status == NATSKIT_END, "object o.%zu.%zu in the end: %d, %s", i, k, status, err.text);
            uint64_t known = atomic_load(&put_numbers[i][k]);
            JC_CHECK(number >= known, "object o.%zu.%zu is number %" PRIu64 ", and %" PRIu64 " was put", i, k,
                     number, known);
            messages += 1 + (size_of(i, number) + CHUNK - 1) / CHUNK;
        }
    }
    return messages;
}

void jc_judge_objects(struct jc_verdict *verdict)
{
    natskit_object_store store = open_store(jc.js);
    uint64_t wanted = judge_objects(store);
    natskit_object_store_close(store);
    natskit_json info = jc_call("stream.info", "{'stream':'OBJ_" JC_STORE "'}");
    uint64_t messages = jc_number(info, "/state/messages");
    natskit_json_close(info);
    uint64_t failed = atomic_load(&jc.puts_failed);
    JC_CHECK(messages >= wanted, "the store has %" PRIu64 " messages, its objects %" PRIu64, messages,
             wanted);
    JC_CHECK(messages == wanted || failed > 0, "%" PRIu64 " chunks are nobody's", messages - wanted);
    verdict->chunks_left = messages - wanted;
}
