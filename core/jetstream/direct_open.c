/* Direct gets by options: see direct_open.h. Any thread. */
#include "jetstream/direct_open.h"

#include "base/alloc.h"
#include "base/rfc3339.h"
#include "wire/subject.h"

#define SHOWN 80 /* of a text in an error */

static int shown(struct nki_str text)
{
    return text.len < SHOWN ? (int)text.len : SHOWN;
}

static int32_t check_time(struct nki_str time, const char *option, struct nki_error *err)
{
    int64_t ns;
    if (time.len == 0 || nki_rfc3339_read(time, &ns)) {
        return NKI_OK;
    }
    return nki_error_set(err, NKI_INVALID, "option %s: \"%.*s\" is no time of RFC 3339", option, shown(time),
                         time.ptr);
}

static int32_t check_subject(struct nki_str subject, const char *option, struct nki_error *err)
{
    const char *fault = nki_subject_subscribe_fault(subject);
    return fault == NULL ? NKI_OK
                         : nki_error_set(err, NKI_INVALID, "option %s: \"%.*s\" %s", option, shown(subject),
                                         subject.ptr, fault);
}

/* Options that exclude each other. */
static int32_t check_pair(bool one, bool other, const char *options, struct nki_error *err)
{
    return one && other ? nki_error_set(err, NKI_INVALID, "options %s: only one may be given", options)
                        : NKI_OK;
}

static uint64_t number(const struct nki_options *options, enum nki_option_id option)
{
    return (uint64_t)nki_options_int(options, option);
}

static int32_t batch_with(struct nki_js *js, struct nki_str stream, const struct nki_options *options,
                          struct nki_sub **out, struct nki_error *err)
{
    const struct nki_direct_params params = {
        .stream = stream,
        .seq = number(options, NKI_OPT_GET_BATCH_seq),
        .start_time = nki_options_str(options, NKI_OPT_GET_BATCH_start_time),
        .next_by_subj = nki_options_str(options, NKI_OPT_GET_BATCH_next_by_subj),
        .up_to_time = NKI_STR(""),
        .up_to_seq = number(options, NKI_OPT_GET_BATCH_up_to_seq),
        .max_msgs = number(options, NKI_OPT_GET_BATCH_batch),
        .max_bytes = number(options, NKI_OPT_GET_BATCH_max_bytes),
        .page_msgs = number(options, NKI_OPT_GET_BATCH_page_msgs),
        .page_bytes = number(options, NKI_OPT_GET_BATCH_page_bytes),
        .answer_ms = nki_options_int(options, NKI_OPT_GET_BATCH_answer_ms),
    };
    int32_t status = check_pair(params.seq > 0, params.start_time.len > 0, "seq and start_time", err);
    status = status == NKI_OK ? check_time(params.start_time, "start_time", err) : status;
    if (status == NKI_OK && params.next_by_subj.len > 0) {
        status = check_subject(params.next_by_subj, "next_by_subj", err);
    }
    if (status == NKI_OK && params.up_to_seq > 0 && params.seq > params.up_to_seq) {
        status = nki_error_set(err, NKI_INVALID, "option up_to_seq: %llu is before seq, %llu",
                               (unsigned long long)params.up_to_seq, (unsigned long long)params.seq);
    }
    return status == NKI_OK ? nki_direct_open(js, &params, out, err) : status;
}

static int32_t last_with(struct nki_js *js, struct nki_str stream, const struct nki_options *options,
                         struct nki_sub **out, struct nki_error *err)
{
    struct nki_str all = NKI_STR(">");
    size_t count = nki_options_list_len(options, NKI_OPT_GET_LAST_subjects);
    struct nki_direct_params params = {
        .stream = stream,
        .start_time = NKI_STR(""),
        .next_by_subj = NKI_STR(""),
        .subjects = &all,
        .subject_count = 1,
        .up_to_time = nki_options_str(options, NKI_OPT_GET_LAST_up_to_time),
        .up_to_seq = number(options, NKI_OPT_GET_LAST_up_to_seq),
        .max_msgs = number(options, NKI_OPT_GET_LAST_batch),
        .max_bytes = number(options, NKI_OPT_GET_LAST_max_bytes),
        .page_msgs = number(options, NKI_OPT_GET_LAST_page_msgs),
        .page_bytes = number(options, NKI_OPT_GET_LAST_page_bytes),
        .answer_ms = nki_options_int(options, NKI_OPT_GET_LAST_answer_ms),
    };
    int32_t status =
        check_pair(params.up_to_seq > 0, params.up_to_time.len > 0, "up_to_seq and up_to_time", err);
    status = status == NKI_OK ? check_time(params.up_to_time, "up_to_time", err) : status;
    struct nki_str *list = NULL;
    if (status == NKI_OK && count > 0) {
        list = nki_alloc(count * sizeof *list);
        status = list != NULL ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
        for (size_t i = 0; i < count && status == NKI_OK; i++) {
            list[i] = nki_options_list_at(options, NKI_OPT_GET_LAST_subjects, i);
            status = check_subject(list[i], "subjects", err);
        }
        params.subjects = list;
        params.subject_count = count;
    }
    status = status == NKI_OK ? nki_direct_open(js, &params, out, err) : status;
    nki_free(list);
    return status;
}

typedef int32_t (*open_fn)(struct nki_js *js, struct nki_str stream, const struct nki_options *options,
                           struct nki_sub **out, struct nki_error *err);

static int32_t open_with(struct nki_js *js, struct nki_str stream, const struct nki_options *options,
                         enum nki_scope scope, open_fn open, struct nki_sub **out, struct nki_error *err)
{
    if (options != NULL) {
        return open(js, stream, options, out, err);
    }
    struct nki_options *defaults = nki_options_new(scope);
    if (defaults == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    int32_t status = open(js, stream, defaults, out, err);
    nki_options_free(defaults);
    return status;
}

int32_t nki_js_get_batch(struct nki_js *js, struct nki_str stream, const struct nki_options *options,
                         struct nki_sub **out, struct nki_error *err)
{
    return open_with(js, stream, options, NKI_SCOPE_GET_BATCH, batch_with, out, err);
}

int32_t nki_js_get_last(struct nki_js *js, struct nki_str stream, const struct nki_options *options,
                        struct nki_sub **out, struct nki_error *err)
{
    return open_with(js, stream, options, NKI_SCOPE_GET_LAST, last_with, out, err);
}
