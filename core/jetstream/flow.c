/* Flow control: see flow.h. */
#include "jetstream/flow.h"

#include "wire/subject.h"

static bool send_empty(struct nki_feed *feed, struct nki_str subject)
{
    struct nki_outgoing_msg msg = {
        .subject = subject, .reply = NKI_STR(""), .header_block = NKI_STR(""), .data = NKI_STR("")};
    return nki_feed_send(feed, &msg);
}

void nki_flow_free(struct nki_flow *flow)
{
    nki_buf_free(&flow->subject);
}

/* The subject is what anybody may have written who publishes to the inbox. */
void nki_flow_ask(struct nki_flow *flow, struct nki_feed *feed, struct nki_str subject)
{
    if (nki_subject_publish_fault(subject) != NULL) {
        return;
    }
    flow->subject.len = 0;
    bool kept = nki_buf_append_str(&flow->subject, subject);
    uint64_t bytes;
    if (nki_inlet_tell_at(&feed->sub->inlet, 0, 0, &bytes) == 0 || !kept) {
        flow->subject.len = 0;
        (void)send_empty(feed, subject); /* without memory a heartbeat asks again */
    }
}

void nki_flow_taken(struct nki_flow *flow, struct nki_feed *feed)
{
    struct nki_str subject = nki_str_make((const char *)flow->subject.data, flow->subject.len);
    if (subject.len > 0 && send_empty(feed, subject)) {
        flow->subject.len = 0;
    }
}
