/* Every field of the configurations of streams and consumers goes to a real server and comes back. The fields
 * come from the library's own table; one that has no value here fails the test. */
#include "js_bench.h"

#include <stdio.h>
#include <string.h>

static natskit_conn conn;
static natskit_js js;

/* A value of a field, and what has to stand beside it. In the texts ' stands for ". */
struct value {
    const char *object;
    const char *name;
    const char *text;
    const char *beside; /* members of the same configuration (the stream's or the consumer's) */
    const char *comes;  /* how it comes back; NULL: as it went */
};

#define DAYS_30 "2592000000000000"
#define TTL "'allow_msg_ttl':true"
#define PUSH "'deliver_subject':'to.me'"
#define PINNED "'ack_policy':'explicit','priority_groups':['g'],'priority_policy':'pinned_client'"

static const struct value values[] = {
    {"stream", "name", "'FIELD'", "", NULL},
    {"stream", "description", "'d \\u00e9'", "", "'d é'"},
    {"stream", "subjects", "['f.a','f.b.>']", "", NULL},
    {"stream", "retention", "'interest'", "", NULL},
    {"stream", "max_consumers", "7", "", NULL},
    {"stream", "max_msgs", "9007199254740993", "", NULL},
    {"stream", "max_bytes", "1048577", "", NULL},
    {"stream", "max_age", DAYS_30, "", NULL},
    {"stream", "max_msgs_per_subject", "9007199254740993", "", NULL},
    {"stream", "max_msg_size", "65537", "", NULL},
    {"stream", "discard", "'new'", "", NULL},
    {"stream", "discard_new_per_subject", "true", "'discard':'new','max_msgs_per_subject':1", NULL},
    {"stream", "storage", "'memory'", "", NULL},
    {"stream", "num_replicas", "1", "", NULL},
    {"stream", "no_ack", "true", "", NULL},
    {"stream", "duplicate_window", "86400000000001", "", NULL},
    {"stream", "placement", "{'cluster':'one'}", "", NULL},
    {"stream", "mirror", "{'name':'ORIGIN'}", "", NULL},
    {"stream", "sources", "[{'name':'ORIGIN'}]", "", NULL},
    {"stream", "compression", "'s2'", "'storage':'file'", NULL},
    {"stream", "first_seq", "18446744073709551000", "", NULL},
    {"stream", "subject_transform", "{'src':'f.>','dest':'g.>'}", "'subjects':['f.>']", NULL},
    {"stream", "republish", "{'src':'f.>','dest':'g.>'}", "'subjects':['f.>']", NULL},
    {"stream", "sealed", "true", "", NULL}, /* by an update */
    {"stream", "deny_delete", "true", "", NULL},
    {"stream", "deny_purge", "true", "", NULL},
    {"stream", "allow_rollup_hdrs", "true", "", NULL},
    {"stream", "allow_direct", "true", "", NULL},
    {"stream", "mirror_direct", "true", "'mirror':{'name':'ORIGIN'}", NULL},
    {"stream", "consumer_limits", "{'max_ack_pending':5}", "", NULL},
    {"stream", "metadata", "{'a':'b'}", "", NULL}, /* the server adds to it: /metadata/a is looked at */
    {"stream", "allow_msg_ttl", "true", "", NULL},
    {"stream", "subject_delete_marker_ttl", DAYS_30, TTL, NULL},
    {"stream", "allow_atomic", "true", "", NULL},
    {"stream", "allow_msg_counter", "true", "", NULL},
    {"stream", "allow_msg_schedules", "true", "", NULL},
    {"stream", "persist_mode", "'async'", "'storage':'file'", NULL},
    {"stream", "allow_batched", "true", "", NULL},
    {"consumer", "name", "'c'", "", NULL},
    {"consumer", "durable_name", "'c'", "", NULL},
    {"consumer", "description", "'d'", "", NULL},
    {"consumer", "deliver_policy", "'last_per_subject'", "'filter_subject':'o.>'", NULL},
    {"consumer", "opt_start_seq", "18446744073709551000", "'deliver_policy':'by_start_sequence'", NULL},
    {"consumer", "opt_start_time", "'2031-02-03T04:05:06.123456789Z'", "'deliver_policy':'by_start_time'",
     NULL},
    {"consumer", "ack_policy", "'all'", "", NULL},
    {"consumer", "ack_wait", DAYS_30, "'ack_policy':'explicit'", NULL},
    {"consumer", "max_deliver", "3", "'ack_policy':'explicit'", NULL},
    {"consumer", "backoff", "[1000000001," DAYS_30 "]", "'ack_policy':'explicit','max_deliver':3", NULL},
    {"consumer", "filter_subject", "'o.a'", "", NULL},
    {"consumer", "filter_subjects", "['o.a','o.b']", "", NULL},
    {"consumer", "replay_policy", "'original'", "", NULL},
    {"consumer", "rate_limit_bps", "1000000", PUSH, NULL},
    {"consumer", "sample_freq", "'30%'", "", NULL},
    {"consumer", "max_waiting", "17", "", NULL},
    {"consumer", "max_ack_pending", "18", "'ack_policy':'explicit'", NULL},
    {"consumer", "headers_only", "true", "", NULL},
    {"consumer", "max_batch", "19", "", NULL},
    {"consumer", "max_expires", DAYS_30, "", NULL},
    {"consumer", "max_bytes", "20", "", NULL},
    {"consumer", "inactive_threshold", DAYS_30, "", NULL},
    {"consumer", "num_replicas", "1", "", NULL},
    {"consumer", "mem_storage", "true", "", NULL},
    {"consumer", "metadata", "{'a':'b'}", "", NULL},
    {"consumer", "deliver_subject", "'to.you'", "", NULL},
    {"consumer", "deliver_group", "'group'", PUSH, NULL},
    {"consumer", "flow_control", "true", PUSH ",'idle_heartbeat':1000000000", NULL},
    {"consumer", "idle_heartbeat", "5000000001", PUSH, NULL},
    {"consumer", "pause_until", "'2099-02-03T04:05:06.000000007Z'", "", NULL},
    {"consumer", "priority_groups", "['g']", PINNED, NULL},
    {"consumer", "priority_policy", "'overflow'", "'ack_policy':'explicit','priority_groups':['g']", NULL},
    {"consumer", "priority_timeout", DAYS_30, PINNED, NULL},
    {"source", "name", "'ORIGIN'", "", NULL},
    {"source", "opt_start_seq", "9007199254740993", "", NULL},
    {"source", "opt_start_time", "'2021-02-03T04:05:06.123456789Z'", "", NULL},
    {"source", "filter_subject", "'o.a'", "", NULL},
    {"source", "subject_transforms", "[{'src':'o.a','dest':'x.a'}]", "", NULL},
    {"source", "external", "{'api':'$JS.far.API','deliver':'there'}", "", NULL},
    {"source", "consumer", "{'name':'sc','deliver_subject':'sc.to'}", "", NULL},
    {"source", "domain", "'hub'", "", "'$JS.hub.API'"},
    {"external", "api", "'$JS.far.API'", "", NULL},
    {"external", "deliver", "'there'", "", NULL},
    {"source_consumer", "name", "'sc'", "", NULL},
    {"source_consumer", "deliver_subject", "'sc.to'", "", NULL},
    {"placement", "cluster", "'one'", "", NULL},
    {"placement", "tags", "['a','b']", "", NULL},
    {"transform", "src", "'f.>'", "", NULL},
    {"transform", "dest", "'g.>'", "", NULL},
    {"republish", "src", "'f.>'", "", NULL},
    {"republish", "dest", "'g.>'", "", NULL},
    {"republish", "headers_only", "true", "", NULL},
    {"limits", "inactive_threshold", DAYS_30, "", NULL},
    {"limits", "max_ack_pending", "21", "", NULL},
};

/* Where the objects within a stream's configuration stand: the configuration's part before the field and
 * behind it, what stands beside the field if it is another one, and the path to the object. */
static const struct place {
    const char *object;
    const char *before;
    const char *behind;
    const char *beside[2]; /* a member that has to be there, by its name and in full */
    const char *path;
} places[] = {
    {"source", "'sources':[{", "}]", {"name", "'name':'ORIGIN'"}, "/config/sources/0"},
    {"external",
     "'sources':[{'name':'ORIGIN','external':{",
     "}}]",
     {"api", "'api':'$JS.far.API'"},
     "/config/sources/0/external"},
    {"source_consumer",
     "'sources':[{'name':'ORIGIN','consumer':{",
     "}}]",
     {"", ""},
     "/config/sources/0/consumer"},
    {"placement", "'placement':{", "}", {"", ""}, "/config/placement"},
    {"transform", "'subjects':['f.>'],'subject_transform':{", "}", {"", ""}, "/config/subject_transform"},
    {"republish", "'subjects':['f.>'],'republish':{", "}", {"", ""}, "/config/republish"},
    {"limits", "'consumer_limits':{", "}", {"", ""}, "/config/consumer_limits"},
};

/* The members that some objects are nothing without. */
static const char *needed(const char *object, const char *name)
{
    bool pair = strcmp(object, "transform") == 0 || strcmp(object, "republish") == 0;
    if (pair && strcmp(name, "src") == 0) {
        return ",'dest':'g.>'";
    }
    if (pair && strcmp(name, "dest") == 0) {
        return ",'src':'f.>'";
    }
    if (strcmp(object, "source_consumer") == 0) {
        return strcmp(name, "name") == 0 ? ",'deliver_subject':'sc.to'" : ",'name':'sc'";
    }
    return pair ? ",'src':'f.>','dest':'g.>'" : "";
}

static const struct value *value_of(const natskit_js_field_info *field)
{
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (strcmp(values[i].object, field->object) == 0 && strcmp(values[i].name, field->name) == 0) {
            return &values[i];
        }
    }
    fail_msg("field %s of %s has no value in this test", field->name, field->object);
    return NULL;
}

/* What the server says of it: "path/name", and what it adds to a map does not count. */
static void expect_back(natskit_json info, const char *path, const struct value *value)
{
    char at[128];
    bool map = strcmp(value->name, "metadata") == 0;
    bool domain = strcmp(value->name, "domain") == 0; /* is short for another one */
    (void)snprintf(at, sizeof at, "%s/%s%s", path, domain ? "external/api" : value->name, map ? "/a" : "");
    assert_at(info, at, map ? "'b'" : value->comes != NULL ? value->comes : value->text);
    assert_ok(natskit_json_close(info));
}

/* Whether the server's default has to make way. */
static const char *base(const struct value *value, const char *name, const char *text)
{
    char member[64];
    (void)snprintf(member, sizeof member, "'%s'", name);
    return strcmp(value->name, name) == 0 || strstr(value->beside, member) != NULL ? "" : text;
}

static void try_stream(const struct value *value)
{
    bool sealed = strcmp(value->name, "sealed") == 0;
    bool mirror = strstr(value->name, "mirror") != NULL;
    const char *name = strcmp(value->name, "name") == 0 ? "" : ",'name':'FIELD'";
    const char *storage = base(value, "storage", ",'storage':'memory'");
    const char *subjects = mirror ? "" : base(value, "subjects", ",'subjects':['f.>']");
    const char *comma = value->beside[0] != '\0' ? "," : "";
    if (sealed) {
        jb_do(js, "stream.create", "{'config':{'name':'FIELD','storage':'memory','subjects':['f.>']}}");
    }
    natskit_json answer =
        jb_call(js, sealed ? "stream.update" : "stream.create", "{'config':{'%s':%s%s%s%s%s%s}}", value->name,
                value->text, name, sealed ? "" : storage, subjects, comma, value->beside);
    expect_back(answer, "/config", value);
    expect_back(jb_call(js, "stream.info", "{'stream':'FIELD'}"), "/config", value);
    jb_do(js, "stream.delete", "{'stream':'FIELD'}");
}

static void try_consumer(const struct value *value)
{
    bool named = strcmp(value->name, "name") == 0 || strcmp(value->name, "durable_name") == 0;
    const char *comma = value->beside[0] != '\0' ? "," : "";
    const char *beside = value->beside;
    char others[256];
    /* what the row needs beside its field may name it, too */
    char member[64];
    (void)snprintf(member, sizeof member, "'%s':%s", value->name, value->text);
    const char *own = strstr(beside, member);
    if (own != NULL) {
        (void)snprintf(others, sizeof others, "%.*s'description':'x'%s", (int)(own - beside), beside,
                       own + strlen(member));
        beside = others;
    }
    natskit_json answer = jb_call(js, "consumer.create", "{'stream':'ORIGIN','config':{'%s':%s%s%s%s}}",
                                  value->name, value->text, named ? "" : ",'name':'c'", comma, beside);
    expect_back(answer, "/config", value);
    expect_back(jb_call(js, "consumer.info", "{'stream':'ORIGIN','consumer':'c'}"), "/config", value);
    jb_do(js, "consumer.delete", "{'stream':'ORIGIN','consumer':'c'}");
}

static void try_within(const struct place *place, const struct value *value)
{
    bool beside = place->beside[0][0] != '\0' && strcmp(place->beside[0], value->name) != 0;
    natskit_json answer =
        jb_call(js, "stream.create", "{'config':{'name':'FIELD','storage':'memory',%s'%s':%s%s%s%s%s}}",
                place->before, value->name, value->text, beside ? "," : "", beside ? place->beside[1] : "",
                needed(place->object, value->name), place->behind);
    expect_back(answer, place->path, value);
    expect_back(jb_call(js, "stream.info", "{'stream':'FIELD'}"), place->path, value);
    jb_do(js, "stream.delete", "{'stream':'FIELD'}");
}

static void test_every_field(void **state)
{
    (void)state;
    natskit_js_field_info field;
    size_t index = 0;
    jb_do(js, "stream.create",
          "{'config':{'name':'ORIGIN','subjects':['o.>'],'storage':'memory','allow_direct':true}}");
    for (; natskit_js_field_at(index, &field, sizeof field) == NATSKIT_OK; index++) {
        const struct value *value = value_of(&field);
        const struct place *place = NULL;
        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
            place = strcmp(places[i].object, field.object) == 0 ? &places[i] : place;
        }
        print_message("%s %s\n", field.object, field.name);
        assert_true(field.text[0] != '\0' && field.level >= 0);
        if (place != NULL) {
            try_within(place, value);
        } else if (strcmp(field.object, "stream") == 0) {
            try_stream(value);
        } else {
            assert_string_equal(field.object, "consumer");
            try_consumer(value);
        }
    }
    assert_int_equal(index, sizeof values / sizeof values[0]);
    assert_status(natskit_js_field_at(SIZE_MAX, &field, sizeof field), NATSKIT_NOT_FOUND);
    jb_do(js, "stream.delete", "{'stream':'ORIGIN'}");
}

/* Values are of the type that the table says: what the bindings make of it. */
static void test_types(void **state)
{
    (void)state;
    natskit_js_field_info field;
    for (size_t i = 0; natskit_js_field_at(i, &field, sizeof field) == NATSKIT_OK; i++) {
        natskit_json json = jb_json("%s", value_of(&field)->text);
        int32_t type;
        int32_t inner = 0;
        assert_ok(natskit_json_type(json, "", 0, &type, NULL));
        (void)natskit_json_type(json, "/0", Z, &inner, NULL);
        bool text = field.type == NATSKIT_FIELD_STRING || field.type == NATSKIT_FIELD_TIME ||
                    field.type == NATSKIT_FIELD_CHOICE;
        bool number = field.type == NATSKIT_FIELD_INTEGER || field.type == NATSKIT_FIELD_DURATION;
        bool object = field.type == NATSKIT_FIELD_OBJECT || field.type == NATSKIT_FIELD_MAP;
        int32_t wanted = text                                  ? NATSKIT_JSON_STRING
                         : field.type == NATSKIT_FIELD_BOOLEAN ? NATSKIT_JSON_BOOL
                         : object                              ? NATSKIT_JSON_OBJECT
                                                               : NATSKIT_JSON_ARRAY;
        if (number) {
            assert_true(type == NATSKIT_JSON_INT || type == NATSKIT_JSON_UINT);
        } else {
            assert_int_equal(type, wanted);
        }
        if (field.type == NATSKIT_FIELD_STRINGS) {
            assert_int_equal(inner, NATSKIT_JSON_STRING);
        }
        assert_ok(natskit_json_close(json));
        bool named = field.type == NATSKIT_FIELD_CHOICE || field.type == NATSKIT_FIELD_OBJECT ||
                     field.type == NATSKIT_FIELD_OBJECTS;
        assert_int_equal(field.values[0] != '\0', named);
    }
}

static int begin(void **state)
{
    int failed = bench_begin(state);
    if (failed == 0) {
        conn = bench_connect();
        js = jb_open(conn);
    }
    return failed;
}

static int end(void **state)
{
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    return bench_end(state);
}

/* Of a mirror and of sources `domain` is short for `external`. */
static void test_domains(void **state)
{
    (void)state;
    natskit_json answer = jb_call(
        js, "stream.create",
        "{'pedantic':false,'config':{'name':'FAR','storage':'memory','sources':[{'name':'A','domain':'hub',"
        "'filter_subject':'a.>'},{'name':'B','domain':''},{'name':'C','domain':null}]}}");
    assert_at(answer, "/config/sources/0/external/api", "'$JS.hub.API'");
    assert_at(answer, "/config/sources/0/filter_subject", "'a.>'");
    assert_at(answer, "/config/sources/0/name", "'A'");
    assert_at(answer, "/config/sources/1/external", "");
    assert_at(answer, "/config/sources/2/external", "");
    assert_ok(natskit_json_close(answer));
    answer =
        jb_call(js, "stream.update", "{'config':{'name':'FAR','sources':[{'name':'A','domain':'rim'}]}}");
    assert_at(answer, "/config/sources/0/external/api", "'$JS.rim.API'");
    assert_ok(natskit_json_close(answer));
    jb_do(js, "stream.delete", "{'stream':'FAR'}");
    answer = jb_call(js, "stream.create_or_update",
                     "{'config':{'name':'COPY','storage':'memory','mirror':{'name':'A','domain':'hub'}}}");
    assert_at(answer, "/config/mirror/external/api", "'$JS.hub.API'");
    assert_ok(natskit_json_close(answer));
    jb_do(js, "stream.delete", "{'stream':'COPY'}");
    static const struct {
        const char *source;
        const char *fault;
    } wrong[] = {
        {"{'name':'A','domain':'hub','external':{'api':'x'}}", "excludes external"},
        {"{'name':'A','domain':7}", "is no string"},
        {"{'name':'A','domain':'a.b'}", "config/sources/1/domain"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        natskit_error err =
            jb_fails(js, NATSKIT_INVALID, "stream.create",
                     "{'config':{'name':'FAR','sources':[{'name':'B'},%s]}}", wrong[i].source);
        assert_non_null(strstr(err.text, wrong[i].fault));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_every_field),
        cmocka_unit_test(test_domains),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
