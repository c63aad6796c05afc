/* What the tests of ordered consumers share: the server's side of one, played by hand. One thread. */
#ifndef TESTS_ENGINE_ORDERED_PEER_H
#define TESTS_ENGINE_ORDERED_PEER_H

#include "peer.h"

#include "delivery/notice.h"
#include "jetstream/ordered.h"

#define HEARTBEAT_MS 1000

/* Made before any message, and longer than any: nothing has happened to the stream. */
#define SAME "{\"created\":\"1970-01-01T00:00:00Z\",\"state\":{\"last_seq\":1000000}}"

/* A consumer as the client has asked for it. */
struct asked {
    char name[64];
    char deliver[320];
    char data[1600];
};

void open_with(struct peer *peer, struct nki_ordered_params params, struct nki_sub **sub);
void say_stream(struct peer *peer, const struct peer_pub *question, const char *info);
/* Before any consumer but the first, what the stream is may be asked. */
void expect_create(struct peer *peer, struct asked *out, const char *policy);
/* After a pause. */
void expect_create_later(struct peer *peer, struct asked *out, const char *policy);
void expect_delete(struct peer *peer, const struct asked *asked);
/* The one is given up, and the next one asked for. */
void expect_next(struct peer *peer, struct asked *asked, const char *policy);
void say_answer(struct peer *peer, const struct asked *asked, const char *text);
/* It is made: begins behind `before`, with so many to come. */
void say_made(struct peer *peer, const struct asked *asked, int before, int pending);
void say_block(struct peer *peer, const struct asked *asked, const char *reply, const char *block);
void say_heartbeat(struct peer *peer, const struct asked *asked, int last);
/* One that says where in the stream the consumer is, too. */
void say_place(struct peer *peer, const struct asked *asked, int last, int stream_seq);
/* The message `seq` of the stream, of a consumer of this name, to where `asked` delivers. */
void say_of(struct peer *peer, const struct asked *asked, const char *name, int seq, int consumer_seq,
            int pending);
/* One that was stored later than all that `say` gives. */
void say_later(struct peer *peer, const struct asked *asked, int seq, int consumer_seq, int pending);
void say(struct peer *peer, const struct asked *asked, int seq, int consumer_seq, int pending);
void ordered_take(struct peer *peer, struct nki_sub *sub, const char *data);
void expect_mark(struct peer *peer, struct nki_sub *sub);
void expect_empty(struct peer *peer, struct nki_sub *sub);
struct nki_ordered_info info_of(struct nki_sub *sub);
void ordered_close(struct peer *peer, struct nki_sub *sub);
/* One that lives, and has got messages 1 and 2 of the stream. */
struct peer *lively(struct nki_sub **sub, struct asked *asked);

#endif
