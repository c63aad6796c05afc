/* Ordered consumers whose stream is another one, or has lost its end; and how they find out. */
#include "ordered_peer.h"

#include <stdio.h>
#include <string.h>

/* It gets message 30, loses its consumer, and asks what the stream is. */
static struct peer *asking(struct nki_sub **sub, struct asked *asked, struct peer_pub *question)
{
    struct peer *peer = lively(sub, asked);
    say(peer, asked, 30, 3, 0);
    ordered_take(peer, *sub, "30");
    say_block(peer, asked, "", "NATS/1.0 409 Consumer Deleted\r\n\r\n");
    expect_delete(peer, asked);
    peer_expect(peer, "$JS.API.STREAM.INFO.S", question);
    peer_expect_none(peer);
    assert_false(info_of(*sub).live);
    return peer;
}

/* It has lost its end, or is another one that is shorter or longer: what was stored later than all that has
 * come, comes. */
static void test_rewind(void **state)
{
    (void)state;
    static const char *const infos[] = {
        "{\"created\":\"1970-01-01T00:00:00Z\",\"state\":{\"last_seq\":29}}",
        "{\"created\":\"1970-01-01T00:00:01Z\",\"state\":{\"last_seq\":6}}",
        "{\"created\":\"1970-01-01T00:00:00.000000002Z\",\"state\":{\"last_seq\":30}}",
    };
    for (size_t i = 0; i < 2 * NKI_ARRAY_LEN(infos); i++) {
        struct nki_sub *sub;
        struct asked asked;
        struct peer_pub question;
        struct peer *peer = asking(&sub, &asked, &question);
        say_stream(peer, &question, infos[i / 2]);
        expect_create(peer, &asked, "\"opt_start_time\":\"1970-01-01T00:00:00.000000002Z\"");
        if (i % 2 == 0) {
            say_made(peer, &asked, 5, 1);
            say_later(peer, &asked, 6, 1, 0);
        } else { /* the first message comes before the answer */
            say_later(peer, &asked, 6, 1, 0);
            say_answer(peer, &asked,
                       "{\"delivered\":{\"consumer_seq\":1,\"stream_seq\":6},\"num_pending\":0}");
        }
        ordered_take(peer, sub, "6");
        expect_empty(peer, sub);
        assert_int_equal(info_of(sub).rewinds, 1);
        assert_int_equal(info_of(sub).last_seq, 6);
        say_block(peer, &asked, "", "NATS/1.0 409 Consumer Deleted\r\n\r\n");
        expect_next(peer, &asked, "\"opt_start_seq\":7");
        ordered_close(peer, sub);
    }
}

/* Nothing comes of it either: the next one begins at the same time. */
static void test_rewind_again(void **state)
{
    (void)state;
    for (int made = 0; made < 2; made++) {
        struct nki_sub *sub;
        struct asked asked;
        struct peer_pub question;
        struct peer *peer = asking(&sub, &asked, &question);
        say_stream(peer, &question, "{\"created\":\"1970-01-01T00:00:00Z\",\"state\":{\"last_seq\":5}}");
        expect_create(peer, &asked, "\"opt_start_time\"");
        if (made) {
            say_made(peer, &asked, 5, 0);
        }
        peer_cut(peer);
        expect_delete(peer, &asked);
        expect_create(peer, &asked, "\"opt_start_time\"");
        say_later(peer, &asked, 6, 1, 0);
        ordered_take(peer, sub, "6");
        assert_int_equal(info_of(sub).rewinds, 1);
        ordered_close(peer, sub);
    }
}

/* A server that has not got all of the stream yet, as after it was killed, begins where it is, and a leader
 * that was elected just now may not know of the end: what has come does not come again, and the stream is no
 * other one. */
static void test_lags_behind(void **state)
{
    (void)state;
    static const int ends[] = {30, 29};
    for (size_t i = 0; i < 4; i++) {
        struct nki_sub *sub;
        struct asked asked;
        struct peer_pub question;
        char info[100];
        bool whole = ends[i / 2] == 30;
        struct peer *peer = asking(&sub, &asked, &question);
        snprintf(info, sizeof info, "{\"created\":\"1970-01-01T00:00:00Z\",\"state\":{\"last_seq\":%d}}",
                 ends[i / 2]);
        say_stream(peer, &question, info);
        expect_create(peer, &asked, whole ? "\"opt_start_seq\":31" : "\"opt_start_time\"");
        if (i % 2 == 0) {
            say_made(peer, &asked, 28, 0);
        }
        say(peer, &asked, 29, 1, 1);
        say(peer, &asked, 30, 2, 0);
        expect_empty(peer, sub);
        say_later(peer, &asked, 31, 3, 0);
        ordered_take(peer, sub, "31");
        expect_empty(peer, sub);
        assert_int_equal(info_of(sub).rewinds, whole ? 0 : 1);
        assert_int_equal(info_of(sub).last_seq, 31);
        ordered_close(peer, sub);
    }
}

/* Who may not ask waits for two seconds, and once for each connection. An answer that comes later is none to
 * anything else. Servers that tell where the next one begins help. */
static void test_not_told(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer_pub question;
    struct peer *peer = asking(&sub, &asked, &question);
    peer_pass(peer, 1999);
    peer_expect_none(peer);
    peer_pass(peer, 1);
    expect_create(peer, &asked, "\"opt_start_seq\":31");
    assert_false(peer_send(peer, question.reply, question.reply, "", "", SAME));
    say_made(peer, &asked, 5, 0);
    say(peer, &asked, 6, 1, 0);
    ordered_take(peer, sub, "6");
    assert_int_equal(info_of(sub).rewinds, 1);
    say_block(peer, &asked, "", "NATS/1.0 409 Consumer Deleted\r\n\r\n");
    expect_delete(peer, &asked);
    peer_expect(peer, "$JS.API.CONSUMER.CREATE.S.", &question); /* not asked any more */
    peer_cut(peer);
    peer_expect(peer, "$JS.API.CONSUMER.DELETE.S.", &question);
    peer_expect(peer, "$JS.API.STREAM.INFO.S", &question); /* perhaps this server lets it */
    say_stream(peer, &question, SAME);
    expect_create(peer, &asked, "\"opt_start_seq\":7");
    assert_int_equal(info_of(sub).rewinds, 1);
    ordered_close(peer, sub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rewind),
        cmocka_unit_test(test_rewind_again),
        cmocka_unit_test(test_lags_behind),
        cmocka_unit_test(test_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
