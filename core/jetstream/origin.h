/* What servers write into the headers of messages that they publish again (ADR-28), take from other streams
 * (ADR-59), make by a schedule (ADR-51) or in the place of others (ADR-43), or add up (ADR-49). Pure. */
#ifndef NKI_JETSTREAM_ORIGIN_H
#define NKI_JETSTREAM_ORIGIN_H

#include "base/str.h"

/* Texts lie in the block; empty: there is no such header. Numbers that are missing, or none, are 0. */
struct nki_origin {
    struct nki_str stream; /* that published it again, or has given it */
    struct nki_str subject;
    uint64_t seq;
    uint64_t last_seq; /* of the message of the subject before it */
    int64_t time_ns;
    uint64_t size; /* bytes of data that were left out */
    struct nki_str source_stream;
    uint64_t source_seq;
    struct nki_str source_filter;
    struct nki_str source_transform;
    struct nki_str source_subject; /* there; before server 2.10 it is not told */
    struct nki_str marker;         /* why it stands for a message that went */
    struct nki_str scheduler;      /* subject of the schedule that has made it */
    struct nki_str schedule_next;  /* "purge", or a time */
    struct nki_str increment;
    struct nki_str counter_sources; /* JSON */
};

/* False: the block has none of these headers. Of one that is there more than once the last counts, which is
 * the server's. */
bool nki_origin_read(struct nki_str block, struct nki_origin *out);

/* The digits of a counter's value, {"val":"-12"}; false: the data are something else. */
bool nki_counter_read(struct nki_str data, struct nki_str *out);

#endif
