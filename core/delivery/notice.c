/* Notices as messages: the fixed part in front of the text, unaligned. */
#include "delivery/notice.h"

struct fixed {
    int32_t type;
    int32_t code;
    uint64_t count;
    uint64_t text_len;
};

struct nki_msg *nki_notice_msg(const struct nki_notice *notice)
{
    struct nki_msg *msg = nki_msg_new_event(sizeof(struct fixed) + notice->text.len);
    if (msg == NULL) {
        return NULL;
    }
    const struct fixed fixed = {notice->type, notice->code, notice->count, notice->text.len};
    msg->kind = NKI_MSG_STATUS;
    memcpy(msg->bytes, &fixed, sizeof fixed);
    if (notice->text.len > 0) {
        memcpy(msg->bytes + sizeof fixed, notice->text.ptr, notice->text.len);
    }
    return msg;
}

struct nki_notice nki_notice_of(const struct nki_msg *msg)
{
    assert(msg->kind == NKI_MSG_STATUS);
    struct fixed fixed;
    memcpy(&fixed, msg->bytes, sizeof fixed);
    return (struct nki_notice){.type = fixed.type,
                               .code = fixed.code,
                               .count = fixed.count,
                               .text = {(const char *)msg->bytes + sizeof fixed, fixed.text_len}};
}
