/* Preparing an attempt: see prepare.h. */
#include "client/prepare.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/worker.h"

#include <errno.h>

#define PEM_MAX ((size_t)1 * NKI_MIB) /* of a file of certificates */

struct nki_prepare {
    struct nki_job job;
    struct nki_options *options; /* its own copy */
    uint32_t what;
    struct nki_tls_config *last; /* a reference, or NULL */
    struct nki_prepared result;
};

static struct nki_str text_of(const struct nki_prepare *prepare, enum nki_option_id id)
{
    return nki_options_str(prepare->options, id);
}

static bool given(const struct nki_options *options, enum nki_option_id id)
{
    return nki_options_str(options, id).len > 0;
}

uint32_t nki_prepare_needed(const struct nki_options *options, bool tls_intent)
{
    bool credentials = given(options, NKI_OPT_CONNECT_creds) || given(options, NKI_OPT_CONNECT_creds_file) ||
                       given(options, NKI_OPT_CONNECT_nkey_seed) ||
                       given(options, NKI_OPT_CONNECT_nkey_seed_file);
    return (credentials ? NKI_PREPARE_CREDENTIALS : 0) | (tls_intent ? NKI_PREPARE_TLS : 0);
}

/* Reads a file; why it cannot be had is the same to who connects. */
static int32_t read_file(const char *path, const char *name, size_t max, struct nki_file *out,
                         struct nki_error *err)
{
    int32_t status = nki_file_read(path, max, name, out, err);
    /* Taken for one that was not given, an empty file of authorities would have the system's trusted. */
    if (status == NKI_OK && out->len == 0) {
        nki_file_free(out);
        status = nki_error_set(err, NKI_CREDENTIALS, "%s: %s is empty", name, path);
    }
    if (status != NKI_OK && status != NKI_NO_MEMORY) {
        status = NKI_CREDENTIALS;
        if (err != NULL) {
            err->status = status;
        }
    }
    return status;
}

/* Reads the file that an option names, if it does. */
static int32_t read_option(struct nki_prepare *prepare, enum nki_option_id id, const char *name, size_t max,
                           struct nki_file *out)
{
    struct nki_str path = text_of(prepare, id);
    *out = (struct nki_file){0};
    return path.len == 0 ? NKI_OK : read_file(path.ptr, name, max, out, &prepare->result.error);
}

/* -- credentials -------------------------------------------------------------------------------------------
 */

int32_t nki_prepare_file(const char *path, const char *name, nki_credentials_reader *reader,
                         struct nki_credentials *out, struct nki_error *err)
{
    struct nki_file file;
    int32_t status = read_file(path, name, NKI_CREDENTIALS_TEXT_MAX, &file, err);
    if (status != NKI_OK) {
        return status;
    }
    status = reader(nki_str_make(file.ptr, file.len), out, err);
    nki_file_free(&file);
    if (status == NKI_CREDENTIALS && err != NULL) {
        struct nki_error plain = *err;
        nki_error_set(err, status, "%s %s: %s", name, path, plain.text);
    }
    return status;
}

static int32_t add_credentials(struct nki_prepare *prepare, enum nki_option_id text_id,
                               enum nki_option_id file_id, const char *file_name,
                               nki_credentials_reader *reader)
{
    struct nki_credentials *out = &prepare->result.credentials;
    struct nki_error *err = &prepare->result.error;
    struct nki_str text = text_of(prepare, text_id);
    struct nki_str path = text_of(prepare, file_id);
    int32_t status = text.len > 0 ? reader(text, out, err) : NKI_OK;
    return status == NKI_OK && path.len > 0 ? nki_prepare_file(path.ptr, file_name, reader, out, err)
                                            : status;
}

static int32_t prepare_credentials(struct nki_prepare *prepare)
{
    int32_t status = add_credentials(prepare, NKI_OPT_CONNECT_creds, NKI_OPT_CONNECT_creds_file, "creds_file",
                                     nki_credentials_from_creds);
    return status != NKI_OK
               ? status
               : add_credentials(prepare, NKI_OPT_CONNECT_nkey_seed, NKI_OPT_CONNECT_nkey_seed_file,
                                 "nkey_seed_file", nki_credentials_from_seed);
}

/* -- TLS ---------------------------------------------------------------------------------------------------
 */

struct files {
    struct nki_file ca;
    struct nki_file cert;
    struct nki_file key;
};

static struct nki_str either(const struct nki_file *file, struct nki_str text)
{
    return file->ptr != NULL ? nki_str_make(file->ptr, file->len) : text;
}

static int32_t make_config(struct nki_prepare *prepare, const struct files *files)
{
    const struct nki_options *options = prepare->options;
    const struct nki_tls_material material = {
        .ca = {either(&files->ca, NKI_STR("")), text_of(prepare, NKI_OPT_CONNECT_tls_ca)},
        .ca_path = text_of(prepare, NKI_OPT_CONNECT_tls_ca_path).ptr,
        .cert = either(&files->cert, text_of(prepare, NKI_OPT_CONNECT_tls_cert)),
        .key = either(&files->key, text_of(prepare, NKI_OPT_CONNECT_tls_key)),
        .password = text_of(prepare, NKI_OPT_CONNECT_tls_key_password),
        .only_1_3 = nki_options_choice(options, NKI_OPT_CONNECT_tls_min_version) == 1,
        .insecure = nki_options_bool(options, NKI_OPT_CONNECT_tls_insecure),
    };
    return nki_tls_config_make(&material, prepare->last, &prepare->result.tls, &prepare->result.error);
}

static int32_t prepare_tls(struct nki_prepare *prepare)
{
    struct files files = {{0}, {0}, {0}};
    int32_t status = read_option(prepare, NKI_OPT_CONNECT_tls_ca_file, "tls_ca_file", PEM_MAX, &files.ca);
    if (status == NKI_OK) {
        status = read_option(prepare, NKI_OPT_CONNECT_tls_cert_file, "tls_cert_file", PEM_MAX, &files.cert);
    }
    if (status == NKI_OK) {
        status = read_option(prepare, NKI_OPT_CONNECT_tls_key_file, "tls_key_file", PEM_MAX, &files.key);
    }
    if (status == NKI_OK) {
        status = make_config(prepare, &files);
    }
    nki_file_free(&files.ca);
    nki_file_free(&files.cert);
    nki_file_free(&files.key);
    return status;
}

/* -- the job -----------------------------------------------------------------------------------------------
 */

static void run(struct nki_job *job)
{
    struct nki_prepare *prepare = NKI_CONTAINER_OF(job, struct nki_prepare, job);
    int32_t status = (prepare->what & NKI_PREPARE_CREDENTIALS) != 0 ? prepare_credentials(prepare) : NKI_OK;
    if (status == NKI_OK && (prepare->what & NKI_PREPARE_TLS) != 0) {
        status = prepare_tls(prepare);
    }
    prepare->result.status = status;
}

static void destroy(struct nki_job *job)
{
    struct nki_prepare *prepare = NKI_CONTAINER_OF(job, struct nki_prepare, job);
    nki_credentials_free(&prepare->result.credentials);
    nki_tls_config_release(prepare->result.tls);
    nki_tls_config_release(prepare->last);
    nki_options_free(prepare->options);
    nki_free(prepare);
}

static const struct nki_job_ops ops = {run, destroy};

struct nki_prepare *nki_prepare_start(const struct nki_options *options, uint32_t what,
                                      struct nki_tls_config *last, int notify_fd, struct nki_error *err)
{
    struct nki_prepare *prepare = nki_calloc(1, sizeof *prepare);
    struct nki_options *copy = nki_options_clone(options);
    int code = prepare == NULL || copy == NULL ? ENOMEM : 0;
    if (code == 0) {
        prepare->options = copy;
        prepare->what = what;
        prepare->last = last;
        code = nki_job_start(&prepare->job, &ops, notify_fd);
    }
    if (code != 0) {
        nki_free(prepare);
        nki_options_free(copy);
        nki_error_set_errno(err, code == ENOMEM ? NKI_NO_MEMORY : NKI_SYSTEM, code,
                            "cannot start the thread that reads files");
        return NULL;
    }
    return prepare;
}

bool nki_prepare_done(struct nki_prepare *prepare, struct nki_prepared *out)
{
    if (!nki_job_done(&prepare->job)) {
        return false;
    }
    *out = prepare->result;
    memset(&prepare->result, 0, sizeof prepare->result);
    return true;
}

void nki_prepare_free(struct nki_prepare *prepare)
{
    if (prepare != NULL) {
        nki_job_free(&prepare->job);
    }
}
