/* Key-value: settings at hand in a cache, keys that are paths, a counter that several may change, and
 * sessions that are deleted all at once. Needs a server with JetStream. */
#include "example.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static natskit_error err;

/* snippet: codec */
static natskit_kv open_bucket(natskit_js js, const char *name)
{
    natskit_kv kv;
    natskit_options options;
    check(natskit_options_open(NATSKIT_OPTIONS_KV, &options), "options");
    check(natskit_options_set(options, "codec", NATSKIT_ZLEN, "path", NATSKIT_ZLEN, &err), "codec");
    check(natskit_kv_open_with(js, name, NATSKIT_ZLEN, options, &kv, &err), "bucket");
    natskit_options_close(options);
    return kv;
}
/* snippet end */

static void put(natskit_kv kv, const char *key, const char *value)
{
    check(
        natskit_kv_write(kv, NATSKIT_KV_PUT, key, NATSKIT_ZLEN, value, strlen(value), 0, 0, 2000, NULL, &err),
        "put");
}

/* snippet: modify */
/* One more, whoever else does the same meanwhile. */
static int increment(natskit_kv kv, const char *key)
{
    for (;;) {
        natskit_msg *msg;
        natskit_kv_view entry = {.revision = 0};
        char text[32] = "0";
        if (natskit_kv_get(kv, key, NATSKIT_ZLEN, 0, 2000, &msg, &err) == NATSKIT_OK) {
            check(natskit_msg_kv(msg, &entry, sizeof entry), "entry");
            (void)snprintf(text, sizeof text, "%.*s", (int)entry.value_len, (const char *)entry.value);
            natskit_msg_release(msg);
        }
        int number = atoi(text) + 1;
        (void)snprintf(text, sizeof text, "%d", number);
        int32_t action = entry.revision == 0 ? NATSKIT_KV_CREATE : NATSKIT_KV_UPDATE;
        natskit_status status = natskit_kv_write(kv, action, key, NATSKIT_ZLEN, text, strlen(text),
                                                 entry.revision, 0, 2000, NULL, &err);
        if (status != NATSKIT_WRONG_LAST && status != NATSKIT_KEY_EXISTS) {
            check(status, "increment");
            return number;
        }
    }
}
/* snippet end */

/* snippet: sweep */
static void delete_sessions(natskit_kv kv)
{
    natskit_options options;
    natskit_json answer;
    int64_t keys;
    check(natskit_options_open(NATSKIT_OPTIONS_KV_SWEEP, &options), "options");
    check(natskit_options_set(options, "keys", NATSKIT_ZLEN, "/sessions/*", NATSKIT_ZLEN, &err), "keys");
    check(natskit_kv_sweep(kv, NATSKIT_KV_DELETE, options, 5000, &answer, &err), "sweep");
    check(natskit_json_get_int(answer, "/keys", NATSKIT_ZLEN, &keys, &err), "number");
    printf("sweep: %d sessions deleted\n", (int)keys);
    natskit_json_close(answer);
    natskit_options_close(options);
}
/* snippet end */

int main(void)
{
    char name[32];
    char args[128];
    natskit_js js;
    natskit_sub watch;
    natskit_msg *msg;
    natskit_kv_view entry;
    natskit_conn conn = connect_or_exit();
    (void)snprintf(name, sizeof name, "cached_%ld", (long)getpid());
    check(natskit_js_open(conn, no_options, &js, &err), "context");
    (void)snprintf(args, sizeof args, "{\"config\":{\"bucket\":\"%s\",\"storage\":\"memory\"}}", name);
    js_do(js, "kv.create", args);
    natskit_kv kv = open_bucket(js, name);
    put(kv, "/db/host", "10.0.0.7");
    put(kv, "/sessions/1", "joe");
    put(kv, "/sessions/2", "pam");

    /* snippet: cache */
    check(natskit_kv_cache(kv, no_options, &watch, &err), "cache");
    check(natskit_sub_next(watch, 5000, &msg), "what there is"); /* says that it is complete */
    natskit_msg_release(msg);
    check(natskit_kv_cached(kv, "/db/host", NATSKIT_ZLEN, &msg), "look up");
    check(natskit_msg_kv(msg, &entry, sizeof entry), "entry");
    printf("at hand: %.*s = '%.*s'\n", (int)entry.key_len, entry.key, (int)entry.value_len,
           (const char *)entry.value);
    natskit_msg_release(msg);
    expect(NATSKIT_KEY_NOT_FOUND, natskit_kv_cached(kv, "/db/port", NATSKIT_ZLEN, &msg), "look up");
    /* snippet end */

    increment(kv, "/visits");
    printf("visits: %d\n", increment(kv, "/visits"));
    delete_sessions(kv);

    check(natskit_sub_close(watch), "close the cache");
    check(natskit_kv_close(kv), "close the bucket");
    (void)snprintf(args, sizeof args, "{\"bucket\":\"%s\"}", name);
    js_do(js, "kv.delete", args);
    check(natskit_js_close(js), "close the context");
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
