/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the scripted server: what scripted.c (the script) and scripted_tls.c (TLS) share. All of it
 * belongs to the script's thread, but what is said to be under the lock.
 */
#ifndef TS_SCRIPTED_INSIDE_H
#define TS_SCRIPTED_INSIDE_H

#include "captured.h"
#include "oracle.h"
#include "script.h"
#include "text.h"
#include "tls.h"

#include <pthread.h>

enum { MAX_CONNS = 256 };

struct peer {
    int fd; /* -1: closed by us */
    struct ts_oracle *oracle;
    struct ts_captured *first; /* frames that the script did not look at yet */
    struct ts_captured **last;
    struct ts_buf raw; /* with the oracle off */
    bool ended;
    bool was_cut;

    bool secure;        /* from here on the client has to speak TLS */
    struct ts_tls *tls; /* after a handshake, or in the middle of one */
    bool tls_open;      /* the handshake is done: what is sent and read is inside */
    struct ts_tls_scan scan;
    int64_t chop;   /* bytes of the wire that are sent at a time, or 0 */
    int64_t record; /* bytes in a TLS record, or 0 */
};

struct ts_scripted {
    struct ts_script script;
    int64_t *rounds; /* of each repeat: how many are left */
    uint16_t port;
    char url[64];
    int listener;
    int wake; /* eventfd: stop or proceed */
    pthread_t thread;
    struct peer peers[MAX_CONNS];
    int peer_count;
    int current; /* index or -1 */
    int64_t timeout_ms;
    bool pong_auto;
    bool oracle_on;
    bool loose;     /* the client may be gone while the script still sends */
    int64_t number; /* what ${next} stood for last */
    uint64_t plain; /* bytes that clients sent outside of TLS, on all connections */
    int line;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    int shown_line;
    int connections;
    int proceeds;
    bool stop;
    bool done;
    char error[1500];
    struct ts_captured *captures; /* the last matched frame first, then those with a name */
};

/* scripted.c */

/* Remembers the first failure; always false. */
bool ts_scripted_fail(struct ts_scripted *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool ts_scripted_stopped(struct ts_scripted *s);

/* Waits for a descriptor (-1: none), for a wake or the deadline; true when the descriptor is ready. */
bool ts_scripted_wait_fd(struct ts_scripted *s, int fd, short events, int64_t deadline);

/* The current connection; the first one is accepted when the script did not say so. NULL on failure. */
struct peer *ts_scripted_peer(struct ts_scripted *s);

/* Into TLS if there is one, or to the wire as they are. */
bool ts_scripted_send(struct ts_scripted *s, struct peer *peer, const char *bytes, size_t len);

bool ts_scripted_send_wire(struct ts_scripted *s, struct peer *peer, const char *bytes, size_t len);

/* What the client wrote, out of TLS if there is one; false when it broke the protocol. */
bool ts_scripted_take(struct ts_scripted *s, struct peer *peer, const char *bytes, size_t len);
bool ts_scripted_ended(struct ts_scripted *s, struct peer *peer, bool reset);

/* Reads for a while, see `serve`. */
bool ts_scripted_serve_until_closed(struct ts_scripted *s, struct peer *peer);
void ts_scripted_close_peer(struct peer *peer, bool reset);

/* scripted_info.c */

/* What an INFO tells the client is what the oracle holds it to. */
void ts_scripted_learn(struct peer *peer, const char *bytes, size_t len);

/* An INFO with these members laid over the usual ones. */
bool ts_scripted_info(struct ts_scripted *s, const char *members);

/* scripted_tls.c */
bool ts_scripted_send_tls(struct ts_scripted *s, struct peer *peer, const char *bytes, size_t len);

/* Bytes of a wire on which the client has to speak TLS; false when the script fails. */
bool ts_scripted_take_tls(struct ts_scripted *s, struct peer *peer, const char *bytes, size_t len);

/* The directives about TLS; text is d->text with ${..} replaced. */
bool ts_scripted_do_tls(struct ts_scripted *s, const struct ts_directive *d, const char *text, size_t len);

#endif
