/* Times as RFC 3339 writes them. Pure. */
#ifndef NKI_BASE_RFC3339_H
#define NKI_BASE_RFC3339_H

#include "base/str.h"

#define NKI_RFC3339_CAP 31 /* of a text with nanoseconds in UTC */

/* Nanoseconds since 1970 UTC, of any zone and up to nine digits of a second's fraction; also as servers
 * before 2.11 write it ("2006-01-02 15:04:05.999 +0000 UTC"). False if it is no such time, or none that fits
 * (1677 to 2262); the year 1, which stands for none, gives 0. */
bool nki_rfc3339_read(struct nki_str text, int64_t *ns);

/* The time in UTC, with nine digits of a second's fraction. */
void nki_rfc3339_write(int64_t ns, char out[NKI_RFC3339_CAP]);

#endif
