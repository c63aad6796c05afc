/* The last entries of several keys, all of one moment, read by an ordered consumer: where the server gives
 * them by no direct get, since they are too many, or the bucket allows none, or it is too old. */
#ifndef NKI_KV_FOLD_H
#define NKI_KV_FOLD_H

#include "jetstream/direct.h"
#include "kv/bucket.h"

/* What is to be read; everything is taken over, also if there is no memory (NULL). `subjects` point into
 * `text`. */
struct nki_kv_fold *nki_kv_fold_new(struct nki_kv *kv, bool ignore_deletes, struct nki_buf *text,
                                    struct nki_str *subjects, size_t count);
/* For a direct get that may come to nothing: who has it owns it. */
struct nki_direct_other *nki_kv_fold_other(struct nki_kv_fold *fold);
/* Reads it at once, by a subscription of its own: takes it over. As nki_kv_get_many. */
int32_t nki_kv_fold_open(struct nki_kv_fold *fold, struct nki_sub **out, struct nki_error *err);

#endif
