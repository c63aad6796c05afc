/* Contexts of the NATS command line. Any thread; reading one waits for the file system. The environment is
 * the host's: who changes it in another thread meanwhile breaks every reader of it. */
#include "options/context.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"

#include <stdlib.h>

#define WHAT "context"

/* -- files ----------------------------------------------------------------------------------------------- */

static bool append_env(struct nki_buf *out, const char *name, bool *set)
{
    const char *value = secure_getenv(name);
    *set = value != NULL && value[0] != '\0';
    return !*set || nki_buf_append_str(out, nki_str_z(value));
}

/* The folder of all that belongs to NATS; NUL-terminated only once more was appended. */
static int32_t append_folder(struct nki_buf *out, struct nki_error *err)
{
    bool set;
    bool memory = append_env(out, "XDG_CONFIG_HOME", &set);
    if (memory && !set) {
        memory = append_env(out, "HOME", &set) && (!set || nki_buf_append_str(out, NKI_STR("/.config")));
    }
    if (!memory || (set && !nki_buf_append_str(out, NKI_STR("/nats/")))) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    return set ? NKI_OK : nki_error_set(err, NKI_NOT_FOUND, WHAT ": neither XDG_CONFIG_HOME nor HOME is set");
}

/* Reads a file below that folder, whose name is what stands between `before` and `after`. */
static int32_t read_below(struct nki_str before, struct nki_str name, struct nki_str after,
                          struct nki_file *out, struct nki_error *err)
{
    struct nki_buf path = {0};
    int32_t status = append_folder(&path, err);
    if (status == NKI_OK && (!nki_buf_append_str(&path, before) || !nki_buf_append_str(&path, name) ||
                             !nki_buf_append_str(&path, after) || !nki_buf_append(&path, "", 1))) {
        status = nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    if (status == NKI_OK) {
        status = nki_file_read((const char *)path.data, NKI_CONTEXT_TEXT_MAX, WHAT, out, err);
    }
    nki_buf_free(&path);
    return status;
}

static struct nki_str trim_lines(struct nki_str text)
{
    while (text.len > 0 && (unsigned char)text.ptr[0] <= ' ') {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && (unsigned char)text.ptr[text.len - 1] <= ' ') {
        text.len--;
    }
    return text;
}

/* A name may not lead out of the folder. */
static int32_t check_name(struct nki_str name, struct nki_error *err)
{
    bool good =
        name.len > 0 && name.len <= NKI_CONTEXT_NAME_MAX && name.ptr[0] != '.' && nki_str_utf8_valid(name);
    for (size_t i = 0; good && i < name.len; i++) {
        char c = name.ptr[i];
        good = (unsigned char)c >= ' ' && c != 0x7F && c != '/' && c != '\\' &&
               (c != '.' || i + 1 == name.len || name.ptr[i + 1] != '.');
    }
    return good ? NKI_OK
                : nki_error_set(err, NKI_INVALID,
                                WHAT
                                ": the name is empty or too long, or has slashes, control characters, two "
                                "dots in a row, or a dot at its begin");
}

static int32_t read_named(struct nki_str name, struct nki_file *out, struct nki_error *err)
{
    int32_t status = check_name(name, err);
    return status == NKI_OK ? read_below(NKI_STR("context/"), name, NKI_STR(".json"), out, err) : status;
}

static int32_t read_selected(struct nki_file *out, struct nki_error *err)
{
    struct nki_file selection;
    int32_t status =
        read_below(nki_str_make("", 0), NKI_STR("context.txt"), nki_str_make("", 0), &selection, err);
    if (status != NKI_OK) {
        return status;
    }
    struct nki_str name = trim_lines(nki_str_make(selection.ptr, selection.len));
    status = name.len > 0 ? read_named(name, out, err)
                          : nki_error_set(err, NKI_NOT_FOUND, WHAT ": none is selected");
    nki_file_free(&selection);
    return status;
}

int32_t nki_context_read(struct nki_str name, struct nki_file *out, struct nki_error *err)
{
    *out = (struct nki_file){0};
    return name.len > 0 ? read_named(name, out, err) : read_selected(out, err);
}

/* -- content --------------------------------------------------------------------------------------------- */

enum use {
    USE_TEXT,   /* as it is */
    USE_PATH,   /* of a file: variables and ~ are replaced */
    USE_SWITCH, /* true or false */
    USE_REFUSE  /* nothing that natskit does; without it the connection would be another one */
};

static const struct setting {
    const char *member;
    const char *option;
    enum use use;
} settings[] = {
    {"url", "servers", USE_TEXT},
    {"user", "user", USE_TEXT},
    {"password", "password", USE_TEXT},
    {"token", "token", USE_TEXT},
    {"user_jwt", "jwt", USE_TEXT},
    {"inbox_prefix", "inbox_prefix", USE_TEXT},
    {"creds", "creds_file", USE_PATH},
    {"nkey", "nkey_seed_file", USE_PATH},
    {"cert", "tls_cert_file", USE_PATH},
    {"key", "tls_key_file", USE_PATH},
    {"ca", "tls_ca_file", USE_PATH},
    {"tls_first", "tls_first", USE_SWITCH},
    {"nsc", "", USE_REFUSE},
    {"socks_proxy", "", USE_REFUSE},
};

static bool is_name_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Cuts a variable's name off behind its '$'; empty if there is none. */
static struct nki_str cut_variable(struct nki_str *rest)
{
    struct nki_str name = *rest;
    bool braces = rest->len > 0 && rest->ptr[0] == '{';
    if (braces) {
        name.ptr++;
        name.len--;
    }
    size_t len = 0;
    while (len < name.len && is_name_char(name.ptr[len])) {
        len++;
    }
    size_t cut = len + (braces ? 2 : 0);
    if (braces && (len == name.len || name.ptr[len] != '}')) {
        return nki_str_make("", 0);
    }
    *rest = nki_str_make(rest->ptr + cut, rest->len - cut);
    return nki_str_make(name.ptr, len);
}

static int32_t append_variable(struct nki_buf *out, const char *member, struct nki_str name,
                               struct nki_error *err)
{
    char variable[256];
    bool set = false;
    if (name.len > 0 && name.len < sizeof variable) {
        nki_str_copy(variable, sizeof variable, name);
        if (!append_env(out, variable, &set)) {
            return nki_error_set(err, NKI_NO_MEMORY, NULL);
        }
    }
    return set ? NKI_OK
               : nki_error_set(err, NKI_INVALID, WHAT ": member \"%s\" has a variable that is not set",
                               member);
}

/* Appends a file's name with `~` and variables replaced. */
static int32_t expand(struct nki_buf *out, const char *member, struct nki_str text, struct nki_error *err)
{
    int32_t status = NKI_OK;
    if (text.len > 0 && text.ptr[0] == '~' && (text.len == 1 || text.ptr[1] == '/')) {
        status = append_variable(out, member, NKI_STR("HOME"), err);
        text = nki_str_make(text.ptr + 1, text.len - 1);
    }
    while (status == NKI_OK && text.len > 0) {
        struct nki_str rest = text;
        struct nki_str plain = nki_str_cut(&rest, '$');
        if (!nki_buf_append_str(out, plain)) {
            return nki_error_set(err, NKI_NO_MEMORY, NULL);
        }
        if (rest.ptr == NULL) {
            break;
        }
        status = append_variable(out, member, cut_variable(&rest), err);
        text = rest;
    }
    return status;
}

/* Tells what an option says of its value, naming the member. */
static int32_t set(struct nki_options *options, const struct setting *setting, struct nki_str value,
                   struct nki_error *err)
{
    struct nki_error why;
    int32_t status = nki_options_set(options, nki_str_z(setting->option), value, &why);
    return status == NKI_OK || status == NKI_NO_MEMORY
               ? nki_error_set(status == NKI_OK ? NULL : err, status, NULL)
               : nki_error_set(err, NKI_INVALID, WHAT ": member \"%s\": %s", setting->member, why.text);
}

static int32_t apply_text(const struct setting *setting, struct nki_str text, struct nki_options *options,
                          struct nki_error *err)
{
    if (text.len == 0) {
        return NKI_OK;
    }
    if (setting->use == USE_REFUSE) {
        return nki_error_set(err, NKI_INVALID, WHAT ": member \"%s\" is nothing that natskit can do",
                             setting->member);
    }
    if (setting->use == USE_TEXT) {
        return set(options, setting, text, err);
    }
    struct nki_buf path = {0};
    int32_t status = expand(&path, setting->member, text, err);
    if (status == NKI_OK) {
        status = set(options, setting, nki_str_make((const char *)path.data, path.len), err);
    }
    nki_buf_free(&path);
    return status;
}

/* `room` holds any string of the text. */
static int32_t apply_one(const struct setting *setting, const struct nki_json_value *value, char *room,
                         size_t cap, struct nki_options *options, struct nki_error *err)
{
    bool yes;
    if (value->type == NKI_JSON_NULL) {
        return NKI_OK;
    }
    if (setting->use == USE_SWITCH) {
        return nki_json_bool(value, &yes)
                   ? set(options, setting, yes ? NKI_STR("true") : NKI_STR("false"), err)
                   : nki_error_set(err, NKI_INVALID, WHAT ": member \"%s\" is not true or false",
                                   setting->member);
    }
    ptrdiff_t len = nki_json_text(value, room, cap);
    return len >= 0
               ? apply_text(setting, nki_str_make(room, (size_t)len), options, err)
               : nki_error_set(err, NKI_INVALID, WHAT ": member \"%s\" is not a string", setting->member);
}

static int32_t apply_all(const struct nki_json_value *object, char *room, size_t cap,
                         struct nki_options *options, struct nki_error *err)
{
    int32_t status = NKI_OK;
    for (size_t i = 0; status == NKI_OK && i < NKI_ARRAY_LEN(settings); i++) {
        struct nki_json_value value;
        if (nki_json_member(object, nki_str_z(settings[i].member), &value)) {
            status = apply_one(&settings[i], &value, room, cap, options, err);
        }
    }
    return status;
}

int32_t nki_context_apply(struct nki_str text, struct nki_options *options, struct nki_error *err)
{
    struct nki_json_value object;
    if (!nki_json_check(text, &object) || object.type != NKI_JSON_OBJECT) {
        return nki_error_set(err, NKI_INVALID, WHAT ": the file is no JSON object");
    }
    size_t cap = text.len + 1;
    char *room = nki_alloc(cap);
    struct nki_options *changed = nki_options_clone(options);
    int32_t status = room != NULL && changed != NULL ? apply_all(&object, room, cap, changed, err)
                                                     : nki_error_set(err, NKI_NO_MEMORY, NULL);
    nki_free_secret(room, cap);
    if (status == NKI_OK) {
        nki_options_replace(options, changed);
    } else {
        nki_options_free(changed);
    }
    return status;
}
