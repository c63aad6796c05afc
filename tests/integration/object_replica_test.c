/* Reading an object when those who answer direct gets know less than the leader, or something else: what they
 * do not bring is asked of the leader, and what is wrong is told. The stream itself answers none here
 * (allow_direct is off): a plain connection stands for a replica. */
#include "object_bench.h"

#include "support/net.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 128 * 1024, CHUNKS = 12, SIZE = CHUNK * CHUNKS - 5, HELD = 7 };

#define SUBJECT "$JS.API.DIRECT.GET.OBJ_L"

enum answer {
    ALL,
    LAGS,        /* it has the first HELD chunks, and says that this is all */
    HAS_NOTHING, /* 404 */
    GAP,         /* one in the middle is missing */
    WRONG_BYTES, /* in one of them */
    NO_BATCHES,  /* a server that is too old for them */
    NO_SEQUENCE, /* its messages do not say where they were stored */
    STOPS,       /* after HELD chunks nothing comes any more: it was cut off */
    ANSWERS_COUNT
};

struct replica {
    int fd;
    enum answer answer;
    const uint8_t *data;
    const char *nuid;
    atomic_bool stop;
    atomic_uint requests;
    pthread_t thread;
};

static size_t size_of_chunk(uint64_t seq)
{
    return seq < CHUNKS ? CHUNK : SIZE - CHUNK * (CHUNKS - 1);
}

/* Chunk `seq`, which is the stream's message of that sequence. */
static void add_chunk(struct replica *replica, struct ts_buf *out, const char *reply, uint64_t seq,
                      uint64_t last, uint64_t pending)
{
    struct ts_buf head = {0};
    size_t size = size_of_chunk(seq);
    ts_buf_printf(&head, "NATS/1.0\r\nNats-Stream: OBJ_L\r\nNats-Subject: $O.L.C.%s\r\n", replica->nuid);
    if (replica->answer != NO_SEQUENCE) {
        ts_buf_printf(&head, "Nats-Sequence: %llu\r\n", (unsigned long long)seq);
    }
    ts_buf_printf(
        &head,
        "Nats-Time-Stamp: 2026-01-01T00:00:00Z\r\nNats-Num-Pending: %llu\r\nNats-Last-Sequence: %llu\r\n\r\n",
        (unsigned long long)pending, (unsigned long long)last);
    ts_buf_printf(out, "HPUB %s %zu %zu\r\n", reply, head.len, head.len + size);
    ts_buf_add(out, head.at, head.len);
    ts_buf_add(out, replica->data + (seq - 1) * CHUNK, size);
    if (replica->answer == WRONG_BYTES && seq == HELD) {
        out->at[out->len - 1] ^= 1;
    }
    ts_buf_add(out, "\r\n", 2);
    ts_buf_free(&head);
}

static void add_status(struct ts_buf *out, const char *reply, const char *status)
{
    ts_buf_printf(out, "HPUB %s %zu %zu\r\n%s\r\n", reply, strlen(status), strlen(status), status);
}

/* The answer to a request for what begins with sequence `from`. */
static void add_answer(struct replica *replica, struct ts_buf *out, const char *reply, uint64_t from)
{
    bool less = replica->answer == LAGS || replica->answer == STOPS;
    uint64_t end = less ? HELD : CHUNKS;
    uint64_t last = 0;
    char text[128];
    if (replica->answer == NO_BATCHES) {
        add_status(out, reply, "NATS/1.0 408 Empty Request\r\n\r\n");
        return;
    }
    if (replica->answer == STOPS && from > HELD) {
        return;
    }
    if (replica->answer == HAS_NOTHING || from > end) {
        add_status(out, reply, "NATS/1.0 404 Message Not Found\r\n\r\n");
        return;
    }
    for (uint64_t seq = from; seq <= end; seq++) {
        if (replica->answer == GAP && seq == HELD) {
            continue;
        }
        add_chunk(replica, out, reply, seq, last, end - seq);
        last = seq;
    }
    if (replica->answer != STOPS) {
        (void)snprintf(text, sizeof text,
                       "NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\nNats-Last-Sequence: %llu\r\n\r\n",
                       (unsigned long long)last);
        add_status(out, reply, text);
    }
}

/* Answers what was asked for in the lines that have come; how many bytes of them are done. */
static size_t answer_lines(struct replica *replica, char *text)
{
    char *at = text;
    for (char *end; (end = strstr(at, "\r\n")) != NULL;) {
        char reply[256];
        size_t len;
        if (sscanf(at, "MSG " SUBJECT " 1 %255s %zu", reply, &len) == 2) {
            char *body = end + 2;
            if (strlen(body) < len + 2) {
                break;
            }
            struct ts_buf out = {0};
            const char *seq = strstr(body, "\"seq\":");
            atomic_fetch_add(&replica->requests, 1);
            add_answer(replica, &out, reply, seq != NULL ? strtoull(seq + 6, NULL, 10) : 1);
            (void)ts_send_all(replica->fd, out.at, out.len, WAIT_MS);
            ts_buf_free(&out);
            end = body + len;
        } else if (strncmp(at, "PING", 4) == 0) {
            (void)ts_send_text(replica->fd, "PONG\r\n");
        }
        at = end + 2;
    }
    return (size_t)(at - text);
}

static void *run(void *arg)
{
    struct replica *replica = arg;
    char text[16384];
    size_t len = 0;
    while (!atomic_load(&replica->stop)) {
        long got = ts_receive(replica->fd, text + len, sizeof text - 1 - len, 50);
        if (got > 0) {
            len += (size_t)got;
            text[len] = '\0';
            size_t done = answer_lines(replica, text);
            memmove(text, text + done, len - done + 1);
            len -= done;
        } else if (got != -2) {
            break;
        }
    }
    return NULL;
}

static void begin(struct replica *replica)
{
    char text[16384];
    replica->fd = ts_connect_raw(ts_server_port(bench.server), WAIT_MS);
    assert_true(replica->fd >= 0);
    assert_true(ts_send_text(replica->fd, "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB " SUBJECT
                                          " 1\r\nPING\r\n"));
    assert_true(ts_receive_until(replica->fd, "PONG\r\n", text, sizeof text, WAIT_MS));
    assert_int_equal(pthread_create(&replica->thread, NULL, run, replica), 0);
}

static void end(struct replica *replica)
{
    atomic_store(&replica->stop, true);
    pthread_join(replica->thread, NULL);
    ts_close_reset(replica->fd);
}

/* What comes of reading the object: whatever it is, it begins as it should. */
static natskit_status read_with(natskit_object_store store, natskit_msg *info, struct replica *replica,
                                const uint8_t *data)
{
    natskit_object_reader reader;
    natskit_error err = {0};
    natskit_status status;
    uint8_t *got = malloc(SIZE + 1);
    size_t len = 0;
    assert_non_null(got);
    begin(replica);
    assert_ok(natskit_object_reader_open(store, info, &reader, NULL));
    do {
        size_t part;
        status = natskit_object_reader_read(reader, got + len, SIZE + 1 - len, WAIT_MS, &part, &err);
        len += part;
    } while (status == NATSKIT_OK);
    end(replica);
    assert_ok(natskit_object_reader_close(reader));
    assert_true(status == NATSKIT_END ? len == SIZE : len < SIZE);
    bool right = memcmp(got, data, len) == 0;
    assert_true(right || status == NATSKIT_OBJECT_CORRUPT || status == NATSKIT_OBJECT_INCOMPLETE);
    assert_true(status == NATSKIT_END || err.text[0] != '\0');
    free(got);
    return status;
}

static void test_replicas(void **state)
{
    (void)state;
    const natskit_status wanted[ANSWERS_COUNT] = {
        [ALL] = NATSKIT_END,
        [LAGS] = NATSKIT_END,
        [HAS_NOTHING] = NATSKIT_END,
        [GAP] = NATSKIT_OBJECT_INCOMPLETE,
        [WRONG_BYTES] = NATSKIT_OBJECT_CORRUPT,
        [NO_BATCHES] = NATSKIT_END,
        [NO_SEQUENCE] = NATSKIT_END,
        [STOPS] = NATSKIT_END,
    };
    natskit_conn conn = bench_connect();
    natskit_js js = jb_open(conn);
    natskit_object_store store = ob_make(js, "L", "");
    uint8_t *data = ob_bytes(SIZE, 9);
    natskit_object_view view;
    char nuid[64];
    jb_do(js, "stream.update", "{'config':{'name':'OBJ_L','allow_direct':false}}");
    ob_put(store, "name", data, SIZE);
    natskit_msg *info = ob_info(store, "name", 0, &view);
    assert_int_equal(view.chunks, CHUNKS);
    (void)snprintf(nuid, sizeof nuid, "%.*s", (int)view.nuid_len, view.nuid);
    ob_expect(store, "name", data, SIZE); /* nobody answers: the leader does */
    for (enum answer answer = ALL; answer < ANSWERS_COUNT; answer++) {
        struct replica replica = {.answer = answer, .data = data, .nuid = nuid};
        natskit_status status = read_with(store, info, &replica, data);
        if (status != wanted[answer] || atomic_load(&replica.requests) == 0) {
            print_error("answer %d: status %d, %u requests\n", (int)answer, status,
                        atomic_load(&replica.requests));
        }
        assert_status(status, wanted[answer]);
        assert_true(atomic_load(&replica.requests) > 0);
    }
    assert_ok(natskit_msg_release(info));
    free(data);
    jb_do(js, "stream.delete", "{'stream':'OBJ_L'}");
    assert_ok(natskit_object_store_close(store));
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_replicas)};
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
