/* Texts that are wiped before their memory is given back. Not shared between threads. */
#ifndef NKI_AUTH_SECRET_H
#define NKI_AUTH_SECRET_H

#include "base/str.h"

/* Owned and NUL-terminated; absent while `ptr` is NULL. */
struct nki_secret {
    char *ptr;
    size_t len;
};

/* Puts a copy in place of what was there; an empty text makes it absent. False if there is no memory: the old
 * text stays then. `text` may be a part of the old one. */
bool nki_secret_set(struct nki_secret *secret, struct nki_str text) __attribute__((warn_unused_result));
/* Moves `from`, which becomes absent, into the place of what was there. */
void nki_secret_move(struct nki_secret *secret, struct nki_secret *from);
/* Wipes and frees; it is absent then. */
void nki_secret_free(struct nki_secret *secret);

/* Borrowed; of length 0 if absent. */
static inline struct nki_str nki_secret_str(const struct nki_secret *secret)
{
    return secret->ptr != NULL ? nki_str_make(secret->ptr, secret->len) : nki_str_make("", 0);
}

#endif
