/* See ordered_peer.h. */
#include "ordered_peer.h"

#include <stdio.h>
#include <string.h>

void open_with(struct peer *peer, struct nki_ordered_params params, struct nki_sub **sub)
{
    params.stream = NKI_STR("S");
    params.start_time = NKI_STR("");
    params.heartbeat_ms = HEARTBEAT_MS;
    assert_int_equal(nki_ordered_open(peer->js, &params, sub, NULL), NKI_OK);
}

void say_stream(struct peer *peer, const struct peer_pub *question, const char *info)
{
    assert_true(peer_send(peer, question->reply, question->reply, "", "", info));
}

static bool asks_stream(const struct peer_pub *pub)
{
    return strcmp(pub->subject, "$JS.API.STREAM.INFO.S") == 0;
}

static void read_create(struct peer *peer, const struct peer_pub *pub, struct asked *out, const char *policy)
{
    static const char begin[] = "$JS.API.CONSUMER.CREATE.S.";
    assert_memory_equal(pub->subject, begin, sizeof begin - 1);
    snprintf(out->name, sizeof out->name, "%.63s", pub->subject + sizeof begin - 1);
    snprintf(out->deliver, sizeof out->deliver, "%s", pub->reply);
    snprintf(out->data, sizeof out->data, "%s", pub->data);
    if (strstr(pub->data, policy) == NULL) {
        fail_msg("%s is not in %s", policy, pub->data);
    }
    assert_int_not_equal(peer_sid(peer, pub->reply), 0); /* who waits for the answer listens */
}

void expect_create(struct peer *peer, struct asked *out, const char *policy)
{
    struct peer_pub pub;
    peer_expect(peer, "$JS.API.", &pub);
    if (asks_stream(&pub)) {
        say_stream(peer, &pub, SAME);
        peer_expect(peer, "$JS.API.CONSUMER.CREATE.S.", &pub);
    }
    read_create(peer, &pub, out, policy);
}

void expect_create_later(struct peer *peer, struct asked *out, const char *policy)
{
    struct peer_pub pub;
    for (int passed = 0; !peer_next(peer, &pub); passed += 50) {
        assert_true(passed < 5000);
        peer_pass(peer, 50);
    }
    if (asks_stream(&pub)) {
        say_stream(peer, &pub, SAME);
        peer_expect(peer, "$JS.API.CONSUMER.CREATE.S.", &pub);
    }
    read_create(peer, &pub, out, policy);
}

void expect_delete(struct peer *peer, const struct asked *asked)
{
    struct peer_pub pub;
    peer_expect(peer, "$JS.API.CONSUMER.DELETE.S.", &pub);
    assert_string_equal(pub.subject + strlen("$JS.API.CONSUMER.DELETE.S."), asked->name);
}

void expect_next(struct peer *peer, struct asked *asked, const char *policy)
{
    struct asked before = *asked;
    expect_delete(peer, asked);
    expect_create(peer, asked, policy);
    assert_string_not_equal(before.name, asked->name);
    assert_string_not_equal(before.deliver, asked->deliver);
    assert_int_equal(peer_sid(peer, before.deliver), 0);
}

void say_answer(struct peer *peer, const struct asked *asked, const char *text)
{
    assert_true(peer_send(peer, asked->deliver, asked->deliver, "", "", text));
}

void say_made(struct peer *peer, const struct asked *asked, int before, int pending)
{
    char text[200];
    snprintf(text, sizeof text, "{\"delivered\":{\"consumer_seq\":0,\"stream_seq\":%d},\"num_pending\":%d}",
             before, pending);
    say_answer(peer, asked, text);
}

void say_block(struct peer *peer, const struct asked *asked, const char *reply, const char *block)
{
    assert_true(peer_send(peer, asked->deliver, asked->deliver, reply, block, ""));
}

void say_heartbeat(struct peer *peer, const struct asked *asked, int last)
{
    char block[200];
    snprintf(block, sizeof block, "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: %d\r\n\r\n", last);
    say_block(peer, asked, "", block);
}

void say_place(struct peer *peer, const struct asked *asked, int last, int stream_seq)
{
    char block[200];
    snprintf(block, sizeof block,
             "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: %d\r\nNats-Last-Stream: %d\r\n\r\n", last,
             stream_seq);
    say_block(peer, asked, "", block);
}

static void say_at(struct peer *peer, const struct asked *asked, const char *name, int seq, int consumer_seq,
                   int time_ns, int pending)
{
    char reply[200];
    char data[20];
    snprintf(reply, sizeof reply, "$JS.ACK.S.%s.1.%d.%d.%d.%d", name, seq, consumer_seq, time_ns, pending);
    snprintf(data, sizeof data, "%d", seq);
    assert_true(peer_send(peer, asked->deliver, "a.b", reply, "", data));
}

void say_of(struct peer *peer, const struct asked *asked, const char *name, int seq, int consumer_seq,
            int pending)
{
    say_at(peer, asked, name, seq, consumer_seq, 1, pending);
}

void say_later(struct peer *peer, const struct asked *asked, int seq, int consumer_seq, int pending)
{
    say_at(peer, asked, asked->name, seq, consumer_seq, 2, pending);
}

void say(struct peer *peer, const struct asked *asked, int seq, int consumer_seq, int pending)
{
    say_of(peer, asked, asked->name, seq, consumer_seq, pending);
}

void ordered_take(struct peer *peer, struct nki_sub *sub, const char *data)
{
    struct nki_msg *msg = steps_take(peer->rig, sub);
    assert_non_null(msg);
    assert_int_equal(msg->kind, NKI_MSG_MESSAGE);
    assert_true(nki_str_eq(nki_msg_data(msg), nki_str_z(data)));
    nki_msg_release(msg);
}

void expect_mark(struct peer *peer, struct nki_sub *sub)
{
    struct nki_msg *msg = steps_take(peer->rig, sub);
    assert_non_null(msg);
    assert_int_equal(msg->kind, NKI_MSG_STATUS);
    assert_int_equal(nki_notice_of(msg).type, NKI_NOTICE_INITIAL_DONE);
    nki_msg_release(msg);
}

void expect_empty(struct peer *peer, struct nki_sub *sub)
{
    assert_null(steps_take(peer->rig, sub));
}

struct nki_ordered_info info_of(struct nki_sub *sub)
{
    struct nki_ordered_info info;
    assert_int_equal(nki_ordered_info_get(sub, &info), NKI_OK);
    return info;
}

void ordered_close(struct peer *peer, struct nki_sub *sub)
{
    nki_engine_close_sub(&peer->rig->engine, sub, peer->rig->now_ns);
    rig_settle(peer->rig);
    nki_sub_release(sub);
    peer_free(peer);
}

struct peer *lively(struct nki_sub **sub, struct asked *asked)
{
    struct peer *peer = peer_new();
    open_with(peer, (struct nki_ordered_params){.deliver = NKI_DELIVER_ALL}, sub);
    expect_create(peer, asked, "\"deliver_policy\":\"all\"");
    say_made(peer, asked, 0, 2);
    say(peer, asked, 1, 1, 1);
    say(peer, asked, 2, 2, 0);
    ordered_take(peer, *sub, "1");
    ordered_take(peer, *sub, "2");
    peer_expect_none(peer);
    return peer;
}
