/* Numbers from and to text, independent of the locale: what needs the C library's conversion runs it in the
 * locale "C" of the calling thread alone. Any thread. */
#include "json/doc.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* One object for the process, never given back: in glibc it is static and takes no memory. */
static _Atomic(locale_t) plain_locale;

static locale_t enter_plain(void)
{
    locale_t plain = atomic_load_explicit(&plain_locale, memory_order_acquire);
    if (plain == (locale_t)0) {
        locale_t made = newlocale(LC_ALL_MASK, "C", (locale_t)0);
        if (made == (locale_t)0) {
            return uselocale((locale_t)0); /* no memory: the caller's locale, as it was */
        }
        if (atomic_compare_exchange_strong(&plain_locale, &plain, made)) {
            plain = made;
        } else {
            freelocale(made);
        }
    }
    return uselocale(plain);
}

struct decimal {
    uint64_t digits; /* the number without its point */
    int exponent;    /* of ten */
    bool negative;
    bool exact; /* all digits are in `digits` */
};

static struct decimal split(struct nki_str text)
{
    struct decimal out = {.exact = true};
    const char *at = text.ptr;
    const char *end = text.ptr + text.len;
    if (at < end && *at == '-') {
        out.negative = true;
        at++;
    }
    bool fraction = false;
    for (; at < end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.') {
            fraction = true;
        } else if (out.digits > (UINT64_MAX - 9) / 10) {
            out.exact = false;
        } else {
            out.digits = out.digits * 10 + (uint64_t)(*at - '0');
            out.exponent -= fraction ? 1 : 0;
        }
    }
    if (at < end) {
        at++;
        bool minus = at < end && *at == '-';
        at += at < end && (*at == '-' || *at == '+');
        int power = 0;
        for (; at < end; at++) {
            power = power < 100000 ? power * 10 + (*at - '0') : power;
        }
        out.exponent += minus ? -power : power;
    }
    return out;
}

double nki_doc_read_double(struct nki_str text)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    struct decimal number = split(text);
    /* Both operands are exact, so one operation rounds once. */
    if (FLT_EVAL_METHOD == 0 && number.exact && number.digits <= UINT64_C(1) << 53 &&
        number.exponent >= -22 && number.exponent <= 22) {
        double value = (double)number.digits;
        value = number.exponent < 0 ? value / tens[-number.exponent] : value * tens[number.exponent];
        return number.negative ? -value : value;
    }
    locale_t before = enter_plain();
    double value = strtod(text.ptr, NULL);
    (void)uselocale(before);
    return value;
}

/* The fewest digits that read as the value again, without point, and the exponent of the first one. */
static size_t shortest(double value, char digits[20], int *exponent)
{
    char text[40];
    size_t count = 0;
    locale_t before = enter_plain();
    for (int precision = value < DBL_MIN ? 0 : 14; precision <= 16; precision++) { /* subnormal: fewer */
        (void)snprintf(text, sizeof text, "%.*e", precision, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    (void)uselocale(before);
    const char *at = text;
    for (; *at != '\0' && *at != 'e'; at++) {
        if (*at >= '0' && *at <= '9') {
            digits[count++] = *at;
        }
    }
    *exponent = 0;
    bool minus = at[1] == '-';
    for (at += 2; *at != '\0'; at++) {
        *exponent = *exponent * 10 + (*at - '0');
    }
    *exponent = minus ? -*exponent : *exponent;
    while (count > 1 && digits[count - 1] == '0') {
        count--;
    }
    return count;
}

/* As JavaScript writes numbers: plain from 1e-6 to below 1e21, so that servers in Go read whole ones as
 * integers, however they were computed. */
size_t nki_doc_write_double(double value, char out[NKI_DOC_NUMBER_CAP])
{
    char digits[20] = "";
    int exponent = 0;
    char *at = out;
    if (signbit(value)) {
        *at++ = '-';
        value = -value;
    }
    int count = (int)shortest(value, digits, &exponent);
    int shown = 0;
    if (exponent >= 0 && exponent < 21) {
        for (int i = 0; i <= exponent; i++) {
            *at++ = shown < count ? digits[shown++] : '0';
        }
    } else if (exponent < 0 && exponent >= -6) {
        *at++ = '0';
    } else {
        *at++ = digits[shown++];
    }
    if (shown < count) {
        *at++ = '.';
        for (int i = -1; exponent >= -6 && i > exponent; i--) {
            *at++ = '0';
        }
        while (shown < count) {
            *at++ = digits[shown++];
        }
    }
    *at = '\0';
    if (exponent < -6 || exponent >= 21) {
        at += snprintf(at, (size_t)(out + NKI_DOC_NUMBER_CAP - at), "e%d", exponent);
    }
    return (size_t)(at - out);
}

void nki_doc_set_number(struct nki_doc_node *node, struct nki_str text)
{
    bool minus_zero = text.len == 2 && text.ptr[0] == '-' && text.ptr[1] == '0';
    if (!minus_zero && nki_str_i64(text, &node->u.integer)) {
        node->type = NKI_DOC_INT;
    } else if (nki_str_u64(text, &node->u.natural)) {
        node->type = NKI_DOC_UINT;
    } else {
        node->type = NKI_DOC_DOUBLE;
        node->u.text = text;
    }
}
