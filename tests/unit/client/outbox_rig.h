/* What the tests of the outbox share: a socket that takes what it is told to, and reads every byte through
 * the strict oracle; messages that are known by a number. One thread, but for `inside`. */
#ifndef UNIT_CLIENT_OUTBOX_RIG_H
#define UNIT_CLIENT_OUTBOX_RIG_H

#include "client/outbox.h"

#include "../base/cmocka_all.h"
#include "support/oracle.h"
#include "support/text.h"

#include <stdio.h>
#include <stdlib.h>

static const char hello[] =
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"lang\":\"x\","
    "\"version\":\"1\",\"protocol\":1,\"headers\":true,\"no_responders\":true}\r\nPING\r\n";
static const char replay[] = "SUB re.play 7\r\n";
static const char header[] = "NATS/1.0\r\nA: b\r\n\r\n";

/* A socket that takes at most `most` bytes a call, every `again`-th call none, and breaks after `left` bytes.
 */
struct fake {
    struct nki_stream stream;
    struct ts_oracle *oracle;
    size_t most;
    unsigned again;
    unsigned calls;
    size_t left;
    size_t taken;
    atomic_int inside;   /* callers in write: never two */
    uint64_t seen[4096]; /* numbers of the messages that arrived whole */
    size_t seen_count;
    uint64_t ops[TS_OP_COUNT];
    bool shut;
    void (*during)(void *arg); /* called in each write, or NULL */
    void *arg;
};

static inline void on_frame(void *ctx, const struct ts_frame *frame)
{
    struct fake *fake = ctx;
    fake->ops[frame->op]++;
    if (frame->op != TS_OP_PUB && frame->op != TS_OP_HPUB) {
        return;
    }
    /* A message is known by the number in its subject; its body is its number's last digit, over and over. */
    const char *digits = memrchr(frame->subject.at, '.', frame->subject.len);
    size_t len = (size_t)(frame->subject.at + frame->subject.len - digits) - 1;
    uint64_t number;
    assert_true(ts_parse_u64(digits + 1, len, UINT64_MAX, &number));
    for (size_t i = 0; i < frame->payload.len; i++) {
        assert_int_equal(frame->payload.at[i], '0' + number % 10);
    }
    assert_true(fake->seen_count < NKI_ARRAY_LEN(fake->seen));
    fake->seen[fake->seen_count++] = number;
}

static inline ptrdiff_t fake_write(struct nki_stream *stream, const struct iovec *iov, int count)
{
    struct fake *fake = NKI_CONTAINER_OF(stream, struct fake, stream);
    assert_int_equal(atomic_fetch_add(&fake->inside, 1), 0);
    ptrdiff_t result = 0;
    fake->calls++;
    if (fake->during != NULL) {
        fake->during(fake->arg);
    }
    if (fake->left == 0) {
        result = NKI_STREAM_ERROR;
    } else if (fake->again == 0 || fake->calls % fake->again != 0) {
        size_t room = fake->most < fake->left ? fake->most : fake->left;
        for (int i = 0; i < count && room > 0; i++) {
            size_t step = iov[i].iov_len < room ? iov[i].iov_len : room;
            if (ts_oracle_feed(fake->oracle, iov[i].iov_base, step) != 0) {
                fail_msg("oracle: %s", ts_oracle_error(fake->oracle));
            }
            room -= step;
            result += (ptrdiff_t)step;
        }
        fake->left -= (size_t)result;
        fake->taken += (size_t)result;
    }
    atomic_fetch_sub(&fake->inside, 1);
    return result;
}

/* The outbox shuts a stream down whose write failed. */
static inline void fake_shutdown(struct nki_stream *stream)
{
    NKI_CONTAINER_OF(stream, struct fake, stream)->shut = true;
}

static const struct nki_stream_ops fake_ops = {.write = fake_write, .shutdown = fake_shutdown};

static inline void fake_init(struct fake *fake, size_t most, unsigned again, size_t left)
{
    memset(fake, 0, sizeof *fake);
    fake->stream.ops = &fake_ops;
    fake->stream.fd = -1;
    fake->most = most;
    fake->again = again;
    fake->left = left;
    struct ts_oracle_limits limits = {.max_payload = 4 * NKI_MIB};
    fake->oracle = ts_oracle_new(&limits);
    ts_oracle_on_frame(fake->oracle, on_frame, fake);
}

static inline void fake_free(struct fake *fake)
{
    assert_int_equal(ts_oracle_finish(fake->oracle, true), 0);
    ts_oracle_free(fake->oracle);
}

static inline void init(struct nki_outbox *outbox, uint64_t limit)
{
    assert_int_equal(nki_outbox_init(outbox, (struct nki_outbox_limits){limit, limit, false}), 0);
}

/* Writes until nothing is left or the socket breaks; the caller has the right. */
static inline enum nki_outbox_result drain(struct nki_outbox *outbox, size_t budget)
{
    enum nki_outbox_result result;
    do {
        result = nki_outbox_transmit(outbox, budget);
    } while (result == NKI_OUTBOX_MORE || result == NKI_OUTBOX_AGAIN);
    assert_false(outbox->right_taken);
    return result;
}

static inline void connect_to(struct nki_outbox *outbox, struct fake *fake)
{
    bool kick;
    nki_outbox_set_stream(outbox, &fake->stream);
    assert_true(nki_outbox_handshake(outbox, hello, sizeof hello - 1, &kick));
    assert_true(kick);
    assert_int_equal(drain(outbox, 1000000), NKI_OUTBOX_EMPTY);
}

static inline bool go_live(struct nki_outbox *outbox)
{
    bool kick;
    assert_true(nki_outbox_attach(outbox, replay, sizeof replay - 1, &kick));
    return kick;
}

static inline uint8_t *body_of(uint64_t number, size_t len)
{
    uint8_t *body = ts_alloc(len + 1);
    memset(body, '0' + (int)(number % 10), len);
    return body;
}

static inline int32_t publish(struct nki_outbox *outbox, uint64_t number, size_t len, bool headers,
                              int64_t deadline_ns, bool *kick)
{
    char subject[40];
    snprintf(subject, sizeof subject, "m.%llu", (unsigned long long)number);
    uint8_t *body = body_of(number, len);
    struct nki_outgoing_msg msg = {.subject = nki_str_z(subject), .data = nki_str_make((char *)body, len)};
    if (headers) {
        msg.header_block = nki_str_make(header, sizeof header - 1);
        msg.reply = NKI_STR("re.ply");
    }
    size_t done;
    int32_t status = nki_outbox_append(outbox, &msg, 1, deadline_ns, &done, kick);
    assert_int_equal(done, status == NKI_OK);
    free(body);
    return status;
}

static inline void end(struct nki_outbox *outbox)
{
    nki_outbox_detach(outbox);
    nki_outbox_close(outbox);
    nki_outbox_destroy(outbox);
    nki_outbox_release_cache();
}

#endif
