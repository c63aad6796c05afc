/* The battery's step for documents. Any worker. */
#include "battery.h"

void step_json(struct worker *me)
{
    static const char *const paths[] = {"", "/a", "/a/b", "/c", "/c/-", "/c/0", "/~", "/a/b/c/d"};
    enum sort sort;
    char text[256];
    size_t len;
    natskit_json json = {pick(me, NATSKIT_KIND_JSON, &sort)};
    natskit_json other = {pick(me, NATSKIT_KIND_JSON, &(enum sort){LIVE})};
    natskit_json opened;
    const char *path = paths[below(me, sizeof paths / sizeof paths[0])];
    switch (below(me, 6)) {
    case 5:
        if (gave(me, "json_open", natskit_json_open(NATSKIT_JSON_OBJECT, &opened)) == NATSKIT_OK) {
            keep(me, NATSKIT_KIND_JSON, opened.id);
        }
        break;
    case 0:
        gave_for(me, "json_set_int", json.id, sort, natskit_json_set_int(json, path, Z, 5, NULL));
        break;
    case 1:
        gave(me, "json_set_json", natskit_json_set_json(json, path, Z, other, "/a", Z, NULL));
        break;
    case 2:
        gave_for(me, "json_set_text", json.id, sort,
                 natskit_json_set_text(json, path, Z, "{\"c\":[1]}", Z, NULL));
        break;
    case 3:
        gave_for(me, "json_remove", json.id, sort, natskit_json_remove(json, path, Z, NULL));
        break;
    default:
        gave_for(me, "json_text", json.id, sort,
                 natskit_json_text(json, path, Z, text, sizeof text, &len, NULL));
    }
}
