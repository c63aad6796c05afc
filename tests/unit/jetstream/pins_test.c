/* Ids of pinned clients, kept by consumer and group. */
#include "jetstream/pins.h"

#include "../base/cmocka_all.h"

static void expect(struct nki_pins *pins, uint64_t key, const char *wanted)
{
    char id[NKI_PIN_MAX];
    size_t len = nki_pins_get(pins, key, id);
    assert_true(nki_str_eq(nki_str_make(id, len), nki_str_z(wanted)));
}

static void test_kept(void **state)
{
    (void)state;
    struct nki_pins *pins = nki_pins_new();
    uint64_t a = nki_pins_key(NKI_STR("S"), NKI_STR("C"), NKI_STR("a"));
    uint64_t b = nki_pins_key(NKI_STR("S"), NKI_STR("C"), NKI_STR("b"));
    assert_true(a != b && a != nki_pins_key(NKI_STR("C"), NKI_STR("S"), NKI_STR("a")));
    expect(pins, a, "");
    nki_pins_keep(pins, a, NKI_STR("one"));
    nki_pins_keep(pins, b, NKI_STR("two"));
    expect(pins, a, "one");
    nki_pins_keep(pins, a, NKI_STR("three"));
    nki_pins_forget(pins, a, NKI_STR("one")); /* it is not any more */
    expect(pins, a, "three");
    nki_pins_forget(pins, a, NKI_STR("three"));
    expect(pins, a, "");
    expect(pins, b, "two");
    nki_pins_retain(pins);
    nki_pins_release(pins);
    nki_pins_release(pins);
    nki_pins_release(NULL);
}

/* The one that was used longest ago makes room. */
static void test_full(void **state)
{
    (void)state;
    struct nki_pins *pins = nki_pins_new();
    for (uint64_t key = 0; key < NKI_PINS_MAX; key++) {
        nki_pins_keep(pins, key, NKI_STR("id"));
    }
    expect(pins, 0, "id");
    nki_pins_keep(pins, 1000, NKI_STR("new"));
    expect(pins, 0, "id");
    expect(pins, 1, "");
    expect(pins, 1000, "new");
    nki_pins_release(pins);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
