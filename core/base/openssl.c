/* OpenSSL as a guest in somebody else's process. Any thread. */
#include "base/openssl.h"

#include <openssl/crypto.h>

void nki_openssl_begin(void)
{
    /* By itself OpenSSL registers a handler that frees all it holds at exit(), while our threads may still
     * use it. Where the host has initialised it before, that is the host's choice and stays. No configuration
     * file is skipped: it may name the providers that this machine is allowed to use. */
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}
