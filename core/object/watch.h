/* Watching a store: what its objects are, in the order of the changes, none left out and none twice, over an
 * ordered consumer. */
#ifndef NKI_OBJECT_WATCH_H
#define NKI_OBJECT_WATCH_H

#include "jetstream/ordered.h"
#include "object/store.h"

struct nki_object_watch_params {
    bool history; /* all that is kept, not the last of each object alone */
    bool updates_only;
    bool ignore_deletes;
    bool marks; /* a status message says that what there was at the begin has come, */
    bool ends;  /* or it ends then */
};

/* A subscription that yields messages of kind NKI_MSG_OBJECT. What is stored there and is no object comes as
 * the message that it is. */
int32_t nki_object_watch(struct nki_object_store *store, const struct nki_object_watch_params *params,
                         struct nki_sub **out, struct nki_error *err);

#endif
