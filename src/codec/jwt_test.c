/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of RFC 7515 appendix A and of a key made with the openssl command, key sets in both
 * spellings, and the ways to forge or break a token.
 */
#include "codec/jwt.h"

#include "base/crypto_key.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "codec/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* RFC 7515 A.1: the token and its key. */
#define A1_TOKEN                                                                                   \
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQo"     \
    "gImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOE"     \
    "jXk"

#define A1_KEY                                                                                     \
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"

/* RFC 7515 A.2: the token and the modulus of its key. */
#define A2_TOKEN                                                                                   \
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGx"     \
    "lLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5R"     \
    "Zmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrn"     \
    "byTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHW"     \
    "EsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0ig"     \
    "cN_IoypGlUPQGe77Rw"

#define A2_MODULUS                                                                                 \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt"     \
    "0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSX"     \
    "ndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5"     \
    "IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"

/* {"alg":"RS256","kid":"k1","typ":"JWT"}, {"sub":"user-1",…,"exp":1893456000.75,"nbf":1600000000}
 */
#define OWN_TOKEN                                                                                  \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiSldUIn0.eyJzdWIiOiJ1c2VyLTEiLCJpc3MiOiJodHRw"     \
    "czovL2xvZ2luLnhzb2xsYS5jb20iLCJleHAiOjE4OTM0NTYwMDAuNzUsIm5iZiI6MTYwMDAwMDAwMH0.MQJSxKor"     \
    "vsWKB8699RJKeuDeSsJSFPih4In-N1lGF51_oYqdtaMccYPU5J5Y8O2Ic_t1wiGw_-PhWJ_k_WTWZ2bgqfym9QIv"     \
    "7LaQIC1aHnaDqvW9wb51AIKGvxw5Ge0sVWEZUKkOgqdN5hAE3w5oB_O5hMSYZ0KF87ty_Sg6TwxJ3ApsO1-ZlnDo"     \
    "AVQe35vpz2uHXa6XK23BndFtTV1aKpcRzo_0dLY6nXKkhnV-OzT7ngSD2F7e-CK06s0rChwDN7sPFxPnFksz7e8y"     \
    "m_59MmrZkRTMARFLNjR9Mnu93BFioBi4dQ6Lkfc9feO9b9-7bJzcrmlcHFKllCuc8mmKMw"

#define OWN_MODULUS                                                                                \
    "qjsrO-br3fOEFd-o8n6B2trKPOIfBhslCpPpCKo5uH4FLEdSsjNHnG0VIAdftUwnKigpRQnP004XdHD6mgqSXPYL"     \
    "6nvy7BpddqI7fyL5QjVvdzdf-YVzyFm6e4UTnjFzKr6KsB7zALJAG7Y9HlFQZJ-45FdF1rvTqhOVxcxU-hXZoWaJ"     \
    "TcxHdY13j0cqj1owZa6zN_wdI5QHz6gdBhULsAwSvt0cAEDzFjYUvepuAT57liJEq2o4hSarcv6NM4mJfdAXBxfz"     \
    "w2X7h1ZnOiz8rrKJTY-gdGcHByUFEokluooYLFUxQyp0F35ht5_ZdLPye1II-n96tUxBhVDPUi3ywQ"

#define OWN_MODULUS_HEX                                                                            \
    "aa3b2b3be6ebddf38415dfa8f27e81dadaca3ce21f061b250a93e908aa39b87e052c4752b233479c6d152007"     \
    "5fb54c272a28294509cfd34e177470fa9a0a925cf60bea7bf2ec1a5d76a23b7f22f942356f77375ff98573c8"     \
    "59ba7b85139e31732abe8ab01ef300b2401bb63d1e5150649fb8e45745d6bbd3aa1395c5cc54fa15d9a16689"     \
    "4dcc47758d778f472a8f5a3065aeb337fc1d239407cfa81d06150bb00c12bedd1c0040f3163614bdea6e013e"     \
    "7b962244ab6a388526ab72fe8d3389897dd0170717f3c365fb8756673a2cfcaeb2894d8fa074670707250512"     \
    "8925ba8a182c5531432a74177e61b79fd974b3f27b5208fa7f7ab54c418550cf522df2c1"

/* {"alg":"HS256"}, {"sub":"u"}: an RSA signature by the key above under the wrong name. */
#define HS256_BY_RSA_TOKEN                                                                         \
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1In0.dqzfhpiVSeXvfrdBoFzkkkfKZNzgySMWNlva0zuTwFViBNHMNr0"     \
    "5aBLFV1lzpOMrWd1VABZz6S4BEaLMIZY56TFDsc5JDHmRgLHvVd8mZoANtzoWFAH3NYaswQNnlALzQRTmVOkJqDi"     \
    "LIBW5QymwW_E7YKMu24odI2ym_H6RpcSEuHYlGXjCYkGf9WCIiAB5whyLHxLlTs6PtzVrhnYMlU26QI0myqzB1EX"     \
    "PON6AwNAbvKjRzq32gM7HKoLadVVQj1SNo_6lOsX3BrcWlE-jpofn6nvDxSC1Mg0f91jsCZm_y0j40REntUiBTsp"     \
    "oPjcfae7P2FOhiaiEjHtEN9PQlA"

#define RSA_KEY(n, e, more) "{\"kty\":\"RSA\",\"n\":\"" n "\",\"e\":\"" e "\"" more "}"

static int read_set(const char *text, struct jwks *set, char *error)
{
    struct json *document = json_parse(str_from(text), NULL);
    assert_non_null(document);
    int rc = jwks_read(document, true, set, error);
    json_free(&document);
    return rc;
}

static bool is_signed_by(const char *token, const char *key)
{
    char error[JSON_ERROR_SIZE];
    struct jwks set;
    struct jwt jwt;
    assert_int_equal(read_set(key, &set, error), 0);
    assert_int_equal(jwt_decode(str_from(token), &jwt), 0);
    bool verified = jwks_key_verify(&set.keys[0], &jwt);
    jwt_fini(&jwt);
    jwks_fini(&set);
    return verified;
}

/* By HS256 with a secret. */
static bool is_by_secret(const struct jwt *jwt, struct str secret)
{
    struct jwks set;
    jwks_init_secret(&set, secret, JWT_HS256);
    bool verified = jwks_key_verify(&set.keys[0], jwt);
    jwks_fini(&set);
    return verified;
}

static void test_rfc_hs256(void **state)
{
    (void)state;
    struct jwt jwt;
    struct buf secret;
    int64_t at;
    buf_init(&secret, 100);
    assert_int_equal(base64_decode_url(STR_LIT(A1_KEY), &secret), 0);
    assert_int_equal(jwt_decode(STR_LIT(A1_TOKEN), &jwt), 0);
    assert_int_equal(jwt.algorithm, JWT_HS256);
    assert_int_equal(jwt.key_id.len, 0);
    assert_true(is_by_secret(&jwt, buf_view(&secret)));
    assert_int_equal(jwt_time_claim(&jwt, "exp", &at), 0);
    assert_int_equal(at, 1300819380000);
    assert_int_equal(jwt_time_claim(&jwt, "nbf", &at), ERR_NOT_FOUND);
    assert_int_equal(jwt_time_claim(&jwt, "iss", &at), ERR_INVALID);
    secret.ptr[0] ^= 1;
    assert_false(is_by_secret(&jwt, buf_view(&secret)));
    jwt_fini(&jwt);
    buf_fini(&secret);
}

static void test_rfc_rs256(void **state)
{
    (void)state;
    assert_true(is_signed_by(A2_TOKEN, "[" RSA_KEY(A2_MODULUS, "AQAB", "") "]"));
    assert_false(is_signed_by(A2_TOKEN, "[" RSA_KEY(OWN_MODULUS, "AQAB", "") "]"));
    assert_false(is_signed_by(A1_TOKEN, "[" RSA_KEY(A2_MODULUS, "AQAB", "") "]"));
}

static void test_both_spellings_of_a_key(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "[" RSA_KEY(OWN_MODULUS, "AQAB", "") "]",
        "[" RSA_KEY(OWN_MODULUS_HEX, "010001", "") "]",
        "[" RSA_KEY(OWN_MODULUS_HEX, "10001", "") "]",
        "{\"keys\":[" RSA_KEY(OWN_MODULUS_HEX, "10001", ",\"kid\":\"k1\",\"use\":\"sig\"") "]}",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        assert_true(is_signed_by(OWN_TOKEN, keys[i]));
        assert_false(is_signed_by(A2_TOKEN, keys[i]));
    }
}

static void test_own_token(void **state)
{
    (void)state;
    struct jwt jwt;
    struct str subject;
    int64_t at;
    assert_int_equal(jwt_decode(STR_LIT(OWN_TOKEN), &jwt), 0);
    assert_int_equal(jwt.algorithm, JWT_RS256);
    assert_true(str_equal_text(jwt.key_id, "k1"));
    assert_true(json_as_string(json_get(jwt.claims, "sub"), &subject));
    assert_true(str_equal_text(subject, "user-1"));
    assert_int_equal(jwt_time_claim(&jwt, "exp", &at), 0);
    assert_int_equal(at, 1893456000000);
    assert_int_equal(jwt_time_claim(&jwt, "nbf", &at), 0);
    assert_int_equal(at, 1600000000000);
    jwt_fini(&jwt);
}

/* The RSA key's public text as HMAC secret is the classic confusion. */
static void test_algorithm_belongs_to_the_key(void **state)
{
    (void)state;
    struct jwks set;
    struct jwt jwt;
    struct buf token;
    char error[JSON_ERROR_SIZE];
    buf_init(&token, LIMIT_TOKEN);
    jwt_encode_hs256(STR_LIT("{\"sub\":\"u\"}"), STR_LIT(OWN_MODULUS), &token);
    assert_int_equal(read_set("[" RSA_KEY(OWN_MODULUS, "AQAB", "") "]", &set, error), 0);
    assert_int_equal(jwt_decode(buf_view(&token), &jwt), 0);
    assert_true(is_by_secret(&jwt, STR_LIT(OWN_MODULUS)));
    assert_false(jwks_key_verify(&set.keys[0], &jwt));
    jwt_fini(&jwt);
    assert_int_equal(jwt_decode(STR_LIT(OWN_TOKEN), &jwt), 0);
    assert_false(is_by_secret(&jwt, STR_LIT(OWN_MODULUS)));
    jwt_fini(&jwt);
    jwks_fini(&set);
    buf_fini(&token);
}

/* A signature that is good under its key does not help a header that names the other algorithm. */
static void test_header_names_the_other_algorithm(void **state)
{
    (void)state;
    struct jwt jwt;
    assert_false(is_signed_by(HS256_BY_RSA_TOKEN, "[" RSA_KEY(OWN_MODULUS, "AQAB", "") "]"));
    assert_int_equal(jwt_decode(STR_LIT(A1_TOKEN), &jwt), 0);
    uint8_t mac[CRYPTO_SHA256_SIZE];
    crypto_hmac_sha256(STR_LIT("s"), jwt.signed_part, mac);
    buf_clear(&jwt.signature);
    buf_append(&jwt.signature, mac, sizeof mac);
    assert_true(is_by_secret(&jwt, STR_LIT("s")));
    jwt.algorithm = JWT_RS256;
    assert_false(is_by_secret(&jwt, STR_LIT("s")));
    jwt_fini(&jwt);
}

static void write_token(struct buf *out, const char *header, const char *claims,
                        const char *signature)
{
    buf_init(out, 2 * LIMIT_TOKEN);
    base64_encode_url(str_from(header), out);
    buf_append_byte(out, '.');
    base64_encode_url(str_from(claims), out);
    buf_append_text(out, signature);
}

static void test_headers_and_claims(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        const char *claims;
        const char *signature;
        int rc;
    } rows[] = {
        {"{\"alg\":\"HS256\"}", "{}", ".AAAA", 0},
        {"{\"alg\":\"HS256\"}", "{}", ".", 0},
        {"{\"alg\":\"RS256\",\"kid\":\"\",\"typ\":5,\"x\":[]}", "{\"a\":{}}", ".AAAA", 0},
        {"{\"alg\":\"none\"}", "{}", ".", ERR_UNSUPPORTED},
        {"{\"alg\":\"None\"}", "{}", ".", ERR_UNSUPPORTED},
        {"{\"alg\":\"hs256\"}", "{}", ".AAAA", ERR_UNSUPPORTED},
        {"{\"alg\":\"\"}", "{}", ".AAAA", ERR_UNSUPPORTED},
        {"{}", "{}", ".AAAA", ERR_INVALID},
        {"{\"alg\":null}", "{}", ".AAAA", ERR_INVALID},
        {"{\"alg\":[\"HS256\"]}", "{}", ".AAAA", ERR_INVALID},
        {"{\"alg\":\"HS256\",\"alg\":\"none\"}", "{}", ".AAAA", ERR_INVALID},
        {"{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", "{}", ".AAAA", ERR_INVALID},
        {"{\"alg\":\"HS256\",\"crit\":null}", "{}", ".AAAA", ERR_INVALID},
        {"{\"alg\":\"HS256\",\"kid\":5}", "{}", ".AAAA", ERR_INVALID},
        {"[]", "{}", ".AAAA", ERR_INVALID},
        {"{\"alg\":\"HS256\"}x", "{}", ".AAAA", ERR_INVALID},
        {"", "{}", ".AAAA", ERR_INVALID},
        {"{\"alg\":\"HS256\"}", "", ".AAAA", ERR_INVALID},
        {"{\"alg\":\"HS256\"}", "[]", ".AAAA", ERR_INVALID},
        {"{\"alg\":\"HS256\"}", "{\"a\":1,\"a\":2}", ".AAAA", ERR_INVALID},
        {"{\"alg\":\"HS256\"}", "{\"a\":\"\xff\"}", ".AAAA", ERR_INVALID},
        {"{\"alg\":\"HS256\"}", "{}", "", ERR_INVALID},
        {"{\"alg\":\"HS256\"}", "{}", ".AAAA.", ERR_INVALID},
        {"{\"alg\":\"HS256\"}", "{}", ".AAAA.AAAA.AAAA", ERR_INVALID},
        {"{\"alg\":\"HS256\"}", "{}", ".AAAA=", ERR_INVALID},
        {"{\"alg\":\"HS256\"}", "{}", ".A+A/", ERR_INVALID},
        {"{\"alg\":\"HS256\"}", "{}", ".AAAA ", ERR_INVALID},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buf token;
        struct jwt jwt;
        write_token(&token, rows[i].header, rows[i].claims, rows[i].signature);
        int rc = jwt_decode(buf_view(&token), &jwt);
        if (rc != rows[i].rc)
            fail_msg("row %zu: %d", i, rc);
        if (rc == 0)
            jwt_fini(&jwt);
        buf_fini(&token);
    }
}

static void test_every_prefix(void **state)
{
    (void)state;
    struct str whole = STR_LIT(A1_TOKEN);
    for (size_t length = 0; length < whole.len; length++) {
        struct jwt jwt;
        char *copy = mem_dup(whole.ptr, length + (length == 0));
        if (jwt_decode(str_make(copy, length), &jwt) == 0) {
            assert_false(is_by_secret(&jwt, STR_LIT("secret")));
            assert_true(jwt.signature.len < CRYPTO_SHA256_SIZE);
            jwt_fini(&jwt);
        }
        mem_free(copy);
    }
}

static void test_too_large(void **state)
{
    (void)state;
    struct jwt jwt;
    struct buf token;
    write_token(&token, "{\"alg\":\"HS256\"}", "{}", ".");
    while (token.len <= LIMIT_TOKEN)
        buf_append_byte(&token, 'A');
    assert_int_equal(jwt_decode(buf_view(&token), &jwt), ERR_TOO_LARGE);
    buf_fini(&token);
}

static void test_time_claims(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        int rc;
        int64_t at;
    } rows[] = {
        {"{\"exp\":0}", 0, 0},
        {"{\"exp\":1.999}", 0, 1000},
        {"{\"exp\":1.6e9}", 0, 1600000000000},
        {"{\"exp\":253402300799}", 0, 253402300799000},
        {"{\"exp\":253402300800}", ERR_INVALID, 0},
        {"{\"exp\":9223372036854775807}", ERR_INVALID, 0},
        {"{\"exp\":1e300}", ERR_INVALID, 0},
        {"{\"exp\":-1}", ERR_INVALID, 0},
        {"{\"exp\":\"1600000000\"}", ERR_INVALID, 0},
        {"{\"exp\":null}", ERR_INVALID, 0},
        {"{\"exp\":true}", ERR_INVALID, 0},
        {"{}", ERR_NOT_FOUND, 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buf token;
        struct jwt jwt;
        int64_t at = 0;
        buf_init(&token, LIMIT_TOKEN);
        jwt_encode_hs256(str_from(rows[i].claims), STR_LIT("s"), &token);
        assert_int_equal(jwt_decode(buf_view(&token), &jwt), 0);
        assert_true(is_by_secret(&jwt, STR_LIT("s")));
        int rc = jwt_time_claim(&jwt, "exp", &at);
        if (rc != rows[i].rc || at != rows[i].at)
            fail_msg("row %zu: %d %lld", i, rc, (long long)at);
        jwt_fini(&jwt);
        buf_fini(&token);
    }
}

static void test_encode(void **state)
{
    (void)state;
    struct buf token;
    buf_init(&token, LIMIT_TOKEN);
    jwt_encode_hs256(STR_LIT("{\"sub\":\"u1\",\"exp\":1600000000}"), STR_LIT("secret"), &token);
    assert_true(str_equal_text(
        buf_view(&token),
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1MSIsImV4cCI6MTYwMDAwMDAwMH0.OxpuecUrSZ_"
        "nL6CvoQYK3UlL8ROyLbZtjBJycqn3noM"));
    buf_fini(&token);
    buf_init(&token, 60);
    jwt_encode_hs256(STR_LIT("{\"sub\":\"u1\",\"exp\":1600000000}"), STR_LIT("secret"), &token);
    assert_true(token.overflow);
    buf_fini(&token);
}

static void test_key_sets(void **state)
{
    (void)state;
    static const struct {
        const char *set;
        int rc;
        size_t count;
        const char *error;
    } rows[] = {
        {"[" RSA_KEY(OWN_MODULUS, "AQAB", ",\"kid\":\"a\",\"use\":\"sig\",\"alg\":\"RS256\"") "]",
         0, 1, ""},
        {"{\"keys\":[{\"kty\":\"EC\"},{\"kty\":\"oct\",\"k\":\"AA\"}," RSA_KEY(
             OWN_MODULUS, "AQAB",
             ",\"use\":\"enc\"") "," RSA_KEY(A2_MODULUS, "AQAB",
                                             ",\"alg\":\"PS256\"") "," RSA_KEY(A2_MODULUS, "AQAB",
                                                                               "") "]}",
         0, 1, ""},
        {"[" RSA_KEY(OWN_MODULUS, "AQAB", "") "," RSA_KEY(A2_MODULUS, "AQAB", "") "]", 0, 2, ""},
        {"[" RSA_KEY(OWN_MODULUS, "AQAB", ",\"key_ops\":[\"sign\",\"verify\"]") "," RSA_KEY(
             A2_MODULUS, "AQAB", ",\"key_ops\":null") "]",
         0, 2, ""},
        {"[" RSA_KEY(OWN_MODULUS, "AQAB", ",\"key_ops\":[\"encrypt\",1]") "," RSA_KEY(
             OWN_MODULUS, "AQAB", ",\"key_ops\":[]") "," RSA_KEY(A2_MODULUS, "AQAB",
                                                                 ",\"key_ops\":\"verify\"") "]",
         ERR_INVALID, 0, "no key for signatures"},
        {"[]", ERR_INVALID, 0, "no key for signatures"},
        {"{\"keys\":[{\"kty\":\"EC\"}]}", ERR_INVALID, 0, "no key for signatures"},
        {"{}", ERR_INVALID, 0, "expected an object with an array"},
        {"{\"keys\":{}}", ERR_INVALID, 0, "expected an object with an array"},
        {"\"x\"", ERR_INVALID, 0, "expected an object with an array"},
        {"[5]", ERR_INVALID, 0, "key 0: expected an object, got a number"},
        {"[{}]", ERR_INVALID, 0, "no key for signatures"},
        {"[{\"kty\":\"EC\"},{\"kty\":\"RSA\",\"e\":\"AQAB\"}]", ERR_INVALID, 0, "key 1: n and e"},
        {"[" RSA_KEY(OWN_MODULUS, "AQAB", ",\"kid\":5") "]", ERR_INVALID, 0, "kid must be"},
        {"[" RSA_KEY("AQAB", "AQAB", "") "]", ERR_INVALID, 0, "2048 to 8192"},
        {"[" RSA_KEY("", "AQAB", "") "]", ERR_INVALID, 0, "2048 to 8192"},
        {"[" RSA_KEY(OWN_MODULUS, "", "") "]", ERR_INVALID, 0, "2048 to 8192"},
        {"[" RSA_KEY(OWN_MODULUS "=", "AQAB", "") "]", ERR_INVALID, 0, "2048 to 8192"},
        {"[" RSA_KEY(OWN_MODULUS_HEX, "AQAB", "") "]", ERR_INVALID, 0, "2048 to 8192"},
        {"[" RSA_KEY(OWN_MODULUS, "AQAB", "") ",7]", ERR_INVALID, 0, "key 1"},
        {"[{\"kty\":\"EC\",\"crv\":\"P-521\"},{\"kty\":\"OKP\",\"crv\":\"X25519\"}]", ERR_INVALID,
         0, "no key for"},
        {"[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]", ERR_INVALID, 0,
         "key 0: x and y are no point of P-256"},
        {"[{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":5}]", ERR_INVALID, 0, "no point of P-384"},
        {"[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}]", ERR_INVALID, 0, "no Ed25519 key"},
        {"[{\"kty\":\"oct\",\"k\":\"c2VjcmV0IG9mIHNpeHRlZW4\",\"alg\":\"HS256\"}]", ERR_INVALID, 0,
         "no key for"},
        {"[" RSA_KEY(OWN_MODULUS, "AQAB", ",\"alg\":\"HS256\"") "]", ERR_INVALID, 0, "no key for"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char error[JSON_ERROR_SIZE] = "";
        struct jwks set;
        int rc = read_set(rows[i].set, &set, error);
        if (rc != rows[i].rc || set.count != rows[i].count || !strstr(error, rows[i].error))
            fail_msg("row %zu: %d %zu \"%s\"", i, rc, set.count, error);
        jwks_fini(&set);
    }
}

/* What others publish may hold keys that are too weak for us beside good ones. */
static void test_bad_keys_among_good_ones(void **state)
{
    (void)state;
    static const struct {
        const char *set;
        int rc;
        size_t count;
    } rows[] = {
        {"[7," RSA_KEY(OWN_MODULUS, "AQAB", "") "," RSA_KEY("AQAB", "AQAB", "") "]", 0, 1},
        {"[7," RSA_KEY("AQAB", "AQAB", "") "]", ERR_INVALID, 0},
        {"{\"keys\":[]}", ERR_INVALID, 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char error[JSON_ERROR_SIZE] = "";
        struct jwks set;
        struct json *document = json_parse(str_from(rows[i].set), NULL);
        assert_int_equal(jwks_read(document, false, &set, error), rows[i].rc);
        assert_int_equal(set.count, rows[i].count);
        jwks_fini(&set);
        json_free(&document);
    }
}

static void test_key_ids(void **state)
{
    (void)state;
    char error[JSON_ERROR_SIZE];
    struct jwks set;
    assert_int_equal(read_set("[" RSA_KEY(OWN_MODULUS, "AQAB", ",\"kid\":\"a\"") "," RSA_KEY(
                                  A2_MODULUS, "AQAB", ",\"kid\":null") "]",
                              &set, error),
                     0);
    assert_string_equal(set.keys[0].key_id, "a");
    assert_string_equal(set.keys[1].key_id, "");
    jwks_fini(&set);
    assert_int_equal(set.count, 0);
}

static void test_too_many_keys(void **state)
{
    (void)state;
    char error[JSON_ERROR_SIZE];
    struct buf text;
    struct jwks set;
    buf_init(&text, 4096);
    buf_append_text(&text, "[{}");
    for (int i = 0; i < LIMIT_JWKS_KEYS; i++)
        buf_append_text(&text, ",{}");
    buf_append_text(&text, "]");
    buf_append_byte(&text, '\0');
    assert_int_equal(read_set(text.ptr, &set, error), ERR_TOO_LARGE);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_hs256),
        cmocka_unit_test(test_rfc_rs256),
        cmocka_unit_test(test_both_spellings_of_a_key),
        cmocka_unit_test(test_own_token),
        cmocka_unit_test(test_algorithm_belongs_to_the_key),
        cmocka_unit_test(test_header_names_the_other_algorithm),
        cmocka_unit_test(test_headers_and_claims),
        cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_time_claims),
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_key_sets),
        cmocka_unit_test(test_bad_keys_among_good_ones),
        cmocka_unit_test(test_key_ids),
        cmocka_unit_test(test_too_many_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
