/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS before a server of a test that speaks none: a thread that takes connections on 127.0.0.1 and
 * passes their bytes on. Its certificate is GOOD_PEM of net/tls_certificates_fixture.h unless
 * another is given.
 */
#ifndef ORDERWIRE_NET_TLS_RELAY_FIXTURE_H
#define ORDERWIRE_NET_TLS_RELAY_FIXTURE_H

/* Opaque types. */
struct tls_relay;
struct tls_trust;

/* Whom a client of it may trust: those of the system, the one its certificates are by, another one, anybody. */
enum tls_relay_trust { TRUST_SYSTEM, TRUST_RIGHT, TRUST_OTHER, TRUST_ANYBODY, TRUST_NO_FILE };

/* Passes on to `port` of 127.0.0.1. `certificate` is PEM, or NULL. */
struct tls_relay *tls_relay_start(const char *certificate, int port);
int tls_relay_port(const struct tls_relay *relay);
/* Lives as long as the relay. NULL for TRUST_SYSTEM. */
const struct tls_trust *tls_relay_trust(struct tls_relay *relay, enum tls_relay_trust trust);
void tls_relay_stop(struct tls_relay **relay);

#endif
