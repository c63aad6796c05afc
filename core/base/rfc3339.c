/* Times: see rfc3339.h. */
#include "base/rfc3339.h"

#define NS_PER_S INT64_C(1000000000)

/* What is left to read. */
struct reading {
    const char *at;
    const char *end;
};

/* Exactly `digits` digits. */
static bool number(struct reading *in, int digits, int64_t *out)
{
    int64_t value = 0;
    for (int i = 0; i < digits; i++, in->at++) {
        if (in->at == in->end || *in->at < '0' || *in->at > '9') {
            return false;
        }
        value = value * 10 + (*in->at - '0');
    }
    *out = value;
    return true;
}

static bool one_of(struct reading *in, const char *set)
{
    if (in->at == in->end || strchr(set, *in->at) == NULL || *in->at == '\0') {
        return false;
    }
    in->at++;
    return true;
}

/* ".123" as ns; no fraction is none. */
static bool fraction(struct reading *in, int64_t *ns)
{
    int64_t unit = NS_PER_S;
    *ns = 0;
    if (!one_of(in, ".")) {
        return true;
    }
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9') {
        unit /= 10;
        *ns += unit * (*in->at++ - '0'); /* digits past the ninth count nothing */
    }
    return unit < NS_PER_S;
}

/* "Z", "+01:00", or the old " +0000 UTC". */
static bool zone(struct reading *in, int64_t *offset_s)
{
    int64_t hours;
    int64_t minutes;
    *offset_s = 0;
    if (one_of(in, "Zz")) {
        return true;
    }
    bool old = one_of(in, " ");
    bool west = in->at < in->end && *in->at == '-';
    if (!one_of(in, "+-") || !number(in, 2, &hours) || (!old && !one_of(in, ":")) ||
        !number(in, 2, &minutes) || hours > 23 || minutes > 59) {
        return false;
    }
    *offset_s = (hours * 60 + minutes) * (west ? -60 : 60);
    if (old && in->end - in->at == 4 && memcmp(in->at, " UTC", 4) == 0) {
        in->at += 4;
    }
    return true;
}

/* Days from 1970 to a date, by counting years from March. */
static int64_t days_since_1970(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = year / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t days_in(int64_t year, int64_t month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

bool nki_rfc3339_read(struct nki_str text, int64_t *ns)
{
    struct reading in = {text.ptr, text.ptr + text.len};
    int64_t year;
    int64_t month;
    int64_t day;
    int64_t hour;
    int64_t minute;
    int64_t second;
    int64_t part;
    int64_t offset;
    bool ok = number(&in, 4, &year) && one_of(&in, "-") && number(&in, 2, &month) && one_of(&in, "-") &&
              number(&in, 2, &day) && one_of(&in, "Tt ") && number(&in, 2, &hour) && one_of(&in, ":") &&
              number(&in, 2, &minute) && one_of(&in, ":") && number(&in, 2, &second) &&
              fraction(&in, &part) && zone(&in, &offset) && in.at == in.end;
    if (!ok || month < 1 || month > 12 || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 ||
        second > 60) { /* a leap second counts as the next one */
        return false;
    }
    if (year == 1) {
        *ns = 0;
        return true;
    }
    int64_t seconds = (days_since_1970(year, month, day) * 24 + hour) * 3600 + minute * 60 + second - offset;
    if (seconds < 0) { /* from the other side, so that the earliest time is in bounds all the way */
        seconds++;
        part -= NS_PER_S;
    }
    return !__builtin_mul_overflow(seconds, NS_PER_S, ns) && !__builtin_add_overflow(*ns, part, ns);
}

/* `digits` digits and what follows them. */
static char *put(char *out, int digits, int64_t number, char behind)
{
    for (int i = digits - 1; i >= 0; i--, number /= 10) {
        out[i] = (char)('0' + number % 10);
    }
    out[digits] = behind;
    return out + digits + 1;
}

void nki_rfc3339_write(int64_t ns, char out[NKI_RFC3339_CAP])
{
    int64_t seconds = ns / NS_PER_S - (ns % NS_PER_S < 0);
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    int64_t in_day = seconds - days * 86400;
    int64_t year = 1970 + (days < 0 ? days / 365 - 1 : days / 366); /* this one, or one before it */
    int64_t month = 1;
    while (days >= days_since_1970(year + 1, 1, 1)) {
        year++;
    }
    while (month < 12 && days >= days_since_1970(year, month + 1, 1)) {
        month++;
    }
    out = put(out, 4, year, '-');
    out = put(out, 2, month, '-');
    out = put(out, 2, days - days_since_1970(year, month, 1) + 1, 'T');
    out = put(out, 2, in_day / 3600, ':');
    out = put(out, 2, in_day / 60 % 60, ':');
    out = put(out, 2, in_day % 60, '.');
    out =
        put(out, 9, ns - (seconds + 1) * NS_PER_S + NS_PER_S, 'Z'); /* in bounds also for the first second */
    *out = '\0';
}
