/* See trace.h. Bytes are cut into lines and payloads here once more, by what lines say of the length of what
 * follows them: the parser tells nothing of what it is skipping, and what goes out is parsed by nobody. */
#include "client/trace.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <pthread.h>

#define KEY_MAX 16

struct line {
    int64_t time_ns;
    bool out;
    bool cut; /* it was longer */
    uint16_t len;
    char text[NKI_TRACE_LINE_MAX];
};

/* Where in the object of CONNECT the bytes are. Its strings are secrets but for those that are known not to
 * be. */
struct veil {
    bool on; /* this line is CONNECT */
    bool in_string;
    bool in_array;
    bool escaped;
    bool is_value;
    bool hides;
    uint8_t key_len;
    char key[KEY_MAX];
};

/* One direction. */
struct scan {
    struct line line; /* as much as has come */
    struct veil veil;
    uint64_t number; /* that the line ends with: the length of what follows, if something follows */
    uint64_t skip;   /* bytes of a payload that are still to come */
};

struct nki_trace {
    pthread_mutex_t mu;
    struct scan scans[2];
    uint64_t total;
    size_t cap;
    struct line lines[];
};

struct nki_trace *nki_trace_new(size_t lines)
{
    struct nki_trace *trace = nki_alloc(sizeof *trace + lines * sizeof trace->lines[0]);
    if (trace != NULL) {
        memset(trace, 0, sizeof *trace);
        trace->cap = lines;
        if (pthread_mutex_init(&trace->mu, NULL) != 0) {
            nki_free(trace);
            trace = NULL;
        }
    }
    return trace;
}

void nki_trace_free(struct nki_trace *trace)
{
    if (trace != NULL) {
        pthread_mutex_destroy(&trace->mu);
        nki_free(trace);
    }
}

static void forget(struct scan *scan)
{
    scan->line.len = 0;
    scan->line.cut = false;
    scan->veil = (struct veil){.on = false};
    scan->number = scan->skip = 0;
}

void nki_trace_restart(struct nki_trace *trace)
{
    if (trace != NULL) {
        pthread_mutex_lock(&trace->mu);
        forget(&trace->scans[NKI_TRACE_IN]);
        forget(&trace->scans[NKI_TRACE_OUT]);
        pthread_mutex_unlock(&trace->mu);
    }
}

/* -- lines; with mu held -----------------------------------------------------------------------------------
 */

/* Whether the first word of the line is this one, in any case. */
static bool begins(const struct line *line, const char *word)
{
    size_t len = strlen(word);
    if (line->len < len || (line->len > len && line->text[len] != ' ')) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if ((line->text[i] & ~0x20) != word[i]) {
            return false;
        }
    }
    return true;
}

static void put(struct line *line, char byte)
{
    if (line->len < sizeof line->text) {
        line->text[line->len++] = byte;
    } else {
        line->cut = true;
    }
}

/* Members that tell who the client is, not what it may. */
static bool is_open(const struct veil *veil)
{
    struct nki_str key = {veil->key, veil->key_len};
    return nki_str_eq(key, NKI_STR("name")) || nki_str_eq(key, NKI_STR("lang")) ||
           nki_str_eq(key, NKI_STR("version"));
}

/* Whether the byte may be seen. */
static bool unveil(struct veil *veil, char byte)
{
    bool hidden = veil->hides;
    if (!veil->in_string) {
        veil->in_string = byte == '"';
        veil->hides = veil->in_string && veil->is_value && !is_open(veil);
        veil->in_array = byte == '[' || (veil->in_array && byte != ']');
        veil->is_value = byte == ':' || veil->in_array || (veil->is_value && byte != ',' && byte != '{');
        veil->key_len = veil->in_string && !veil->is_value ? 0 : veil->key_len;
    } else if (veil->escaped) {
        veil->escaped = false;
    } else if (byte == '\\') {
        veil->escaped = true;
    } else if (byte == '"') {
        veil->in_string = veil->hides = hidden = false;
    } else if (!veil->is_value && veil->key_len < sizeof veil->key) {
        veil->key[veil->key_len++] = byte;
    }
    return !hidden;
}

static void add_byte(struct scan *scan, enum nki_trace_way way, char byte)
{
    struct line *line = &scan->line;
    bool digit = byte >= '0' && byte <= '9';
    scan->number = digit && scan->number < UINT32_MAX ? scan->number * 10 + (uint64_t)(byte - '0') : 0;
    if (scan->veil.on && !unveil(&scan->veil, byte)) {
        return;
    }
    put(line, byte);
    if (scan->veil.hides) {
        put(line, '*');
    }
    scan->veil.on = scan->veil.on || (way == NKI_TRACE_OUT && line->len == 8 && begins(line, "CONNECT"));
}

static void end_line(struct nki_trace *trace, enum nki_trace_way way)
{
    struct scan *scan = &trace->scans[way];
    const struct line *line = &scan->line;
    bool payload = way == NKI_TRACE_OUT ? begins(line, "PUB") || begins(line, "HPUB")
                                        : begins(line, "MSG") || begins(line, "HMSG");
    uint64_t skip = payload ? scan->number + 2 : 0;
    scan->line.time_ns = nki_clock_wall_ns();
    scan->line.out = way == NKI_TRACE_OUT;
    trace->lines[trace->total++ % trace->cap] = *line;
    forget(scan);
    scan->skip = skip;
}

static void scan_bytes(struct nki_trace *trace, enum nki_trace_way way, const uint8_t *bytes, size_t len)
{
    struct scan *scan = &trace->scans[way];
    for (size_t at = 0; at < len;) {
        if (scan->skip > 0) {
            uint64_t step = scan->skip < len - at ? scan->skip : len - at;
            scan->skip -= step;
            at += (size_t)step;
            continue;
        }
        uint8_t byte = bytes[at++];
        if (byte == '\n') {
            end_line(trace, way);
        } else if (byte != '\r') {
            add_byte(scan, way, (char)byte);
        }
    }
}

static void scan_pieces(struct nki_trace *trace, enum nki_trace_way way, const struct iovec *iov, size_t len)
{
    for (; len > 0; iov++) {
        size_t step = iov->iov_len < len ? iov->iov_len : len;
        scan_bytes(trace, way, iov->iov_base, step);
        len -= step;
    }
}

void nki_trace_bytes(struct nki_trace *trace, enum nki_trace_way way, const struct iovec *iov, size_t len)
{
    pthread_mutex_lock(&trace->mu);
    scan_pieces(trace, way, iov, len);
    pthread_mutex_unlock(&trace->mu);
}

ptrdiff_t nki_trace_write_traced(struct nki_trace *trace, struct nki_stream *stream, const struct iovec *iov,
                                 int count)
{
    pthread_mutex_lock(&trace->mu);
    ptrdiff_t written = nki_stream_write(stream, iov, count);
    scan_pieces(trace, NKI_TRACE_OUT, iov, written > 0 ? (size_t)written : 0);
    pthread_mutex_unlock(&trace->mu);
    return written;
}

/* -- who looks at it ---------------------------------------------------------------------------------------
 */

/* Names may hold bytes that are no UTF-8, and a line may be cut within a character. */
static bool append_text(const struct line *line, struct nki_buf *out)
{
    char text[NKI_TRACE_LINE_MAX];
    memcpy(text, line->text, line->len);
    if (!nki_str_utf8_valid(nki_str_make(text, line->len))) {
        for (size_t i = 0; i < line->len; i++) {
            text[i] = (text[i] & 0x80) != 0 ? '?' : text[i];
        }
    }
    return nki_buf_append_json(out, nki_str_make(text, line->len));
}

static bool append_line(const struct line *line, struct nki_buf *out)
{
    return nki_buf_append_str(out, NKI_STR("{\"time_ns\":")) &&
           nki_buf_append_u64(out, (uint64_t)line->time_ns) &&
           nki_buf_append_str(out, line->out ? NKI_STR(",\"out\":true") : NKI_STR(",\"out\":false")) &&
           nki_buf_append_str(out, line->cut ? NKI_STR(",\"cut\":true") : NKI_STR(",\"cut\":false")) &&
           nki_buf_append_str(out, NKI_STR(",\"line\":")) && append_text(line, out) &&
           nki_buf_append(out, "}", 1);
}

bool nki_trace_json(struct nki_trace *trace, struct nki_buf *out)
{
    bool ok = nki_buf_append(out, "[", 1);
    if (trace != NULL) {
        pthread_mutex_lock(&trace->mu);
        uint64_t at = trace->total > trace->cap ? trace->total - trace->cap : 0;
        for (uint64_t first = at; at < trace->total && ok; at++) {
            ok = (at == first || nki_buf_append(out, ",", 1)) &&
                 append_line(&trace->lines[at % trace->cap], out);
        }
        pthread_mutex_unlock(&trace->mu);
    }
    return ok && nki_buf_append(out, "]", 1);
}

uint64_t nki_trace_total(struct nki_trace *trace)
{
    uint64_t total = 0;
    if (trace != NULL) {
        pthread_mutex_lock(&trace->mu);
        total = trace->total;
        pthread_mutex_unlock(&trace->mu);
    }
    return total;
}
