/* See peer.h. */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>

/* -- the rig as a connection ----------------------------------------------------------------------------- */

void __wrap_nki_conn_retain(struct nki_conn *conn);
void __wrap_nki_conn_release(struct nki_conn *conn);
uint64_t __wrap_nki_conn_origin(const struct nki_conn *conn);
size_t __wrap_nki_conn_new_inbox(struct nki_conn *conn, char *out, size_t cap);
int32_t __wrap_nki_conn_chain(struct nki_conn *conn, struct nki_chain *chain, int64_t deadline_ns, bool timed,
                              bool wait_room, struct nki_op **op, struct nki_error *err);
int32_t __wrap_nki_conn_subscribe_feed(struct nki_conn *conn, const struct nki_sub_params *params,
                                       struct nki_feed *feed, struct nki_sub **out, struct nki_error *err);
struct nki_feed *__wrap_nki_sub_feed_lock(struct nki_sub *sub);
void __wrap_nki_sub_feed_unlock(struct nki_sub *sub);
int32_t __wrap_nki_conn_promise(struct nki_conn *conn, int64_t deadline_ns, bool timed, struct nki_op **out,
                                struct nki_error *err);
void __wrap_nki_sub_leave(struct nki_sub *sub);

/* The rig that a subscription without a connection is on, for what is given that alone. */
static struct rig *present;

static struct rig *rig_of(struct nki_conn *conn)
{
    return (struct rig *)(void *)conn;
}

void __wrap_nki_conn_retain(struct nki_conn *conn)
{
    (void)conn;
}

void __wrap_nki_conn_release(struct nki_conn *conn)
{
    (void)conn;
}

uint64_t __wrap_nki_conn_origin(const struct nki_conn *conn)
{
    (void)conn;
    return 0;
}

size_t __wrap_nki_conn_new_inbox(struct nki_conn *conn, char *out, size_t cap)
{
    static const char begin[] = "_INBOX.";
    size_t len = sizeof begin - 1 + NKI_NUID_LEN;
    assert_true(len <= cap);
    memcpy(out, begin, sizeof begin - 1);
    nki_nuid_next(&rig_of(conn)->engine.nuid, out + sizeof begin - 1);
    return len;
}

int32_t __wrap_nki_conn_chain(struct nki_conn *conn, struct nki_chain *chain, int64_t deadline_ns, bool timed,
                              bool wait_room, struct nki_op **op, struct nki_error *err)
{
    (void)wait_room;
    int32_t status = steps_chain(rig_of(conn), chain, timed ? deadline_ns : NKI_NEVER, op);
    return status == NKI_OK ? NKI_OK : nki_error_set(err, status, NULL);
}

int32_t __wrap_nki_conn_subscribe_feed(struct nki_conn *conn, const struct nki_sub_params *params,
                                       struct nki_feed *feed, struct nki_sub **out, struct nki_error *err)
{
    int32_t status = steps_feed(rig_of(conn), params, feed, out);
    return status == NKI_OK ? NKI_OK : nki_error_set(err, status, NULL);
}

struct nki_feed *__wrap_nki_sub_feed_lock(struct nki_sub *sub)
{
    return sub->live && sub->collect != NULL ? sub->collect->feed : NULL;
}

void __wrap_nki_sub_feed_unlock(struct nki_sub *sub)
{
    (void)sub;
}

int32_t __wrap_nki_conn_promise(struct nki_conn *conn, int64_t deadline_ns, bool timed, struct nki_op **out,
                                struct nki_error *err)
{
    struct nki_op *op = nki_op_new();
    if (op != NULL && (!timed || nki_engine_timer(&rig_of(conn)->engine, op, deadline_ns))) {
        *out = op;
        return NKI_OK;
    }
    nki_op_release(op);
    return nki_error_set(err, NKI_NO_MEMORY, NULL);
}

void __wrap_nki_sub_leave(struct nki_sub *sub)
{
    sub->left = sub->live;
    if (!sub->left) {
        nki_engine_close_sub(&present->engine, sub, present->now_ns);
    }
    nki_sub_release(sub);
}

/* -- reading --------------------------------------------------------------------------------------------- */

static void add_sub(struct peer *peer, const char *subject, uint64_t sid)
{
    assert_true(peer->sub_count < PEER_SUBS);
    peer->subs[peer->sub_count].sid = sid;
    snprintf(peer->subs[peer->sub_count].subject, sizeof peer->subs[0].subject, "%s", subject);
    peer->sub_count++;
}

static void remove_sub(struct peer *peer, uint64_t sid)
{
    for (size_t i = 0; i < peer->sub_count; i++) {
        if (peer->subs[i].sid == sid) {
            peer->subs[i] = peer->subs[--peer->sub_count];
            return;
        }
    }
}

static size_t number(const char *text)
{
    return (size_t)strtoull(text, NULL, 10);
}

/* PUB subject [reply] size, HPUB subject [reply] block size; returns the size of the body. */
static size_t read_pub(struct peer *peer, char *words[6], int count, const char *body)
{
    bool headers = words[0][0] == 'H';
    int sizes = headers ? 2 : 1;
    size_t size = number(words[count - 1]);
    size_t block = headers ? number(words[count - 2]) : 0;
    assert_true(peer->pub_count < PEER_PUBS);
    struct peer_pub *pub = &peer->pubs[peer->pub_count++];
    snprintf(pub->subject, sizeof pub->subject, "%s", words[1]);
    snprintf(pub->reply, sizeof pub->reply, "%s", count - sizes > 2 ? words[2] : "");
    assert_true(block < sizeof pub->block && size - block < sizeof pub->data);
    snprintf(pub->block, sizeof pub->block, "%.*s", (int)block, body);
    snprintf(pub->data, sizeof pub->data, "%.*s", (int)(size - block), body + block);
    return size + 2;
}

/* One frame: how many bytes it has. What it writes the oracle has checked. */
static size_t read_frame(struct peer *peer, const char *at, size_t len)
{
    char line[1024];
    const char *end = memmem(at, len, "\r\n", 2);
    assert_non_null(end);
    size_t line_len = (size_t)(end - at);
    snprintf(line, sizeof line, "%.*s", (int)line_len, at);
    char *words[6] = {0};
    char *rest = line;
    char *word;
    int count = 0;
    while (count < 6 && (word = strsep(&rest, " \t")) != NULL) {
        words[count++] = word;
    }
    size_t used = line_len + 2;
    if (strcmp(words[0], "SUB") == 0) {
        add_sub(peer, words[1], number(words[count - 1]));
    } else if (strcmp(words[0], "UNSUB") == 0 && count == 2) {
        remove_sub(peer, number(words[1]));
    } else if (strcmp(words[0], "PUB") == 0 || strcmp(words[0], "HPUB") == 0) {
        used += read_pub(peer, words, count, end + 2);
    }
    return used;
}

void peer_read(struct peer *peer)
{
    struct rig *rig = peer->rig;
    if (rig->has_stream && rig->dials != peer->dials) {
        peer->dials = rig->dials;
        peer->parsed = 0;
        peer->sub_count = 0;
        peer->pub_count = 0;
        rig_say(rig, RIG_INFO);
        rig_say(rig, RIG_PONG);
    }
    while (rig->has_stream && peer->parsed < rig->written.len) {
        peer->parsed +=
            read_frame(peer, (const char *)rig->written.at + peer->parsed, rig->written.len - peer->parsed);
    }
}

uint64_t peer_sid(const struct peer *peer, const char *subject)
{
    for (size_t i = 0; i < peer->sub_count; i++) {
        const char *own = peer->subs[i].subject;
        size_t len = strlen(own);
        bool wild = len > 0 && own[len - 1] == '*'; /* the inbox of replies */
        if (wild ? strncmp(own, subject, len - 1) == 0 : strcmp(own, subject) == 0) {
            return peer->subs[i].sid;
        }
    }
    return 0;
}

bool peer_next(struct peer *peer, struct peer_pub *out)
{
    peer_read(peer);
    if (peer->pub_count == 0) {
        return false;
    }
    *out = peer->pubs[0];
    memmove(peer->pubs, peer->pubs + 1, --peer->pub_count * sizeof peer->pubs[0]);
    return true;
}

void peer_expect(struct peer *peer, const char *begin, struct peer_pub *out)
{
    if (!peer_next(peer, out)) {
        fail_msg("nothing was published, and not to %s", begin);
    }
    if (strncmp(out->subject, begin, strlen(begin)) != 0) {
        fail_msg("%s is not %s", out->subject, begin);
    }
}

void peer_expect_none(struct peer *peer)
{
    struct peer_pub pub;
    if (peer_next(peer, &pub)) {
        fail_msg("published to %s: %s", pub.subject, pub.data);
    }
}

/* -- sending --------------------------------------------------------------------------------------------- */

void peer_send_sid(struct peer *peer, uint64_t sid, const char *subject, const char *reply, const char *block,
                   const char *data)
{
    char text[4096];
    size_t block_len = strlen(block);
    int len;
    if (block_len > 0) {
        len = snprintf(text, sizeof text, "HMSG %s %llu %s%s%zu %zu\r\n%s%s\r\n", subject,
                       (unsigned long long)sid, reply, reply[0] != '\0' ? " " : "", block_len,
                       block_len + strlen(data), block, data);
    } else {
        len = snprintf(text, sizeof text, "MSG %s %llu %s%s%zu\r\n%s\r\n", subject, (unsigned long long)sid,
                       reply, reply[0] != '\0' ? " " : "", strlen(data), data);
    }
    assert_true(len > 0 && (size_t)len < sizeof text);
    rig_say_bytes(peer->rig, text, (size_t)len, (size_t)len);
    peer_read(peer);
}

bool peer_send(struct peer *peer, const char *to, const char *subject, const char *reply, const char *block,
               const char *data)
{
    peer_read(peer);
    uint64_t sid = peer_sid(peer, to);
    if (sid != 0 && rig_connected(peer->rig)) {
        peer_send_sid(peer, sid, subject, reply, block, data);
    }
    return sid != 0;
}

void peer_cut(struct peer *peer)
{
    rig_eof(peer->rig);
    peer_read(peer);
}

void peer_pass(struct peer *peer, int64_t ms)
{
    int64_t until_ns = peer->rig->now_ns + RIG_MS(ms);
    while (nki_engine_deadline_ns(&peer->rig->engine) <= until_ns) {
        int64_t due_ns = nki_engine_deadline_ns(&peer->rig->engine);
        rig_until(peer->rig, due_ns > peer->rig->now_ns ? due_ns : peer->rig->now_ns);
        peer_read(peer);
    }
    peer->rig->now_ns = until_ns;
}

struct peer *peer_new(void)
{
    static const char *const settings[] = {"ping_interval_ms", "3600000", NULL}; /* not what is tested */
    struct peer *peer = ts_alloc(sizeof *peer);
    memset(peer, 0, sizeof *peer);
    peer->rig = rig_new("nats://a:4222", settings, 5000);
    present = peer->rig;
    rig_settle(peer->rig);
    peer_read(peer);
    assert_true(rig_connected(peer->rig));
    assert_int_equal(nki_js_open((struct nki_conn *)(void *)peer->rig, NULL, &peer->js, NULL), NKI_OK);
    return peer;
}

void peer_free(struct peer *peer)
{
    nki_engine_close(&peer->rig->engine, NULL, peer->rig->now_ns);
    rig_settle(peer->rig);
    nki_js_release(peer->js);
    rig_free(peer->rig);
    free(peer);
}
