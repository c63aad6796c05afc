/* Credentials files, read line by line. What stands outside the blocks is no concern of ours. Pure; any
 * thread. */
#include "auth/creds_file.h"

#include "auth/jwt.h"

#define DASHES_MIN 3

struct block {
    const char *label; /* "NATS USER JWT" */
    struct nki_str begin;
    struct nki_str end;
};

static const struct block jwt_block = {
    "NATS USER JWT", {"BEGIN NATS USER JWT", 19}, {"END NATS USER JWT", 17}};
static const struct block seed_block = {
    "USER NKEY SEED", {"BEGIN USER NKEY SEED", 20}, {"END USER NKEY SEED", 18}};

/* Cuts one line off, without its end. False at the end of the text. */
static bool next_line(struct nki_str *rest, struct nki_str *line)
{
    if (rest->ptr == NULL || rest->len == 0) {
        return false;
    }
    *line = nki_str_cut(rest, '\n');
    if (line->len > 0 && line->ptr[line->len - 1] == '\r') {
        line->len--;
    }
    return true;
}

/* What stands between the dashes of such a line; empty for any other. */
static struct nki_str label_of(struct nki_str line)
{
    size_t before = 0;
    size_t after = 0;
    line = nki_str_trim(line);
    while (before < line.len && line.ptr[before] == '-') {
        before++;
    }
    while (after < line.len - before && line.ptr[line.len - 1 - after] == '-') {
        after++;
    }
    if (before < DASHES_MIN || after < DASHES_MIN) {
        return nki_str_make("", 0);
    }
    return nki_str_make(line.ptr + before, line.len - before - after);
}

static int32_t tell(struct nki_error *err, const struct block *block, const char *what)
{
    return nki_error_set(err, NKI_CREDENTIALS, "credentials: %s \"%s\"", what, block->label);
}

/* The one line of the next such block; `*rest` moves behind the block. */
static int32_t find_block(struct nki_str *rest, const struct block *block, struct nki_str *content,
                          struct nki_error *err)
{
    struct nki_str line;
    do {
        if (!next_line(rest, &line)) {
            return tell(err, block, "there is no block");
        }
    } while (!nki_str_eq(label_of(line), block->begin));
    bool found = false;
    while (next_line(rest, &line)) {
        struct nki_str text = nki_str_trim(line);
        struct nki_str label = label_of(line);
        if (nki_str_eq(label, block->end)) {
            return found ? NKI_OK : tell(err, block, "nothing stands in block");
        }
        if (text.len == 0) {
            continue;
        }
        if (found || label.len > 0) {
            return tell(err, block,
                        label.len > 0 ? "another block stands in block" : "two lines stand in block");
        }
        *content = text;
        found = true;
    }
    return tell(err, block, "no end line follows block");
}

static int32_t check_size(struct nki_str text, struct nki_error *err)
{
    return text.len <= NKI_CREDENTIALS_TEXT_MAX
               ? NKI_OK
               : nki_error_set(err, NKI_CREDENTIALS, "credentials: more than %zu bytes",
                               NKI_CREDENTIALS_TEXT_MAX);
}

int32_t nki_creds_find(struct nki_str text, struct nki_str *jwt, struct nki_str *seed, struct nki_error *err)
{
    int32_t status = check_size(text, err);
    if (status == NKI_OK) {
        status = find_block(&text, &jwt_block, jwt, err);
    }
    if (status == NKI_OK && !nki_jwt_shape_ok(*jwt)) {
        status =
            nki_error_set(err, NKI_CREDENTIALS, "credentials: the JWT is none: three parts in base64url");
    }
    return status == NKI_OK ? find_block(&text, &seed_block, seed, err) : status;
}

static struct nki_str trim_all(struct nki_str text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[0]) != NULL && text.ptr[0] != '\0') {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[text.len - 1]) != NULL &&
           text.ptr[text.len - 1] != '\0') {
        text.len--;
    }
    return text;
}

int32_t nki_creds_find_seed(struct nki_str text, struct nki_str *seed, struct nki_error *err)
{
    int32_t status = check_size(text, err);
    if (status != NKI_OK) {
        return status;
    }
    *seed = trim_all(text);
    if (seed->len == 0) {
        return nki_error_set(err, NKI_CREDENTIALS, "the seed is empty");
    }
    bool alone = memchr(seed->ptr, '\n', seed->len) == NULL;
    return alone ? NKI_OK : find_block(&text, &seed_block, seed, err);
}

/* -- writing --------------------------------------------------------------------------------------------- */

struct sink {
    char *out;
    size_t cap;
    size_t len;
};

static void put(struct sink *sink, struct nki_str text)
{
    if (text.len <= sink->cap - sink->len) {
        memcpy(sink->out + sink->len, text.ptr, text.len);
        sink->len += text.len;
    }
}

size_t nki_creds_format(struct nki_str jwt, struct nki_str seed, char *out, size_t cap)
{
    /* To the letter as the tools of NATS write them: some readers count the dashes. */
    const struct nki_str parts[] = {
        NKI_STR("-----BEGIN NATS USER JWT-----\n"),
        jwt,
        NKI_STR("\n------END NATS USER JWT------\n\n"
                "************************* IMPORTANT *************************\n"
                "NKEY Seed printed below can be used to sign and prove identity.\n"
                "NKEYs are sensitive and should be treated as secrets.\n\n"
                "-----BEGIN USER NKEY SEED-----\n"),
        seed,
        NKI_STR("\n------END USER NKEY SEED------\n\n"
                "*************************************************************\n"),
    };
    size_t len = 0;
    for (size_t i = 0; i < NKI_ARRAY_LEN(parts); i++) {
        len += parts[i].len;
    }
    struct sink sink = {out, cap, 0};
    for (size_t i = 0; len <= cap && i < NKI_ARRAY_LEN(parts); i++) {
        put(&sink, parts[i]);
    }
    return len;
}
