/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connected byte stream on a non-blocking socket, with a bounded output queue. It reads into one
 * buffer per thread, so an idle stream holds none. What its own handlers write goes out together, when
 * they return; all else at once. Only what the kernel does not take is queued. It may be encrypted.
 *
 * All functions run on the loop's thread. Handlers never run inside a call to the stream.
 */
#ifndef ORDERWIRE_NET_STREAM_H
#define ORDERWIRE_NET_STREAM_H

#include "base/str.h"
#include "codec/address.h"
#include "loop/loop.h"

/* Opaque types. */
struct quota;
struct stream;
struct tls_settings;

/* Bytes that one call of `received` brings at most. */
#define STREAM_READ_SIZE (64 * 1024)

struct stream_handlers {
    /* Input, valid during the call. The owner takes all of it. */
    void (*received)(void *owner, struct str bytes);
    /* The output queue has become empty after it was not. May be NULL. */
    void (*drained)(void *owner);
    /*
     * The stream is over: the peer closed or reset it, or it was closed by stream_close. Called once,
     * as the last call; the stream is freed after it. Not called after stream_abort.
     */
    void (*closed)(void *owner);
};

/* Takes the descriptor over. NULL (and the descriptor closed) when the system refuses. Reading starts. */
struct stream *stream_new(struct loop *loop, int descriptor, const struct address *peer,
                          size_t output_max, const struct stream_handlers *handlers, void *owner);
/*
 * Before anything is read or written: the bytes are those inside TLS, and neither owner nor peer of
 * the stream's other functions sees a difference. A handshake that fails, or takes longer than the
 * settings allow, ends the stream. ERR_IO: no memory.
 */
NODISCARD int stream_use_tls(struct stream *stream, struct tls_settings *settings);
/*
 * Before anything is read or written, and before stream_use_tls: a header of the PROXY protocol comes
 * first, from a peer that may name another, which becomes stream_peer. Without it until
 * `deadline_mono` (or that of the TLS handshake), or with a malformed one, the stream ends.
 */
void stream_expect_proxy(struct stream *stream, int64_t deadline_mono);
/* What streams may take together; 0: no limit. */
struct stream_limits {
    bool is_proxy;                  /* its peer stands for many: nothing counts for its address */
    int64_t streams;                /* at once */
    int64_t streams_per_address;    /* the same */
    int64_t handshakes;             /* of TLS, begun a second */
    int64_t handshakes_per_address; /* the same */
};
/*
 * Counts it among all streams of `quota` and among those of its peer's address, until it ends.
 * ERR_BUSY: there are as many already, and the caller ends it. Where the peer is yet to be named by a
 * proxy, it is counted for its address, or ended, then.
 */
NODISCARD int stream_count(struct stream *stream, struct quota *quota,
                           const struct stream_limits *limits);
/* It ends for that reason. */
bool stream_was_refused(const struct stream *stream);
/* Another owner takes it, with another bound for its output. */
void stream_set_owner(struct stream *stream, size_t output_max,
                      const struct stream_handlers *handlers, void *owner);

/*
 * Sends or queues all of `bytes`. ERR_TOO_LARGE when the queue and `bytes`, whatever the kernel might
 * take of them, pass output_max: nothing of `bytes` is then sent. ERR_CLOSED when the peer is gone or
 * stream_close was called; the owner still hears `closed`, as it does when the peer turns out to be gone
 * after this has returned.
 */
NODISCARD int stream_write(struct stream *stream, struct str bytes);
/*
 * Calls `run` as a handler is called, for input that its owner had kept. Not from inside a handler; the
 * stream may be over, and told so, when this returns.
 */
void stream_run(struct stream *stream, void (*run)(void *owner));
/* What the kernel did not take. */
size_t stream_queued(const struct stream *stream);

/* Stops and starts calls of `received`; the kernel's buffer then slows the peer down. */
void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream);

/*
 * Sends what is queued, shuts down, waits until the peer closes too or `deadline_mono` passes, and
 * calls `closed`. Input is discarded from now on.
 */
void stream_close(struct stream *stream, int64_t deadline_mono);
/*
 * Ends it at once, without a further call to the owner, and without what its handler has just written.
 * NULLs the owner's pointer.
 */
void stream_abort(struct stream **stream);

/* Whose stream it is: the socket's peer, unless somebody knows of another behind a proxy. */
const struct address *stream_peer(const struct stream *stream);
void stream_set_peer(struct stream *stream, const struct address *peer);
struct loop *stream_loop(const struct stream *stream);

#endif
