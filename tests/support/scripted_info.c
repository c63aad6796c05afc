/* SPDX-License-Identifier: Apache-2.0
 *
 * The scripted server's INFO: what it says if the script says nothing else, and what the client is held to.
 * Runs on the script's thread.
 */
#include "scripted_inside.h"

#include "json_check.h"

#include <string.h>

/* What an INFO tells the client is what the oracle holds it to. */
void ts_scripted_learn(struct peer *peer, const char *bytes, size_t len)
{
    const char *json = len > 5 && memcmp(bytes, "INFO {", 6) == 0 ? bytes + 5 : NULL;
    const char *end = json ? memrchr(json, '}', len - 5) : NULL;
    struct ts_json_member m;
    uint64_t value = 0;
    if (!end) {
        return;
    }
    size_t json_len = (size_t)(end - json) + 1;
    if (ts_json_find(json, json_len, "max_payload", &m) &&
        ts_parse_u64(m.raw, m.raw_len, INT64_MAX, &value) && value) {
        ts_oracle_set_max_payload(peer->oracle, value);
    }
    if (!ts_json_find(json, json_len, "headers", &m) || m.type != TS_JSON_TRUE) {
        ts_oracle_set_headers_optional(peer->oracle);
    }
}

static const char *lay_over(void *ctx, const struct ts_json_member *m)
{
    struct ts_buf *info = ctx;
    struct ts_buf name = {0}, value = {0};
    size_t len = 0;
    ts_buf_add(&name, m->name, m->name_len);
    ts_buf_add(&value, m->raw, m->raw_len);
    char *edited = ts_json_edit(info->at, info->len, name.at, value.at, &len);
    if (edited) {
        ts_buf_free(info);
        *info = (struct ts_buf){.at = edited, .len = len, .cap = len + 1};
    }
    ts_buf_free(&name);
    ts_buf_free(&value);
    return edited ? NULL : "a member that can not be set";
}

bool ts_scripted_info(struct ts_scripted *s, const char *members)
{
    struct ts_buf info = {0}, line = {0};
    struct peer *peer = ts_scripted_peer(s);
    if (!peer) {
        return false;
    }
    ts_buf_printf(
        &info,
        "{\"server_id\":\"NSCRIPTED\",\"server_name\":\"scripted\",\"version\":\"2.15.1\",\"proto\":1,"
        "\"go\":\"none\",\"host\":\"127.0.0.1\",\"port\":%u,\"headers\":true,\"max_payload\":1048576,"
        "\"jetstream\":true,\"client_id\":%d,\"client_ip\":\"127.0.0.1\"}",
        s->port, s->peer_count);
    const char *why = *members ? ts_json_check_object(members, strlen(members), lay_over, &info, NULL) : NULL;
    if (why) {
        ts_buf_free(&info);
        return ts_scripted_fail(s, "not a JSON object: %s: %s", why, members);
    }
    ts_buf_printf(&line, "INFO %s \r\n", info.at);
    ts_scripted_learn(peer, line.at, line.len);
    bool good = ts_scripted_send(s, peer, line.at, line.len);
    ts_buf_free(&info);
    ts_buf_free(&line);
    return good;
}
