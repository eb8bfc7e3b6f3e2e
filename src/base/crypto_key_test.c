/* SPDX-License-Identifier: Apache-2.0 */
/* RS256 with a key made for this file; points and Ed25519 keys that are none. codec/ has the vectors. */
#include "base/crypto_key.h"

#include "base/crypto_fixture.h"

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

static struct crypto_key *rsa_from_hex(const char *n_hex, const char *e_hex)
{
    struct bytes n = from_hex(n_hex);
    struct bytes e = from_hex(e_hex);
    return crypto_key_new_rsa(view(&n), view(&e));
}

static bool verifies(struct crypto_key *key, const char *text, struct bytes signature)
{
    return crypto_key_verify(key, CRYPTO_SHA256, str_from(text), view(&signature));
}

static void test_rs256(void **state)
{
    (void)state;
    struct crypto_key *key = rsa_from_hex(modulus_hex, "010001");
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
    assert_false(crypto_key_verify(key, CRYPTO_SHA256, str_make(NULL, 0), str_make(NULL, 0)));
    crypto_key_free(&key);
    assert_null(key);
    crypto_key_free(&key);
}

static void test_rsa_keys_with_zeros_in_front_are_the_same(void **state)
{
    (void)state;
    struct bytes n = from_hex(modulus_hex);
    memmove(n.ptr + 1, n.ptr, n.len);
    n.ptr[0] = '\0';
    n.len++;
    struct bytes e = from_hex("00010001");
    struct crypto_key *key = crypto_key_new_rsa(view(&n), view(&e));
    assert_non_null(key);
    assert_true(verifies(key, signed_text, from_hex(signature_hex)));
    crypto_key_free(&key);
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
    assert_null(rsa_from_hex(modulus_hex, "0100000001"));
    assert_null(rsa_from_hex(small_modulus_hex, "010001"));
    assert_null(crypto_key_new_rsa(view(&even), view(&e)));
    assert_null(crypto_key_new_rsa(str_make(big, sizeof(big)), view(&e)));
    assert_null(crypto_key_new_rsa(str_make(NULL, 0), str_make(NULL, 0)));
}

static struct crypto_key *point_from_hex(enum crypto_scheme scheme, const char *x, const char *y)
{
    struct bytes x_bytes = from_hex(x);
    struct bytes y_bytes = from_hex(y);
    return crypto_key_new_point(scheme, view(&x_bytes), view(&y_bytes));
}

/* RFC 6979 A.2.5. */
static const char p256_x[] = "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6";
static const char p256_y[] = "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";

static void test_points_that_are_refused(void **state)
{
    static const char zero[] = "0000000000000000000000000000000000000000000000000000000000000000";
    static const char prime[] = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
    (void)state;
    struct crypto_key *key = point_from_hex(CRYPTO_P256, p256_x, p256_y);
    assert_non_null(key);
    assert_int_equal(crypto_key_scheme(key), CRYPTO_P256);
    assert_false(crypto_key_verify(key, CRYPTO_SHA256, STR_LIT("x"), str_make(NULL, 0)));
    crypto_key_free(&key);
    assert_null(point_from_hex(CRYPTO_P256, p256_y, p256_x));
    assert_null(point_from_hex(CRYPTO_P256, zero, zero));
    assert_null(point_from_hex(CRYPTO_P256, prime, p256_y));
    assert_null(point_from_hex(CRYPTO_P256, p256_x + 2, p256_y));
    assert_null(point_from_hex(CRYPTO_P256, "", ""));
    assert_null(point_from_hex(CRYPTO_P384, p256_x, p256_y));
}

/* Each of r and s is above 0 and below the order n, and as long as the field; ASN.1 is none of JWS. */
static void test_ecdsa_numbers_out_of_range(void **state)
{
    /* RFC 6979 A.2.5, "sample" with SHA-256. */
#define R "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
#define S "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
#define N "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
#define ZERO "0000000000000000000000000000000000000000000000000000000000000000"
#define MOST "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    static const struct {
        const char *signature;
        bool good;
    } rows[] = {
        {R S, true},
        {S R, false},
        {ZERO ZERO, false},
        {R ZERO, false},
        {ZERO S, false},
        {N S, false},
        {R N, false},
        {N N, false},
        {MOST MOST, false},
        {R MOST, false},
        {"00" R "00" S, false},
        {R, false},
        {R S "00", false},
        {"3046022100" R "022100" S, false},
        {"", false},
    };
#undef R
#undef S
#undef N
#undef ZERO
#undef MOST
    (void)state;
    struct crypto_key *key = point_from_hex(CRYPTO_P256, p256_x, p256_y);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (verifies(key, "sample", from_hex(rows[i].signature)) != rows[i].good)
            fail_msg("row %zu", i);
    }
    crypto_key_free(&key);
}

static void test_ed25519_keys_that_are_refused(void **state)
{
    /* Points of small order, to which everybody can sign: 0, 1, order 8 twice, p - 1, p, p + 1. */
    static const char *const rows[] = {
        "",
        "11",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct bytes bytes = from_hex(rows[i]);
        assert_null(crypto_key_new_ed25519(view(&bytes)));
    }
}

static void test_secrets(void **state)
{
    (void)state;
    assert_null(crypto_key_new_hmac(STR_LIT(""), CRYPTO_SHA256));
    /* RFC 4231, test case 2. */
    struct bytes mac = from_hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    struct crypto_key *key = crypto_key_new_hmac(STR_LIT("Jefe"), CRYPTO_SHA256);
    for (int i = 0; i < 3; i++) {
        assert_true(crypto_key_verify(key, CRYPTO_SHA256, STR_LIT("what do ya want for nothing?"),
                                      view(&mac)));
        assert_false(crypto_key_verify(key, CRYPTO_SHA256, STR_LIT("what"), view(&mac)));
    }
    crypto_key_free(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rs256),
        cmocka_unit_test(test_rsa_keys_with_zeros_in_front_are_the_same),
        cmocka_unit_test(test_rsa_keys_that_are_refused),
        cmocka_unit_test(test_points_that_are_refused),
        cmocka_unit_test(test_ecdsa_numbers_out_of_range),
        cmocka_unit_test(test_ed25519_keys_that_are_refused),
        cmocka_unit_test(test_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
