/* A JetStream context on the rig, and what its server sees: subscriptions and published messages of the
 * present transport, read from what the client writes. The server answers INFO and PONG by itself.
 *
 * The rig stands in for the connection: functions of client/conn.h and client/feed.h that JetStream calls are
 * replaced when the program is linked (CMakeLists.txt). */
#ifndef ENGINE_PEER_H
#define ENGINE_PEER_H

#include "steps.h"

#include "jetstream/context.h"

#define PEER_SUBS 32
#define PEER_PUBS 128

struct peer_pub {
    char subject[320];
    char reply[320];
    char block[512]; /* of headers */
    char data[1600];
};

struct peer {
    struct rig *rig;
    struct nki_js *js;
    int dials;     /* of which the transport was seen */
    size_t parsed; /* bytes of what is written */
    struct {
        uint64_t sid;
        char subject[256];
    } subs[PEER_SUBS];
    size_t sub_count;
    struct peer_pub pubs[PEER_PUBS]; /* that nobody has looked at */
    size_t pub_count;
};

/* A connected rig with its context. */
struct peer *peer_new(void);
/* Closes the connection, checks that nothing leaks. */
void peer_free(struct peer *peer);
/* Reads what the client has written since; greets it on a new transport. */
void peer_read(struct peer *peer);
/* The sid that listens on a subject; 0: none. */
uint64_t peer_sid(const struct peer *peer, const char *subject);
/* The next published message; false if there is none. */
bool peer_next(struct peer *peer, struct peer_pub *out);
/* The next one, which has to be there and begin with this subject. */
void peer_expect(struct peer *peer, const char *begin, struct peer_pub *out);
void peer_expect_none(struct peer *peer);
/* A message to whoever listens on `to`; false if nobody does. `block` and `data` may be empty. */
bool peer_send(struct peer *peer, const char *to, const char *subject, const char *reply, const char *block,
               const char *data);
/* The same to this sid, whatever it is. */
void peer_send_sid(struct peer *peer, uint64_t sid, const char *subject, const char *reply, const char *block,
                   const char *data);
/* The transport is lost; the next one is there. */
void peer_cut(struct peer *peer);
void peer_pass(struct peer *peer, int64_t ms);

#endif
