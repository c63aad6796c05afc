/* Key-value: a bucket in which each tenant sees only keys of its own, and values are packed. In C a program
 * encodes keys and values before it gives them, and decodes them after; nothing in the library calls back.
 * What is made so is one small type of the program's own around the calls. Needs a server with JetStream. */
#include "example.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static natskit_error err;

/* Runs of one byte become their length and the byte, behind an 'r'. At most 2 * len + 1 bytes. */
static size_t pack(const char *value, size_t len, unsigned char *out)
{
    size_t size = 0;
    out[size++] = 'r';
    for (size_t at = 0; at < len;) {
        size_t run = 1;
        while (at + run < len && run < 255 && value[at + run] == value[at]) {
            run++;
        }
        out[size++] = (unsigned char)run;
        out[size++] = (unsigned char)value[at];
        at += run;
    }
    return size;
}

/* -1: this codec has not written it, or there is no room for it. */
static long unpack(const unsigned char *stored, size_t len, char *out, size_t cap)
{
    size_t size = 0;
    if (len == 0 || stored[0] != 'r' || len % 2 != 1) {
        return -1;
    }
    for (size_t at = 1; at < len; at += 2) {
        if (stored[at] > cap - size) {
            return -1;
        }
        memset(out + size, stored[at + 1], stored[at]);
        size += stored[at];
    }
    return (long)size;
}

/* The keys of one tenant: `host` is stored as `red.host`. */
struct tenant {
    natskit_kv kv;
    const char *name;
};

static void put(const struct tenant *tenant, const char *key, const char *value)
{
    char stored_key[128];
    size_t len = strlen(value);
    unsigned char *stored = malloc(2 * len + 1);
    if (stored == NULL) {
        abort();
    }
    (void)snprintf(stored_key, sizeof stored_key, "%s.%s", tenant->name, key);
    check(natskit_kv_write(tenant->kv, NATSKIT_KV_PUT, stored_key, NATSKIT_ZLEN, stored,
                           pack(value, len, stored), 0, 0, 2000, NULL, &err),
          "put");
    free(stored);
}

/* How many bytes the value has, of which `stored_len` are stored; -1: another has written it. */
static long get(const struct tenant *tenant, const char *key, char *out, size_t cap, size_t *stored_len)
{
    char stored_key[128];
    natskit_msg *msg;
    natskit_kv_view entry;
    (void)snprintf(stored_key, sizeof stored_key, "%s.%s", tenant->name, key);
    check(natskit_kv_get(tenant->kv, stored_key, NATSKIT_ZLEN, 0, 2000, &msg, &err), "get");
    check(natskit_msg_kv(msg, &entry, sizeof entry), "entry");
    long len = unpack(entry.value, entry.value_len, out, cap);
    *stored_len = entry.value_len;
    natskit_msg_release(msg);
    return len;
}

/* The keys without the tenant's name, which is a pattern here. */
static void list(const struct tenant *tenant)
{
    char pattern[128];
    natskit_options options;
    natskit_sub sub;
    natskit_msg *msg;
    natskit_kv_view entry;
    size_t cut = strlen(tenant->name) + 1;
    (void)snprintf(pattern, sizeof pattern, "%s.>", tenant->name);
    check(natskit_options_open(NATSKIT_OPTIONS_KV_WATCH, &options), "options");
    check(natskit_options_set(options, "keys", NATSKIT_ZLEN, pattern, NATSKIT_ZLEN, &err), "keys");
    check(natskit_options_set(options, "ends", NATSKIT_ZLEN, "true", NATSKIT_ZLEN, &err), "ends");
    check(natskit_options_set(options, "headers_only", NATSKIT_ZLEN, "true", NATSKIT_ZLEN, &err),
          "no values");
    check(natskit_kv_watch(tenant->kv, options, &sub, &err), "list");
    natskit_options_close(options);
    printf("%s sees:", tenant->name);
    while (natskit_sub_next(sub, 5000, &msg) == NATSKIT_OK) {
        check(natskit_msg_kv(msg, &entry, sizeof entry), "entry");
        printf(" %.*s", (int)(entry.key_len - cut), entry.key + cut);
        natskit_msg_release(msg);
    }
    printf("\n");
    expect(NATSKIT_MAX_REACHED, natskit_sub_reason(sub, &err), "all have come");
    natskit_sub_close(sub);
}

int main(void)
{
    char name[32];
    char args[128];
    char value[2000];
    size_t stored;
    natskit_js js;
    natskit_kv kv;
    natskit_conn conn = connect_or_exit();
    (void)snprintf(name, sizeof name, "tenants_%ld", (long)getpid());
    check(natskit_js_open(conn, no_options, &js, &err), "context");
    (void)snprintf(args, sizeof args, "{\"config\":{\"bucket\":\"%s\",\"storage\":\"memory\"}}", name);
    js_do(js, "kv.create", args);
    check(natskit_kv_open(js, name, NATSKIT_ZLEN, &kv, &err), "bucket");

    const struct tenant red = {kv, "red"};
    const struct tenant blue = {kv, "blue"};
    memset(value, '-', 1000);
    value[1000] = '\0';
    put(&red, "host", "10.0.0.7");
    put(&blue, "host", "10.0.0.8");
    put(&red, "line", value);
    long len = get(&red, "host", value, sizeof value, &stored);
    printf("red: host %.*s\n", (int)len, value);
    len = get(&red, "line", value, sizeof value, &stored);
    printf("red: a line of %ld bytes, %s\n", len, stored < 20 ? "packed" : "as it was");
    list(&red);
    list(&blue);

    /* By a client that does not know of the codec. */
    check(natskit_kv_write(kv, NATSKIT_KV_PUT, "red.odd", NATSKIT_ZLEN, "?", 1, 0, 0, 2000, NULL, &err),
          "put");
    if (get(&red, "odd", value, sizeof value, &stored) < 0) {
        printf("refused: odd was not written by this codec\n");
    }

    check(natskit_kv_close(kv), "close the bucket");
    (void)snprintf(args, sizeof args, "{\"bucket\":\"%s\"}", name);
    js_do(js, "kv.delete", args);
    check(natskit_js_close(js), "close the context");
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
