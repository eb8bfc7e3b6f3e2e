/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session tickets (RFC 5077, RFC 8446 section 4.6.1) are sealed under a key that is drawn anew every
 * twelve hours; the one before still opens them. They spare clients that come back in a storm the
 * costly half of the handshake, on whichever worker they arrive, and the server keeps no sessions.
 */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "net/tls_internal.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <string.h>

enum { NAME_SIZE = 16, SECRET_SIZE = 32, IV_SIZE = 16 };

#define KEY_LIFE (12 * CLOCK_HOUR)

struct ticket_key {
    uint8_t name[NAME_SIZE];
    uint8_t cipher[SECRET_SIZE]; /* AES-256-CBC */
    uint8_t mac[SECRET_SIZE];    /* HMAC-SHA-256 */
};

struct tls_tickets {
    pthread_mutex_t mutex;
    struct ticket_key keys[2]; /* the present one, the one before */
    int64_t drawn_mono;        /* of the present one; 0 before the first use */
};

struct tls_tickets *tls_tickets_new(void)
{
    struct tls_tickets *tickets = mem_zalloc(sizeof(*tickets));
    pthread_mutex_init(&tickets->mutex, NULL);
    crypto_random(tickets->keys, sizeof(tickets->keys));
    return tickets;
}

void tls_tickets_free(struct tls_tickets **owner)
{
    struct tls_tickets *tickets = *owner;
    *owner = NULL;
    if (tickets == NULL)
        return;
    pthread_mutex_destroy(&tickets->mutex);
    mem_wipe(tickets, sizeof(*tickets));
    mem_free(tickets);
}

static void rotate(struct tls_tickets *tickets, int64_t now_mono)
{
    if (tickets->drawn_mono != 0 && now_mono - tickets->drawn_mono < KEY_LIFE)
        return;
    if (tickets->drawn_mono != 0) {
        tickets->keys[1] = tickets->keys[0];
        crypto_random(&tickets->keys[0], sizeof(tickets->keys[0]));
    }
    tickets->drawn_mono = now_mono;
}

/* The present key. */
static void find_sealing_key(struct tls_tickets *tickets, int64_t now_mono, struct ticket_key *key)
{
    pthread_mutex_lock(&tickets->mutex);
    rotate(tickets, now_mono);
    *key = tickets->keys[0];
    pthread_mutex_unlock(&tickets->mutex);
}

/* The key of this name: 0 the present one, 1 the one before, -1 none. */
static int find_opening_key(struct tls_tickets *tickets, int64_t now_mono,
                            const uint8_t name[NAME_SIZE], struct ticket_key *key)
{
    int found = -1;
    pthread_mutex_lock(&tickets->mutex);
    rotate(tickets, now_mono);
    for (int i = 0; i < 2 && found < 0; i++) {
        if (memcmp(tickets->keys[i].name, name, NAME_SIZE) == 0) {
            *key = tickets->keys[i];
            found = i;
        }
    }
    pthread_mutex_unlock(&tickets->mutex);
    return found;
}

static bool set_key(const struct ticket_key *key, const uint8_t *iv, EVP_CIPHER_CTX *cipher,
                    EVP_MAC_CTX *mac, int sealing)
{
    uint8_t secret[SECRET_SIZE];
    char digest[] = "SHA256";
    memcpy(secret, key->mac, sizeof(secret));
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret, sizeof(secret)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    bool good = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, sealing) == 1 &&
                EVP_MAC_CTX_set_params(mac, params) == 1;
    mem_wipe(secret, sizeof(secret));
    return good;
}

/* What OpenSSL asks: SSL_CTX_set_tlsext_ticket_key_evp_cb(3). */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int sealing)
{
    const struct tls *tls = SSL_get_app_data(ssl);
    struct tls_tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ticket_key key;
    int age = 0;
    if (sealing) {
        find_sealing_key(tickets, tls->now_mono, &key);
        memcpy(name, key.name, NAME_SIZE);
        crypto_random(iv, IV_SIZE);
    } else {
        age = find_opening_key(tickets, tls->now_mono, name, &key);
        if (age < 0)
            return 0; /* a whole handshake, then */
    }
    bool good = set_key(&key, iv, cipher, mac, sealing);
    mem_wipe(&key, sizeof(key));
    /* 2: opened, and to be replaced by a new one. In TLS 1.3 a client uses each ticket only once. */
    bool is_spent = age == 1 || SSL_version(ssl) == TLS1_3_VERSION;
    return !good ? -1 : is_spent ? 2 : 1;
}

void tls_tickets_use(struct tls_tickets *tickets, SSL_CTX *context)
{
    SSL_CTX_set_app_data(context, tickets);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
    SSL_CTX_set_timeout(context, KEY_LIFE / CLOCK_SECOND);
}
