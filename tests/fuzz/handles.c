/* Fuzz target: sequences of calls of the ABI with handles that live, are stale, of the wrong kind, or made
 * up. Each instruction is three bytes: what to call, which handle, and how the handle is bent. Whatever
 * comes, the answer is a known status, and after everything was closed the counters of live objects are back
 * at zero. */
#include <natskit.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "handles: %s\n", #condition);                                                    \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

#define HANDLES_MAX 64
#define CONNS_MAX 2 /* each needs a socket: they are the slow part */
#define STEPS_MAX 300

struct run {
    uint64_t ids[HANDLES_MAX];
    size_t count;
    size_t conns;
};

static const natskit_options no_options = {0};
static const natskit_headers no_headers = {0};

static void keep(struct run *run, natskit_status status, uint64_t id)
{
    natskit_status_info info;
    CHECK(natskit_status_describe(status, &info, sizeof info) == NATSKIT_OK);
    CHECK((status == NATSKIT_OK) == (id != 0));
    if (id != 0) {
        CHECK(run->count < HANDLES_MAX);
        run->ids[run->count++] = id;
    }
}

static void known(natskit_status status)
{
    natskit_status_info info;
    CHECK(natskit_status_describe(status, &info, sizeof info) == NATSKIT_OK);
}

static uint64_t pick(const struct run *run, uint8_t which, uint8_t bend)
{
    uint64_t id = run->count > 0 ? run->ids[which % run->count] : which;
    switch (bend % 8) {
    case 0:
        return id ^ UINT64_C(1) << (which % 53);
    case 1:
        return id + (UINT64_C(1) << 24); /* another generation */
    case 2:
        return (uint64_t)which << 56 | id; /* beyond 53 bits */
    case 3:
        return bend >> 3;
    default:
        return id;
    }
}

/* Requests that the options say more of. */
static natskit_status open_request(uint8_t what, natskit_conn conn, uint64_t *id)
{
    natskit_options options = {0};
    natskit_op op = {0};
    natskit_sub sub = {0};
    bool many = what % 2 == 0;
    known(natskit_options_open(many ? NATSKIT_OPTIONS_REQUEST_MANY : NATSKIT_OPTIONS_REQUEST, &options));
    known(natskit_options_set_int(options, what % 3 == 0 ? "wait_reconnect" : "own_sub", NATSKIT_ZLEN, 1,
                                  NULL));
    known(
        natskit_options_set(options, "reply", NATSKIT_ZLEN, what % 5 == 0 ? "a b" : "r", NATSKIT_ZLEN, NULL));
    natskit_status status =
        many ? natskit_request_many(conn, "a", 1, no_headers, "x", 1, options, &sub, NULL)
             : natskit_request_start(conn, "a", 1, no_headers, "x", 1, options, 100, &op, NULL);
    known(natskit_options_close(options));
    *id = many ? sub.id : op.id;
    return status;
}

static void open_one(struct run *run, uint8_t what, uint64_t id)
{
    natskit_options options = {0};
    natskit_headers headers = {0};
    natskit_waitset waitset = {0};
    natskit_conn conn = {0};
    natskit_op op = {0};
    natskit_sub sub = {0};
    const natskit_conn parent = {id};
    natskit_status status = NATSKIT_INVALID;
    id = 0;
    if (run->count + 2 > HANDLES_MAX) {
        return;
    }
    switch (what % 10) {
    case 0:
        status = natskit_options_open(what % 7, &options);
        id = options.id;
        break;
    case 1:
        status = natskit_headers_open(&headers);
        id = headers.id;
        break;
    case 2:
        status = natskit_waitset_open(&waitset);
        id = waitset.id;
        break;
    case 3:
        if (run->conns < CONNS_MAX) {
            run->conns++; /* nobody listens on port 1 */
            status = natskit_connect_start("127.0.0.1:1", NATSKIT_ZLEN, no_options, 1000, &conn, &op, NULL);
            keep(run, status, conn.id);
            id = op.id;
        }
        break;
    case 4:
        status = natskit_subscribe(parent, "a.*", 3, NULL, 0, (natskit_options){0}, &sub, NULL);
        id = sub.id;
        break;
    case 5:
        status = natskit_conn_events(parent, (natskit_options){0}, &sub, NULL);
        id = sub.id;
        break;
    case 6:
        status = natskit_request_start(parent, "a", 1, no_headers, "x", 1, no_options, 100, &op, NULL);
        id = op.id;
        break;
    case 7:
        status = natskit_flush_start(parent, no_options, 100, &op, NULL);
        id = op.id;
        break;
    case 8:
        status = natskit_room_start(parent, no_options, 1, 100, &op, NULL);
        id = op.id;
        break;
    default:
        status = open_request(what >> 2, parent, &id);
        break;
    }
    keep(run, status, id);
}

static void use_more(uint8_t what, uint64_t id)
{
    char name[32];
    char value[32];
    size_t name_len = 0;
    size_t len = 0;
    int32_t yes;
    const natskit_headers headers = {id};
    const int32_t match = what % 4;
    switch ((what >> 2) % 7) {
    case 0:
        known(natskit_headers_set(headers, "x-n", 3, "v", 1, match, NULL));
        break;
    case 1:
        known(natskit_headers_delete(headers, "x-n", 3, match));
        break;
    case 2:
        known(natskit_headers_get(headers, "x-n", 3, match, what % 3, value, what % 32, &len));
        known(natskit_headers_at(headers, what % 3, name, what % 8, &name_len, value, what % 8, &len));
        break;
    case 3:
        known(natskit_headers_add_all(headers, NULL, NULL));
        known(natskit_msg_republish((natskit_conn){id}, NULL, "a", 1, NULL, 0, 0));
        break;
    case 4:
        known(natskit_conn_server_at_least((natskit_conn){id}, 2, what, 0, &yes));
        break;
    case 5:
        known(natskit_sub_subject((natskit_sub){id}, name, what % 32, &len));
        known(natskit_sub_queue((natskit_sub){id}, name, what % 32, &len));
        break;
    default:
        known(natskit_nuid(name, what % 32, &len));
        break;
    }
}

static void use_one(uint8_t what, uint64_t id, uint64_t other)
{
    natskit_msg *msg = NULL;
    natskit_ready ready;
    natskit_conn_info info;
    natskit_sub_stats stats;
    size_t count;
    int32_t fd;
    switch (what % 13) {
    case 0:
        known(natskit_options_set((natskit_options){id}, "name", NATSKIT_ZLEN, "n", 1, NULL));
        break;
    case 1:
        known(natskit_headers_add((natskit_headers){id}, "n", 1, "v", 1, NULL));
        break;
    case 2:
        known(natskit_waitset_add((natskit_waitset){id}, other, what));
        break;
    case 3:
        known(natskit_waitset_wait((natskit_waitset){id}, &ready, sizeof ready, 1, 0, &count));
        break;
    case 4:
        known(natskit_waitset_arm((natskit_waitset){id}, other));
        known(natskit_waitset_remove((natskit_waitset){id}, other));
        break;
    case 5:
        known(natskit_waitset_fd((natskit_waitset){id}, &fd));
        break;
    case 6:
        known(natskit_publish((natskit_conn){id}, "a", 1, NULL, 0, (natskit_headers){other}, "x", 1, 0));
        break;
    case 7:
        known(natskit_conn_info_get((natskit_conn){id}, &info, sizeof info));
        break;
    case 8:
        known(natskit_sub_next((natskit_sub){id}, 0, &msg));
        known(natskit_msg_release(msg));
        break;
    case 9:
        known(natskit_sub_unsubscribe((natskit_sub){id}, other % 3));
        known(natskit_sub_stats_get((natskit_sub){id}, &stats, sizeof stats));
        break;
    case 10:
        known(natskit_op_result((natskit_op){id}, NULL, NULL));
        known(natskit_op_wait((natskit_op){id}, 0));
        break;
    case 11:
        use_more((uint8_t)other, id);
        break;
    default:
        known(natskit_op_take_msg((natskit_op){id}, &msg));
        known(natskit_msg_release(msg));
        break;
    }
}

/* Every way to close is tried on the handle; the one of its kind fits. */
static void close_one(uint64_t id)
{
    known(natskit_options_close((natskit_options){id}));
    known(natskit_headers_close((natskit_headers){id}));
    known(natskit_waitset_close((natskit_waitset){id}));
    known(natskit_conn_close((natskit_conn){id}, 0));
    known(natskit_sub_close((natskit_sub){id}));
    known(natskit_op_close((natskit_op){id}));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run run = {.count = 0};
    for (size_t at = 0, steps = 0; at + 3 <= size && steps < STEPS_MAX; at += 3, steps++) {
        uint64_t id = pick(&run, data[at + 1], data[at + 2]);
        switch (data[at] % 4) {
        case 0:
            open_one(&run, data[at] >> 2, id);
            break;
        case 1:
        case 2:
            use_one(data[at] >> 2, id, pick(&run, data[at + 2], data[at]));
            break;
        default:
            close_one(id);
            break;
        }
    }
    for (size_t i = 0; i < run.count; i++) {
        close_one(run.ids[i]);
    }
    natskit_counters left;
    CHECK(natskit_counters_get(&left, sizeof left) == NATSKIT_OK);
    CHECK(left.options + left.headers + left.conns + left.subs + left.ops + left.waitsets == 0);
    return 0;
}
