/* Ack subjects: see ack_subject.h. Pure; any thread.
 *
 *   $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>
 *   $JS.ACK.<domain or _>.<account hash>.<stream>. ... .<pending>[.<more>]
 */
#include "jetstream/ack_subject.h"

enum { SHORT = 9, LONG = 11 };

/* Cuts the subject into its first LONG tokens. Returns how many it has, 0 if one of them is empty. */
static size_t cut(struct nki_str subject, struct nki_str tokens[LONG])
{
    size_t count = 0;
    struct nki_str rest = subject;
    while (rest.ptr != NULL) {
        struct nki_str token = nki_str_cut(&rest, '.');
        if (token.len == 0) {
            return 0;
        }
        if (count < LONG) {
            tokens[count] = token;
        }
        count++;
    }
    return count;
}

bool nki_ack_subject_parse(struct nki_str reply, struct nki_ack_subject *out)
{
    struct nki_str tokens[LONG];
    if (!nki_ack_subject_is(reply)) {
        return false;
    }
    size_t count = cut(reply, tokens);
    if (count != SHORT && count < LONG) {
        return false;
    }
    bool whole = count != SHORT;
    const struct nki_str *at = whole ? tokens + 4 : tokens + 2;
    *out = (struct nki_ack_subject){
        .domain = whole && !nki_str_eq(tokens[2], NKI_STR("_")) ? tokens[2] : NKI_STR(""),
        .account = whole ? tokens[3] : NKI_STR(""),
        .stream = at[0],
        .consumer = at[1],
    };
    return nki_str_u64(at[2], &out->delivered) && nki_str_u64(at[3], &out->stream_seq) &&
           nki_str_u64(at[4], &out->consumer_seq) && nki_str_i64(at[5], &out->time_ns) &&
           nki_str_u64(at[6], &out->pending);
}
