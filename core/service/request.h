/* A request as a service gets it: a message of kind NKI_MSG_SERVICE, whose tail tells of its endpoint and of
 * what was counted for it. Any thread that holds a reference.
 *
 * A request is counted once: with its first answer, when it is said to be handled, or when its last reference
 * is given up. Its processing time goes from when it was taken until then. One that is dropped without having
 * been taken is not counted. */
#ifndef NKI_SERVICE_REQUEST_H
#define NKI_SERVICE_REQUEST_H

#include "delivery/msg.h"
#include "service/ledger.h"

/* Makes a request of a message with room for a tail. */
void nki_request_begin(struct nki_msg *msg, struct nki_ledger *ledger, uint32_t endpoint);
const struct nki_endpoint *nki_request_endpoint(const struct nki_msg *msg, uint32_t *index);

/* It is about to be answered, or needs no answer. */
void nki_request_handled(const struct nki_msg *msg);
/* It is about to be answered with an error, which counts once for each request. */
void nki_request_failed(const struct nki_msg *msg, int32_t code, struct nki_str description);

/* Appends the headers of an error: the description in one line, cut to NKI_SERVICE_ERROR_MAX bytes.
 * NKI_INVALID, NKI_LIMIT, NKI_NO_MEMORY. */
int32_t nki_request_error_headers(struct nki_buf *block, int32_t code, struct nki_str description,
                                  struct nki_error *err);
/* What an answer says of an error: NKI_OK if nothing, else NKI_SERVICE_ERROR with its code and description.
 */
int32_t nki_answer_error(const struct nki_msg *msg, struct nki_error *err);

#endif
