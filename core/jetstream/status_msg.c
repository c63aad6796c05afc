/* Status messages: see status_msg.h. They are put together like events, under a kind of their own. */
#include "jetstream/status_msg.h"

#include "delivery/event.h"

struct nki_msg *nki_status_msg(int32_t type, int32_t code, uint64_t count, struct nki_str text)
{
    struct nki_event event = {.type = type, .status = code, .count = count, .text = text};
    struct nki_msg *msg = nki_event_msg(&event);
    if (msg != NULL) {
        msg->kind = NKI_MSG_STATUS;
    }
    return msg;
}

void nki_status_msg_read(const struct nki_msg *msg, struct nki_status_info *out)
{
    const struct nki_event *event = nki_event_of(msg);
    *out = (struct nki_status_info){
        .type = event->type, .code = event->status, .count = event->count, .text = event->text};
}
