/* Key-value: a bucket is made, keys are set, created and deleted, and a watch sees all of it. Needs a server
 * with JetStream. */
#include "example.h"

#include <string.h>
#include <unistd.h>

static natskit_error err;

/* snippet: write */
static natskit_status change(natskit_kv kv, int32_t action, const char *key, const char *value)
{
    return natskit_kv_write(kv, action, key, NATSKIT_ZLEN, value, strlen(value), 0, 0, 2000, NULL, &err);
}

static void get(natskit_kv kv, const char *key)
{
    natskit_msg *msg;
    natskit_kv_view entry;
    check(natskit_kv_get(kv, key, NATSKIT_ZLEN, 0, 2000, &msg, &err), "get");
    check(natskit_msg_kv(msg, &entry, sizeof entry), "entry");
    printf("get: %.*s = '%.*s' (revision %llu)\n", (int)entry.key_len, entry.key, (int)entry.value_len,
           (const char *)entry.value, (unsigned long long)entry.revision);
    natskit_msg_release(msg);
}

/* snippet end */
/* snippet: watch */
static void show(const natskit_kv_view *entry)
{
    int key_len = (int)entry->key_len;
    if (entry->operation == NATSKIT_KV_PUT) {
        printf("watch: %.*s = '%.*s' (revision %llu)\n", key_len, entry->key, (int)entry->value_len,
               (const char *)entry->value, (unsigned long long)entry->revision);
    } else {
        printf("watch: %.*s has gone (revision %llu)\n", key_len, entry->key,
               (unsigned long long)entry->revision);
    }
}

/* Takes `count` entries; what there was at the begin ends with a status. */
static void take(natskit_sub watch, int count)
{
    while (count > 0) {
        natskit_msg *msg;
        natskit_kv_view entry;
        check(natskit_sub_next(watch, 5000, &msg), "next");
        if (natskit_msg_kv(msg, &entry, sizeof entry) == NATSKIT_OK) {
            show(&entry);
            count--;
        } else {
            printf("watch: that was all there was\n");
        }
        natskit_msg_release(msg);
    }
}

/* snippet end */
int main(void)
{
    char name[32];
    char args[128];
    natskit_js js;
    natskit_kv kv;
    natskit_sub watch;
    natskit_conn conn = connect_or_exit();
    (void)snprintf(name, sizeof name, "example_%ld", (long)getpid()); /* one of its own for each run */
    check(natskit_js_open(conn, no_options, &js, &err), "context");
    /* snippet: make */
    (void)snprintf(args, sizeof args, "{\"config\":{\"bucket\":\"%s\",\"history\":5}}", name);
    js_do(js, "kv.create", args);
    /* snippet end */
    /* snippet: write */
    check(natskit_kv_open(js, name, NATSKIT_ZLEN, &kv, &err), "bucket");

    check(change(kv, NATSKIT_KV_PUT, "db.host", "10.0.0.7"), "put");
    check(change(kv, NATSKIT_KV_PUT, "db.port", "5432"), "put");
    get(kv, "db.host");
    /* snippet end */
    /* snippet: watch */
    check(natskit_kv_watch(kv, no_options, &watch, &err), "watch");
    take(watch, 2);
    /* snippet end */

    check(change(kv, NATSKIT_KV_CREATE, "leader", "me"), "create");
    expect(NATSKIT_KEY_EXISTS, change(kv, NATSKIT_KV_CREATE, "leader", "you"), "create again");
    printf("create: %s\n", err.text);
    check(change(kv, NATSKIT_KV_DELETE, "leader", ""), "delete");
    take(watch, 2);

    check(natskit_sub_close(watch), "close the watch");
    check(natskit_kv_close(kv), "close the bucket");
    (void)snprintf(args, sizeof args, "{\"bucket\":\"%s\"}", name);
    js_do(js, "kv.delete", args);
    check(natskit_js_close(js), "close the context");
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
