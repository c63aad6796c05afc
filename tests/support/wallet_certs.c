/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates for tests: P-256 keys, which are made in no time.
 */
#include "wallet_certs.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

static bool fault(const char *what)
{
    fprintf(stderr, "test support: certificates: %s\n", what);
    ERR_print_errors_fp(stderr);
    return false;
}

static bool add_extension(X509V3_CTX *ctx, X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = value ? X509V3_EXT_conf_nid(NULL, ctx, nid, value) : NULL;
    bool good = !value || (extension && X509_add_ext(cert, extension, -1) == 1);
    X509_EXTENSION_free(extension);
    return good;
}

static bool fill(X509 *cert, EVP_PKEY *key, const struct ts_cert_opts *opts)
{
    static long serial = 1000;
    const struct ts_cert *issuer = opts->issuer;
    X509V3_CTX ctx;
    X509_NAME *name = X509_get_subject_name(cert);
    bool good =
        X509_set_version(cert, 2) && ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial) &&
        X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)"natskit", -1, -1, 0) &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)opts->name, -1, -1, 0) &&
        X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer->cert) : name) &&
        X509_gmtime_adj(X509_getm_notBefore(cert), opts->from_days * 86400L) &&
        X509_gmtime_adj(X509_getm_notAfter(cert), opts->to_days * 86400L) && X509_set_pubkey(cert, key);
    X509V3_set_ctx(&ctx, issuer ? issuer->cert : cert, cert, NULL, NULL, 0);
    return good &&
           add_extension(&ctx, cert, NID_basic_constraints,
                         opts->authority ? "critical,CA:TRUE" : "CA:FALSE") &&
           add_extension(&ctx, cert, NID_key_usage,
                         opts->authority ? "critical,keyCertSign,cRLSign" : "digitalSignature") &&
           add_extension(&ctx, cert, NID_subject_key_identifier, "hash") &&
           add_extension(&ctx, cert, NID_ext_key_usage, opts->usage) &&
           add_extension(&ctx, cert, NID_subject_alt_name, opts->alt) &&
           X509_sign(cert, issuer ? issuer->key : key, EVP_sha256()) > 0;
}

bool ts_cert_make(struct ts_cert *made, const struct ts_cert_opts *opts)
{
    made->key = EVP_EC_gen("P-256");
    made->cert = X509_new();
    return (made->key && made->cert && fill(made->cert, made->key, opts)) || fault(opts->name);
}

void ts_cert_free(struct ts_cert *made)
{
    X509_free(made->cert);
    EVP_PKEY_free(made->key);
    *made = (struct ts_cert){0};
}

static FILE *open_file(const char *dir, const char *name, const char *ending)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s%s", dir, name, ending);
    return fopen(path, "we");
}

bool ts_cert_write(const struct ts_cert *made, const char *dir, const char *name, const struct ts_cert *also,
                   const char *password)
{
    FILE *file = open_file(dir, name, ".pem");
    bool good = file && PEM_write_X509(file, made->cert) && (!also || PEM_write_X509(file, also->cert));
    good = file && fclose(file) == 0 && good;
    file = good ? open_file(dir, name, ".key") : NULL;
    good = file && PEM_write_PKCS8PrivateKey(file, made->key, password ? EVP_aes_256_cbc() : NULL, password,
                                             password ? (int)strlen(password) : 0, NULL, NULL);
    good = file && fclose(file) == 0 && good;
    return good || fault(name);
}

bool ts_cert_write_hashed(const struct ts_cert *made, const char *folder)
{
    char name[32];
    int known = 0;
    unsigned long hash = X509_NAME_hash_ex(X509_get_subject_name(made->cert), NULL, NULL, &known);
    snprintf(name, sizeof name, "%08lx.0", hash);
    FILE *file = known ? open_file(folder, name, "") : NULL;
    bool good = file && PEM_write_X509(file, made->cert);
    good = file && fclose(file) == 0 && good;
    return good || fault(folder);
}
