/* What happens to something that yields messages, as a message in its queue: a kind of its own, in order between the
 * others. */
#ifndef NKI_JETSTREAM_STATUS_MSG_H
#define NKI_JETSTREAM_STATUS_MSG_H

#include "delivery/msg.h"

/* Numbers never change; natskit.h has the same. */
enum nki_status_type {
    NKI_STATUS_INITIAL_DONE = 1 /* what there was at the begin has come */
};

struct nki_status_info {
    int32_t type; /* enum nki_status_type */
    int32_t code; /* that the server gave, or 0 */
    uint64_t count;
    struct nki_str text; /* the server's words */
};

/* NULL if there is no memory. */
struct nki_msg *nki_status_msg(int32_t type, int32_t code, uint64_t count, struct nki_str text);
/* Of a message of kind NKI_MSG_STATUS. */
void nki_status_msg_read(const struct nki_msg *msg, struct nki_status_info *out);

#endif
