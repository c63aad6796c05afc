/* SPDX-License-Identifier: Apache-2.0
 *
 * The folder of certificates, keys, JWTs and credentials files. The folder of the process and the list of
 * secrets are under a mutex.
 */
#include "wallet.h"

#include "proc.h"
#include "text.h"
#include "wallet_certs.h"
#include "wallet_keys.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *folder; /* of this process */
static bool folder_is_ours;
static pid_t folder_owner;

static bool write_in(const char *dir, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool write_in(const char *dir, const char *name, const char *format, ...)
{
    struct ts_buf path = {0}, text = {0};
    va_list args;
    ts_buf_printf(&path, "%s/%s", dir, name);
    va_start(args, format);
    ts_buf_vprintf(&text, format, args);
    va_end(args);
    bool good = ts_write_file(path.at, text.at) && chmod(path.at, S_IRUSR | S_IWUSR) == 0;
    if (!good) {
        fprintf(stderr, "test support: cannot write %s\n", path.at);
    }
    ts_buf_free(&path);
    ts_buf_free(&text);
    return good;
}

/* -- certificates -----------------------------------------------------------------------------------------
 */

struct authorities {
    struct ts_cert root, middle, other;
};

#define LOCAL "DNS:localhost,IP:127.0.0.1,IP:::1"
#define SERVER "serverAuth"
#define CLIENT "clientAuth"

static bool make_authorities(struct authorities *a, const char *dir)
{
    char path[512];
    bool good =
        ts_cert_make(&a->root, &(struct ts_cert_opts){"root", NULL, NULL, NULL, true, -100, 3650}) &&
        ts_cert_make(&a->middle,
                     &(struct ts_cert_opts){"intermediate", NULL, NULL, &a->root, true, -100, 3650}) &&
        ts_cert_make(&a->other, &(struct ts_cert_opts){"other root", NULL, NULL, NULL, true, -100, 3650}) &&
        ts_cert_write(&a->root, dir, "ca", NULL, NULL) &&
        ts_cert_write(&a->middle, dir, "middle", NULL, NULL) &&
        ts_cert_write(&a->other, dir, "other-ca", NULL, NULL) &&
        ts_cert_write(&a->other, dir, "both-ca", &a->root, NULL);
    snprintf(path, sizeof path, "%s/ca-folder", dir);
    good = good && mkdir(path, S_IRWXU) == 0 && ts_cert_write_hashed(&a->root, path);
    snprintf(path, sizeof path, "%s/empty-folder", dir);
    return good && mkdir(path, S_IRWXU) == 0;
}

/* Issuers: m the intermediate, whose certificate goes with it, r the root, o the other root, - itself. */
static const struct {
    const char *file, *name, *alt, *usage;
    char issuer;
    int from_days, to_days;
    const char *password;
} certs[] = {
    {"server", "server", LOCAL, SERVER, 'm', -10, 365, NULL},
    {"direct", "direct", LOCAL, SERVER, 'r', -10, 365, NULL},
    {"headless", "headless", LOCAL, SERVER, 'h', -10, 365, NULL}, /* without the intermediate's certificate */
    {"elsewhere", "elsewhere", "DNS:nats.example,IP:192.0.2.1", SERVER, 'm', -10, 365, NULL},
    {"wild", "wild", "DNS:*.nats.example", SERVER, 'm', -10, 365, NULL},
    {"nameless", "localhost", NULL, SERVER, 'm', -10, 365, NULL},
    {"dns-ip", "dns-ip", "DNS:127.0.0.1", SERVER, 'm', -10, 365, NULL}, /* an address written as a name */
    {"expired", "expired", LOCAL, SERVER, 'm', -90, -1, NULL},
    {"future", "future", LOCAL, SERVER, 'm', 1, 365, NULL},
    {"self", "self", LOCAL, SERVER, '-', -10, 365, NULL},
    {"other", "other", LOCAL, SERVER, 'o', -10, 365, NULL},
    {"purpose", "purpose", LOCAL, CLIENT, 'm', -10, 365, NULL}, /* a client's certificate as a server's */
    {"client", "tester", "DNS:tester", CLIENT, 'm', -10, 365, NULL},
    {"client-2", "nobody", "DNS:nobody", CLIENT, 'm', -10, 365, NULL},
    {"client-encrypted", "tester", "DNS:tester", CLIENT, 'm', -10, 365, TS_KEY_PASSWORD},
    {"client-expired", "tester", "DNS:tester", CLIENT, 'm', -90, -1, NULL},
    {"client-other", "tester", "DNS:tester", CLIENT, 'o', -10, 365, NULL},
};

static bool make_certs(const char *dir)
{
    struct authorities a = {0};
    bool good = make_authorities(&a, dir);
    for (size_t i = 0; good && i < sizeof certs / sizeof *certs; i++) {
        struct ts_cert made = {0};
        char issuer = certs[i].issuer;
        const struct ts_cert *by = issuer == '-'   ? NULL
                                   : issuer == 'r' ? &a.root
                                   : issuer == 'o' ? &a.other
                                                   : &a.middle;
        struct ts_cert_opts opts = {certs[i].name, certs[i].alt,       certs[i].usage,  by,
                                    false,         certs[i].from_days, certs[i].to_days};
        good = ts_cert_make(&made, &opts) &&
               ts_cert_write(&made, dir, certs[i].file, issuer == 'm' ? &a.middle : NULL, certs[i].password);
        ts_cert_free(&made);
    }
    ts_cert_free(&a.root);
    ts_cert_free(&a.middle);
    ts_cert_free(&a.other);
    return good &&
           write_in(dir, "broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n") &&
           write_in(dir, "empty.pem", "%s", "");
}

/* -- JWTs -------------------------------------------------------------------------------------------------
 */

struct keys {
    struct ts_nkey oper, account, second, user, revoked, foreign, foreign_account;
};

static void make_keys(struct keys *k)
{
    ts_nkey_make(&k->oper, 'O', "operator");
    ts_nkey_make(&k->account, 'A', "account");
    ts_nkey_make(&k->second, 'A', "second account");
    ts_nkey_make(&k->user, 'U', "alice");
    ts_nkey_make(&k->revoked, 'U', "revoked");
    ts_nkey_make(&k->foreign, 'O', "foreign operator");
    ts_nkey_make(&k->foreign_account, 'A', "foreign account");
}

#define USER_LIMITS "\"subs\":-1,\"data\":-1,\"payload\":-1,\"type\":\"user\",\"version\":2"

static char *user_jwt(const struct ts_nkey *account, const struct ts_nkey *user, const char *name,
                      const char *more, int64_t expires)
{
    struct ts_buf nats = {0};
    ts_buf_printf(&nats, "{%s" USER_LIMITS "}", more);
    char *jwt = ts_jwt_make(account, user->id, name, nats.at, expires);
    ts_buf_free(&nats);
    return jwt;
}

static bool write_creds(const char *dir, const char *name, const char *jwt, const char *seed)
{
    char file[96];
    snprintf(file, sizeof file, "%s.creds", name);
    return write_in(dir, file,
                    "-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n"
                    "************************* IMPORTANT *************************\n"
                    "NKEY Seed printed below can be used to sign and prove identity.\n"
                    "NKEYs are sensitive and should be treated as secrets.\n\n"
                    "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n\n"
                    "*************************************************************\n",
                    jwt, seed);
}

static bool write_user(const char *dir, const char *name, const char *jwt, const struct ts_nkey *user)
{
    char file[96];
    bool good = write_creds(dir, name, jwt, user->seed);
    snprintf(file, sizeof file, "%s.jwt", name);
    good = good && write_in(dir, file, "%s\n", jwt);
    snprintf(file, sizeof file, "%s.seed", name);
    good = good && write_in(dir, file, "%s\n", user->seed);
    snprintf(file, sizeof file, "%s.nkey", name);
    return good && write_in(dir, file, "%s", user->id);
}

bool ts_wallet_user(const char *dir, const char *name, int64_t expires_s)
{
    struct keys k;
    struct ts_nkey user;
    make_keys(&k);
    ts_nkey_make(&user, 'U', name);
    char *jwt = user_jwt(&k.account, &user, name, "", expires_s ? (int64_t)time(NULL) + expires_s : 0);
    bool good = write_user(dir, name, jwt, &user);
    free(jwt);
    return good;
}

static char *account_jwt(const struct keys *k, const struct ts_nkey *account, const char *name,
                         const char *more)
{
    struct ts_buf nats = {0};
    ts_buf_printf(
        &nats,
        "{\"limits\":{\"subs\":-1,\"data\":-1,\"payload\":-1,\"imports\":-1,\"exports\":-1,"
        "\"wildcards\":true,\"conn\":-1,\"leaf\":-1},\"default_permissions\":{\"pub\":{},\"sub\":{}},"
        "%s\"type\":\"account\",\"version\":2}",
        more);
    char *jwt = ts_jwt_make(&k->oper, account->id, name, nats.at, 0);
    ts_buf_free(&nats);
    return jwt;
}

/* The lines of a server's configuration that make it trust the wallet's operator. */
static bool write_operator(const char *dir, const struct keys *k, const char *file, bool revoke)
{
    struct ts_buf more = {0};
    char *oper = ts_jwt_make(&k->oper, k->oper.id, "operator", "{\"type\":\"operator\",\"version\":2}", 0);
    ts_buf_add(&more, "", 0);
    if (revoke) {
        ts_buf_printf(&more, "\"revocations\":{\"%s\":%lld},", k->revoked.id, (long long)time(NULL));
    }
    char *account = account_jwt(k, &k->account, "account", more.at);
    char *second = account_jwt(k, &k->second, "second", "");
    bool good = write_in(dir, file,
                         "operator: %s\nresolver: MEMORY\nsystem_account: %s\n"
                         "resolver_preload: {\n  %s: %s\n  %s: %s\n}\n",
                         oper, k->second.id, k->account.id, account, k->second.id, second);
    free(oper);
    free(account);
    free(second);
    ts_buf_free(&more);
    return good;
}

/* Files that nobody can log in with, and files in other dress. */
static bool make_odd_creds(const char *dir, const struct keys *k)
{
    struct ts_nkey stranger;
    ts_nkey_make(&stranger, 'U', "stranger");
    char *jwt = user_jwt(&k->account, &k->user, "alice", "", 0);
    char *foreign = user_jwt(&k->foreign_account, &k->user, "alice", "", 0);
    char *old = user_jwt(&k->account, &k->user, "alice", "", 1700000600);
    char *many = ts_alloc(100001);
    memset(many, '*', 100000);
    many[100000] = '\0';
    bool good =
        write_creds(dir, "foreign", foreign, k->user.seed) && write_creds(dir, "old", old, k->user.seed) &&
        write_creds(dir, "mismatch", jwt, stranger.seed) &&
        write_creds(dir, "account-seed", jwt, k->account.seed) &&
        write_in(dir, "no-seed.creds", "-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n",
                 jwt) &&
        write_in(dir, "no-jwt.creds", "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n",
                 k->user.seed) &&
        write_in(dir, "windows.creds",
                 "---BEGIN NATS USER JWT---\r\n%s\r\n---END NATS USER JWT---\r\n\r\n"
                 "---BEGIN USER NKEY SEED---\r\n%s\r\n---END USER NKEY SEED---\r\n",
                 jwt, k->user.seed) &&
        write_in(dir, "broken.creds", "this is no credentials file\n") &&
        write_in(dir, "empty.creds", "%s", "") && write_in(dir, "huge.creds", "%s", many) &&
        write_in(dir, "broken.seed", "%.20s\n", k->user.seed);
    /* a digit of the seed is another: its checksum says so */
    char slip[64];
    memcpy(slip, k->user.seed, sizeof slip);
    slip[20] = slip[20] == 'A' ? 'B' : 'A';
    good = good && write_in(dir, "slip.seed", "%s\n", slip) &&
           write_in(dir, "account.seed", "%s\n", k->account.seed);
    free(jwt);
    free(foreign);
    free(old);
    free(many);
    return good;
}

static bool make_users(const char *dir)
{
    struct keys k;
    make_keys(&k);
    char *alice = user_jwt(&k.account, &k.user, "alice", "", 0);
    char *revoked = user_jwt(&k.account, &k.revoked, "revoked", "", 0);
    char *bearer = user_jwt(&k.account, &k.user, "alice", "\"bearer_token\":true,", 0);
    bool good = write_user(dir, "alice", alice, &k.user) && write_user(dir, "revoked", revoked, &k.revoked) &&
                write_in(dir, "bearer.jwt", "%s\n", bearer) &&
                write_operator(dir, &k, "operator.conf", false) &&
                write_operator(dir, &k, "operator-revoked.conf", true) && make_odd_creds(dir, &k) &&
                ts_wallet_user(dir, "bob", 0) && ts_wallet_user(dir, "expired", -3600);
    free(alice);
    free(revoked);
    free(bearer);
    return good;
}

bool ts_wallet_make(const char *dir)
{
    return make_certs(dir) && make_users(dir);
}

/* -- the folder of the process ----------------------------------------------------------------------------
 */

static void clean_at_exit(void)
{
    if (folder && folder_is_ours && folder_owner == getpid()) {
        ts_remove_tree(folder);
    }
    free(folder);
}

const char *ts_wallet(void)
{
    pthread_mutex_lock(&lock);
    if (!folder) {
        folder = ts_temp_dir();
        folder_is_ours = true;
        folder_owner = getpid();
        (void)atexit(clean_at_exit);
        if (!ts_wallet_make(folder)) {
            ts_remove_tree(folder);
            free(folder);
            folder = NULL;
        }
    }
    pthread_mutex_unlock(&lock);
    return folder;
}

void ts_wallet_use(const char *dir)
{
    pthread_mutex_lock(&lock);
    if (!folder) {
        folder = ts_strdup(dir);
        (void)atexit(clean_at_exit);
    }
    pthread_mutex_unlock(&lock);
}

bool ts_wallet_copy(const char *dir, const char *from, const char *name)
{
    char path[512], new_path[520], from_path[512];
    size_t len = 0;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (!from) {
        return unlink(path) == 0;
    }
    snprintf(from_path, sizeof from_path, "%s/%s", dir, from);
    snprintf(new_path, sizeof new_path, "%s.new", path);
    char *text = ts_read_file(from_path, &len);
    bool good = text && ts_write_file(new_path, text) && rename(new_path, path) == 0;
    free(text);
    return good;
}

char *ts_wallet_text(const char *dir, const char *name)
{
    char path[512];
    size_t len = 0;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    char *text = ts_read_file(path, &len);
    if (!text) {
        fprintf(stderr, "test support: the wallet has no %s\n", name);
        return NULL;
    }
    while (len > 0 && strchr(" \r\n", text[len - 1])) {
        text[--len] = '\0';
    }
    return text;
}

char *ts_wallet_expand(const char *dir, const char *text)
{
    struct ts_buf out = {0};
    ts_buf_add(&out, "", 0);
    for (const char *mark; (mark = strstr(text, "${")) != NULL;) {
        size_t len = strcspn(mark, "}");
        ts_buf_add(&out, text, (size_t)(mark - text));
        text = mark + len + (mark[len] == '}');
        if (strncmp(mark, "${wallet}", 9) == 0) {
            ts_buf_printf(&out, "%s", dir);
        } else if (strncmp(mark, "${text ", 7) == 0) {
            char name[128];
            snprintf(name, sizeof name, "%.*s", (int)(len - 7), mark + 7);
            char *content = ts_wallet_text(dir, name);
            if (!content) {
                ts_buf_free(&out);
                return NULL;
            }
            ts_buf_printf(&out, "%s", content);
            free(content);
        } else {
            ts_buf_add(&out, mark, (size_t)(text - mark));
        }
    }
    ts_buf_printf(&out, "%s", text);
    return out.at;
}

const char *ts_wallet_secret(size_t index)
{
    static const char *const users[] = {"alice", "bob", "revoked", "expired", "short", "stranger"};
    static struct ts_nkey seeds[sizeof users / sizeof *users];
    static char *jwts[2];
    static const char *const words[] = {TS_PASSWORD, TS_TOKEN, TS_KEY_PASSWORD, "BEGIN PRIVATE KEY",
                                        "BEGIN ENCRYPTED PRIVATE KEY"};
    size_t word_count = sizeof words / sizeof *words;
    size_t user_count = sizeof users / sizeof *users;
    pthread_mutex_lock(&lock);
    if (!jwts[0]) {
        struct keys k;
        make_keys(&k);
        for (size_t i = 0; i < user_count; i++) {
            ts_nkey_make(&seeds[i], 'U', users[i]);
        }
        jwts[0] = user_jwt(&k.account, &k.user, "alice", "", 0);
        jwts[1] = user_jwt(&k.account, &k.user, "alice", "\"bearer_token\":true,", 0);
    }
    pthread_mutex_unlock(&lock);
    if (index < word_count) {
        return words[index];
    }
    index -= word_count;
    return index < user_count ? seeds[index].seed : index - user_count < 2 ? jwts[index - user_count] : NULL;
}

void ts_wallet_redact(char *text)
{
    const char *secret;
    for (size_t i = 0; (secret = ts_wallet_secret(i)) != NULL; i++) {
        for (char *at = text; (at = strstr(at, secret)) != NULL;) {
            memset(at, '*', strlen(secret));
        }
    }
}
