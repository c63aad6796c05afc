/* What ordered consumers write and read: see ordered_text.h. */
#include "jetstream/ordered_text.h"

#include "base/rfc3339.h"

bool nki_ordered_append_filters(const struct nki_ordered_params *params, struct nki_buf *out,
                                struct nki_buf *filter)
{
    if (params->filter_count == 0) {
        return true;
    }
    if (params->filter_count == 1) {
        bool all = nki_str_eq(params->filters[0], NKI_STR(">"));
        return nki_buf_append_str(out, NKI_STR(",\"filter_subject\":")) &&
               nki_buf_append_json(out, params->filters[0]) &&
               (all || nki_buf_append_str(filter, params->filters[0]));
    }
    bool ok = nki_buf_append_str(out, NKI_STR(",\"filter_subjects\":["));
    for (size_t i = 0; i < params->filter_count && ok; i++) {
        ok = (i == 0 || nki_buf_append(out, ",", 1)) && nki_buf_append_json(out, params->filters[i]);
    }
    return ok && nki_buf_append(out, "]", 1);
}

uint64_t nki_ordered_number(const struct nki_json_value *object, struct nki_str name)
{
    struct nki_json_value value;
    uint64_t number = 0;
    return nki_json_member(object, name, &value) && nki_json_u64(&value, &number) ? number : 0;
}

int64_t nki_ordered_created_ns(const struct nki_json_value *answer)
{
    struct nki_json_value value;
    char text[64];
    int64_t ns = 0;
    bool has =
        nki_json_member(answer, NKI_STR("created"), &value) && nki_json_text(&value, text, sizeof text) > 0;
    return has && nki_rfc3339_read(nki_str_z(text), &ns) ? ns : 0;
}
