/* Events as messages: the event and its texts in one piece. */
#include "delivery/event.h"

#include <stdalign.h>

/* Where the event begins in the message's bytes: aligned for its fields. */
static size_t event_offset(void)
{
    size_t at = offsetof(struct nki_msg, bytes);
    size_t align = alignof(struct nki_event);
    return (at + align - 1) / align * align - at;
}

static struct nki_str copy_text(char **at, struct nki_str text)
{
    struct nki_str copy = nki_str_make(*at, text.len);
    if (text.len > 0) {
        memcpy(*at, text.ptr, text.len);
        *at += text.len;
    }
    return copy;
}

struct nki_msg *nki_event_msg(const struct nki_event *event)
{
    size_t offset = event_offset();
    struct nki_msg *msg =
        nki_msg_new_event(offset + sizeof *event + event->server.len + event->subject.len + event->text.len);
    if (msg == NULL) {
        return NULL;
    }
    struct nki_event *copy = (struct nki_event *)(void *)(msg->bytes + offset);
    *copy = *event;
    char *at = (char *)(copy + 1);
    copy->server = copy_text(&at, event->server);
    copy->subject = copy_text(&at, event->subject);
    copy->text = copy_text(&at, event->text);
    return msg;
}

const struct nki_event *nki_event_of(const struct nki_msg *msg)
{
    assert(msg->kind == NKI_MSG_EVENT);
    return (const struct nki_event *)(const void *)(msg->bytes + event_offset());
}
