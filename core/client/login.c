/* The engine's login: what it knows of who the user is, the application's answer when it is asked for that,
 * and CONNECT. Under the engine lock. */
#include "client/engine.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "client/prepare.h"
#include "wire/connect.h"

/* An answer before what is configured. */
static struct nki_str either(const struct nki_secret *answer, struct nki_str configured)
{
    return answer->len > 0 ? nki_secret_str(answer) : configured;
}

static void fill_names(const struct nki_engine *engine, struct nki_connect_params *params)
{
    const struct nki_url *url = &engine->servers.current->url;
    const struct nki_credentials *answer = &engine->login.answer;
    params->user = nki_options_str(engine->options, NKI_OPT_CONNECT_user);
    params->password = nki_options_str(engine->options, NKI_OPT_CONNECT_password);
    params->token = nki_options_str(engine->options, NKI_OPT_CONNECT_token);
    if (url->has_user) {
        /* What stands in the url wins; a user without a password is a token. */
        params->user = url->has_password ? nki_str_z(url->user) : NKI_STR("");
        params->password = url->has_password ? nki_str_z(url->password) : NKI_STR("");
        params->token = url->has_password ? NKI_STR("") : nki_str_z(url->user);
    }
    params->user = either(&answer->user, params->user);
    params->password = either(&answer->password, params->password);
    params->token = either(&answer->token, params->token);
}

/* A server that sends no nonce takes no keys: they are left out if it wants nothing or there is something
 * else. */
static int32_t without_nonce(const struct nki_engine *engine, const struct nki_connect_params *params,
                             struct nki_error *err)
{
    bool other = params->user.len > 0 || params->token.len > 0;
    return other || !engine->info.auth_required
               ? NKI_OK
               : nki_error_set(
                     err, NKI_AUTH,
                     "the server sends no nonce, so it takes no nkey and no JWT, and there is no user "
                     "and no token");
}

/* JWT, public key and signature. */
static int32_t fill_keys(const struct nki_engine *engine, struct nki_connect_params *params,
                         char signature[NKI_SIGNATURE_TEXT_CAP], struct nki_error *err)
{
    const struct nki_login *login = &engine->login;
    const struct nki_credentials *creds = login->answer.seed.len > 0 ? &login->answer : &login->credentials;
    struct nki_str nonce = nki_str_z(engine->info.nonce);
    struct nki_str jwt = nki_options_str(engine->options, NKI_OPT_CONNECT_jwt);
    if (login->signature.len == 0 && creds->seed.len > 0 && nonce.len == 0) {
        return without_nonce(engine, params, err);
    }
    jwt = login->credentials.jwt.len > 0 ? nki_secret_str(&login->credentials.jwt) : jwt;
    params->jwt = either(&login->answer.jwt, jwt);
    if (login->signature.len > 0) {
        params->nkey = nki_secret_str(&login->answer.nkey);
        params->signature = nki_secret_str(&login->signature);
        return NKI_OK;
    }
    if (creds->seed.len == 0) {
        return NKI_OK;
    }
    params->nkey = nki_secret_str(&creds->nkey);
    int32_t status = nki_credentials_sign(creds, nonce, signature, err);
    params->signature = status == NKI_OK ? nki_str_z(signature) : NKI_STR("");
    return status;
}

/* CONNECT and PING in one piece. */
static int32_t say_hello(struct nki_engine *engine, struct nki_error *err)
{
    struct nki_options *options = engine->options;
    char signature[NKI_SIGNATURE_TEXT_CAP] = "";
    struct nki_connect_params params = {
        .name = nki_options_str(options, NKI_OPT_CONNECT_name),
        .version = NKI_STR(NKI_VERSION),
        .verbose = nki_options_bool(options, NKI_OPT_CONNECT_verbose),
        .pedantic = nki_options_bool(options, NKI_OPT_CONNECT_pedantic),
        .echo = !nki_options_bool(options, NKI_OPT_CONNECT_no_echo),
        .tls_required = engine->secured,
    };
    fill_names(engine, &params);
    int32_t status = fill_keys(engine, &params, signature, err);
    if (status != NKI_OK) {
        return status;
    }
    struct nki_buf hello = {0};
    bool kick = false;
    bool ok = nki_connect_emit(&hello, &params) && nki_buf_append(&hello, "PING\r\n", 6) &&
              nki_outbox_handshake(&engine->outbox, hello.data, hello.len, &kick);
    engine->want |= kick ? NKI_WANT_KICK : 0;
    if (hello.data != NULL) {
        explicit_bzero(hello.data, hello.len);
    }
    nki_buf_free(&hello);
    return ok ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, "no memory for the handshake");
}

static void forget_answer(struct nki_login *login)
{
    nki_credentials_free(&login->answer);
    nki_secret_free(&login->signature);
}

static void log_in(struct nki_engine *engine, int64_t now_ns)
{
    struct nki_error error;
    int32_t status = say_hello(engine, &error);
    nki_engine_end_login(engine); /* what was sent is not kept */
    if (status != NKI_OK) {
        nki_engine_attempt_failed(engine, status, error.text, now_ns);
    } else {
        engine->state = NKI_ENGINE_WAIT_PONG;
    }
}

/* -- asking the application --------------------------------------------------------------------------------
 */

void nki_engine_ask_auth(struct nki_engine *engine)
{
    if (engine->state != NKI_ENGINE_WAIT_AUTH) {
        return;
    }
    struct nki_event event = {.type = NKI_EVENT_AUTH_NEEDED,
                              .request = engine->login.request,
                              .text = nki_str_z(engine->info.nonce)};
    nki_engine_emit(engine, &event);
}

void nki_engine_begin_login(struct nki_engine *engine, int64_t now_ns)
{
    if (!nki_options_bool(engine->options, NKI_OPT_CONNECT_ask_auth)) {
        log_in(engine, now_ns);
        return;
    }
    engine->state = NKI_ENGINE_WAIT_AUTH;
    engine->login.request = ++engine->requests;
    engine->login.deadline_ns = now_ns + nki_engine_option_ns(engine, NKI_OPT_CONNECT_answer_timeout_ms);
    nki_engine_ask_auth(engine);
}

void nki_engine_login_late(struct nki_engine *engine, int64_t now_ns)
{
    if (engine->state == NKI_ENGINE_WAIT_AUTH && now_ns >= engine->login.deadline_ns) {
        log_in(engine, now_ns);
    }
}

int32_t nki_engine_answer_auth(struct nki_engine *engine, uint64_t request, struct nki_answer *answer,
                               int64_t now_ns)
{
    struct nki_login *login = &engine->login;
    if (request == 0 || request != login->request || engine->state != NKI_ENGINE_WAIT_AUTH) {
        return NKI_NOT_FOUND;
    }
    forget_answer(login);
    login->answer = answer->credentials;
    login->signature = answer->signature;
    memset(answer, 0, sizeof *answer);
    log_in(engine, now_ns);
    return NKI_OK;
}

void nki_engine_set_credentials(struct nki_engine *engine, struct nki_credentials *credentials)
{
    nki_credentials_free(&engine->login.credentials);
    engine->login.credentials = *credentials;
    memset(credentials, 0, sizeof *credentials);
}

void nki_engine_end_login(struct nki_engine *engine)
{
    engine->login.request = 0;
    engine->login.deadline_ns = NKI_NEVER;
    forget_answer(&engine->login);
    nki_credentials_free(&engine->login.credentials);
}

/* -- the answer --------------------------------------------------------------------------------------------
 */

static int32_t read_keys(struct nki_answer *answer, const struct nki_options *options, struct nki_error *err)
{
    struct nki_str creds = nki_options_str(options, NKI_OPT_AUTH_creds);
    struct nki_str path = nki_options_str(options, NKI_OPT_AUTH_creds_file);
    struct nki_str seed = nki_options_str(options, NKI_OPT_AUTH_nkey_seed);
    int32_t status = creds.len > 0 ? nki_credentials_from_creds(creds, &answer->credentials, err) : NKI_OK;
    if (status == NKI_OK && path.len > 0) {
        status =
            nki_prepare_file(path.ptr, "creds_file", nki_credentials_from_creds, &answer->credentials, err);
    }
    return status == NKI_OK && seed.len > 0 ? nki_credentials_from_seed(seed, &answer->credentials, err)
                                            : status;
}

int32_t nki_answer_read(struct nki_answer *answer, const struct nki_options *options, struct nki_error *err)
{
    struct nki_credentials *creds = &answer->credentials;
    const struct {
        struct nki_secret *to;
        enum nki_option_id from;
    } texts[] = {
        {&creds->user, NKI_OPT_AUTH_user},   {&creds->password, NKI_OPT_AUTH_password},
        {&creds->token, NKI_OPT_AUTH_token}, {&creds->jwt, NKI_OPT_AUTH_jwt},
        {&creds->nkey, NKI_OPT_AUTH_nkey},   {&answer->signature, NKI_OPT_AUTH_signature},
    };
    memset(answer, 0, sizeof *answer);
    int32_t status = read_keys(answer, options, err);
    for (size_t i = 0; i < NKI_ARRAY_LEN(texts) && status == NKI_OK; i++) {
        struct nki_str text = nki_options_str(options, texts[i].from);
        if (text.len > 0 && !nki_secret_set(texts[i].to, text)) {
            status = nki_error_set(err, NKI_NO_MEMORY, NULL);
        }
    }
    if (status != NKI_OK) {
        nki_answer_free(answer);
    }
    return status;
}

void nki_answer_free(struct nki_answer *answer)
{
    nki_credentials_free(&answer->credentials);
    nki_secret_free(&answer->signature);
}
