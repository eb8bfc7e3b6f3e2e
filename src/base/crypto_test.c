/* SPDX-License-Identifier: Apache-2.0 */
/* Published vectors: FIPS 180-4 examples, RFC 4231; RS256 with a key made for this file. */
#include "base/crypto.h"

#include "base/err.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { BYTES_MAX = 512 };

struct bytes {
    char ptr[BYTES_MAX];
    size_t len;
};

static struct bytes from_hex(const char *hex)
{
    static const char digits[] = "0123456789abcdef";
    struct bytes bytes = {.len = strlen(hex) / 2};
    assert_true(bytes.len <= BYTES_MAX);
    for (size_t i = 0; i < bytes.len; i++)
        bytes.ptr[i] = (char)((strchr(digits, hex[2 * i]) - digits) << 4 |
                              (strchr(digits, hex[2 * i + 1]) - digits));
    return bytes;
}

static struct str view(const struct bytes *bytes)
{
    return str_make(bytes->ptr, bytes->len);
}

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

static const char modulus_hex[] =
    "8bbedcf864f9a179ce9c7c8d6bb876555405bee48f2b03e9b6b68cd2dc293ac4fbd44b410d7249be"
    "753d4c46f4bc431b2145af66b030c9173c22e83d822d15bae48dcc4ad530e9bd830927904e496c87"
    "f58640862ff16b31461b3f771ab2f3844ca8264cc28a79f8ae61b5688862a4409b25561b0305031f"
    "51041e8a626d7078af622f5be7f5a836cd1fc447b1b3af21072675ff508a69edda320f18eee3c2ec"
    "6ecf6f288299cf60152a2ee8e1d604d81c103b1f621444d2777dd599f835640905499c17fe035177"
    "1fd606a6dcd4377da8cefb55e445326884e23b2085acf4f1b09017dbd95b53d52600a716daec5b1e"
    "b8769b6019a1616bf03a0158a9f789c9";

static const char signature_hex[] =
    "57e163ba6d0fd766de45ecd288295f23f8e7dabc85ce5c8d6917fe4e69f841226d4ec65d96c67348"
    "c5a1a7bc8e7835000b9226f4d799928cf58d53a5172068c206cf93e10ac473e735b6cd73a11a3977"
    "5ef9c5e1bccde27630b20d087c5fb623cabca88d91da5d6e08d398821673f3a9e089ab030a92c995"
    "487ab38efc17e47c1e6d33d86e52c5e42a4bfd1cad7f965cc9785b751ff5deb37a77fc6336449fd7"
    "ffaa770d07cacdc0102f6e5c8429a5bf6694e927bfd1a17ac3e3cbc255a841cc6837ea9633409572"
    "cfe9ed4be00b4021af77a39a834a1285e22546b0a71ce22c4831865616c0e03ba1724c8c7f14c275"
    "83073cc0f3e2a86ee3c7c1c713c38c1e";

static const char sha512_signature_hex[] =
    "0f7ce29d22d4d6c1d04adaceedd67fbcaa01e93167cc92b0458002456bd70afbde8eff9bfcb8d848"
    "ceae87e5a324859db561d2464202e237f9f5c4d2f8a60f487911e005b7c2cfe15cfc23f876bfd21c"
    "e578f0b2a98ada0280219d559f44e3971ab482c6e37d96efd76f8e801d4c8384e911b6ed0086ff6d"
    "0e9346b7c098257b2dec1335ba78744af318d4077eb5d7192dc52c294ddbe046813dd1783f97b84f"
    "beb200238fec0a77a09670e5aa12d4759511b706d7294ac84f7dae0a3c0d8b72c8e4a2eb93ffd433"
    "9007882b8e5254adedbec965fc5a26ebb0a362be8fdae6808f3b0184286cf0f6d670ce12a9c7976c"
    "5c38d123a124793fb3a676226cdde3b8";

static const char pss_signature_hex[] =
    "02df56771a4e28beb12eb7cb9d2e6827827eca01d97a1689bb894e15d49099f2a2780d64fd4d7a71"
    "7be956ac146029465eeb05ce887fcd1c5a77c0fed95b40f59c1a39d1711578b0de6a4b1a227135f6"
    "f5101571a125b1fd9ce29daaffaf0ef550ae90eb56c254cf9dbc53f025cf9d88918d6f28ba212a1b"
    "217b3a66dcba17afb2f9e5357eb87d700458d3ea83e30722d4ce5b35d00332f1909390e3e8aa96a1"
    "ae6ce4b9d67acf5af49e19db7322880477a15a2ea8c91b7f9497f35573223688879a25a220e683c2"
    "da1a52a8725d3d15e059d802866578e8008d710ebdd7092343fdca469a413c258ae2f93be3aa1111"
    "408c350c0c57db1a01d77e790f6d8c28";

static const char small_modulus_hex[] =
    "bcacb29857439c52543f212a791e89aed40b223100c4c7feb7b46ba64ff7d1f8d05c15705c15ee80"
    "3deeba3fdc775c60f963fb510c5904c2d8a880bbe1c3f0b59bc8db5a652ae3843a4c24f1339a5cbf"
    "c93a987738d5e23f874470bd4194a57fed07e89ffcdf9d61e1fb940853896fd93cc3cde6d438d749"
    "4e93acb782031fbd";

static const char signed_text[] = "header.payload";

static struct crypto_rsa *rsa_from_hex(const char *n_hex, const char *e_hex)
{
    struct bytes n = from_hex(n_hex);
    struct bytes e = from_hex(e_hex);
    return crypto_rsa_new(view(&n), view(&e));
}

static bool verifies(const struct crypto_rsa *key, const char *text, struct bytes signature)
{
    return crypto_rsa_verify_sha256(key, str_from(text), view(&signature));
}

static void test_rs256(void **state)
{
    (void)state;
    struct crypto_rsa *key = rsa_from_hex(modulus_hex, "010001");
    assert_non_null(key);
    struct bytes good = from_hex(signature_hex);
    assert_true(verifies(key, signed_text, good));
    assert_true(verifies(key, signed_text, good));
    assert_false(verifies(key, "header.payloae", good));
    assert_false(verifies(key, "", good));
    for (size_t i = 0; i < good.len; i += 17) {
        struct bytes bad = good;
        bad.ptr[i] ^= 1;
        assert_false(verifies(key, signed_text, bad));
    }
    for (size_t length = 0; length < good.len; length += 51) {
        struct bytes cut = good;
        cut.len = length;
        assert_false(verifies(key, signed_text, cut));
    }
    struct bytes longer = good;
    longer.len++;
    assert_false(verifies(key, signed_text, longer));
    assert_false(verifies(key, signed_text, from_hex(sha512_signature_hex)));
    assert_false(verifies(key, signed_text, from_hex(pss_signature_hex)));
    assert_false(crypto_rsa_verify_sha256(key, str_make(NULL, 0), str_make(NULL, 0)));
    crypto_rsa_free(&key);
    assert_null(key);
    crypto_rsa_free(&key);
}

static void test_rsa_keys_with_zeros_in_front_are_the_same(void **state)
{
    (void)state;
    struct bytes n = from_hex(modulus_hex);
    memmove(n.ptr + 1, n.ptr, n.len);
    n.ptr[0] = '\0';
    n.len++;
    struct bytes e = from_hex("00010001");
    struct crypto_rsa *key = crypto_rsa_new(view(&n), view(&e));
    assert_non_null(key);
    assert_true(verifies(key, signed_text, from_hex(signature_hex)));
    crypto_rsa_free(&key);
}

static void test_rsa_keys_that_are_refused(void **state)
{
    (void)state;
    struct bytes even = from_hex(modulus_hex);
    even.ptr[even.len - 1] &= (char)0xfe;
    struct bytes e = from_hex("010001");
    char big[1025];
    memset(big, 0xff, sizeof(big));
    assert_null(rsa_from_hex("", "010001"));
    assert_null(rsa_from_hex("00", "010001"));
    assert_null(rsa_from_hex(modulus_hex, ""));
    assert_null(rsa_from_hex(modulus_hex, "00"));
    assert_null(rsa_from_hex(modulus_hex, "01"));
    assert_null(rsa_from_hex(modulus_hex, "010000"));
    assert_null(rsa_from_hex(modulus_hex, modulus_hex));
    assert_null(rsa_from_hex(small_modulus_hex, "010001"));
    assert_null(crypto_rsa_new(view(&even), view(&e)));
    assert_null(crypto_rsa_new(str_make(big, sizeof(big)), view(&e)));
    assert_null(crypto_rsa_new(str_make(NULL, 0), str_make(NULL, 0)));
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
        cmocka_unit_test(test_rs256),
        cmocka_unit_test(test_rsa_keys_with_zeros_in_front_are_the_same),
        cmocka_unit_test(test_rsa_keys_that_are_refused),
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
