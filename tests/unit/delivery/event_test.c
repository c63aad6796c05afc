/* Events as messages. */
#include "delivery/event.h"

#include "../base/cmocka_all.h"
#include "../base/refuse.h"

#include <stdalign.h>

static void test_a_copy_with_its_texts(void **state)
{
    (void)state;
    uint64_t count = nki_msg_count();
    char server[] = "nats://a:1";
    char subject[] = "sub.ject";
    char text[] = "it is gone";
    for (int i = 0; i < 8; i++) {
        struct nki_event event = {
            .type = NKI_EVENT_DISCONNECTED, .status = -60, .epoch = 3, .sid = 4, .count = 5, .time_ns = 6};
        event.server = nki_str_make(server, i & 1 ? strlen(server) : 0);
        event.subject = i & 2 ? nki_str_z(subject) : nki_str_make(NULL, 0);
        event.text = nki_str_make(text, i & 4 ? strlen(text) : 0);
        struct nki_msg *msg = nki_event_msg(&event);
        assert_non_null(msg);
        assert_int_equal(msg->kind, NKI_MSG_EVENT);
        assert_true(msg->slot_bytes > sizeof event);
        const struct nki_event *copy = nki_event_of(msg);
        assert_int_equal((uintptr_t)copy % alignof(struct nki_event), 0);
        assert_int_equal(copy->type, NKI_EVENT_DISCONNECTED);
        assert_int_equal(copy->status, -60);
        assert_int_equal(copy->epoch, 3);
        assert_int_equal(copy->sid, 4);
        assert_int_equal(copy->count, 5);
        assert_int_equal(copy->time_ns, 6);
        assert_true(nki_str_eq(copy->server, event.server));
        assert_true(nki_str_eq(copy->subject, event.subject));
        assert_true(nki_str_eq(copy->text, event.text));
        assert_true(copy->server.ptr != server && copy->subject.ptr != subject && copy->text.ptr != text);
        assert_int_equal(nki_msg_data(msg).len, 0);
        nki_msg_release(msg);
    }
    assert_int_equal(nki_msg_count(), count);
}

static void test_without_memory(void **state)
{
    (void)state;
    struct nki_event event = {.type = NKI_EVENT_CONNECTED, .text = NKI_STR("x")};
    refuse_begin(1);
    assert_null(nki_event_msg(&event));
    refuse_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_copy_with_its_texts),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
