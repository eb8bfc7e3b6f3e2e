/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: two keys made once, and tokens {"sub":"rsa-user","exp":4102444800} signed with them; the names
 * say by which key, and what their "kid" says.
 */
#ifndef ORDERWIRE_AUTH_AUTH_FIXTURE_H
#define ORDERWIRE_AUTH_AUTH_FIXTURE_H

#define MODULUS_1                                                                                  \
    "qe0QkztZlehoGTAPkls9enpadZnqA_NL4wD_TZGAjUI3Zhg9CONG1Cath8rBxBATc0Mc0iXq8tdFTXy6"             \
    "AdCKepFFGMCylLX-gXa4sj9CYv2pQ6M_41S3eKRrU-ztuiV9UXGREGC4tYev4qVmWz27IOiJvw-dNv1G"             \
    "uCmscqhpA7ojWyb3xwa8t5miwh6Llrtw_In3eZFky6ITre1PIQ_A-IW3oyCy0Te5OIItk9LVgQ8HrdmK"             \
    "rgTjbTLLSy83PrZP7vel3qBXVQrKI3pzemaWJ8PzUsDTcoQwIP1TX51GLHDUzzaskPiYtzqAJEu3kyeW"             \
    "X__QXb9fgF4sGEd3-dUS_w"

#define MODULUS_2                                                                                  \
    "n4kps-451K4qeMt-7BPWIos4F2OsM6GkrWA1PB1I9EJXusR0mgEsVG-YYA19wVszZBot7Ymh2saSBHum"             \
    "r7cRp2JOeZLcr-Z4Okh5xYktBRZTu6cZdYO9ONJs986Bb2tXc8kccYDCrnxfynoGGlyum1hMwvgFbGci"             \
    "4WU1Ai0n5f3Dc5XX0NxNb4YchcNIXJuLGXh6Z6viSQQMymUT20QVJ7uiac_Lf0SA2YYOptMKfg8fhKC2"             \
    "JuHb0dtH6chLPdo_oPWGNkvnIr1PBj6drBNOdGqZRFGCjGOTb9275QeyfPik0EcTAIK6osFmE6TJT-JK"             \
    "-fdCxAO4HWzsU-_S79e0SQ"

#define TOKEN_KEY_1                                                                                \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.eyJzdWIiOiJyc2EtdXNlciIsImV4cCI6NDEwMjQ0NDgw"             \
    "MH0.hDJdix7WObtI8p5V6kT3MHc-oAc1RxnRAhj-q_ZgXIw_JN6mLOkDmc4aH6udtpv51dVHg5ORNaIY"             \
    "hHyk5Xs_a9I6--ZfZ7qEU7DBjrmf5TpYJxDxpxFb_mmEiWSX_3nxBz0uzZOwbDo0YZ4348vC1gNcJVmN"             \
    "nqbF62_FYaCTk2_W2jWNGOMyq6MhvTxf3nhCEB7pDJvoG64lsEN1f6jGzRqfnZkpEDZUaRINrDdXc0WJ"             \
    "046SzATjNeq3yteMPE9MB7Kmdxs9sOxNZxOAmVQxrjFLQ8NJ__0vnnVtqIwpQaqEgAScps8zbnI74fR7"             \
    "Jv_x2lHGIgLTJc5on3TdGIM1-A"

#define TOKEN_KEY_2                                                                                \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsyIn0.eyJzdWIiOiJyc2EtdXNlciIsImV4cCI6NDEwMjQ0NDgw"             \
    "MH0.T230e1r5IeJjZY_mw4AUkH0wIEGuD7D_gVyqFtdoyH4GAOWfolnPtcD37p9zs8F9seWuVg0DjPPA"             \
    "OJ9MAKNLP_E5fnAlZsbvl5hPZ27HF_hge5tAtZj8eqZMU6eIZY4mrpvzyfDsCLw0LbmhxVMb1RoXwmMl"             \
    "lkoLblnOfSglDj06-A5IOIHmDSNw_uD1Glvq6Kq7W23Y2HzYNFr9mCgzWE19q0XtwTvw3eZQwS5kFY9U"             \
    "_NmXNsZMgmk5YRCjtnUXY6uzCr9QaggDOuNaxfjBkx7AvCA6Xay-LCswW-pL3K-13PhcofdjBKu0ufYO"             \
    "IiGi4Y0uRDzEyuRC8X6K2tjulQ"

#define TOKEN_KEY_2_SAYS_K1                                                                        \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.eyJzdWIiOiJyc2EtdXNlciIsImV4cCI6NDEwMjQ0NDgw"             \
    "MH0.O87tzr2sLugo6KWanvSiYcvLGuLlSJao1u4jRXzRpzzsknxNQnCb4YOVftRPGfqUni6FWt7DNBCv"             \
    "bWxUS6o-To6CQsap_JudHIV1EQNWOXbzZ7Q7sB4Oiuqyzixn37reZbtphlejtwioWqDfFnOrmYvfoKJn"             \
    "1aeOBqdXrGucDonCQSnx-mYlPUAeq19jT_WWNy1T0KWJj4008SA6FoOheVnGRME6vZsDA5kPDgHD_9an"             \
    "ETgQ30aP53hY_0Gk84zKBYu8R0_cRMSjuasWok018Vf_Q4LuJG7UsnI5qEMmBkLEb89P5h47Q7Gr9R65"             \
    "wGpp1M7cEuNIEg_xdmzUL8292A"

#define TOKEN_KEY_1_SAYS_K9                                                                        \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6Ims5In0.eyJzdWIiOiJyc2EtdXNlciIsImV4cCI6NDEwMjQ0NDgw"             \
    "MH0.lQLkC5f8l0XbDF0McpJcMrvGtzUbjiyJXnw42GMGQn7RlMkjJYAr_OedCk_rwLYTKagOcieWByDh"             \
    "wfGLlWOMroUVXTJgS4qKqZXtot7_pDrtw-Qf1h3rHMwgNNIEHTyppF0NUJJszQ7bvoP3O68SG7qjZE24"             \
    "PxXTOLxEEnCv_Wb-ytR4a9bbePf_lSClZ0nsjJisBPKLD3kxA2TPWzSzqXFF3dtt3SyLgweN9S87XD8u"             \
    "byaWSl7UiGXWmYGfO5oo1YW9F70orBigWjwuqs2NTj_Ul3rebCKSZBiWhdPIfnT1IO5Nv6JRfPr5uw1x"             \
    "eJ-TiotVYYlT4r-7fa_ZWN9yjA"

#define TOKEN_KEY_1_UNNAMED                                                                        \
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJyc2EtdXNlciIsImV4cCI6NDEwMjQ0NDgwMH0.iHA1iGfDXUe"             \
    "Qj-veEczVYjmxG8iicY3Ty2qB3zTa3rvc8RFjm-3eeucCEIs9T2_9-rfx0cXl2f-XQUZY8jWx5IgI5WV"             \
    "2COgSqpXMv4TfvqRMGfBUSGLNiWPDL82t-hTcPCLAHtmjX5YuGwO53Vw1VCsru_chJwAH_Aj_nohEALr"             \
    "LlK31KB-1pfwqm8zJ2jUCsDcDzMuMxy8IH5Nz7G9Fnbjd3nlaJG33p3Aa5UYCvMj8bcPb33JVytgURYg"             \
    "8X8Ygp0BBKruKg8tcGb4M772B5gbIreB6C_B8ZX4L10D1RZz8cNxVHT5JoRhEvJMDWcZP6zv6USqeJik"             \
    "bc7ZtCZuJIg"

#endif
