/* Statuses of requests for messages: see pull_status.h. */
#include "jetstream/pull_status.h"

#include "wire/header.h"

#include <strings.h>

struct known {
    int32_t code;
    const char *begin; /* of the text, whatever its case; "": any */
    enum nki_pull_word word;
    bool ends; /* also if it does not say what is given back */
};

/* The first that fits counts. */
static const struct known knowns[] = {
    {100, "", NKI_SAYS_BEAT, false},
    {400, "", NKI_SAYS_REFUSED, true},
    {404, "", NKI_SAYS_NOTHING, true},
    {408, "Requests Pending", NKI_SAYS_NOTHING, true},
    {408, "Interest Expired", NKI_SAYS_MOVED, true},
    {408, "", NKI_SAYS_EXPIRED, true},
    {409, "Message Size Exceeds MaxBytes", NKI_SAYS_FULL, true},
    {409, "Batch Completed", NKI_SAYS_COMPLETE, true},
    {409, "Leadership Change", NKI_SAYS_MOVED, true},
    {409, "Server Shutdown", NKI_SAYS_MOVED, true},
    {409, "Exceeded MaxWaiting", NKI_SAYS_CROWDED, true},
    {409, "Exceeded MaxRequest", NKI_SAYS_REFUSED, true},
    {409, "Consumer is push based", NKI_SAYS_REFUSED, true},
    {409, "Consumer Deleted", NKI_SAYS_DELETED, true},
    {412, "", NKI_SAYS_LEVEL, true},
    {423, "", NKI_SAYS_UNPINNED, true},
    {503, "", NKI_SAYS_NOBODY, true},
};

static bool begins(struct nki_str text, const char *begin)
{
    size_t len = strlen(begin);
    return text.len >= len && strncasecmp(text.ptr, begin, len) == 0;
}

static void classify(struct nki_pull_status *status)
{
    for (size_t i = 0; i < NKI_ARRAY_LEN(knowns); i++) {
        if (knowns[i].code == status->code && begins(status->text, knowns[i].begin)) {
            status->word = knowns[i].word;
            status->ends = knowns[i].ends;
            return;
        }
    }
}

/* A number that is missing counts as 0. */
static bool pending(struct nki_str block, struct nki_str name, uint64_t *out)
{
    struct nki_str value;
    return nki_header_find(block, name, NKI_MATCH_IGNORE_CASE, 0, &value) && nki_str_u64(value, out);
}

bool nki_pull_status_read(struct nki_str block, struct nki_pull_status *out)
{
    *out = (struct nki_pull_status){.word = NKI_SAYS_UNKNOWN};
    if (block.len == 0) {
        return false;
    }
    out->code = nki_header_status(block, &out->text);
    if (out->code == 0) {
        return false;
    }
    classify(out);
    if (out->word == NKI_SAYS_BEAT) {
        return true;
    }
    bool msgs = pending(block, NKI_STR("Nats-Pending-Messages"), &out->msgs);
    bool bytes = pending(block, NKI_STR("Nats-Pending-Bytes"), &out->bytes);
    out->counted = msgs || bytes;
    out->ends = out->ends || out->counted; /* one that is not known, too */
    return true;
}
