/* Errors of JetStream: see api_error.h. Numbers of server 2.15; `err_code` decides alone where it can, since
 * several share a `code`. */
#include "jetstream/api_error.h"

#include <limits.h>
#include <string.h>

#define UNAVAILABLE 503
#define CONSUMER_CREATE 10012 /* the description tells why */
#define NOT_FOR_ACCOUNT 10039
#define NOT_AT_ALL 10076
#define STORE_FAILED 10077 /* the description tells of what */
#define STREAM_INVALID 10096

struct meaning {
    int32_t err_code;
    int32_t status;
};

static const struct meaning meanings[] = {
    {10002, NKI_JS_LIMIT},                 /* resource limits exceeded for account */
    {10013, NKI_ALREADY_EXISTS},           /* consumer name already in use */
    {10014, NKI_CONSUMER_NOT_FOUND},       /* consumer not found */
    {10023, NKI_JS_LIMIT},                 /* insufficient resources */
    {10026, NKI_JS_LIMIT},                 /* maximum consumers exceeded */
    {10027, NKI_JS_LIMIT},                 /* maximum number of streams reached */
    {10028, NKI_JS_LIMIT},                 /* insufficient memory resources available */
    {10037, NKI_MSG_NOT_FOUND},            /* no message found */
    {NOT_FOR_ACCOUNT, NKI_JS_NOT_ENABLED}, /* JetStream not enabled for account */
    {10043, NKI_MSG_NOT_FOUND},            /* sequence {seq} not found */
    {10047, NKI_JS_LIMIT},                 /* insufficient storage resources available */
    {10053, NKI_JS_LIMIT},                 /* what the stream's account allows */
    {10054, NKI_JS_LIMIT},                 /* message size exceeds maximum allowed */
    {10058, NKI_ALREADY_EXISTS},           /* stream name already in use with a different configuration */
    {10059, NKI_STREAM_NOT_FOUND},         /* stream not found */
    {10070, NKI_WRONG_LAST},               /* wrong last msg ID */
    {10071, NKI_WRONG_LAST},               /* wrong last sequence: {seq} */
    {NOT_AT_ALL, NKI_JS_NOT_ENABLED},      /* JetStream not enabled */
    {10105, NKI_ALREADY_EXISTS},           /* consumer already exists and is still active */
    {10109, NKI_SEALED},                   /* invalid operation on sealed stream */
    {10122, NKI_JS_LIMIT},                 /* stream max bytes exceeds account limit max stream bytes */
    {10130, NKI_ALREADY_EXISTS},           /* stream name already in use, cannot restore */
    {10148, NKI_ALREADY_EXISTS},           /* consumer already exists */
    {10149, NKI_CONSUMER_NOT_FOUND},       /* consumer does not exist */
    {10164, NKI_WRONG_LAST},               /* wrong last sequence */
    {10167, NKI_JS_LIMIT},                 /* too many requests */
    {10165, NKI_TTL_REFUSED},              /* message TTL invalid */
    {10166, NKI_TTL_REFUSED},              /* message TTL disabled */
    {10168, NKI_COUNTER_REFUSED},          /* message counters are disabled */
    {10169, NKI_COUNTER_REFUSED},          /* message counter increment is missing */
    {10170, NKI_COUNTER_REFUSED},          /* message counter has a payload */
    {10171, NKI_COUNTER_REFUSED},          /* message counter increment is invalid */
    {10172, NKI_COUNTER_REFUSED},          /* message counter is broken */
    {10174, NKI_BATCH_NOT_ALLOWED},        /* atomic publish is disabled */
    {10175, NKI_BATCH_REFUSED},            /* atomic publish sequence is missing */
    {10176, NKI_BATCH_INCOMPLETE},         /* atomic publish batch is incomplete */
    {10177, NKI_BATCH_REFUSED},            /* atomic publish unsupported header used */
    {10179, NKI_BATCH_REFUSED},            /* atomic publish batch id is invalid */
    {10185, NKI_API_LEVEL},                /* JetStream minimum api level required */
    {10188, NKI_SCHEDULE_REFUSED},         /* message schedules is disabled */
    {10189, NKI_SCHEDULE_REFUSED},         /* message schedules pattern is invalid */
    {10190, NKI_SCHEDULE_REFUSED},         /* message schedules target is invalid */
    {10191, NKI_SCHEDULE_REFUSED},         /* message schedules invalid per-message TTL */
    {10192, NKI_SCHEDULE_REFUSED},         /* message schedules invalid rollup */
    {10199, NKI_BATCH_LIMIT},              /* atomic publish batch is too large: {size} */
    {10200, NKI_BATCH_REFUSED},            /* atomic publish batch commit is invalid */
    {10201, NKI_BATCH_REFUSED},            /* atomic publish batch contains duplicate message id */
    {10203, NKI_SCHEDULE_REFUSED},         /* message schedules source is invalid */
    {10205, NKI_BATCH_NOT_ALLOWED},        /* batch publish is disabled */
    {10206, NKI_BATCH_REFUSED},            /* batch publish pattern is invalid */
    {10207, NKI_BATCH_REFUSED},            /* batch publish id is invalid */
    {10208, NKI_BATCH_INCOMPLETE},         /* batch publish id is unknown */
    {10210, NKI_BATCH_LIMIT},              /* atomic publish too many inflight */
    {10211, NKI_BATCH_LIMIT},              /* batch publish too many inflight */
    {10212, NKI_SCHEDULE_REFUSED},         /* message schedules invalid scheduler */
    {10223, NKI_SCHEDULE_REFUSED},         /* message schedules time zone is invalid */
};

static int32_t read_int(const struct nki_json_value *error, struct nki_str name)
{
    struct nki_json_value value;
    int64_t number;
    bool ok = nki_json_member(error, name, &value) && nki_json_i64(&value, &number) && number >= 0 &&
              number <= INT32_MAX;
    return ok ? (int32_t)number : 0;
}

/* "maximum messages exceeded", "maximum bytes exceeded", "maximum messages per subject exceeded"; else the
 * disk is full, or the like. */
static bool tells_of_limit(const char *description)
{
    return strncmp(description, "maximum ", 8) == 0;
}

static int32_t status_of(int32_t code, int32_t err_code, const char *description)
{
    for (size_t i = 0; i < NKI_ARRAY_LEN(meanings); i++) {
        if (meanings[i].err_code == err_code) {
            return meanings[i].status;
        }
    }
    if (err_code == STORE_FAILED) {
        return tells_of_limit(description) ? NKI_JS_LIMIT : NKI_JS_REFUSED;
    }
    return code == UNAVAILABLE ? NKI_JS_NOT_ENABLED : NKI_JS_REFUSED;
}

int32_t nki_js_read_error(const struct nki_json_value *error, struct nki_error *out)
{
    struct nki_json_value text;
    char description[sizeof out->text] = "";
    bool object = error->type == NKI_JSON_OBJECT;
    int32_t code = object ? read_int(error, NKI_STR("code")) : 0;
    int32_t err_code = object ? read_int(error, NKI_STR("err_code")) : 0;
    if (object && nki_json_member(error, NKI_STR("description"), &text) && text.type == NKI_JSON_STRING &&
        nki_json_text(&text, description, sizeof description) < 0) {
        /* Too long, or with a NUL in it: as it is written. */
        nki_str_copy(description, sizeof description, nki_str_make(text.raw.ptr + 1, text.raw.len - 2));
    }
    int32_t status = status_of(code, err_code, description);
    if (description[0] != '\0') {
        nki_error_set(out, status, "%s", description);
    } else {
        nki_error_set(out, status, "JetStream error %d of code %d, without a description", (int)err_code,
                      (int)code);
    }
    out->server_code = code;
    out->err_code = err_code;
    return status;
}

bool nki_js_may_pass(const struct nki_error *error)
{
    int32_t err_code = error->err_code;
    bool closing = err_code == STREAM_INVALID ||
                   (err_code == CONSUMER_CREATE && strcmp(error->text, "invalid stream") == 0);
    bool never = err_code == NOT_FOR_ACCOUNT || err_code == NOT_AT_ALL;
    return closing || (error->server_code == UNAVAILABLE && !never);
}
