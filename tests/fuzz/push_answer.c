/* Fuzzes what a push consumer's info is read by, whether a configuration is as wanted, and traces.
 *
 * The first byte chooses: 'T' a list of events of a trace, 'D' two configurations in two lines, else an info.
 * One thread. */
#include "jetstream/push_answer.h"
#include "base/alloc.h"
#include "jetstream/ensure.h"
#include "jetstream/trace.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_info(struct nki_str text)
{
    struct nki_push_answer answer;
    struct nki_error error;
    int32_t status = nki_push_answer_read(text, &answer, &error);
    CHECK(status == NKI_OK || (status == NKI_PROTOCOL && error.status == status));
    if (status == NKI_OK) {
        CHECK(nki_js_name_fault(nki_str_z(answer.stream)) == NULL);
        CHECK(nki_js_name_fault(nki_str_z(answer.consumer)) == NULL);
        CHECK(nki_subject_publish_fault(nki_str_z(answer.subject)) == NULL);
        CHECK(answer.group[0] == '\0' || nki_subject_queue_fault(nki_str_z(answer.group)) == NULL);
        CHECK(answer.heartbeat_ns >= 0 && answer.window_ns > 0 && answer.window_ns < INT64_MAX / 2);
    }
}

/* Each is as wanted by itself, and the name of a difference is one of the wanted. */
static void check_differs(struct nki_str text)
{
    struct nki_json_value wanted;
    struct nki_json_value config;
    struct nki_str first = nki_str_cut(&text, '\n');
    if (text.ptr == NULL || !nki_json_check(first, &wanted) || !nki_json_check(text, &config) ||
        wanted.type != NKI_JSON_OBJECT || config.type != NKI_JSON_OBJECT) {
        return;
    }
    struct nki_str differs = nki_ensure_differs(&wanted, &config);
    CHECK(differs.len == 0 ||
          (differs.ptr >= first.ptr && differs.ptr + differs.len <= first.ptr + first.len));
}

static void check_trace(struct nki_str text)
{
    struct nki_doc events;
    struct nki_doc tree;
    if (nki_doc_parse(&events, text, NULL) != NKI_OK) {
        return;
    }
    int32_t status = nki_trace_tree(&events, &tree, NULL);
    CHECK(status == NKI_OK || status == NKI_INVALID || status == NKI_LIMIT);
    if (status == NKI_OK) {
        CHECK(tree.root->type == NKI_DOC_OBJECT && tree.root->u.list.count == 2);
        nki_doc_free(&tree);
    }
    nki_doc_free(&events);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct nki_str rest = nki_str_make((const char *)data + 1, size - 1);
    if (data[0] == 'T') {
        check_trace(rest);
    } else if (data[0] == 'D') {
        check_differs(rest);
    } else {
        check_info(rest);
    }
    CHECK(nki_alloc_bytes() == 0);
    return 0;
}
