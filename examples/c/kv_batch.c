/* Key-value: money that is moved from one account to another, so that nobody ever sees it twice or not at
 * all. Both are read as of one moment, and changed together. Needs a server with JetStream, 2.12 or later. */
#include "example.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static natskit_error err;

struct account {
    const char *key;
    int amount;
    uint64_t revision; /* 0: it has none */
};

/* snippet: transaction */
/* Reads both, of one moment. */
static void look(natskit_kv kv, struct account accounts[2])
{
    natskit_options options;
    natskit_sub sub;
    natskit_msg *msg;
    natskit_kv_view entry;
    check(natskit_options_open(NATSKIT_OPTIONS_KV_MANY, &options), "options");
    for (int i = 0; i < 2; i++) {
        accounts[i].amount = 0;
        accounts[i].revision = 0;
        check(natskit_options_add(options, "keys", NATSKIT_ZLEN, accounts[i].key, NATSKIT_ZLEN, &err), "key");
    }
    check(natskit_kv_get_many(kv, options, &sub, &err), "get many");
    natskit_options_close(options);
    while (natskit_sub_next(sub, 5000, &msg) == NATSKIT_OK) {
        check(natskit_msg_kv(msg, &entry, sizeof entry), "entry");
        for (int i = 0; i < 2; i++) {
            char text[32];
            if (strlen(accounts[i].key) == entry.key_len &&
                memcmp(accounts[i].key, entry.key, entry.key_len) == 0) {
                (void)snprintf(text, sizeof text, "%.*s", (int)entry.value_len, (const char *)entry.value);
                accounts[i].amount = atoi(text);
                accounts[i].revision = entry.revision;
            }
        }
        natskit_msg_release(msg);
    }
    expect(NATSKIT_MAX_REACHED, natskit_sub_reason(sub, &err), "all have come");
    natskit_sub_close(sub);
}

static void add(natskit_kv kv, natskit_batch batch, const struct account *account, int amount)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%d", amount);
    check(natskit_kv_batch_add(kv, batch, NATSKIT_KV_UPDATE, account->key, NATSKIT_ZLEN, text, strlen(text),
                               account->revision, 0, &err),
          "add");
}

/* Again, whenever somebody else was faster. */
static void move(natskit_js js, natskit_kv kv, const char *from, const char *to, int amount)
{
    natskit_status status;
    do {
        struct account accounts[] = {{.key = from}, {.key = to}};
        natskit_batch batch;
        look(kv, accounts);
        check(natskit_batch_open(js, no_options, &batch, &err), "batch");
        add(kv, batch, &accounts[0], accounts[0].amount - amount);
        add(kv, batch, &accounts[1], accounts[1].amount + amount);
        status = natskit_batch_commit(batch, 5000, NULL, NULL, &err);
        natskit_batch_close(batch);
    } while (status == NATSKIT_WRONG_LAST);
    check(status, "commit");
}
/* snippet end */

int main(void)
{
    char name[32];
    char args[128];
    natskit_js js;
    natskit_kv kv;
    natskit_conn conn = connect_or_exit();
    (void)snprintf(name, sizeof name, "accounts_%ld", (long)getpid());
    check(natskit_js_open(conn, no_options, &js, &err), "context");
    (void)snprintf(args, sizeof args,
                   "{\"config\":{\"bucket\":\"%s\",\"storage\":\"memory\",\"allow_atomic\":true}}", name);
    js_do(js, "kv.create", args);
    check(natskit_kv_open(js, name, NATSKIT_ZLEN, &kv, &err), "bucket");
    check(natskit_kv_write(kv, NATSKIT_KV_PUT, "joe", NATSKIT_ZLEN, "100", 3, 0, 0, 2000, NULL, &err), "put");

    move(js, kv, "joe", "pam", 40); /* who has no account yet */
    move(js, kv, "pam", "joe", 10);
    struct account accounts[] = {{.key = "joe"}, {.key = "pam"}};
    look(kv, accounts);
    printf("accounts: joe %d, pam %d\n", accounts[0].amount, accounts[1].amount);

    check(natskit_kv_close(kv), "close the bucket");
    (void)snprintf(args, sizeof args, "{\"bucket\":\"%s\"}", name);
    js_do(js, "kv.delete", args);
    check(natskit_js_close(js), "close the context");
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
