/* SPDX-License-Identifier: Apache-2.0 */
/* A stream under TLS on one end of a socket pair, OpenSSL's client on the other. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "loop/loop_fixture.h"
#include "net/stream.h"
#include "net/tls_files_fixture.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define OUTPUT_MAX (4 * 1024 * 1024)
#define PATIENCE 5000
#define SHORT 20

struct world {
    struct tls_files files;
    struct tls_settings *settings;
    struct loop *loop;
    struct stream *stream;
    struct buf received;
    int closes, drains;
    struct loop_timer guard;
    /* The client. */
    SSL_CTX *context;
    SSL *ssl;
    int fd;
    size_t step; /* bytes that go one way at a time; 0: all */
    struct buf got;
    bool eof;
};

static void received(void *owner, struct str bytes)
{
    struct world *world = owner;
    buf_append_str(&world->received, bytes);
}

static void drained(void *owner)
{
    struct world *world = owner;
    world->drains++;
}

static void closed(void *owner)
{
    struct world *world = owner;
    world->closes++;
    world->stream = NULL;
}

static const struct stream_handlers handlers = {received, drained, closed};

static void on_guard(struct loop_timer *timer)
{
    (void)timer;
    fail_msg("nothing happened for too long");
}

static int set_up(void **state)
{
    struct world *world = mem_zalloc(sizeof(*world));
    char error[TLS_ERROR_SIZE];
    tls_files_init(&world->files);
    world->files.options.handshake_timeout = PATIENCE;
    world->settings = tls_settings_new(&world->files.options, world->files.tickets, error);
    assert_non_null(world->settings);
    world->loop = loop_new();
    buf_init(&world->received, OUTPUT_MAX);
    buf_init(&world->got, OUTPUT_MAX);
    loop_timer_init(&world->guard, world->loop, on_guard);
    loop_timer_set(&world->guard, clock_mono_ms() + PATIENCE);
    world->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(world->context, SSL_SESS_CACHE_CLIENT);
    world->fd = -1;
    *state = world;
    return 0;
}

static void hang_up(struct world *world)
{
    SSL_free(world->ssl);
    world->ssl = NULL;
    if (world->fd >= 0)
        close(world->fd);
    world->fd = -1;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    hang_up(world);
    stream_abort(&world->stream);
    loop_timer_cancel(&world->guard);
    loop_free(&world->loop);
    SSL_CTX_free(world->context);
    tls_settings_release(&world->settings);
    buf_fini(&world->received);
    buf_fini(&world->got);
    tls_files_fini(&world->files);
    mem_free(world);
    return 0;
}

/* A new connection, whose client has done nothing yet. */
static void dial(struct world *world)
{
    int pair[2];
    hang_up(world);
    stream_abort(&world->stream);
    buf_clear(&world->received);
    buf_clear(&world->got);
    world->eof = false;
    world->closes = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    world->fd = pair[1];
    world->stream = stream_new(world->loop, pair[0], &address_unix, OUTPUT_MAX, &handlers, world);
    assert_non_null(world->stream);
    assert_int_equal(stream_use_tls(world->stream, world->settings), 0);
    world->ssl = SSL_new(world->context);
    SSL_set_bio(world->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    BIO_set_mem_eof_return(SSL_get_rbio(world->ssl), -1);
    SSL_set_connect_state(world->ssl);
}

static void carry(struct world *world)
{
    char bytes[65536];
    size_t size = world->step != 0 ? world->step : sizeof(bytes);
    int n = BIO_read(SSL_get_wbio(world->ssl), bytes, (int)size);
    for (int sent = 0; sent < n;) {
        ssize_t now = send(world->fd, bytes + sent, (size_t)(n - sent), MSG_NOSIGNAL);
        sent = now > 0 ? sent + (int)now : now < 0 && world->closes > 0 ? n : sent;
        loop_run_dry(world->loop);
    }
    ssize_t got = recv(world->fd, bytes, size, 0);
    if (got > 0)
        assert_int_equal(BIO_write(SSL_get_rbio(world->ssl), bytes, (int)got), got);
    world->eof = world->eof || got == 0;
    loop_run_dry(world->loop);
}

static bool shake_hands(struct world *world)
{
    while (!SSL_is_init_finished(world->ssl) || BIO_pending(SSL_get_wbio(world->ssl)) > 0) {
        int result = SSL_do_handshake(world->ssl);
        if (result != 1 && SSL_get_error(world->ssl, result) != SSL_ERROR_WANT_READ)
            return false;
        if (world->eof)
            return false;
        carry(world);
    }
    return true;
}

/* What has come, until `length` bytes are there or the stream has ended. */
static void read_until(struct world *world, size_t length)
{
    char bytes[20000];
    while (world->got.len < length) {
        int n = SSL_read(world->ssl, bytes, sizeof(bytes));
        if (n > 0)
            buf_append(&world->got, bytes, (size_t)n);
        else if (SSL_get_error(world->ssl, n) != SSL_ERROR_WANT_READ || world->eof)
            return;
        else
            carry(world);
    }
}

static void say(struct world *world, struct str bytes)
{
    assert_int_equal(SSL_write(world->ssl, bytes.ptr, (int)bytes.len), bytes.len);
    while (BIO_pending(SSL_get_wbio(world->ssl)) > 0)
        carry(world);
}

static struct str make_pattern(size_t length)
{
    char *bytes = mem_alloc(length);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)(i * 31 + i / 251);
    return str_make(bytes, length);
}

static void check_both_ways(struct world *world)
{
    dial(world);
    assert_true(shake_hands(world));
    say(world, STR_LIT("ping"));
    while (world->received.len < 4)
        carry(world);
    assert_true(str_equal_text(buf_view(&world->received), "ping"));
    assert_int_equal(stream_write(world->stream, STR_LIT("pong")), 0);
    read_until(world, 4);
    assert_true(str_equal_text(buf_view(&world->got), "pong"));
}

static void test_both_ways(void **state)
{
    struct world *world = *state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    static const size_t steps[] = {0, 1, 7};
    for (size_t i = 0; i < ARRAY_LENGTH(versions); i++) {
        SSL_CTX_set_min_proto_version(world->context, versions[i]);
        SSL_CTX_set_max_proto_version(world->context, versions[i]);
        for (size_t j = 0; j < ARRAY_LENGTH(steps); j++) {
            world->step = steps[j];
            check_both_ways(world);
        }
    }
}

static void test_much_both_ways(void **state)
{
    struct world *world = *state;
    struct str much = make_pattern(1024 * 1024);
    dial(world);
    assert_true(shake_hands(world));
    say(world, much);
    while (world->received.len < much.len)
        carry(world);
    assert_true(str_equal(buf_view(&world->received), much));
    assert_int_equal(stream_write(world->stream, much), 0);
    assert_true(stream_queued(world->stream) > 0);
    assert_int_equal(stream_write(world->stream, STR_LIT("end")), 0);
    world->drains = 0;
    read_until(world, much.len + 3);
    assert_memory_equal(world->got.ptr, much.ptr, much.len);
    assert_memory_equal(world->got.ptr + much.len, "end", 3);
    assert_int_equal(world->drains, 1);
    mem_free((void *)much.ptr);
}

static void test_output_is_bounded(void **state)
{
    struct world *world = *state;
    struct str much = make_pattern(OUTPUT_MAX);
    dial(world);
    assert_true(shake_hands(world));
    assert_int_equal(stream_write(world->stream, much), 0);
    assert_int_equal(stream_write(world->stream, much), ERR_TOO_LARGE);
    mem_free((void *)much.ptr);
}

static void test_written_before_the_handshake(void **state)
{
    struct world *world = *state;
    dial(world);
    assert_int_equal(stream_write(world->stream, STR_LIT("early")), 0);
    assert_true(shake_hands(world));
    read_until(world, 5);
    assert_true(str_equal_text(buf_view(&world->got), "early"));
}

/* The end of the handshake does not take away the deadline of closing. */
static void test_closed_before_the_handshake(void **state)
{
    struct world *world = *state;
    dial(world);
    assert_int_equal(stream_write(world->stream, STR_LIT("bye")), 0);
    stream_close(world->stream, clock_mono_ms() + 100);
    assert_true(shake_hands(world));
    read_until(world, 3);
    assert_true(str_equal_text(buf_view(&world->got), "bye"));
    while (world->closes == 0)
        loop_run_dry(world->loop);
}

static void test_the_server_ends_it(void **state)
{
    struct world *world = *state;
    dial(world);
    assert_true(shake_hands(world));
    assert_int_equal(stream_write(world->stream, STR_LIT("bye")), 0);
    stream_close(world->stream, clock_mono_ms() + PATIENCE);
    read_until(world, 100);
    assert_true(str_equal_text(buf_view(&world->got), "bye"));
    assert_true(SSL_get_shutdown(world->ssl) & SSL_RECEIVED_SHUTDOWN);
    assert_int_equal(world->closes, 0);
    hang_up(world);
    while (world->closes == 0)
        loop_run_dry(world->loop);
}

static void test_the_client_ends_it(void **state)
{
    struct world *world = *state;
    dial(world);
    assert_true(shake_hands(world));
    SSL_shutdown(world->ssl);
    while (world->closes == 0)
        carry(world);
    dial(world);
    assert_true(shake_hands(world));
    hang_up(world);
    while (world->closes == 0)
        loop_run_dry(world->loop);
}

static void test_a_paused_stream_keeps_records_in_the_kernel(void **state)
{
    struct world *world = *state;
    dial(world);
    assert_true(shake_hands(world));
    stream_pause(world->stream);
    say(world, STR_LIT("one"));
    say(world, STR_LIT("two"));
    loop_run_dry(world->loop);
    assert_int_equal(world->received.len, 0);
    stream_resume(world->stream);
    while (world->received.len < 6)
        loop_run_dry(world->loop);
    assert_true(str_equal_text(buf_view(&world->received), "onetwo"));
}

/* OpenSSL goes on by itself after a record without data; however many come, others have their turn. */
static void test_records_without_data_do_not_hold_up_the_loop(void **state)
{
    struct world *world = *state;
    SSL_CTX_set_min_proto_version(world->context, TLS1_3_VERSION);
    dial(world);
    assert_true(shake_hands(world));
    stream_pause(world->stream);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(SSL_key_update(world->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(world->ssl), 1);
    }
    say(world, STR_LIT("x"));
    stream_resume(world->stream);
    loop_run_dry(world->loop);
    assert_int_equal(world->received.len, 0);
    while (world->received.len == 0)
        loop_run_dry(world->loop);
}

static void test_a_handshake_that_stalls(void **state)
{
    struct world *world = *state;
    char error[TLS_ERROR_SIZE];
    tls_settings_release(&world->settings);
    world->files.options.handshake_timeout = SHORT;
    world->settings = tls_settings_new(&world->files.options, world->files.tickets, error);
    dial(world);
    SSL_do_handshake(world->ssl);
    world->step = 20;
    carry(world);
    while (world->closes == 0)
        loop_run_dry(world->loop);
    /* Once it is done the deadline is forgotten. */
    world->step = 0;
    dial(world);
    assert_true(shake_hands(world));
    int64_t end = clock_mono_ms() + 2 * SHORT;
    while (clock_mono_ms() < end)
        loop_run_dry(world->loop);
    assert_int_equal(world->closes, 0);
}

/* All that comes back to `text` until the end. */
static void say_plainly(struct world *world, const char *text, struct buf *answer)
{
    char bytes[1000];
    ssize_t n = -1;
    dial(world);
    assert_int_equal(send(world->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    while (n != 0) {
        loop_run_dry(world->loop);
        n = recv(world->fd, bytes, sizeof(bytes), 0);
        if (n > 0)
            buf_append(answer, bytes, (size_t)n);
    }
    hang_up(world);
    while (world->closes == 0)
        loop_run_dry(world->loop);
}

static void test_not_tls(void **state)
{
    struct world *world = *state;
    struct buf answer;
    int64_t failed = metrics_value(METRIC_TLS_HANDSHAKES__FAILED);
    buf_init(&answer, 1000);
    say_plainly(world, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", &answer);
    assert_true(str_starts_with(buf_view(&answer), STR_LIT("HTTP/1.1 400 ")));
    buf_clear(&answer);
    say_plainly(world, "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x10\x11\x12", &answer);
    assert_false(str_starts_with(buf_view(&answer), STR_LIT("HTTP")));
    assert_int_equal(metrics_value(METRIC_TLS_HANDSHAKES__FAILED), failed + 2);
    buf_fini(&answer);
}

static void test_what_is_not_offered(void **state)
{
    struct world *world = *state;
    static const struct {
        int version;
        const char *ciphers;
        const char *protocols;
    } rows[] = {
        {TLS1_1_VERSION, "DEFAULT:@SECLEVEL=0", NULL},
        {TLS1_VERSION, "DEFAULT:@SECLEVEL=0", NULL},
        {TLS1_2_VERSION, "AES128-SHA:AES256-GCM-SHA384:@SECLEVEL=0", NULL},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA256", NULL},
        {TLS1_2_VERSION, "aNULL:eNULL:@SECLEVEL=0", NULL},
        {TLS1_2_VERSION, "DEFAULT", "\x02h2"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        SSL_CTX_free(world->context);
        world->context = SSL_CTX_new(TLS_client_method());
        assert_int_equal(SSL_CTX_set_cipher_list(world->context, rows[i].ciphers), 1);
        SSL_CTX_set_min_proto_version(world->context, rows[i].version);
        SSL_CTX_set_max_proto_version(world->context, rows[i].version);
        if (rows[i].protocols != NULL)
            SSL_CTX_set_alpn_protos(world->context, (const unsigned char *)rows[i].protocols,
                                    (unsigned)strlen(rows[i].protocols));
        dial(world);
        if (shake_hands(world))
            fail_msg("row %zu was accepted", i);
    }
}

static void test_protocol(void **state)
{
    struct world *world = *state;
    static const unsigned char offer[] = "\x02h2\x08http/1.1";
    const unsigned char *chosen;
    unsigned length;
    SSL_CTX_set_alpn_protos(world->context, offer, sizeof(offer) - 1);
    dial(world);
    assert_true(shake_hands(world));
    SSL_get0_alpn_selected(world->ssl, &chosen, &length);
    assert_true(str_equal_text(str_make((const char *)chosen, length), "http/1.1"));
}

static bool is_shown(struct world *world, const char *asked, const char *name)
{
    dial(world);
    if (asked != NULL)
        SSL_set_tlsext_host_name(world->ssl, asked);
    assert_true(shake_hands(world));
    X509 *certificate = SSL_get1_peer_certificate(world->ssl);
    bool matches = X509_check_host(certificate, name, 0, 0, NULL) == 1;
    X509_free(certificate);
    return matches;
}

static void test_names(void **state)
{
    struct world *world = *state;
    assert_true(is_shown(world, NULL, "localhost"));
    assert_true(is_shown(world, "localhost", "localhost"));
    assert_true(is_shown(world, "other.example", "other.example"));
    assert_true(is_shown(world, "unknown.example", "localhost"));
}

/* One connection with the session of the one before; whether it was resumed. */
static bool come_back(struct world *world, SSL_SESSION **session)
{
    dial(world);
    if (*session != NULL)
        SSL_set_session(world->ssl, *session);
    assert_true(shake_hands(world));
    assert_int_equal(stream_write(world->stream, STR_LIT("x")), 0);
    read_until(world, 1);
    SSL_SESSION_free(*session);
    *session = SSL_get1_session(world->ssl);
    bool resumed = SSL_session_reused(world->ssl);
    SSL_shutdown(world->ssl);
    return resumed;
}

static void test_resumption(void **state)
{
    struct world *world = *state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    char error[TLS_ERROR_SIZE];
    for (size_t i = 0; i < ARRAY_LENGTH(versions); i++) {
        SSL_SESSION *session = NULL;
        SSL_CTX_set_min_proto_version(world->context, versions[i]);
        SSL_CTX_set_max_proto_version(world->context, versions[i]);
        assert_false(come_back(world, &session));
        assert_true(come_back(world, &session));
        /* Renewed certificates do not end sessions; another process does. */
        tls_settings_release(&world->settings);
        world->settings = tls_settings_new(&world->files.options, world->files.tickets, error);
        assert_true(come_back(world, &session));
        struct tls_tickets *others = tls_tickets_new();
        tls_settings_release(&world->settings);
        world->settings = tls_settings_new(&world->files.options, others, error);
        assert_false(come_back(world, &session));
        tls_settings_release(&world->settings);
        world->settings = tls_settings_new(&world->files.options, world->files.tickets, error);
        dial(world);
        tls_tickets_free(&others);
        SSL_SESSION_free(session);
    }
}

/* A handshake at `now_mono` with the session of one before, which is replaced by the new one when `keep` is false. */
static bool resumes_at(struct world *world, int64_t now_mono, SSL_SESSION **session, bool keep)
{
    int pair[2];
    char byte;
    int result = ERR_MORE;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    struct tls *server = tls_new(world->settings, pair[0]);
    SSL *client = SSL_new(world->context);
    SSL_set_fd(client, pair[1]);
    /* A copy: OpenSSL spoils a session that a new ticket replaces. */
    SSL_SESSION *used = *session != NULL ? SSL_SESSION_dup(*session) : NULL;
    if (used != NULL)
        SSL_set_session(client, used);
    SSL_SESSION_free(used);
    for (int i = 0; i < 10 && result == ERR_MORE; i++) {
        (void)SSL_connect(client);
        result = tls_handshake(server, now_mono);
    }
    assert_int_equal(result, 0);
    /* It has nothing to say but the ticket. */
    assert_int_equal(SSL_read(client, &byte, 1), -1);
    bool resumed = SSL_session_reused(client);
    if (!keep) {
        SSL_SESSION_free(*session);
        *session = SSL_get1_session(client);
    }
    SSL_shutdown(client);
    SSL_free(client);
    tls_free(&server);
    close(pair[0]);
    close(pair[1]);
    return resumed;
}

/* A key seals for twelve hours, and opens for twelve more. */
static void test_tickets_get_old(void **state)
{
    struct world *world = *state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < ARRAY_LENGTH(versions); i++) {
        int64_t begin = (int64_t)(i + 1) * CLOCK_DAY * 10;
        SSL_SESSION *first = NULL, *second = NULL;
        SSL_CTX_set_min_proto_version(world->context, versions[i]);
        SSL_CTX_set_max_proto_version(world->context, versions[i]);
        assert_false(resumes_at(world, begin, &first, false));
        assert_true(resumes_at(world, begin + 12 * CLOCK_HOUR - 1, &first, true));
        assert_false(resumes_at(world, begin + 12 * CLOCK_HOUR, &second, false));
        assert_true(resumes_at(world, begin + 12 * CLOCK_HOUR, &first, true));
        assert_true(resumes_at(world, begin + 24 * CLOCK_HOUR - 1, &first, true));
        assert_false(resumes_at(world, begin + 24 * CLOCK_HOUR, &first, true));
        assert_true(resumes_at(world, begin + 24 * CLOCK_HOUR, &second, true));
        /* What an old key opened goes on under the present one. */
        assert_true(resumes_at(world, begin + 24 * CLOCK_HOUR, &second, false));
        assert_true(resumes_at(world, begin + 47 * CLOCK_HOUR, &second, true));
        SSL_SESSION_free(first);
        SSL_SESSION_free(second);
    }
}

static void test_files_that_change(void **state)
{
    struct world *world = *state;
    assert_false(tls_settings_are_stale(world->settings));
    unlink(world->files.cert);
    assert_false(tls_settings_are_stale(world->settings));
    write_file(world->files.cert, OTHER_HOST_PEM "\n", 0644);
    assert_true(tls_settings_are_stale(world->settings));
    /* Connections that stand, and those on their way, keep what they began with. */
    dial(world);
    tls_settings_release(&world->settings);
    assert_true(shake_hands(world));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_both_ways),
        TEST(test_much_both_ways),
        TEST(test_output_is_bounded),
        TEST(test_written_before_the_handshake),
        TEST(test_closed_before_the_handshake),
        TEST(test_the_server_ends_it),
        TEST(test_the_client_ends_it),
        TEST(test_a_paused_stream_keeps_records_in_the_kernel),
        TEST(test_records_without_data_do_not_hold_up_the_loop),
        TEST(test_a_handshake_that_stalls),
        TEST(test_not_tls),
        TEST(test_what_is_not_offered),
        TEST(test_protocol),
        TEST(test_names),
        TEST(test_resumption),
        TEST(test_tickets_get_old),
        TEST(test_files_that_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
