/* SPDX-License-Identifier: Apache-2.0 */
/* Published vectors: FIPS 180-4 examples, RFC 4231. */
#include "base/crypto.h"

#include "base/crypto_fixture.h"
#include "base/err.h"
#include "base/mem.h"

static void assert_hex(const uint8_t *got, const char *hex)
{
    struct bytes expected = from_hex(hex);
    assert_memory_equal(got, expected.ptr, expected.len);
}

static void test_sha256(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *hex;
    } rows[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    uint8_t out[CRYPTO_SHA256_SIZE];
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        crypto_sha256(str_from(rows[i].text), out);
        assert_hex(out, rows[i].hex);
    }
    crypto_sha256(str_make(NULL, 0), out);
    assert_hex(out, rows[0].hex);
    char *million = mem_alloc(1000000);
    memset(million, 'a', 1000000);
    crypto_sha256(str_make(million, 1000000), out);
    assert_hex(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    mem_free(million);
}

static void test_sha1(void **state)
{
    (void)state;
    uint8_t out[CRYPTO_SHA1_SIZE];
    crypto_sha1(STR_LIT("abc"), out);
    assert_hex(out, "a9993e364706816aba3e25717850c26c9cd0d89d");
    crypto_sha1(str_make(NULL, 0), out);
    assert_hex(out, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

/* `count` times the byte `value`, as hexadecimal digits. */
static const char *repeat(uint8_t value, size_t count)
{
    static char hex[2 * 200 + 1];
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        hex[2 * i] = digits[value >> 4];
        hex[2 * i + 1] = digits[value & 15];
    }
    hex[2 * count] = '\0';
    return hex;
}

static void assert_hmac(struct bytes key, struct str data, const char *hex)
{
    uint8_t out[CRYPTO_SHA256_SIZE];
    crypto_hmac_sha256(view(&key), data, out);
    assert_hex(out, hex);
}

static void test_hmac_sha256(void **state)
{
    (void)state;
    struct bytes data;
    assert_hmac(from_hex(repeat(0x0b, 20)), STR_LIT("Hi There"),
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_hmac(from_hex("4a656665"), STR_LIT("what do ya want for nothing?"),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    data = from_hex(repeat(0xdd, 50));
    assert_hmac(from_hex(repeat(0xaa, 20)), view(&data),
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    data = from_hex(repeat(0xcd, 50));
    assert_hmac(from_hex("0102030405060708090a0b0c0d0e0f10111213141516171819"), view(&data),
                "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
    assert_hmac(from_hex(repeat(0xaa, 131)),
                STR_LIT("Test Using Larger Than Block-Size Key - Hash Key First"),
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    assert_hmac(from_hex(repeat(0xaa, 131)),
                STR_LIT("This is a test using a larger than block-size key and a larger than "
                        "block-size data. The key needs to be hashed before being used by the "
                        "HMAC algorithm."),
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
    assert_hmac(from_hex(""), str_make(NULL, 0),
                "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    uint8_t out[CRYPTO_SHA256_SIZE];
    crypto_hmac_sha256(str_make(NULL, 0), str_make(NULL, 0), out);
    assert_hex(out, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static const uint8_t seal_key[CRYPTO_KEY_SIZE] = "0123456789abcdef0123456789abcde";

static void test_sealed_texts_open(void **state)
{
    (void)state;
    char text[3000];
    crypto_random(text, sizeof(text));
    for (size_t length = 0; length <= sizeof(text); length += 500) {
        struct buf sealed, other, plain;
        buf_init(&sealed, sizeof(text) + CRYPTO_SEAL_SIZE);
        buf_init(&other, sizeof(text) + CRYPTO_SEAL_SIZE);
        buf_init(&plain, length);
        crypto_seal(seal_key, str_make(text, length), &sealed);
        crypto_seal(seal_key, str_make(text, length), &other);
        assert_int_equal(sealed.len, length + CRYPTO_SEAL_SIZE);
        assert_false(str_equal(buf_view(&sealed), buf_view(&other)));
        assert_int_equal(crypto_open(seal_key, buf_view(&sealed), &plain), 0);
        assert_int_equal(plain.len, length);
        assert_memory_equal(plain.ptr, text, length);
        buf_fini(&sealed);
        buf_fini(&other);
        buf_fini(&plain);
    }
}

/* NIST's GCM test case 13: a zero key and nonce and no text give this tag. */
static void test_sealed_by_others(void **state)
{
    (void)state;
    struct bytes key = from_hex(repeat(0, CRYPTO_KEY_SIZE));
    struct bytes sealed = from_hex("01000000000000000000000000530f8afbc74536b9a963b4f1c4cb738b");
    struct bytes text = from_hex(
        "01000000000000000000000000cea7403d4d606b6e074ec5d3baf39d18"
        "d0d1c8a799996bf0265b98b5d48ab919");
    struct buf plain;
    buf_init(&plain, 100);
    assert_int_equal(crypto_open((uint8_t *)key.ptr, view(&sealed), &plain), 0);
    assert_int_equal(plain.len, 0);
    assert_int_equal(crypto_open((uint8_t *)key.ptr, view(&text), &plain), 0);
    assert_int_equal(plain.len, 16);
    assert_memory_equal(plain.ptr, key.ptr, 16);
    buf_fini(&plain);
}

static void test_sealed_texts_that_are_refused(void **state)
{
    (void)state;
    static const uint8_t other_key[CRYPTO_KEY_SIZE] = "1123456789abcdef0123456789abcde";
    struct buf sealed, plain, small;
    buf_init(&sealed, 100);
    buf_init(&plain, 100);
    buf_init(&small, 5);
    crypto_seal(seal_key, STR_LIT("secret"), &sealed);
    assert_int_equal(crypto_open(other_key, buf_view(&sealed), &plain), ERR_DENIED);
    assert_int_equal(crypto_open(seal_key, buf_view(&sealed), &small), ERR_TOO_LARGE);
    for (size_t i = 0; i < sealed.len; i++) {
        sealed.ptr[i] ^= 4;
        assert_int_equal(crypto_open(seal_key, buf_view(&sealed), &plain),
                         i == 0 ? ERR_UNSUPPORTED : ERR_DENIED);
        sealed.ptr[i] ^= 4;
        int expected = i < CRYPTO_SEAL_SIZE ? ERR_INVALID : ERR_DENIED;
        assert_int_equal(crypto_open(seal_key, str_make(sealed.ptr, i), &plain), expected);
    }
    assert_int_equal(plain.len, 0);
    crypto_seal(seal_key, STR_LIT("secret"), &small);
    assert_int_equal(small.len, 0);
    assert_true(small.overflow);
    buf_fini(&sealed);
    buf_fini(&plain);
    buf_fini(&small);
}

static void test_equal(void **state)
{
    (void)state;
    assert_true(crypto_equal("", "", 0));
    assert_true(crypto_equal(NULL, NULL, 0));
    assert_true(crypto_equal("abc", "abd", 2));
    assert_false(crypto_equal("abc", "abd", 3));
    assert_false(crypto_equal("abc", "xbc", 3));
}

static void test_random(void **state)
{
    (void)state;
    uint8_t a[16] = {0};
    uint8_t b[16] = {0};
    crypto_random(a, 0);
    assert_memory_equal(a, b, sizeof(a));
    crypto_random(a, sizeof(a));
    crypto_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));

    bool seen[5] = {false};
    for (int i = 0; i < 500; i++) {
        uint32_t number = crypto_random_below(ARRAY_LENGTH(seen));
        assert_in_range(number, 0, ARRAY_LENGTH(seen) - 1);
        seen[number] = true;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(seen); i++)
        assert_true(seen[i]);
    assert_int_equal(crypto_random_below(1), 0);
}

static void test_random_text(void **state)
{
    (void)state;
    char text[2001];
    crypto_random_text(text, 0);
    assert_string_equal(text, "");
    crypto_random_text(text, 2000);
    assert_int_equal(strlen(text), 2000);
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    assert_int_equal(strspn(text, alphabet), 2000);
    /* Each letter is missing from 2,000 draws once in 10^14 runs. */
    for (size_t i = 0; alphabet[i] != '\0'; i++)
        assert_non_null(strchr(text, alphabet[i]));
}

static void test_uuid(void **state)
{
    (void)state;
    char a[37];
    char b[37];
    crypto_uuid(a);
    crypto_uuid(b);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), 36);
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        assert_non_null(strchr(dash ? "-" : "0123456789abcdef", a[i]));
    }
    assert_int_equal(a[14], '4');
    assert_non_null(strchr("89ab", a[19]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_sha1),
        cmocka_unit_test(test_hmac_sha256),
        cmocka_unit_test(test_sealed_texts_open),
        cmocka_unit_test(test_sealed_by_others),
        cmocka_unit_test(test_sealed_texts_that_are_refused),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_random_text),
        cmocka_unit_test(test_uuid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
