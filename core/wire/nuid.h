/* Unique names of 22 base-62 characters for inboxes: 12 random ones from the system and a counter that steps
 * by a random amount. Not shared between threads. */
#ifndef NKI_WIRE_NUID_H
#define NKI_WIRE_NUID_H

#include "base/rand.h"

#define NKI_NUID_LEN 22

struct nki_nuid {
    struct nki_rand rand;
    char prefix[12];
    uint64_t seq;
    uint64_t step;
};

void nki_nuid_init(struct nki_nuid *nuid);
/* Writes NKI_NUID_LEN characters without a NUL. Takes a new random prefix when the counter is used up. */
void nki_nuid_next(struct nki_nuid *nuid, char *out);
/* Writes `value` in base 62, most significant first, without padding; returns the end (at most 11
 * characters). */
char *nki_base62_emit(char *out, uint64_t value);
/* Reads it back; false if it is empty, malformed, padded with zeros, or too great. */
bool nki_base62_read(const char *text, size_t len, uint64_t *out);

#endif
