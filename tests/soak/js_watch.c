/* The bucket of the chaos of JetStream: writers of keys, and watches, each with a thread and a connection.
 *
 * Nothing of the bucket is purged, and its history is longer than any watch may be silent, so every revision
 * comes to each watch of all keys. */
#include "js_chaos.h"

#include "support/chance.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PER_SECOND = 400, PAUSE_MS = 12, WRITE_MS = 5000, LIVE_REVISIONS = 20 };

/* -- what revisions are -----------------------------------------------------------------------------------
 */

void jc_note_entry(uint64_t revision, uint64_t writer, uint64_t number, const char *who)
{
    uint64_t entry = (writer + 1) << 56 | number;
    uint64_t before = 0;
    JC_CHECK(revision > 0 && revision < jc.revision_cap, "%s: revision %" PRIu64, who, revision);
    if (!atomic_compare_exchange_strong(&jc.entries[revision], &before, entry)) {
        JC_CHECK(before == entry,
                 "%s: revision %" PRIu64 " is number %" PRIu64 " of writer %" PRIu64
                 ", and was told to be %" PRIu64 " of %" PRIu64,
                 who, revision, number, writer, before & (UINT64_MAX >> 8), (before >> 56) - 1);
    }
}

uint64_t jc_writer_of(uint64_t revision)
{
    return (atomic_load(&jc.entries[revision]) >> 56) - 1;
}

static void raise_top(uint64_t revision)
{
    uint64_t top = atomic_load(&jc.top_revision);
    while (top < revision && !atomic_compare_exchange_weak(&jc.top_revision, &top, revision)) {
    }
}

/* -- writing ----------------------------------------------------------------------------------------------
 */

static natskit_status write_one(natskit_kv kv, size_t me, uint64_t number, int32_t action)
{
    char key[32];
    char value[32];
    uint64_t revision;
    int len = snprintf(value, sizeof value, "%" PRIu64, number);
    snprintf(key, sizeof key, "k.%zu.%d", me, (int)(number % JC_KEYS));
    natskit_status status =
        natskit_kv_write(kv, action, key, Z, value, action == NATSKIT_KV_PUT ? (size_t)len : 0, 0, 0,
                         WRITE_MS, &revision, NULL);
    if (status == NATSKIT_OK) {
        /* a delete has no value that could tell its number */
        jc_note_entry(revision, me, action == NATSKIT_KV_PUT ? number : 0, "a writer");
        raise_top(revision);
        jc_progress(&jc.actors[JC_FIRST_WRITER + me], (int64_t)number);
    }
    return status;
}

static natskit_kv open_bucket(natskit_js js)
{
    natskit_kv kv;
    natskit_error err = {0};
    JC_CHECK(natskit_kv_open(js, JC_BUCKET, Z, &kv, &err) == NATSKIT_OK, "bucket: %s", err.text);
    return kv;
}

/* What there is at the begin has come to the watches: from then on nothing is missing that was overwritten
 * before they began. */
static void wait_for_watches(void)
{
    int64_t deadline_ms = ts_now_ms() + JC_CALL_MS;
    for (size_t i = 0; i < JC_AGAIN; i++) {
        struct jc_actor *actor = &jc.actors[JC_FIRST_WATCH + i];
        int64_t last = i == JC_ONE_WRITERS ? JC_KEYS : JC_WRITERS * JC_KEYS;
        while (atomic_load(&actor->mark) < last) {
            JC_CHECK(ts_now_ms() < deadline_ms, "%s does not begin", actor->name);
            ts_pause_ms(JC_SLICE_MS);
        }
    }
}

void *jc_write(void *index)
{
    size_t me = (size_t)(uintptr_t)index - JC_FIRST_WRITER;
    struct ts_chance chance = ts_chance_of(jc.seed, 100 + me);
    natskit_kv kv = open_bucket(jc.actors[JC_FIRST_WRITER + me].js);
    wait_for_watches();
    for (uint64_t number = JC_KEYS; !atomic_load(&jc.stop_publishing); number++) {
        int32_t action = ts_chance_below(&chance, 20) == 0 ? NATSKIT_KV_DELETE : NATSKIT_KV_PUT;
        natskit_status status = write_one(kv, me, number, action);
        atomic_fetch_add(&jc.writes, 1);
        if (status != NATSKIT_OK) { /* whether it was done, the watches will tell */
            JC_CHECK(status == NATSKIT_TIMEOUT || status == NATSKIT_DISCONNECTED ||
                         status == NATSKIT_NO_STREAM || status == NATSKIT_JS_REFUSED,
                     "writer %zu: %d", me, status);
            atomic_fetch_add(&jc.writes_failed, 1);
        }
        ts_pause_ms(PAUSE_MS);
    }
    natskit_kv_close(kv);
    return NULL;
}

/* -- watching ---------------------------------------------------------------------------------------------
 */

/* What one watch has told. */
struct sight {
    struct jc_watch *watch;
    struct jc_actor *actor;
    uint64_t last;
    uint64_t initials;
    uint64_t live; /* revisions since */
    bool contiguous;
    bool keys[JC_WRITERS][JC_KEYS];
};

static void see_entry(struct sight *sight, const natskit_kv_view *entry)
{
    unsigned writer;
    unsigned key;
    char text[32];
    uint64_t number = 0;
    snprintf(text, sizeof text, "%.*s", (int)entry->key_len, entry->key);
    JC_CHECK(sscanf(text, "k.%u.%u", &writer, &key) == 2 && writer < JC_WRITERS && key < JC_KEYS,
             "%s: key %s", sight->actor->name, text);
    JC_CHECK(entry->operation != NATSKIT_KV_PUT ||
                 ts_parse_u64(entry->value, entry->value_len, UINT32_MAX, &number),
             "%s: a value of somebody else", sight->actor->name);
    JC_CHECK(entry->revision > sight->last, "%s: revision %" PRIu64 " after %" PRIu64, sight->actor->name,
             entry->revision, sight->last);
    JC_CHECK(!sight->contiguous || entry->revision == sight->last + 1,
             "%s: revision %" PRIu64 " follows %" PRIu64, sight->actor->name, entry->revision, sight->last);
    jc_note_entry(entry->revision, writer, number, sight->actor->name);
    sight->last = entry->revision;
    sight->live += sight->initials;
    sight->keys[writer][key] = true;
    if (sight->watch->seen != NULL) {
        sight->watch->seen[entry->revision] = 1;
    }
    jc_progress(sight->actor, (int64_t)entry->revision);
}

/* All keys have come by then. */
static void see_initial_done(struct sight *sight, size_t writers)
{
    sight->initials++;
    JC_CHECK(sight->initials == 1, "%s: INITIAL_DONE again", sight->actor->name);
    for (size_t i = 0; i < writers; i++) {
        for (size_t k = 0; k < JC_KEYS; k++) {
            JC_CHECK(sight->keys[i][k], "%s: INITIAL_DONE before key k.%zu.%zu", sight->actor->name, i, k);
        }
    }
    sight->contiguous = writers == JC_WRITERS;
}

static void see(struct sight *sight, const natskit_msg *msg, size_t writers)
{
    natskit_kv_view entry;
    natskit_status_view status;
    if (natskit_msg_kv(msg, &entry, sizeof entry) == NATSKIT_OK) {
        see_entry(sight, &entry);
        return;
    }
    JC_CHECK(natskit_msg_status(msg, &status, sizeof status) == NATSKIT_OK, "%s: what is that?",
             sight->actor->name);
    if (status.type == NATSKIT_STATUS_INITIAL_DONE) {
        see_initial_done(sight, writers);
    }
}

/* Takes until the end, or so many revisions after the initial ones. */
static void follow(struct sight *sight, natskit_sub sub, size_t writers, uint64_t enough)
{
    natskit_watch_info info = {0};
    while (!atomic_load(&jc.stop) && sight->live < enough) {
        natskit_msg *msgs[64];
        size_t count = 0;
        natskit_error err = {0};
        natskit_status status = natskit_sub_next_batch(sub, msgs, 64, JC_SLICE_MS, &count);
        JC_CHECK(status != NATSKIT_END, "%s has ended: %d, %s", sight->actor->name,
                 natskit_sub_reason(sub, &err), err.text);
        for (size_t i = 0; i < count; i++) {
            see(sight, msgs[i], writers);
            natskit_msg_release(msgs[i]);
        }
    }
    JC_CHECK(natskit_sub_watch_info(sub, &info, sizeof info) == NATSKIT_OK, "%s: info", sight->actor->name);
    JC_CHECK(info.rewinds == 0, "%s: the bucket ends before what had come", sight->actor->name);
    sight->watch->resets += info.resets;
    sight->watch->initials += sight->initials;
}

static natskit_sub open_watch(natskit_kv kv, size_t which)
{
    natskit_sub sub;
    natskit_error err = {0};
    natskit_options options = jc_options(NATSKIT_OPTIONS_KV_WATCH);
    if (which == JC_HISTORY) {
        jc_set_int(options, "history", 1);
    } else if (which == JC_ONE_WRITERS) {
        jc_set(options, "keys", "k.0.*");
    }
    JC_CHECK(natskit_kv_watch(kv, options, &sub, &err) == NATSKIT_OK, "watch: %s", err.text);
    natskit_options_close(options);
    return sub;
}

void *jc_watch(void *index)
{
    size_t me = (size_t)(uintptr_t)index - JC_FIRST_WATCH;
    struct jc_actor *actor = &jc.actors[JC_FIRST_WATCH + me];
    struct jc_watch *watch = &jc.watches[me];
    if (me != JC_AGAIN) {
        struct sight sight = {.watch = watch, .actor = actor, .contiguous = me == JC_HISTORY};
        follow(&sight, actor->sub, me == JC_ONE_WRITERS ? 1 : JC_WRITERS, UINT64_MAX);
        return NULL;
    }
    natskit_kv kv = open_bucket(actor->js);
    while (!atomic_load(&jc.stop)) {
        struct sight sight = {.watch = watch, .actor = actor};
        natskit_sub sub = open_watch(kv, me);
        follow(&sight, sub, JC_WRITERS, LIVE_REVISIONS);
        watch->rounds++;
        natskit_sub_close(sub);
    }
    natskit_kv_close(kv);
    return NULL;
}

/* -- begin and end ----------------------------------------------------------------------------------------
 */

static void make_bucket(void)
{
    static const char text[] =
        "{\"bucket\":\"" JC_BUCKET "\",\"history\":64,\"num_replicas\":3,\"storage\":\"file\"}";
    natskit_json wanted;
    natskit_json config;
    char made[2000];
    size_t len = 0;
    natskit_error err = {0};
    JC_CHECK(natskit_json_parse(text, Z, &wanted, &err) == NATSKIT_OK &&
                 natskit_kv_config(wanted, &config, &err) == NATSKIT_OK &&
                 natskit_json_text(config, "", 0, made, sizeof made, &len, &err) == NATSKIT_OK,
             "bucket: %s", err.text);
    jc_do("stream.create", "{'config':%.*s}", (int)len, made);
    natskit_json_close(wanted);
    natskit_json_close(config);
}

void jc_watch_open(int64_t seconds)
{
    jc.revision_cap = (size_t)(seconds + 200) * PER_SECOND;
    jc.entries = calloc(jc.revision_cap, sizeof *jc.entries);
    JC_CHECK(jc.entries != NULL, "memory");
    make_bucket();
    for (size_t i = 0; i < JC_WRITERS; i++) { /* each key has a value before any watch begins */
        natskit_kv kv = open_bucket(jc.actors[JC_FIRST_WRITER + i].js);
        for (uint64_t number = 0; number < JC_KEYS; number++) {
            natskit_status status = write_one(kv, i, number, NATSKIT_KV_PUT);
            JC_CHECK(status == NATSKIT_OK, "the first value of a key: %d", status);
        }
        natskit_kv_close(kv);
    }
    for (size_t i = 0; i < JC_AGAIN; i++) {
        struct jc_actor *actor = &jc.actors[JC_FIRST_WATCH + i];
        natskit_kv kv = open_bucket(actor->js);
        jc.watches[i].seen = calloc(jc.revision_cap, 1);
        JC_CHECK(jc.watches[i].seen != NULL, "memory");
        actor->sub = open_watch(kv, i);
        natskit_kv_close(kv);
    }
}

void jc_watch_close(void)
{
    for (size_t i = 0; i < JC_WATCHES; i++) {
        free(jc.watches[i].seen);
    }
    free((uint64_t *)(uintptr_t)jc.entries);
}
