/* Rules for subjects, queue names and inbox prefixes; matching. Pure, hot. */
#ifndef NKI_WIRE_SUBJECT_H
#define NKI_WIRE_SUBJECT_H

#include "base/str.h"

/* The longest subject, reply or queue name that is accepted, so that a control line stays below the server's
 * default limit of 4,096 bytes (max_control_line, server 2.15). */
#define NKI_SUBJECT_MAX 1900

/* Each returns NULL if the text is fine, else what is wrong with it ("is empty", "has an empty token", "holds
 * a blank or control character", "holds a wildcard", "has a misplaced wildcard", "is not valid UTF-8", "is
 * longer than 1900 bytes"). */
const char *nki_subject_publish_fault(struct nki_str subject); /* no wildcards */
const char *
nki_subject_subscribe_fault(struct nki_str subject);       /* `*` alone in a token, `>` alone and last */
const char *nki_subject_queue_fault(struct nki_str queue); /* one word without wildcards */

/* Whether `pattern` (may hold wildcards) matches `subject` (holds none). */
bool nki_subject_match(struct nki_str pattern, struct nki_str subject);

#endif
