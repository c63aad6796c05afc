#ifndef NKI_JETSTREAM_API_ERROR_H
#define NKI_JETSTREAM_API_ERROR_H
#include "base/json.h"
#include "base/status.h"
int32_t nki_js_read_error(const struct nki_json_value *error, struct nki_error *out);
#endif
