/* What is known of the members of JetStream's configurations and answers: which of them are durations, times,
 * lists. Configurations stand in the library's own table; what answers hold beside them is added here. And
 * durations and times themselves: seconds for Lua, nanoseconds and RFC 3339 for the server. */
#include "lnk.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_SECOND INT64_C(1000000000)
#define DIGITS 9 /* of a second's fraction */
#define SECONDS_PER_DAY INT64_C(86400)

/* Shapes that no configuration has: of answers and of arguments. */
static const lnk_field others[] = {
    {"args", "deleted_details", NATSKIT_FIELD_BOOLEAN, ""},
    {"args", "filter", NATSKIT_FIELD_STRING, ""},
    {"args", "keep", NATSKIT_FIELD_INTEGER, ""},
    {"args", "last_by_subj", NATSKIT_FIELD_STRING, ""},
    {"args", "next_by_subj", NATSKIT_FIELD_STRING, ""},
    {"args", "no_erase", NATSKIT_FIELD_BOOLEAN, ""},
    {"args", "offset", NATSKIT_FIELD_INTEGER, ""},
    {"args", "pause_until", NATSKIT_FIELD_TIME, ""},
    {"args", "seq", NATSKIT_FIELD_INTEGER, ""},
    {"args", "subjects_filter", NATSKIT_FIELD_STRING, ""},
    {"bucket", "limit_marker_ttl", NATSKIT_FIELD_DURATION, ""},
    {"bucket", "mirror", NATSKIT_FIELD_OBJECT, "source"},
    {"bucket", "sources", NATSKIT_FIELD_OBJECTS, "source"},
    {"bucket", "ttl", NATSKIT_FIELD_DURATION, ""},
    {"bucket_status", "limit_marker_ttl", NATSKIT_FIELD_DURATION, ""},
    {"bucket_status", "mirror", NATSKIT_FIELD_OBJECT, "source"},
    {"bucket_status", "sources", NATSKIT_FIELD_OBJECTS, "source"},
    {"bucket_status", "stream", NATSKIT_FIELD_OBJECT, "stream_info"},
    {"bucket_status", "ttl", NATSKIT_FIELD_DURATION, ""},
    {"buckets", "buckets", NATSKIT_FIELD_OBJECTS, "bucket_status"},
    {"cluster", "replicas", NATSKIT_FIELD_OBJECTS, "peer"},
    {"consumer_args", "config", NATSKIT_FIELD_OBJECT, "consumer"},
    {"consumer_info", "cluster", NATSKIT_FIELD_OBJECT, "cluster"},
    {"consumer_info", "config", NATSKIT_FIELD_OBJECT, "consumer"},
    {"consumer_info", "pause_remaining", NATSKIT_FIELD_DURATION, ""},
    {"list", "consumers", NATSKIT_FIELD_OBJECTS, "consumer_info"},
    {"list", "streams", NATSKIT_FIELD_OBJECTS, "stream_info"},
    {"peer", "active", NATSKIT_FIELD_DURATION, ""},
    {"source_info", "active", NATSKIT_FIELD_DURATION, ""},
    {"stream_args", "config", NATSKIT_FIELD_OBJECT, "stream"},
    {"stream_info", "cluster", NATSKIT_FIELD_OBJECT, "cluster"},
    {"stream_info", "config", NATSKIT_FIELD_OBJECT, "stream"},
    {"stream_info", "mirror", NATSKIT_FIELD_OBJECT, "source_info"},
    {"stream_info", "sources", NATSKIT_FIELD_OBJECTS, "source_info"},
};

#define OTHERS (sizeof others / sizeof others[0])

static int compare(const void *left, const void *right)
{
    const lnk_field *a = left;
    const lnk_field *b = right;
    int order = strcmp(a->object, b->object);
    return order != 0 ? order : strcmp(a->name, b->name);
}

void lnk_shape_register(lua_State *L, int state_index)
{
    lnk_state *st = lua_touserdata(L, state_index);
    natskit_js_field_info info;
    size_t count = 0;
    while (natskit_js_field_at(count, &info, sizeof info) == NATSKIT_OK) {
        count++;
    }
    lnk_field *fields = lua_newuserdatauv(L, (count + OTHERS) * sizeof *fields, 0);
    for (size_t i = 0; i < count; i++) {
        natskit_js_field_at(i, &info, sizeof info);
        fields[i] = (lnk_field){info.object, info.name, info.type, info.values};
    }
    memcpy(fields + count, others, sizeof others);
    qsort(fields, count + OTHERS, sizeof *fields, compare);
    st->fields = fields;
    st->field_count = count + OTHERS;
    lua_setiuservalue(L, state_index, LNK_UV_FIELDS);
}

const lnk_field *lnk_shape_find(const lnk_state *st, const char *shape, const char *name, size_t name_len)
{
    char copy[64]; /* of a document, where names do not end with a NUL; none in the table is longer */
    if (name_len >= sizeof copy) {
        return NULL;
    }
    memcpy(copy, name, name_len);
    copy[name_len] = '\0';
    lnk_field wanted = {.object = shape, .name = copy};
    return bsearch(&wanted, st->fields, st->field_count, sizeof wanted, compare);
}

/* -- durations ------------------------------------------------------------------------------------------- */

static lua_Number seconds_of(int64_t ns)
{
    return (lua_Number)((long double)ns / NS_PER_SECOND);
}

void lnk_push_seconds(lua_State *L, int64_t ns)
{
    if (ns == -1) {
        lua_pushinteger(L, -1);
    } else if (ns % NS_PER_SECOND == 0) {
        lua_pushinteger(L, ns / NS_PER_SECOND);
    } else {
        lua_pushnumber(L, seconds_of(ns));
    }
}

/* The nanoseconds of a fractional number of seconds, which is in range: those with the fewest digits that
 * read as this float. 0.1 is 100000000, though the float is a little more. */
static int64_t ns_of(lua_Number seconds)
{
    long double scale = 1;
    int64_t unit = NS_PER_SECOND;
    int64_t ns = 0;
    for (int digits = 0; digits <= DIGITS; digits++) {
        ns = (int64_t)roundl((long double)seconds * scale) * unit;
        if (seconds_of(ns) == seconds) {
            break;
        }
        scale *= 10;
        unit /= 10;
    }
    return ns;
}

/* Reads seconds as nanoseconds. */
static const char *read_ns(lua_State *L, int index, int64_t *ns)
{
    const int64_t most = INT64_MAX / NS_PER_SECOND;
    int whole = 0;
    lua_Integer seconds = lua_tointegerx(L, index, &whole);
    lua_Number number = lua_tonumber(L, index);
    if (lua_type(L, index) != LUA_TNUMBER) {
        return "number of seconds expected";
    }
    if (isnan(number)) {
        return "NaN is no number of seconds";
    }
    if (number == seconds_of(INT64_MAX)) { /* as it was read */
        *ns = INT64_MAX;
        return NULL;
    }
    if (number > (lua_Number)most || number < (lua_Number)-most) {
        return "more than 292 years";
    }
    *ns = whole ? seconds * NS_PER_SECOND : ns_of(number);
    return !whole && *ns == 0 ? "less than a nanosecond" : NULL;
}

const char *lnk_read_seconds(lua_State *L, int index, int64_t *ns)
{
    const char *fault = read_ns(L, index, ns);
    if (fault == NULL && *ns == -NS_PER_SECOND) {
        *ns = -1; /* says "none", or "no limit" */
    }
    return fault;
}

/* -- times ----------------------------------------------------------------------------------------------- */

/* The civil calendar, counted in eras of 400 years from the first of March of year 0. */
#define DAYS_PER_ERA 146097
#define EPOCH_DAYS 719468 /* from there to 1970 */

static int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - EPOCH_DAYS;
}

static void date_from_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    days += EPOCH_DAYS;
    int64_t era = (days >= 0 ? days : days - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    int64_t day_of_era = days - era * DAYS_PER_ERA;
    int64_t of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * of_era + of_era / 4 - of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = of_era + era * 400 + (*month <= 2);
}

const char *lnk_read_time(lua_State *L, int index, char *text, size_t room)
{
    int64_t ns = 0;
    int64_t year = 0;
    int64_t month = 0;
    int64_t day = 0;
    const char *fault = read_ns(L, index, &ns);
    if (fault != NULL) {
        return fault;
    }
    int64_t fraction = ns % NS_PER_SECOND;
    int64_t seconds = ns / NS_PER_SECOND;
    if (fraction < 0) {
        fraction += NS_PER_SECOND;
        seconds--;
    }
    int64_t of_day = seconds % SECONDS_PER_DAY;
    of_day += of_day < 0 ? SECONDS_PER_DAY : 0;
    date_from_days((seconds - of_day) / SECONDS_PER_DAY, &year, &month, &day);
    (void)snprintf(text, room, "%04d-%02d-%02dT%02d:%02d:%02d.%09dZ", (int)year, (int)month, (int)day,
                   (int)(of_day / 3600), (int)(of_day / 60 % 60), (int)(of_day % 60), (int)fraction);
    return NULL;
}

/* Reads `count` digits and the character that follows, if there is to be one. */
static int read_digits(const char **at, const char *end, int count, char then, int64_t *value)
{
    *value = 0;
    if (end - *at < count + (then != '\0')) {
        return 0;
    }
    for (int i = 0; i < count; i++, ++*at) {
        if (**at < '0' || **at > '9') {
            return 0;
        }
        *value = *value * 10 + (**at - '0');
    }
    return then == '\0' || *(*at)++ == then;
}

/* Reads ".123", which may be left out. */
static int read_fraction(const char **at, const char *end, int64_t *ns)
{
    int64_t unit = NS_PER_SECOND;
    *ns = 0;
    if (*at == end || **at != '.') {
        return 1;
    }
    for (++*at; *at < end && **at >= '0' && **at <= '9'; ++*at) {
        unit /= 10;
        *ns += unit * (**at - '0');
    }
    return unit < NS_PER_SECOND;
}

/* Reads "Z" or "+01:00", in seconds. */
static int read_zone(const char **at, const char *end, int64_t *offset)
{
    int64_t hours = 0;
    int64_t minutes = 0;
    *offset = 0;
    if (*at == end) {
        return 0;
    }
    char sign = *(*at)++;
    if (sign == 'Z' || sign == 'z') {
        return 1;
    }
    int good = (sign == '+' || sign == '-') && read_digits(at, end, 2, ':', &hours) &&
               read_digits(at, end, 2, '\0', &minutes);
    *offset = (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return good;
}

int lnk_parse_time(const char *text, size_t len, int64_t *ns)
{
    const char *end = text + len;
    int64_t year = 0;
    int64_t month = 0;
    int64_t day = 0;
    int64_t hour = 0;
    int64_t minute = 0;
    int64_t second = 0;
    int64_t fraction = 0;
    int64_t offset = 0;
    int good = read_digits(&text, end, 4, '-', &year) && read_digits(&text, end, 2, '-', &month) &&
               read_digits(&text, end, 2, 'T', &day) && read_digits(&text, end, 2, ':', &hour) &&
               read_digits(&text, end, 2, ':', &minute) && read_digits(&text, end, 2, '\0', &second) &&
               read_fraction(&text, end, &fraction) && read_zone(&text, end, &offset) && text == end;
    if (!good || month < 1 || month > 12 || year < 1678 || year > 2261) { /* others do not fit */
        return 0;
    }
    int64_t seconds = days_from_date(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    *ns = (seconds - offset) * NS_PER_SECOND + fraction;
    return 1;
}
