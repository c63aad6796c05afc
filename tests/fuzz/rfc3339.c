/* Fuzzes the reader of times. What it reads is written anew by the system's calendar, and must read alike. */
#include "base/rfc3339.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

#define NS_PER_S INT64_C(1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t ns;
    int64_t again;
    if (!nki_rfc3339_read(nki_str_make((const char *)data, size), &ns)) {
        return 0;
    }
    CHECK(size >= 20); /* "2006-01-02T15:04:05Z" */
    int64_t part = ns % NS_PER_S;
    part += part < 0 ? NS_PER_S : 0;
    int64_t seconds = ns / NS_PER_S - (ns < 0 && ns % NS_PER_S != 0);
    time_t at = (time_t)seconds;
    struct tm parts;
    char text[64];
    CHECK(gmtime_r(&at, &parts) != NULL);
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    CHECK(len == 19);
    int more = snprintf(text + len, sizeof text - len, ".%09" PRId64 "Z", part);
    CHECK(len + (size_t)more < NKI_RFC3339_CAP);
    CHECK(nki_rfc3339_read(nki_str_make(text, len + (size_t)more), &again) && again == ns);
    return 0;
}
