/* What an attempt needs of files, read by the helper thread: the user's credentials, and what TLS is spoken
 * with. Any thread; nothing is kept from one attempt to the next but the TLS configuration, if it is made of
 * the same. */
#ifndef NKI_CLIENT_PREPARE_H
#define NKI_CLIENT_PREPARE_H

#include "auth/credentials.h"
#include "net/tls_config.h"
#include "options/options.h"

#define NKI_PREPARE_CREDENTIALS 1u
#define NKI_PREPARE_TLS 2u

struct nki_prepare;

/* What is to be prepared with these options (scope CONNECT) before the server is dialed; 0: nothing. */
uint32_t nki_prepare_needed(const struct nki_options *options, bool tls_intent);

/* Begins; `last` (may be NULL) is the TLS configuration of the attempt before. `notify_fd` as in
 * base/worker.h. NULL with `err` if there is no memory or no thread. */
struct nki_prepare *nki_prepare_start(const struct nki_options *options, uint32_t what,
                                      struct nki_tls_config *last, int notify_fd, struct nki_error *err);

struct nki_prepared {
    int32_t status; /* NKI_OK, NKI_CREDENTIALS, NKI_NO_MEMORY; with `error` */
    struct nki_error error;
    struct nki_credentials credentials; /* the caller's */
    struct nki_tls_config *tls;         /* a reference for the caller, or NULL */
};

/* Whether it is done: then `out` is filled. */
bool nki_prepare_done(struct nki_prepare *prepare, struct nki_prepared *out);
typedef int32_t nki_credentials_reader(struct nki_str text, struct nki_credentials *out,
                                       struct nki_error *err);
/* Reads credentials from a file, whose `name` and path stand in the error; waits for the file system.
 * NKI_CREDENTIALS, NKI_NO_MEMORY. */
int32_t nki_prepare_file(const char *path, const char *name, nki_credentials_reader *reader,
                         struct nki_credentials *out, struct nki_error *err);
/* NULL is allowed. */
void nki_prepare_free(struct nki_prepare *prepare);

#endif
