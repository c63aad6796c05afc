/* Texts that are wiped. Whoever owns them locks. */
#include "auth/secret.h"

#include "base/alloc.h"

bool nki_secret_set(struct nki_secret *secret, struct nki_str text)
{
    struct nki_secret copy = {NULL, 0};
    if (text.len > 0) {
        copy = (struct nki_secret){nki_strndup(text.ptr, text.len), text.len};
        if (copy.ptr == NULL) {
            return false;
        }
    }
    nki_secret_move(secret, &copy);
    return true;
}

void nki_secret_move(struct nki_secret *secret, struct nki_secret *from)
{
    struct nki_secret moved = *from;
    *from = (struct nki_secret){NULL, 0};
    nki_secret_free(secret);
    *secret = moved;
}

void nki_secret_free(struct nki_secret *secret)
{
    nki_free_secret(secret->ptr, secret->len);
    *secret = (struct nki_secret){NULL, 0};
}
