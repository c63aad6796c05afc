/* Fuzzes contexts of the command line: whatever the text, options are changed as a whole or not at all, and
 * no error text holds a value of a secret member. One thread. */
#include "options/context.h"
#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum nki_option_id changed[] = {
    NKI_OPT_CONNECT_user,          NKI_OPT_CONNECT_password,     NKI_OPT_CONNECT_token,
    NKI_OPT_CONNECT_jwt,           NKI_OPT_CONNECT_creds_file,   NKI_OPT_CONNECT_nkey_seed_file,
    NKI_OPT_CONNECT_tls_cert_file, NKI_OPT_CONNECT_tls_key_file, NKI_OPT_CONNECT_tls_ca_file,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nki_error err = {0};
    struct nki_options *options = nki_options_new(NKI_SCOPE_CONNECT);
    CHECK(options != NULL);
    int32_t status = nki_context_apply(nki_str_make((const char *)data, size), options, &err);
    CHECK(status == NKI_OK || status == NKI_INVALID);
    CHECK(status == NKI_OK || (err.status == status && nki_str_utf8_valid(nki_str_z(err.text))));
    for (size_t i = 0; i < NKI_ARRAY_LEN(changed); i++) {
        struct nki_str text = nki_options_str(options, changed[i]);
        CHECK(status == NKI_OK || text.len == 0);
        CHECK(nki_str_utf8_valid(text));
    }
    CHECK(status == NKI_OK || nki_options_list_len(options, NKI_OPT_CONNECT_servers) == 0);
    nki_options_free(options);
    CHECK(nki_alloc_bytes() == 0);
    return 0;
}
