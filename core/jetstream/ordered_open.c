/* Ordered consumers by options: see ordered_open.h. Any thread. */
#include "jetstream/ordered_open.h"

#include "base/rfc3339.h"
#include "wire/subject.h"

#define SUBJECTS_MAX 64 /* the table bounds their number */
#define SHOWN 80        /* of a text in an error */

_Static_assert(NKI_DELIVER_ALL == 0 && NKI_DELIVER_NEW == 1 && NKI_DELIVER_LAST == 2 &&
                   NKI_DELIVER_LAST_PER_SUBJECT == 3 && NKI_DELIVER_FROM_SEQ == 4 &&
                   NKI_DELIVER_FROM_TIME == 5,
               "the words of option deliver_policy stand in this order");

static int shown(struct nki_str text)
{
    return text.len < SHOWN ? (int)text.len : SHOWN;
}

static int32_t read_subjects(struct nki_ordered_params *params, struct nki_str *list,
                             const struct nki_options *options, struct nki_error *err)
{
    params->filters = list;
    params->filter_count = nki_options_list_len(options, NKI_OPT_ORDERED_subjects);
    for (size_t i = 0; i < params->filter_count; i++) {
        list[i] = nki_options_list_at(options, NKI_OPT_ORDERED_subjects, i);
        const char *fault = nki_subject_subscribe_fault(list[i]);
        if (fault != NULL) {
            return nki_error_set(err, NKI_INVALID, "option subjects: \"%.*s\" %s", shown(list[i]),
                                 list[i].ptr, fault);
        }
    }
    if (params->filter_count == 0 && params->deliver == NKI_DELIVER_LAST_PER_SUBJECT) {
        list[0] = NKI_STR(">"); /* servers want this policy to have a filter */
        params->filter_count = 1;
    }
    return NKI_OK;
}

/* An option that only one policy takes, and that this one cannot do without. */
static int32_t check_pair(bool policy, bool given, const char *option, const char *word,
                          struct nki_error *err)
{
    if (policy == given) {
        return NKI_OK;
    }
    return given ? nki_error_set(err, NKI_INVALID, "option %s: it needs deliver_policy %s", option, word)
                 : nki_error_set(err, NKI_INVALID, "option deliver_policy: %s needs option %s", word, option);
}

static int32_t read_begin(struct nki_ordered_params *params, const struct nki_options *options,
                          struct nki_error *err)
{
    params->deliver = (enum nki_deliver)nki_options_choice(options, NKI_OPT_ORDERED_deliver_policy);
    params->start_seq = (uint64_t)nki_options_int(options, NKI_OPT_ORDERED_opt_start_seq);
    params->start_time = nki_options_str(options, NKI_OPT_ORDERED_opt_start_time);
    int32_t status = check_pair(params->deliver == NKI_DELIVER_FROM_SEQ, params->start_seq > 0,
                                "opt_start_seq", "by_start_sequence", err);
    if (status == NKI_OK) {
        status = check_pair(params->deliver == NKI_DELIVER_FROM_TIME, params->start_time.len > 0,
                            "opt_start_time", "by_start_time", err);
    }
    int64_t ns;
    if (status == NKI_OK && params->start_time.len > 0 && !nki_rfc3339_read(params->start_time, &ns)) {
        status = nki_error_set(err, NKI_INVALID, "option opt_start_time: \"%.*s\" is no time of RFC 3339",
                               shown(params->start_time), params->start_time.ptr);
    }
    return status;
}

static int32_t open_with(struct nki_js *js, struct nki_str stream, const struct nki_options *options,
                         struct nki_sub **out, struct nki_error *err)
{
    struct nki_str subjects[SUBJECTS_MAX];
    bool ends = nki_options_bool(options, NKI_OPT_ORDERED_ends);
    bool marks = !ends && nki_options_bool(options, NKI_OPT_ORDERED_marker);
    struct nki_ordered_params params = {
        .stream = stream,
        .headers_only = nki_options_bool(options, NKI_OPT_ORDERED_headers_only),
        .marks_done = marks,
        .ends_done = ends,
        .need = marks || ends ? NKI_INITIAL_ALL : NKI_INITIAL_COUNT, /* no look that nobody asks for */
        .maybe_mirror = true,
        .heartbeat_ms = nki_options_int(options, NKI_OPT_ORDERED_heartbeat_ms),
    };
    int32_t status = read_begin(&params, options, err);
    if (status == NKI_OK) {
        status = read_subjects(&params, subjects, options, err);
    }
    return status == NKI_OK ? nki_ordered_open(js, &params, out, err) : status;
}

int32_t nki_js_ordered(struct nki_js *js, struct nki_str stream, const struct nki_options *options,
                       struct nki_sub **out, struct nki_error *err)
{
    if (options != NULL) {
        return open_with(js, stream, options, out, err);
    }
    struct nki_options *defaults = nki_options_new(NKI_SCOPE_ORDERED);
    if (defaults == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    int32_t status = open_with(js, stream, defaults, out, err);
    nki_options_free(defaults);
    return status;
}
