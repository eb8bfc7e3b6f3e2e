/* SPDX-License-Identifier: Apache-2.0 */
/* The phrases of the error numbers, for log lines. */
#include "base/err.h"

const char *err_text(int error)
{
    switch ((enum err)error) {
    case ERR_NONE:
        return "no error";
    case ERR_INVALID:
        return "malformed input";
    case ERR_TOO_LARGE:
        return "over a limit";
    case ERR_NOT_FOUND:
        return "not found";
    case ERR_EXISTS:
        return "exists already";
    case ERR_BUSY:
        return "busy";
    case ERR_CLOSED:
        return "closed";
    case ERR_IO:
        return "input or output failed";
    case ERR_NO_SPACE:
        return "no space left";
    case ERR_CORRUPT:
        return "stored data are damaged";
    case ERR_DENIED:
        return "not allowed";
    case ERR_EXPIRED:
        return "expired";
    case ERR_UNSUPPORTED:
        return "not supported";
    case ERR_MORE:
        return "more bytes needed";
    case ERR_TIMEOUT:
        return "timed out";
    }
    return "unknown error";
}
