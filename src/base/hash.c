/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-1-3 (Aumasson and Bernstein, 2012). */
#include "base/hash.h"

#include "base/crypto.h"

#include <pthread.h>
#include <string.h>

static pthread_once_t hash_key_once = PTHREAD_ONCE_INIT;
static uint64_t hash_key[2];

static void draw_hash_key(void)
{
    crypto_random(hash_key, sizeof(hash_key));
}

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint64_t hash_keyed(struct str key)
{
    pthread_once(&hash_key_once, draw_hash_key);
    uint64_t v[4] = {
        hash_key[0] ^ UINT64_C(0x736f6d6570736575),
        hash_key[1] ^ UINT64_C(0x646f72616e646f6d),
        hash_key[0] ^ UINT64_C(0x6c7967656e657261),
        hash_key[1] ^ UINT64_C(0x7465646279746573),
    };
    /* Words in the machine's byte order: the hash never leaves the process. */
    uint64_t word;
    size_t i = 0;
    for (; key.len - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, key.ptr + i, sizeof(word));
        sip_word(v, word);
    }
    word = (uint64_t)key.len << 56;
    for (unsigned shift = 0; i < key.len; i++, shift += 8)
        word |= (uint64_t)(uint8_t)key.ptr[i] << shift;
    sip_word(v, word);
    v[2] ^= 0xff;
    for (int round = 0; round < 3; round++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
