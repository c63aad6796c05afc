/* Key-value: a bucket is made, keys are set, created and deleted, and a watch sees all of it. Needs a server
 * with JetStream. */
#include "example.h"

#include <string.h>
#include <unistd.h>

static natskit_error err;

/* A bucket of its own for each run. */
static void make_bucket(natskit_js js, const char *name)
{
    natskit_json bucket, config, args, info;
    check(natskit_json_open(NATSKIT_JSON_OBJECT, &bucket), "open");
    check(natskit_json_set_string(bucket, "/bucket", NATSKIT_ZLEN, name, NATSKIT_ZLEN, &err), "name");
    check(natskit_json_set_string(bucket, "/storage", NATSKIT_ZLEN, "memory", NATSKIT_ZLEN, &err), "storage");
    check(natskit_kv_config(bucket, &config, &err), "configuration");
    check(natskit_json_open(NATSKIT_JSON_OBJECT, &args), "open");
    check(natskit_json_set_json(args, "/config", NATSKIT_ZLEN, config, "", 0, &err), "arguments");
    natskit_status status = natskit_js_call(js, "stream.create", NATSKIT_ZLEN, args, 5000, &info, &err);
    if (status != NATSKIT_OK) {
        fprintf(stderr, "%s\n", err.text);
    }
    check(status, "create the bucket");
    natskit_json_close(bucket);
    natskit_json_close(config);
    natskit_json_close(args);
    natskit_json_close(info);
}

static void delete_bucket(natskit_js js, const char *name)
{
    natskit_json args, answer;
    char stream[64];
    (void)snprintf(stream, sizeof stream, "KV_%s", name);
    check(natskit_json_open(NATSKIT_JSON_OBJECT, &args), "open");
    check(natskit_json_set_string(args, "/stream", NATSKIT_ZLEN, stream, NATSKIT_ZLEN, &err), "name");
    check(natskit_js_call(js, "stream.delete", NATSKIT_ZLEN, args, 5000, &answer, &err), "delete the bucket");
    natskit_json_close(args);
    natskit_json_close(answer);
}

static natskit_status change(natskit_kv kv, int32_t action, const char *key, const char *value)
{
    return natskit_kv_write(kv, action, key, NATSKIT_ZLEN, value, strlen(value), 0, 0, 2000, NULL, &err);
}

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

int main(void)
{
    char name[32];
    natskit_js js;
    natskit_kv kv;
    natskit_sub watch;
    natskit_conn conn = connect_or_exit();
    (void)snprintf(name, sizeof name, "example_%ld", (long)getpid());
    check(natskit_js_open(conn, no_options, &js, &err), "context");
    make_bucket(js, name);
    check(natskit_kv_open(js, name, NATSKIT_ZLEN, &kv, &err), "bucket");

    check(change(kv, NATSKIT_KV_PUT, "db.host", "10.0.0.7"), "put");
    check(change(kv, NATSKIT_KV_PUT, "db.port", "5432"), "put");
    check(natskit_kv_watch(kv, no_options, &watch, &err), "watch");
    take(watch, 2);

    check(change(kv, NATSKIT_KV_CREATE, "leader", "me"), "create");
    expect(NATSKIT_KEY_EXISTS, change(kv, NATSKIT_KV_CREATE, "leader", "you"), "create again");
    printf("create: %s\n", err.text);
    check(change(kv, NATSKIT_KV_DELETE, "leader", ""), "delete");
    take(watch, 2);

    check(natskit_sub_close(watch), "close the watch");
    check(natskit_kv_close(kv), "close the bucket");
    delete_bucket(js, name);
    check(natskit_js_close(js), "close the context");
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
