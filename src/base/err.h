/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error numbers that functions return: 0 or one of these, always negative.
 * They say what a caller can do about it; words for people come from the caller, or from an
 * `error` buffer where the function takes one.
 */
#ifndef ORDERWIRE_BASE_ERR_H
#define ORDERWIRE_BASE_ERR_H

enum err {
    ERR_NONE = 0,
    ERR_INVALID = -1,      /* the input is malformed */
    ERR_TOO_LARGE = -2,    /* a limit of base/limits.def was reached */
    ERR_NOT_FOUND = -3,    /* there is no such thing */
    ERR_EXISTS = -4,       /* there is one already */
    ERR_BUSY = -5,         /* a queue is full; try again later */
    ERR_CLOSED = -6,       /* the peer or the owner is gone */
    ERR_IO = -7,           /* a system call failed */
    ERR_NO_SPACE = -8,     /* the disk is full */
    ERR_CORRUPT = -9,      /* stored data are damaged */
    ERR_DENIED = -10,      /* the caller may not do this */
    ERR_EXPIRED = -11,     /* it was valid once */
    ERR_UNSUPPORTED = -12, /* well formed, but not something this version does */
    ERR_MORE = -13,        /* a decoder needs more bytes */
    ERR_TIMEOUT = -14,     /* a deadline passed */
};

/* A short English phrase for an error number, for logs. Never NULL. */
const char *err_text(int error);

#endif
