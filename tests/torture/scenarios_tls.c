/* Scenarios of TLS, of WebSocket, and of who the user is: files read at each attempt, TLS after INFO and
 * before it, a session that is resumed, the application that is asked; and a server that has the wrong name.
 */
#include "scenarios.h"

#include "life.h"
#include "registry.h"

#include "support/wallet.h"

#include <stdio.h>
#include <stdlib.h>

/* Whether an option could not be set: then what comes of them is another story. */
static bool lacking;

static natskit_options fresh_options(void)
{
    natskit_options options = tt_connect_options();
    lacking = options.id == 0;
    return options;
}

static void set_text(natskit_options options, const char *name, const char *value)
{
    natskit_error err = {0};
    natskit_status got = natskit_options_set(options, name, Z, value, Z, &err);
    tt_check_error("natskit_options_set", got, NATSKIT_OK, &err);
    if (got != NATSKIT_OK && !lacking) {
        lacking = true;
        tt_registry_miss(); /* of what would be made with them */
    }
}

static void set_file(natskit_options options, const char *name, const char *file)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", tt_life.wallet, file);
    set_text(options, name, path);
}

/* The content of a file instead of its path. */
static void set_content(natskit_options options, const char *name, const char *file)
{
    char *text = ts_wallet_text(tt_life.wallet, file);
    set_text(options, name, text != NULL ? text : "");
    free(text);
}

static natskit_conn connect_with(const char *url, natskit_options options, natskit_status also)
{
    return lacking ? (natskit_conn){0} : tt_connect_to(url, options, also);
}

static natskit_options secure_options(void)
{
    natskit_options options = fresh_options();
    tt_set(options, "reconnect_jitter_tls_ms", 0);
    set_file(options, "tls_ca_file", "ca.pem");
    set_file(options, "tls_cert_file", "client.pem");
    set_file(options, "tls_key_file", "client.key");
    set_file(options, "creds_file", "alice.creds");
    return options;
}

/* A connection that has come about says that it is secured. */
static void expect_secured(natskit_conn conn)
{
    natskit_conn_info info = {0};
    if (TT(natskit_conn_info_get, conn, &info, sizeof info) == NATSKIT_OK &&
        info.state == NATSKIT_STATE_CONNECTED && (info.tls != 1 || info.tls_version[0] == '\0')) {
        tt_fail("a connection that has to be secured is not");
    }
}

/* Messages small and large through it, and a request that nobody answers. */
static void use(natskit_conn conn)
{
    uint64_t epoch = tt_epoch(conn);
    natskit_sub sub = tt_subscribe(conn, "secret", "", NO_OPTIONS);
    uint64_t sent = tt_send(conn, "secret", 1, 100);
    sent += tt_send(conn, "secret", 2, tt_life.large);
    sent += tt_send(conn, "secret", 3, 10);
    tt_expect_all(conn, sub, sent, epoch);
    (void)tt_request(conn, "secret.nobody", NATSKIT_NO_RESPONDERS);
    tt_sub_close(sub);
}

void tt_scenario_tls(void)
{
    natskit_conn conn = connect_with(tt_life.secured, secure_options(), NATSKIT_OK);
    natskit_sub events = tt_events(conn);
    expect_secured(conn);
    use(conn);
    uint64_t epoch = tt_epoch(conn);
    tt_tap_secured("live cut");
    if (tt_wait_event(events, NATSKIT_EVENT_RECONNECTED)) { /* files are read again, the session is resumed */
        tt_want(tt_epoch(conn) > epoch, "there is no new transport");
        expect_secured(conn);
        TT(natskit_flush, conn, tt_life.wait_ms);
    }
    tt_conn_close(conn, tt_life.wait_ms);
}

void tt_scenario_tls_first(void)
{
    natskit_options options = fresh_options();
    set_text(options, "tls_first", "true");
    set_file(options, "tls_ca_file", "ca.pem");
    set_file(options, "nkey_seed_file", "alice.seed");
    natskit_conn conn = connect_with(tt_life.first, options, NATSKIT_OK);
    expect_secured(conn);
    use(conn);
    if (lacking) {
        return;
    }
    natskit_op op;
    natskit_conn second = tt_connect_start(tt_life.first, options, &op);
    tt_conn_close(second, 0); /* perhaps in the middle of the handshake, or while files are read */
    (void)tt_finish(op, NATSKIT_CLOSED);
}

/* What is needed is found out only from INFO. */
void tt_scenario_tls_offered(void)
{
    char url[64];
    natskit_options options = fresh_options();
    (void)snprintf(url, sizeof url, "nats%s", tt_life.secured + 3);
    set_text(options, "tls_insecure", "true");
    set_content(options, "creds", "alice.creds");
    natskit_conn conn = connect_with(url, options, NATSKIT_TLS); /* there is no client's certificate */
    if (conn.id != 0) {
        tt_fail("a server that wants a certificate lets in somebody without");
    }
    set_content(options, "tls_cert", "client.pem");
    set_content(options, "tls_key", "client.key");
    conn = connect_with(url, options, NATSKIT_OK);
    expect_secured(conn);
    TT(natskit_flush, conn, tt_life.wait_ms);
}

/* Whatever fails, a server of another name is not let pass. */
void tt_scenario_tls_refused(void)
{
    natskit_options options = secure_options();
    set_text(options, "tls_server_name", "nats.example");
    natskit_conn conn = connect_with(tt_life.secured, options, NATSKIT_TLS_CERTIFICATE);
    set_text(options, "tls_server_name", "127.0.0.1");
    set_file(options, "tls_ca_file", "other-ca.pem");
    natskit_conn second = connect_with(tt_life.secured, options, NATSKIT_TLS_CERTIFICATE);
    if (conn.id != 0 || second.id != 0) {
        tt_fail("a server whose certificate is not right was let pass");
    }
}

/* An encrypted key, a folder of authorities, a chain; and what does not fit together. */
void tt_scenario_tls_texts(void)
{
    natskit_options options = secure_options();
    set_file(options, "tls_ca_path", "ca-folder");
    set_file(options, "tls_cert_file", "client-encrypted.pem");
    set_file(options, "tls_key_file", "client-encrypted.key");
    set_text(options, "tls_key_password", TS_KEY_PASSWORD);
    natskit_conn conn = connect_with(tt_life.secured, options, NATSKIT_OK);
    TT(natskit_flush, conn, tt_life.wait_ms);
    set_file(options, "tls_key_file", "client-2.key");
    conn = connect_with(tt_life.secured, options, NATSKIT_CREDENTIALS);
    if (conn.id != 0) {
        tt_fail("a key and a certificate that do not fit were taken");
    }
}

/* The application says who the user is. */
void tt_scenario_asked(void)
{
    natskit_error err = {0};
    natskit_op op;
    natskit_options options = fresh_options();
    set_text(options, "ask_auth", "true");
    set_text(options, "tls_first", "true");
    tt_set(options, "answer_timeout_ms", tt_life.hurt ? 200 : 20000);
    set_file(options, "tls_ca_file", "ca.pem");
    set_file(options, "nkey_seed_file", "alice.seed"); /* when nobody answers, as at a reconnect */
    natskit_options answer = tt_options(NATSKIT_OPTIONS_AUTH);
    set_content(answer, "nkey_seed", "alice.seed");
    if (lacking) {
        return;
    }
    natskit_conn conn = tt_connect_start(tt_life.first, options, &op);
    natskit_sub asked = tt_answering(conn);
    uint64_t request = tt_wait_request(asked);
    natskit_status got = natskit_conn_answer_auth(conn, request, answer, &err);
    if (request != 0) {
        tt_check_error("natskit_conn_answer_auth", got, NATSKIT_OK, &err);
    }
    (void)tt_finish(op, NATSKIT_OK);
    expect_secured(conn);
    got = natskit_conn_answer_auth(conn, request, answer, &err);
    tt_check_error("natskit_conn_answer_auth", got, NATSKIT_NOT_FOUND, &err);
}

/* By WebSocket, with a line of our own in the upgrade, and once more after a reconnect. */
static void use_websocket(const char *url, natskit_options options)
{
    natskit_error err = {0};
    natskit_status got = natskit_options_add(options, "ws_headers", Z, "X-Life: one, two", Z, &err);
    tt_check_error("natskit_options_add", got, NATSKIT_OK, &err);
    natskit_conn conn = connect_with(url, options, NATSKIT_OK);
    natskit_sub events = tt_events(conn);
    use(conn);
    uint64_t epoch = tt_epoch(conn);
    got = natskit_conn_reconnect(conn, &err);
    tt_check_error("natskit_conn_reconnect", got, NATSKIT_OK, &err);
    if (got == NATSKIT_OK && tt_wait_event(events, NATSKIT_EVENT_RECONNECTED)) {
        tt_want(tt_epoch(conn) > epoch, "there is no new transport");
        use(conn);
    }
    tt_conn_close(conn, tt_life.wait_ms);
}

void tt_scenario_websocket(void)
{
    use_websocket(tt_life.ws, fresh_options());
}

void tt_scenario_websocket_secured(void)
{
    natskit_options options = fresh_options();
    tt_set(options, "reconnect_jitter_tls_ms", 0);
    set_file(options, "tls_ca_file", "ca.pem");
    set_file(options, "nkey_seed_file", "alice.seed");
    use_websocket(tt_life.wss, options);
}
