/* JetStream contexts: see context.h. */
#include "jetstream/context.h"

#include "jetstream/pins.h"

#include "base/alloc.h"
#include "wire/subject.h"

#include <stdio.h>

const char *nki_js_name_fault(struct nki_str name)
{
    if (name.len == 0) {
        return "is empty";
    }
    if (name.len > NKI_JS_NAME_MAX) {
        return "is longer than 255 bytes";
    }
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c <= ' ' || c == 0x7f) {
            return "holds a blank or control character";
        }
        if (strchr(".*>/\\", c) != NULL) {
            return "holds one of . * > / \\";
        }
    }
    return nki_str_utf8_valid(name) ? NULL : "is not valid UTF-8";
}

/* The prefix of the API's subjects as the options have it. */
static int32_t read_prefix(struct nki_js *js, const struct nki_options *options, struct nki_error *err)
{
    struct nki_str prefix = nki_options_str(options, NKI_OPT_JETSTREAM_api_prefix);
    struct nki_str domain = nki_options_str(options, NKI_OPT_JETSTREAM_domain);
    bool own = !nki_str_eq(prefix, NKI_STR("$JS.API"));
    if (domain.len > 0 && own) {
        return nki_error_set(err, NKI_INVALID, "options domain and api_prefix: only one may be given");
    }
    if (prefix.len > 0 && prefix.ptr[prefix.len - 1] == '.') {
        prefix.len--;
    }
    const char *fault = domain.len > 0 ? nki_js_name_fault(domain) : nki_subject_publish_fault(prefix);
    if (fault != NULL) {
        struct nki_str wrong = domain.len > 0 ? domain : prefix;
        return nki_error_set(err, NKI_INVALID, "option %s: \"%.*s\" %s",
                             domain.len > 0 ? "domain" : "api_prefix", (int)wrong.len, wrong.ptr, fault);
    }
    int len = domain.len > 0
                  ? snprintf(js->prefix, sizeof js->prefix, "$JS.%.*s.API", (int)domain.len, domain.ptr)
                  : snprintf(js->prefix, sizeof js->prefix, "%.*s", (int)prefix.len, prefix.ptr);
    if (len < 0 || (size_t)len >= sizeof js->prefix) {
        return nki_error_set(err, NKI_INVALID, "option %s is longer than %d bytes",
                             domain.len > 0 ? "domain" : "api_prefix", NKI_JS_PREFIX_MAX);
    }
    js->prefix_len = (size_t)len;
    return NKI_OK;
}

static int32_t read_options(struct nki_js *js, const struct nki_options *options, struct nki_error *err)
{
    js->timeout_ms = nki_options_int(options, NKI_OPT_JETSTREAM_timeout_ms);
    js->api_retries = nki_options_int(options, NKI_OPT_JETSTREAM_api_retries);
    js->publish_retries = nki_options_int(options, NKI_OPT_JETSTREAM_publish_retries);
    js->publish_retry_wait_ms = nki_options_int(options, NKI_OPT_JETSTREAM_publish_retry_wait_ms);
    return read_prefix(js, options, err);
}

int32_t nki_js_open(struct nki_conn *conn, const struct nki_options *options, struct nki_js **out,
                    struct nki_error *err)
{
    struct nki_options *defaults = options == NULL ? nki_options_new(NKI_SCOPE_JETSTREAM) : NULL;
    struct nki_js *js = options != NULL || defaults != NULL ? nki_alloc(sizeof *js) : NULL;
    if (js == NULL) {
        nki_options_free(defaults);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    memset(js, 0, sizeof *js);
    atomic_init(&js->refs, 1);
    atomic_init(&js->api_level, 0);
    js->pins = nki_pins_new();
    int32_t status = js->pins == NULL ? nki_error_set(err, NKI_NO_MEMORY, NULL)
                                      : read_options(js, options != NULL ? options : defaults, err);
    nki_options_free(defaults);
    if (status != NKI_OK) {
        nki_pins_release(js->pins);
        nki_free(js);
        return status;
    }
    js->conn = conn;
    nki_conn_retain(conn);
    *out = js;
    return NKI_OK;
}

void nki_js_retain(struct nki_js *js)
{
    atomic_fetch_add_explicit(&js->refs, 1, memory_order_relaxed);
}

void nki_js_release(struct nki_js *js)
{
    if (atomic_fetch_sub_explicit(&js->refs, 1, memory_order_acq_rel) == 1) {
        nki_pins_release(js->pins);
        nki_conn_release(js->conn);
        nki_free(js);
    }
}
