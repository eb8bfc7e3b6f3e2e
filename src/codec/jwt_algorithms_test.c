/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every algorithm: tokens {"sub":"user-1","exp":4102444800} and keys that the npm package jose made,
 * the examples of RFC 7515 A.3 and RFC 8037 A.4; each key against each token, so that none serves for another.
 */
#include "codec/jwt.h"

#include "base/err.h"
#include "codec/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SECRET "a secret of sixty-four bytes, which is as long as SHA-512 hashes"

static const struct row {
    const char *name;
    enum jwt_algorithm algorithm;
    const char *key; /* a JWK; NULL: SECRET */
    const char *token;
} rows[] = {
    {"HS256", JWT_HS256, NULL,
     "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyLTEiLCJleHAiOjQxMDI0NDQ4MDB9.rt3toN7IKL"
     "d_DTop7QmGZwyryJUxCJ3twEx3Hwz6Jew"},
    {"HS384", JWT_HS384, NULL,
     "eyJhbGciOiJIUzM4NCJ9.eyJzdWIiOiJ1c2VyLTEiLCJleHAiOjQxMDI0NDQ4MDB9.PAXrmQ6E08"
     "bPNPCWpNhdQzWDtkJPCvMvdZp9wvfbgcet_7LzUwK__czKUL4qZFS3"},
    {"HS512", JWT_HS512, NULL,
     "eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiJ1c2VyLTEiLCJleHAiOjQxMDI0NDQ4MDB9.f4pJAdAXwf"
     "6a0znJdV6Klo_89xuRN-Gq4sVlQpvO9VLnDk84X4zJjrzZwJ5BbCcf_rJrp4jy84cYdi0ysVnCOw"},
    {"RS256", JWT_RS256,
     "{\"kty\":\"RSA\",\"n\":\"tcUOJ1oAfPc1CNN3xXZNDDvtHVZLLQrB5mRDQy90m6YZGVAetT7Pacv-MP"
     "n_F7paeL82ZXnSUEZmTdQe3cQBI5qI5L9O1kqMq5DgbMIXYmlvRMTSDmVmetJh6HY0tzY3Wz6ahL"
     "x64aRCSFHk4INSDvjPtax7rEOoCFn5MB9ehAUnIljVNosqPDOT6mXKpxGoVnE5FHd61oJe2avyON"
     "utNrCyydLIZP5mKsXo7YlSF2FI36nM48G9F-nZJCueNrSMl-H9XyAcOgkvo3ogg2aChDB97whO7Z"
     "wHcBOi2GSLNdhpgt9z6lmyyHf4W3HW6b93qFouiggWapCPzCWQ585Bqw\",\"e\":\"AQAB\"}",
     "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyLTEiLCJleHAiOjQxMDI0NDQ4MDB9.d1qhfaFRvp"
     "XzXa4d0uLsPMZ8X1RBDqQu8cpAi9rf28BdszlE3DmsHPqLmWFqC8Uo3q_4xqfMqlZy6STj1BzBUM"
     "eMe-BxcV1Ut9ybgvowZDFN4slowsKxtrmKJHeQXXs0NhK94S1Ts7xwVg5wPkmtnNS39pN8wyWhJV"
     "dj72ymEdyj_BzeR5eE8FTJpMCaBAsBpaFs4BC8b92275j3uz-bYLKJCJdU1SlB6fKvTgOiAvMI_p"
     "7jxz7wLzjwCr5eMiGDtv_6YraiQTOqmcsmyNfbiFxDW7qSo2DbxDrt2MUGJwBiPJ_nnPkKMg-PbC"
     "loGMhpb3UejrFZWrxFlSXIU8s1Rg"},
    {"RS384", JWT_RS384,
     "{\"kty\":\"RSA\",\"n\":\"kuD7Oz4MBhzIx2jfrt1ubvPgMugi5SorPwG9y91i0dvCYZ7RO_uZAgn1q4"
     "dlZdpRvlyJfe941HED6J6d5QRHTnl0CSADuOINaCtMLbsLbpdcGnAyayQLVBGXHCRLthKCXgUCVI"
     "aSWJF5QZG2-iky7DlxEvDEOc1YF4GrpbGfJYJnnorYy0lZra5YEiMKnBMPfOj3eTngAX__YD07kt"
     "2idVNDtZN-f2YOldaYGBlTK8jfcsSyFkr4dIypELtZjDag9t_I0q9nPvy9jaIJDqgxKg6xd6rpRv"
     "q8kp72mwY40UcLw86AcF4lTNM2y1zm98IsLCIepT3_q1NOJb56rRe4EQ\",\"e\":\"AQAB\"}",
     "eyJhbGciOiJSUzM4NCJ9.eyJzdWIiOiJ1c2VyLTEiLCJleHAiOjQxMDI0NDQ4MDB9.XAtFDyanWg"
     "2slAOVTqRrOFm0S6h_7kjuEKtL-3upDG6ntFBv8W5OWd8q_vuuHmTMLrctfY7tDThk524y7Eplbz"
     "o5IZgi0KtTty0koa7F2CNvVUIa-ky9z4lQsnjn50QJgrvMuKOZMXAPvWu2Ly5xFr-wYBzFCV8uS3"
     "B6A0ef1BtjVIIFi9-LKF8VG3SbaHe7YoysYvwH8noq5W1zUW8d_jfecJkyE9RDtIAfGzGQ5S5vNG"
     "XML0NUAIduJQn2D3FNqMnh6ub6ZUBPYjqtC0yBKDwfG0r7-zeh7bCLSTq5VrHM4O_pLHBsL32GtH"
     "yZk3fyo-BiT8tsj2v3hddCJbyuxQ"},
    {"RS512", JWT_RS512,
     "{\"kty\":\"RSA\",\"n\":\"5vZnpuIZhF_OiEHlYIBy14NFnqdwopWVbBi_KcXTtvUiVgnueAaOu_6QiI"
     "kBaRqicbK59nYTLSA_h7-btTfzQAIbTOdyYou1HvNcmPstZtijHUyYI6_SNl65Pl_MIoWY2KPyvZ"
     "3LNl11N8IPPkDMLZl_eq037vEwf_hGvs8aIv0gNMcGl168Ew3tVdKD9Sw6OJKB2FP2Cmc6Hg7vx1"
     "GBQ3oUS4_Cba2EP8ZdfrtOZU_rCzCFTSbdRGmE9_zAhwqQ_LlIezweb6C45HNvzfbyhJlonjw-ED"
     "LXq2MPBWwTwyJWmaW4fdfjwBhaPVQktLHe4Ovn0gy7EIsNzdukWQpYKw\",\"e\":\"AQAB\"}",
     "eyJhbGciOiJSUzUxMiJ9.eyJzdWIiOiJ1c2VyLTEiLCJleHAiOjQxMDI0NDQ4MDB9.gTd-13Isqg"
     "Y1npsXZpQQteILcNJZoDxpqxe6yYRdoNeguQy5RX_ENMec1DX1eq6PVae8iY0nWgWrhLgKqo6E7r"
     "kijxN20Sp4jpYHbBedSQmknUvMo1kwDioMdsXxSZ5TZSbjYAm9sesSxwWvhKeE8_lDTLTT28-vOi"
     "_a-uX_5nsU5jwN8kFo9Q-DMMcWIobOhMoGZbnDM3rX9xc5zFaGvesMHYG30I8TTFDStrlBO_axZu"
     "E-Z0Q-uN5BawA7ODBZg_sOU_d3eWGn11aERWCvNpy_voJiLfBTOPYKqIHoD1r9i7sYXEVutYdRlV"
     "2pwGx-9SBrHfip7olqW3k9imtHkg"},
    {"ES256", JWT_ES256,
     "{\"kty\":\"EC\",\"x\":\"iISeFY7MVVJ40vNZWHsEZQZ_pnw81aCWMW3D-25qTrg\",\"y\":\"Wbhi9z4_d"
     "BVJ98CklnXJixCAGN35O7pIPAPA2FzSvg0\",\"crv\":\"P-256\"}",
     "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1c2VyLTEiLCJleHAiOjQxMDI0NDQ4MDB9.hrUOmzMFP_"
     "vjQxM4M0n2bhjo04yKg_Cmv7F3Yz9loclZeXqFFLEqgNAxp3Tg_C9bmHTvc7HkUXBNrQM1U17aAw"},
    {"ES384", JWT_ES384,
     "{\"kty\":\"EC\",\"x\":\"2YcM4V5WEnqY4HaztaEuaNNrK8pNFbVa9SC5nvhse5UZ0sqjibSYrPKyc9V"
     "k_WHi\",\"y\":\"8uwvnLinzkgWpvj6hYTTbRUprI8wu6DV6e9OOcGlpJTneOh1TI1UhUe6M8V_DwHf"
     "\",\"crv\":\"P-384\"}",
     "eyJhbGciOiJFUzM4NCJ9.eyJzdWIiOiJ1c2VyLTEiLCJleHAiOjQxMDI0NDQ4MDB9.g0SDTf1JlK"
     "FrSxR-UGWhHQFR6XuOiD6bwQk3PoshLgCih15vKRgLMIj-PrsUNRnyQ5TCd9yIYkUIyNxfEyAyOv"
     "6dp1MheN2w-ez0-IYMe3Z_Jpx0zv-eD4UrKFgz_Ej8"},
    {"EdDSA", JWT_EDDSA,
     "{\"crv\":\"Ed25519\",\"x\":\"ruZnHYgR3_5p2tPfDDtLabm7kOAgSidznL5ex2wfWFo\",\"kty\":\"OK"
     "P\"}",
     "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1c2VyLTEiLCJleHAiOjQxMDI0NDQ4MDB9.QnrGCeKltZ"
     "GFaQfoptH3FsJl-Aymf3yrrGUeP510FTb69fIbRbvlZQZGUtJ3NDxi_UODBJrCa5ur0jmN0hWcDg"},
};

/* The key of a row, with more members than jose wrote. */
static void read_key(const struct row *row, const char *more, struct jwks *set)
{
    char text[1000];
    char error[JSON_ERROR_SIZE] = "";
    if (row->key == NULL) {
        jwks_init_secret(set, STR_LIT(SECRET), row->algorithm);
        return;
    }
    snprintf(text, sizeof(text), "[{%s%s]", more, row->key + 1);
    struct json *document = json_parse(str_from(text), NULL);
    assert_non_null(document);
    if (jwks_read(document, true, set, error) < 0)
        fail_msg("%s: %s", row->name, error);
    json_free(&document);
}

static void read_token(const struct row *row, struct jwt *jwt)
{
    assert_int_equal(jwt_decode(str_from(row->token), jwt), 0);
    assert_int_equal(jwt->algorithm, row->algorithm);
}

static void each_token_is_signed_by_its_key_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct jwks set;
        read_key(&rows[i], "", &set);
        assert_int_equal(set.count, 1);
        for (size_t j = 0; j < ARRAY_LENGTH(rows); j++) {
            struct jwt jwt;
            read_token(&rows[j], &jwt);
            bool verified = jwks_key_verify(&set.keys[0], &jwt);
            if (verified != (i == j))
                fail_msg("key %s, token %s: %d", rows[i].name, rows[j].name, verified);
            jwt_fini(&jwt);
        }
        jwks_fini(&set);
    }
}

/* What was set up for one hash or message does not leak into the next. */
static void a_key_serves_again_and_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct jwks set;
        struct jwt jwt;
        read_key(&rows[i], "", &set);
        read_token(&rows[i], &jwt);
        for (int round = 0; round < 3; round++) {
            assert_true(jwks_key_verify(&set.keys[0], &jwt));
            for (size_t bit = 0; bit < jwt.signature.len; bit += 7) {
                jwt.signature.ptr[bit] ^= 1;
                assert_false(jwks_key_verify(&set.keys[0], &jwt));
                jwt.signature.ptr[bit] ^= 1;
            }
            jwt.signed_part.len--;
            assert_false(jwks_key_verify(&set.keys[0], &jwt));
            jwt.signed_part.len++;
            jwt.signature.len--;
            assert_false(jwks_key_verify(&set.keys[0], &jwt));
            jwt.signature.len++;
        }
        jwt_fini(&jwt);
        jwks_fini(&set);
    }
}

/* The header is an attacker's: whatever algorithm it names, a signature stands for its own. */
static void a_header_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct jwks set;
        struct jwt jwt;
        read_key(&rows[i], "", &set);
        read_token(&rows[i], &jwt);
        for (int algorithm = 0; algorithm < JWT_ALGORITHM_COUNT; algorithm++) {
            bool is_same = algorithm == (int)rows[i].algorithm ||
                           (rows[i].algorithm == JWT_EDDSA && algorithm == JWT_ED25519);
            jwt.algorithm = algorithm;
            assert_int_equal(jwks_key_verify(&set.keys[0], &jwt), is_same);
        }
        jwt_fini(&jwt);
        jwks_fini(&set);
    }
}

static void a_key_that_names_an_algorithm_serves_no_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char more[40];
        struct jwks set;
        struct jwt jwt;
        snprintf(more, sizeof(more), "\"alg\":\"%s\",", rows[i].name);
        read_key(&rows[i], more, &set);
        assert_int_equal(set.keys[0].algorithm, rows[i].algorithm);
        read_token(&rows[i], &jwt);
        assert_true(jwks_key_verify(&set.keys[0], &jwt));
        for (int algorithm = 0; algorithm < JWT_ALGORITHM_COUNT; algorithm++) {
            jwt.algorithm = algorithm;
            assert_int_equal(jwks_key_serves(&set.keys[0], &jwt),
                             algorithm == (int)rows[i].algorithm);
        }
        jwt_fini(&jwt);
        jwks_fini(&set);
    }
}

static void rfc_7515_a3(void **state)
{
    (void)state;
    static const struct row row = {
        "A.3", JWT_ES256,
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
        "eyJhbGciOiJFUzI1NiJ9."
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmN"
        "vbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-"
        "F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQx"
        "fKTUJqPP3-Kg6NU1Q"};
    struct jwks set;
    struct jwt jwt;
    read_key(&row, "", &set);
    read_token(&row, &jwt);
    assert_true(jwks_key_verify(&set.keys[0], &jwt));
    jwt_fini(&jwt);
    jwks_fini(&set);
}

/* Its payload is text, no claims, so that the token is taken apart by hand. */
static void rfc_8037_a4(void **state)
{
    (void)state;
    static const struct row row = {"A.4", JWT_EDDSA,
                                   "{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
                                   "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
                                   NULL};
    struct jwks set;
    struct jwt jwt = {
        .algorithm = JWT_EDDSA,
        .signed_part = STR_LIT("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"),
    };
    buf_init(&jwt.signature, 100);
    read_key(&row, "", &set);
    assert_int_equal(base64_decode_url(STR_LIT("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcN"
                                               "R4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"),
                                       &jwt.signature),
                     0);
    assert_true(jwks_key_verify(&set.keys[0], &jwt));
    jwt_fini(&jwt);
    jwks_fini(&set);
}

static void unknown_names_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"none",   "None",  "hs256",    "PS256",  "ES512",
                                        "ES256K", "Ed448", "RSA-OAEP", "EdDSA ", ""};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct buf header;
        struct buf token;
        struct jwt jwt;
        buf_init(&header, 100);
        buf_init(&token, 200);
        buf_printf(&header, "{\"alg\":\"%s\"}", names[i]);
        base64_encode_url(buf_view(&header), &token);
        buf_append_text(&token, ".e30.AAAA");
        assert_int_equal(jwt_decode(buf_view(&token), &jwt), ERR_UNSUPPORTED);
        buf_fini(&token);
        buf_fini(&header);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_token_is_signed_by_its_key_alone),
        cmocka_unit_test(a_key_serves_again_and_again),
        cmocka_unit_test(a_header_changes_nothing),
        cmocka_unit_test(a_key_that_names_an_algorithm_serves_no_other),
        cmocka_unit_test(rfc_7515_a3),
        cmocka_unit_test(rfc_8037_a4),
        cmocka_unit_test(unknown_names_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
