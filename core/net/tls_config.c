/* TLS configurations: see tls_config.h. */
#include "net/tls_config.h"

#include "base/alloc.h"
#include "base/openssl.h"
#include "net/tls_config_inside.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

const char *nki_tls_reason(unsigned long *code)
{
    unsigned long first = ERR_get_error();
    ERR_clear_error();
    if (code != NULL) {
        *code = first;
    }
    const char *reason = ERR_reason_error_string(first);
    return reason != NULL ? reason : "unknown reason";
}

/* -- the fingerprint ---------------------------------------------------------------------------------------
 */

static bool add_bytes(EVP_MD_CTX *digest, const void *data, size_t len)
{
    uint64_t size = len;
    return EVP_DigestUpdate(digest, &size, sizeof size) == 1 &&
           (len == 0 || EVP_DigestUpdate(digest, data, len) == 1);
}

static bool add_text(EVP_MD_CTX *digest, struct nki_str text)
{
    return add_bytes(digest, text.ptr, text.len);
}

/* A file or folder that is not read here but by OpenSSL: whether it has changed. */
static bool add_place(EVP_MD_CTX *digest, const char *path)
{
    struct stat info;
    if (path == NULL || path[0] == '\0' || stat(path, &info) != 0) {
        return add_bytes(digest, NULL, 0);
    }
    const int64_t seen[] = {info.st_mtim.tv_sec, info.st_mtim.tv_nsec, (int64_t)info.st_ino,
                            (int64_t)info.st_size};
    return add_text(digest, nki_str_z(path)) && add_bytes(digest, seen, sizeof seen);
}

static bool fingerprint(const struct nki_tls_material *material, uint8_t *out)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    const uint8_t flags[] = {material->only_1_3, material->insecure};
    bool ok = digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
              add_text(digest, material->ca[0]) && add_text(digest, material->ca[1]) &&
              add_place(digest, material->ca_path) && add_text(digest, material->cert) &&
              add_text(digest, material->key) && add_text(digest, material->password) &&
              add_bytes(digest, flags, sizeof flags) && add_place(digest, X509_get_default_cert_file()) &&
              add_place(digest, X509_get_default_cert_dir()) && EVP_DigestFinal_ex(digest, out, NULL) == 1;
    EVP_MD_CTX_free(digest);
    return ok;
}

/* -- authorities -------------------------------------------------------------------------------------------
 */

/* Adds the certificates of a text to the store; how many, or -1 for one that cannot be read. */
static int add_authorities(X509_STORE *store, struct nki_str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    int count = 0;
    X509 *cert = NULL;
    while (bio != NULL && count >= 0 && (cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) != NULL) {
        count = X509_STORE_add_cert(store, cert) == 1 ? count + 1 : -1;
        X509_free(cert);
    }
    /* The loop ends with the text, or with what is no certificate. */
    bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    BIO_free(bio);
    return end ? count : -1;
}

static int32_t set_authorities(SSL_CTX *ctx, const struct nki_tls_material *material, struct nki_error *err)
{
    bool own = false;
    for (size_t i = 0; i < NKI_ARRAY_LEN(material->ca); i++) {
        if (material->ca[i].len == 0) {
            continue;
        }
        if (add_authorities(SSL_CTX_get_cert_store(ctx), material->ca[i]) <= 0) {
            return nki_error_set(err, NKI_CREDENTIALS, "%s: not certificates in PEM form",
                                 i == 0 ? "tls_ca_file" : "tls_ca");
        }
        own = true;
    }
    if (material->ca_path != NULL && material->ca_path[0] != '\0') {
        struct stat info;
        if (stat(material->ca_path, &info) != 0 || !S_ISDIR(info.st_mode) ||
            SSL_CTX_load_verify_dir(ctx, material->ca_path) != 1) {
            return nki_error_set(err, NKI_CREDENTIALS, "tls_ca_path %s: not a folder", material->ca_path);
        }
        own = true;
    }
    /* The system's are many: for nothing where nobody is asked for a certificate that holds. */
    if (!own && !material->insecure && SSL_CTX_set_default_verify_paths(ctx) != 1) {
        return nki_error_set(err, NKI_CREDENTIALS, "the system's certificates cannot be read: %s",
                             nki_tls_reason(NULL));
    }
    return NKI_OK;
}

/* -- the client's certificate ------------------------------------------------------------------------------
 */

/* Gives OpenSSL the password of a key; never asks at a terminal. */
static int give_password(char *buf, int size, int writing, void *arg)
{
    const struct nki_str *password = arg;
    (void)writing;
    if (password->len == 0 || password->len > (size_t)size) {
        return -1;
    }
    memcpy(buf, password->ptr, password->len);
    return (int)password->len;
}

static bool set_chain(SSL_CTX *ctx, BIO *bio)
{
    X509 *cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    bool ok = cert != NULL && SSL_CTX_use_certificate(ctx, cert) == 1;
    X509_free(cert);
    while (ok && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        ok = SSL_CTX_add0_chain_cert(ctx, cert) == 1; /* takes it over */
        if (!ok) {
            X509_free(cert);
        }
    }
    return ok && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

static int32_t set_certificate(SSL_CTX *ctx, struct nki_str pem, struct nki_error *err)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    bool ok = bio != NULL && set_chain(ctx, bio);
    BIO_free(bio);
    ERR_clear_error();
    return ok ? NKI_OK
              : nki_error_set(err, NKI_CREDENTIALS,
                              "the client's certificate (tls_cert, tls_cert_file) is no PEM of certificates");
}

static int32_t set_key(SSL_CTX *ctx, const struct nki_tls_material *material, struct nki_error *err)
{
    struct nki_str password = material->password;
    BIO *bio = BIO_new_mem_buf(material->key.ptr, (int)material->key.len);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, give_password, &password) : NULL;
    BIO_free(bio);
    if (key == NULL) {
        ERR_clear_error();
        return nki_error_set(err, NKI_CREDENTIALS,
                             "the client's key (tls_key, tls_key_file) is no private key in PEM form, or %s",
                             password.len > 0 ? "tls_key_password is not its password"
                                              : "an encrypted one without tls_key_password");
    }
    bool fits = SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
    EVP_PKEY_free(key);
    ERR_clear_error();
    return fits ? NKI_OK
                : nki_error_set(err, NKI_CREDENTIALS, "the client's key does not belong to its certificate");
}

static int32_t set_own(SSL_CTX *ctx, const struct nki_tls_material *material, struct nki_error *err)
{
    if (material->cert.len == 0 && material->key.len == 0) {
        return NKI_OK;
    }
    if (material->cert.len == 0 || material->key.len == 0) {
        return nki_error_set(err, NKI_CREDENTIALS, "the client's %s was given without its %s",
                             material->cert.len > 0 ? "certificate" : "key",
                             material->cert.len > 0 ? "key" : "certificate");
    }
    int32_t status = set_certificate(ctx, material->cert, err);
    return status == NKI_OK ? set_key(ctx, material, err) : status;
}

/* -- the configuration -------------------------------------------------------------------------------------
 */

/* Keeps a session that a server has given, in place of the one before. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct nki_tls_config *config = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const char *peer = SSL_get_app_data(ssl);
    pthread_mutex_lock(&config->mu);
    SSL_SESSION *last = config->session;
    config->session = session; /* with its reference */
    nki_str_copy(config->peer, sizeof config->peer, nki_str_z(peer));
    pthread_mutex_unlock(&config->mu);
    SSL_SESSION_free(last);
    return 1;
}

/* Whatever of this did not succeed for lack of memory would be missed later: a rule, or the owner of a
 * session. */
static bool set_rules(struct nki_tls_config *config, const struct nki_tls_material *material)
{
    SSL_CTX *ctx = config->ctx;
    /* Not every server says good-bye; OpenSSL would take that for an attack and never resume the session. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS); /* idle connections hold no buffers */
    SSL_CTX_set_read_ahead(ctx, 1); /* a system call for what is there, not for each record */
    SSL_CTX_set_verify(ctx, material->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_session);
    return SSL_CTX_set_app_data(ctx, config) == 1 &&
           SSL_CTX_set_min_proto_version(ctx, material->only_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1;
}

static int32_t fill(struct nki_tls_config *config, const struct nki_tls_material *material,
                    struct nki_error *err)
{
    config->ctx = SSL_CTX_new(TLS_client_method());
    config->method = nki_tls_bio_method();
    if (config->ctx == NULL || config->method == NULL || !set_rules(config, material)) {
        return nki_error_set(err, NKI_NO_MEMORY, "TLS cannot be set up: %s", nki_tls_reason(NULL));
    }
    int32_t status = set_authorities(config->ctx, material, err);
    return status == NKI_OK ? set_own(config->ctx, material, err) : status;
}

int32_t nki_tls_config_make(const struct nki_tls_material *material, struct nki_tls_config *last,
                            struct nki_tls_config **out, struct nki_error *err)
{
    uint8_t print[NKI_TLS_FINGERPRINT];
    nki_openssl_begin();
    ERR_clear_error();
    if (!fingerprint(material, print)) {
        return nki_error_set(err, NKI_NO_MEMORY, "TLS cannot be set up: %s", nki_tls_reason(NULL));
    }
    if (last != NULL && memcmp(last->fingerprint, print, sizeof print) == 0) {
        nki_tls_config_retain(last);
        *out = last;
        return NKI_OK;
    }
    struct nki_tls_config *config = nki_calloc(1, sizeof *config);
    if (config == NULL || pthread_mutex_init(&config->mu, NULL) != 0) {
        nki_free(config);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    atomic_init(&config->refs, 1);
    memcpy(config->fingerprint, print, sizeof print);
    config->insecure = material->insecure;
    int32_t status = fill(config, material, err);
    if (status != NKI_OK) {
        nki_tls_config_release(config);
        return status;
    }
    *out = config;
    return NKI_OK;
}

void nki_tls_config_retain(struct nki_tls_config *config)
{
    atomic_fetch_add_explicit(&config->refs, 1, memory_order_relaxed);
}

void nki_tls_config_release(struct nki_tls_config *config)
{
    if (config == NULL || atomic_fetch_sub_explicit(&config->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    SSL_SESSION_free(config->session);
    SSL_CTX_free(config->ctx);
    BIO_meth_free(config->method);
    pthread_mutex_destroy(&config->mu);
    nki_free(config);
}

bool nki_tls_config_insecure(const struct nki_tls_config *config)
{
    return config->insecure;
}
