/* The model servers: read what the client wrote through the strict oracle, and answer, deny, garble, cut. */
#include "sim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void mark(struct sim_link *link, enum sim_mark_kind kind, uint64_t sid, uint64_t number)
{
    if ((link->mark_count & (link->mark_count - 1)) == 0) {
        size_t cap = link->mark_count > 0 ? link->mark_count * 2 : 8;
        link->marks = ts_realloc(link->marks, cap * sizeof *link->marks);
    }
    link->marks[link->mark_count++] = (struct sim_mark){link->out_begin + link->out.len, kind, sid, number};
    link->poisoned = link->poisoned || kind == SIM_MARK_FATAL;
}

static void say(struct sim_link *link, enum sim_mark_kind kind, const char *text)
{
    ts_buf_add(&link->out, text, strlen(text));
    mark(link, kind, 0, 0);
}

static void say_info(struct sim_link *link)
{
    struct sim *sim = link->sim;
    ts_buf_printf(&link->out,
                  "INFO {\"server_id\":\"S%d\",\"version\":\"2.10.0\",\"proto\":1,\"headers\":true,"
                  "\"max_payload\":1048576",
                  link->server);
    if (sim_chance(sim, 30)) {
        int other = (int)sim_below(sim, SIM_SERVERS);
        ts_buf_printf(&link->out, ",\"connect_urls\":[\"h%d:%d\",\"h%d:%d\",\"bad\"]", link->server,
                      SIM_PORT + link->server, other, SIM_PORT + other);
    }
    bool lame = link->hello && sim_chance(sim, 30);
    if (lame) {
        ts_buf_printf(&link->out, ",\"ldm\":true");
    }
    ts_buf_printf(&link->out, "}\r\n");
    mark(link, SIM_MARK_INFO, 0, lame);
}

static const char *const garbage[] = {
    "HELLO\r\n",
    "MSG a 1 -5\r\n",
    "MSG a 1\r\n",
    "\r\n",
    "PING x\r\n",
    "HMSG a 1 5 3\r\nabc\r\n",
    "MSG a 0 1\r\nx\r\n",
    "msg a 1 1\r\nx\r\n",
    "-ERR 'Stale Connection'\r\n",
    "-ERR ''\r\n",
    "-ERR\r\n",
    "PONG\n",
    "MSG a 1 99999999999\r\n",
    "-ERR 'Maximum Payload Violation'\r\n",
};

static void say_garbage(struct sim_link *link)
{
    say(link, SIM_MARK_FATAL, garbage[sim_below(link->sim, NKI_ARRAY_LEN(garbage))]);
}

void sim_link_message(struct sim_link *link, struct sim_server_sub *sub, size_t len)
{
    struct sim *sim = link->sim;
    static const char header[] = "NATS/1.0\r\nA: b\r\nA:c\r\n\r\n";
    size_t header_len = sim_chance(sim, 30) ? sizeof header - 1 : 0;
    const char *reply = sim_chance(sim, 20) ? "re.ply " : "";
    char head[64];
    uint64_t number = sim->next_number++;
    size_t head_len = (size_t)snprintf(head, sizeof head, "m%" PRIu64 " ", number);
    len = len < head_len ? head_len : len;
    if (header_len > 0) {
        ts_buf_printf(&link->out, "HMSG %s %" PRIu64 " %s%zu %zu\r\n%s", sub->subject, sub->sid, reply,
                      header_len, header_len + len, header);
    } else {
        ts_buf_printf(&link->out, "MSG %s %" PRIu64 " %s%zu\r\n", sub->subject, sub->sid, reply, len);
    }
    ts_buf_add(&link->out, head, head_len);
    for (size_t i = head_len; i < len; i++) {
        ts_buf_add(&link->out, "x", 1);
    }
    ts_buf_add(&link->out, "\r\n", 2);
    mark(link, SIM_MARK_MSG, sub->sid, number);
    sub->delivered++;
    if (sub->max > 0 && sub->delivered >= sub->max) {
        sub->live = false;
    }
}

static void speak_to_sub(struct sim_link *link)
{
    struct sim *sim = link->sim;
    if (link->sub_count == 0) {
        return;
    }
    size_t count = sim_chance(sim, 85) ? 1 : 1 + (size_t)sim_below(sim, 30);
    for (size_t i = 0; i < count; i++) {
        struct sim_server_sub *sub = &link->subs[sim_below(sim, link->sub_count)];
        if (sub->live && !sub->inbox) {
            size_t len = (size_t)sim_below(sim, 100);
            len = sim_chance(sim, 3) ? (size_t)sim_below(sim, 60000) : len;
            sim_link_message(link, sub, len);
        }
    }
}

void sim_link_speak(struct sim_link *link)
{
    struct sim *sim = link->sim;
    struct sim_server_sub unknown = {.sid = 999999, .subject = "un.known"};
    uint64_t dice = sim_below(sim, 100);
    if (link->poisoned) {
        return;
    }
    if (dice < 75) {
        speak_to_sub(link);
    } else if (dice < 82) {
        say(link, SIM_MARK_PING, "PING\r\n");
    } else if (dice < 86) {
        say_info(link);
    } else if (dice < 88) {
        say(link, SIM_MARK_INFO, "INFO {\"max_payload\":\"x\"}\r\n");
    } else if (dice < 91) {
        say(link, SIM_MARK_OTHER, "-ERR 'Permissions Violation for Publish to \"no.way\"'\r\n");
    } else if (dice < 95) {
        sim_link_message(link, &unknown, 10);
    } else if (dice < 97) {
        say(link, SIM_MARK_OTHER, "+OK\r\n");
    } else if (!sim->healed && !sim->options.faultless) {
        say_garbage(link);
    }
}

static void answer_ping(struct sim_link *link)
{
    uint64_t which = link->pings_read++;
    if (link->poisoned) {
        return;
    }
    if (which > 0) {
        ts_buf_add(&link->out, "PONG\r\n", 6);
        mark(link, SIM_MARK_PONG, 0, which - 1);
        return;
    }
    switch (link->mode) {
    case SIM_MODE_AUTH:
        say(link, SIM_MARK_FATAL, "-ERR 'Authorization Violation'\r\n");
        break;
    case SIM_MODE_GARBAGE:
        say_garbage(link);
        break;
    case SIM_MODE_NO_PONG:
        break;
    default:
        say(link, SIM_MARK_HELLO, "PONG\r\n");
        break;
    }
}

static void take_sub(struct sim_link *link, const struct ts_frame *frame)
{
    struct sim *sim = link->sim;
    struct sim_server_sub sub = {.sid = frame->sid, .live = true};
    SIM_CHECK(sim, frame->subject.len < sizeof sub.subject, "subject too long for the model");
    memcpy(sub.subject, frame->subject.at, frame->subject.len);
    sub.inbox = sub.subject[frame->subject.len - 1] == '*';
    link->replayed += frame->sid <= link->sid_floor && !sub.inbox;
    if (!link->poisoned && !sim->healed && !sim->options.faultless && sim_chance(sim, 4)) {
        ts_buf_printf(&link->out, "-ERR 'Permissions Violation for Subscription to \"%s\"", sub.subject);
        if (frame->queue.len > 0) {
            ts_buf_printf(&link->out, " using queue \"%.*s\"", (int)frame->queue.len, frame->queue.at);
        }
        ts_buf_printf(&link->out, "'\r\n");
        sim->denied_inbox = sim->denied_inbox || sub.inbox;
        mark(link, sub.inbox ? SIM_MARK_DENY_INBOX : SIM_MARK_DENY, frame->sid, 0);
        sub.live = false;
    }
    link->subs = ts_realloc(link->subs, (link->sub_count + 1) * sizeof *link->subs);
    link->subs[link->sub_count++] = sub;
}

static struct sim_server_sub *find_sub(struct sim_link *link, uint64_t sid)
{
    for (size_t i = 0; i < link->sub_count; i++) {
        if (link->subs[i].sid == sid) {
            return &link->subs[i];
        }
    }
    return NULL;
}

static void take_unsub(struct sim_link *link, const struct ts_frame *frame)
{
    struct sim_server_sub *sub = find_sub(link, frame->sid);
    if (sub == NULL || !sub->live) {
        return;
    }
    sub->max = frame->max;
    if (frame->max == 0 || sub->delivered >= frame->max) {
        sub->live = false;
    }
}

/* Which message a payload is, checked against what was published. */
static uint64_t identify(struct sim *sim, const struct ts_frame *frame)
{
    struct ts_slice body = frame->payload;
    const char *blank = memchr(body.at, ' ', body.len);
    uint64_t number = 0;
    SIM_CHECK(sim,
              blank != NULL && ts_parse_u64(body.at, (size_t)(blank - body.at), UINT64_MAX, &number) &&
                  number < sim->pub_count,
              "a message that nobody published");
    const struct sim_pub *pub = &sim->pubs[number];
    SIM_CHECK(sim, body.len == pub->len && frame->header.len == pub->header_len,
              "message %" PRIu64 " has changed its size", number);
    for (const char *at = blank + 1; at < body.at + body.len; at++) {
        SIM_CHECK(sim, *at == 'p', "message %" PRIu64 " has changed", number);
    }
    SIM_CHECK(sim, (pub->op >= 0) == (frame->reply.at != NULL), "message %" PRIu64 ": reply subject", number);
    return number;
}

static void answer_request(struct sim_link *link, const struct ts_frame *frame, uint64_t number)
{
    struct sim *sim = link->sim;
    struct sim_server_sub *inbox = NULL;
    for (size_t i = 0; i < link->sub_count; i++) {
        size_t prefix = strlen(link->subs[i].subject) - 1;
        if (link->subs[i].inbox && link->subs[i].live && frame->reply.len > prefix &&
            memcmp(link->subs[i].subject, frame->reply.at, prefix) == 0) {
            inbox = &link->subs[i];
        }
    }
    SIM_CHECK(sim, inbox != NULL || sim->denied_inbox, "request %" PRIu64 " comes without its inbox", number);
    if (inbox == NULL || link->poisoned) {
        return;
    }
    int reply_len = (int)frame->reply.len;
    uint64_t dice = sim_below(sim, 100);
    int answers = dice < 60 ? 1 : dice < 70 ? 2 : 0;
    for (int i = 0; i < answers; i++) {
        char body[32];
        int len = snprintf(body, sizeof body, "r%" PRIu64, number);
        ts_buf_printf(&link->out, "MSG %.*s %" PRIu64 " %d\r\n%s\r\n", reply_len, frame->reply.at, inbox->sid,
                      len, body);
        mark(link, SIM_MARK_REPLY, inbox->sid, number);
    }
    if (dice >= 70 && dice < 85) {
        ts_buf_printf(&link->out, "HMSG %.*s %" PRIu64 " 16 16\r\nNATS/1.0 503\r\n\r\n\r\n", reply_len,
                      frame->reply.at, inbox->sid);
        mark(link, SIM_MARK_NOBODY, inbox->sid, number);
    }
}

static void take_pub(struct sim_link *link, const struct ts_frame *frame)
{
    struct sim *sim = link->sim;
    uint64_t number = identify(sim, frame);
    struct sim_pub *pub = &sim->pubs[number];
    SIM_CHECK(sim, !pub->arrived && !pub->lost, "message %" PRIu64 " arrives twice", number);
    SIM_CHECK(sim, number >= sim->last_arrived, "message %" PRIu64 " arrives after %" PRIu64, number,
              sim->last_arrived - 1);
    sim->last_arrived = number + 1;
    pub->arrived = true;
    struct sim_sub *sub = pub->last_sid != 0 ? sim_app_sub(sim, pub->last_sid) : NULL;
    SIM_CHECK(sim, sub == NULL || !sub->live || find_sub(link, sub->sid) != NULL,
              "message %" PRIu64 " overtakes the subscription before it", number);
    for (size_t i = 0; i < sim->sub_count; i++) {
        const struct sim_sub *old = &sim->subs[i];
        SIM_CHECK(sim, !old->live || old->sid > link->sid_floor || find_sub(link, old->sid) != NULL,
                  "message %" PRIu64 " comes before sid %" PRIu64 " was replayed", number, old->sid);
    }
    if (pub->op >= 0) {
        answer_request(link, frame, number);
    }
}

static void on_processed(void *ctx, const struct ts_frame *frame)
{
    struct sim_link *link = ctx;
    switch (frame->op) {
    case TS_OP_PING:
        answer_ping(link);
        break;
    case TS_OP_SUB:
        take_sub(link, frame);
        break;
    case TS_OP_UNSUB:
        take_unsub(link, frame);
        break;
    case TS_OP_PUB:
    case TS_OP_HPUB:
        take_pub(link, frame);
        break;
    default:
        break;
    }
}

/* What the socket has accepted: messages without a gap, and what each PING confirms. */
static void on_taken(void *ctx, const struct ts_frame *frame)
{
    struct sim_link *link = ctx;
    struct sim *sim = link->sim;
    if (frame->op == TS_OP_PUB || frame->op == TS_OP_HPUB) {
        uint64_t number = identify(sim, frame);
        SIM_CHECK(sim, number == sim->socket_count, "message %" PRIu64 " is sent instead of %" PRIu64, number,
                  sim->socket_count);
        sim->socket_count++;
    } else if (frame->op == TS_OP_PING) {
        link->pings = ts_realloc(link->pings, (link->ping_count + 1) * sizeof *link->pings);
        link->pings[link->ping_count++] = sim->socket_count;
    }
}

bool sim_link_full(const struct sim_link *link)
{
    return link->wire.len > 30000 && !link->sim->healed && !link->cut;
}

static ptrdiff_t link_write(struct nki_stream *stream, const struct iovec *iov, int count)
{
    struct sim_link *link = NKI_CONTAINER_OF(stream, struct sim_link, stream);
    struct sim *sim = link->sim;
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        SIM_CHECK(sim, iov[i].iov_len > 0, "an empty piece is written");
        total += iov[i].iov_len;
    }
    if (link->shut || (link->cut && sim_chance(sim, 70))) {
        stream->sys_errno = EPIPE;
        return NKI_STREAM_ERROR;
    }
    size_t most = total;
    if (!sim->healed) {
        most = sim_chance(sim, 30) ? (size_t)sim_below(sim, total + 1) : total;
        most = sim_link_full(link) && sim_chance(sim, 90) ? 0 : most;
    }
    size_t done = 0;
    for (int i = 0; i < count && done < most; i++) {
        size_t step = iov[i].iov_len < most - done ? iov[i].iov_len : most - done;
        if (ts_oracle_feed(link->taken, iov[i].iov_base, step) != 0) {
            sim_fail(sim, "oracle: %s", ts_oracle_error(link->taken));
        }
        ts_buf_add(&link->wire, iov[i].iov_base, step);
        done += step;
    }
    return (ptrdiff_t)done; /* 0 is NKI_STREAM_AGAIN */
}

static ptrdiff_t link_read(struct nki_stream *stream, const struct iovec *iov, int count)
{
    (void)stream;
    (void)iov;
    (void)count;
    return NKI_STREAM_AGAIN; /* the simulator feeds */
}

static void link_shutdown(struct nki_stream *stream)
{
    NKI_CONTAINER_OF(stream, struct sim_link, stream)->shut = true;
}

static void link_free(struct nki_stream *stream)
{
    struct sim_link *link = NKI_CONTAINER_OF(stream, struct sim_link, stream);
    ts_oracle_free(link->taken);
    ts_oracle_free(link->processed);
    ts_buf_free(&link->wire);
    ts_buf_free(&link->out);
    free(link->marks);
    free(link->subs);
    free(link->pings);
    free(link);
}

static const struct nki_stream_ops link_ops = {link_read, link_write, link_shutdown, link_free, NULL};

struct sim_link *sim_link_new(struct sim *sim, int server, enum sim_mode mode)
{
    struct sim_link *link = ts_alloc(sizeof *link);
    memset(link, 0, sizeof *link);
    link->stream.ops = &link_ops;
    link->stream.fd = -1;
    link->sim = sim;
    link->server = server;
    link->mode = mode;
    struct ts_oracle_limits limits = {0};
    link->taken = ts_oracle_new(&limits);
    ts_oracle_on_frame(link->taken, on_taken, link);
    link->processed = ts_oracle_new(&limits);
    ts_oracle_on_frame(link->processed, on_processed, link);
    if (mode == SIM_MODE_GARBAGE && sim_chance(sim, 50)) {
        say(link, SIM_MARK_FATAL, sim_chance(sim, 50) ? "INFO []\r\n" : "PONG\r\n");
    } else if (mode != SIM_MODE_MUTE) {
        say_info(link);
    }
    return link;
}

void sim_link_process(struct sim_link *link, size_t max)
{
    struct sim *sim = link->sim;
    size_t len = link->wire.len < max ? link->wire.len : max;
    if (ts_oracle_feed(link->processed, link->wire.at, len) != 0) {
        sim_fail(sim, "oracle: %s", ts_oracle_error(link->processed));
    }
    ts_buf_drop_front(&link->wire, len);
}

void sim_link_end(struct sim_link *link)
{
    struct sim *sim = link->sim;
    if (!link->cut && sim_chance(sim, 50)) {
        sim_link_process(link, (size_t)sim_below(sim, link->wire.len + 1));
    }
    for (; sim->settled < sim->socket_count; sim->settled++) {
        struct sim_pub *pub = &sim->pubs[sim->settled];
        pub->lost = !pub->arrived;
        sim->lost += pub->lost;
    }
    sim->unconfirmed += sim->socket_count - sim->confirmed;
    sim->confirmed = sim->socket_count;
    uint64_t counted = sim->engine.counts.unconfirmed;
    SIM_CHECK(sim, counted >= sim->lost,
              "%" PRIu64 " messages were lost, but only %" PRIu64 " are unconfirmed", sim->lost, counted);
    SIM_CHECK(sim, counted == sim->unconfirmed || sim->options.lenient,
              "%" PRIu64 " messages are unconfirmed, counted %" PRIu64, sim->unconfirmed, counted);
    ts_oracle_finish(link->taken, true);
    ts_oracle_finish(link->processed, true);
}
