/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of log, one write(2). The line is built on the stack, so that logging works when memory
 * has run out, and is never longer than PIPE_BUF, so that a pipe does not mix the lines of two
 * threads. Values come from outside: whatever could end a line, close a quotation or move
 * a terminal's cursor is escaped, and what does not fit is cut.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_SIZE = PIPE_BUF, LINE_TAIL = 2, VALUE_SIZE = 1024, CHARACTER_SIZE = 8 };

struct line {
    char bytes[LINE_SIZE];
    size_t len;
    bool full;
};

static _Atomic int minimum_level = LOG_LEVEL_INFO;
static _Atomic int line_format = LOG_FORMAT_TEXT;
static _Atomic int line_fd = STDERR_FILENO;
static _Atomic int audit_fd = -1;
static atomic_bool audit_alone;
static atomic_bool audit_unsynced;

void log_setup(enum log_level minimum, enum log_format format)
{
    log_set_level(minimum);
    atomic_store_explicit(&line_format, (int)format, memory_order_relaxed);
}

void log_set_level(enum log_level minimum)
{
    atomic_store_explicit(&minimum_level, (int)minimum, memory_order_relaxed);
}

void log_set_fd(int fd)
{
    atomic_store_explicit(&line_fd, fd >= 0 ? fd : STDERR_FILENO, memory_order_relaxed);
}

static void put(struct line *line, const char *bytes, size_t length)
{
    if (line->full || length > LINE_SIZE - LINE_TAIL - line->len) {
        line->full = true;
        return;
    }
    memcpy(line->bytes + line->len, bytes, length);
    line->len += length;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* The number of bytes of the character at `p` in well-formed UTF-8. */
static size_t character_length(uint8_t first)
{
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Control characters of the second kind (U+0080 to U+009F), and U+2028, U+2029: line separators. */
static int hidden_character(const uint8_t *p)
{
    if (p[0] == 0xc2 && p[1] < 0xa0)
        return p[1];
    if (p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9))
        return 0x2000 + (p[2] - 0x80);
    return -1;
}

/* The code to show as \uXXXX instead of the character at `p`, or -1 when it can stand as it is. */
static int code_to_escape(const uint8_t *p, bool utf8)
{
    if (*p < 0x20 || *p == 0x7f)
        return *p;
    if (*p < 0x80)
        return -1;
    return utf8 ? hidden_character(p) : *p;
}

/*
 * Writes the character at `p` to `out`, escaped if need be, in a form that is right within quotes
 * in both formats. `utf8` says that the value is well formed; if not, its bytes from 0x80 are
 * escaped one by one. Gives how many bytes of the value were used.
 */
static size_t escape(const uint8_t *p, bool utf8, char out[CHARACTER_SIZE], size_t *length)
{
    size_t used = utf8 ? character_length(*p) : 1;
    int code = code_to_escape(p, utf8);
    if (code >= 0) {
        *length = (size_t)snprintf(out, CHARACTER_SIZE, "\\u%04x", (unsigned)code & 0xffff);
        return used;
    }
    *length = 0;
    if (*p == '"' || *p == '\\')
        out[(*length)++] = '\\';
    memcpy(out + *length, p, used);
    *length += used;
    return used;
}

static void put_escaped(struct line *line, struct str value)
{
    bool utf8 = str_is_utf8(value);
    size_t written = 0;
    size_t i = 0;
    while (i < value.len) {
        char character[CHARACTER_SIZE];
        size_t length;
        i += escape((const uint8_t *)value.ptr + i, utf8, character, &length);
        if (written + length > VALUE_SIZE) {
            put_text(line, "...");
            return;
        }
        put(line, character, length);
        written += length;
    }
}

static void put_quoted(struct line *line, struct str value)
{
    put(line, "\"", 1);
    put_escaped(line, value);
    put(line, "\"", 1);
}

static bool is_plain(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return value.len > 0 && value.len <= VALUE_SIZE;
}

static void put_value(struct line *line, const struct log_field *field, enum log_format format)
{
    if (field->kind == LOG_FIELD_INT) {
        char digits[24];
        put(line, digits,
            (size_t)snprintf(digits, sizeof(digits), "%lld", (long long)field->number));
    } else if (format == LOG_FORMAT_TEXT && is_plain(field->text)) {
        put(line, field->text.ptr, field->text.len);
    } else {
        put_quoted(line, field->text);
    }
}

static void put_head(struct line *line, enum log_level level, const char *message,
                     enum log_format format)
{
    static const char *const words[] = {
        [LOG_LEVEL_DEBUG] = "debug", [LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_WARNING] = "warning",
        [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_AUDIT] = "audit",
    };
    bool json = format == LOG_FORMAT_JSON;
    char time[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_ms(), time);
    put_text(line, json ? "{\"time\":\"" : "");
    put_text(line, time);
    put_text(line, json ? "\",\"level\":\"" : " ");
    put_text(line, words[level]);
    put_text(line, json ? "\",\"message\":\"" : " ");
    put_escaped(line, str_from(message));
    put_text(line, json ? "\"" : "");
}

/* A field that does not fit is left out whole. */
static void put_field(struct line *line, const struct log_field *field, enum log_format format)
{
    size_t before = line->len;
    put_text(line, format == LOG_FORMAT_JSON ? ",\"" : " ");
    put_text(line, field->name);
    put_text(line, format == LOG_FORMAT_JSON ? "\":" : "=");
    put_value(line, field, format);
    if (line->full)
        line->len = before;
    line->full = false;
}

static void make_line(struct line *line, enum log_level level, const char *message,
                      const struct log_field *fields, enum log_format format)
{
    line->len = 0;
    line->full = false;
    put_head(line, level, message, format);
    for (const struct log_field *field = fields; field->name != NULL; field++)
        put_field(line, field, format);
    if (format == LOG_FORMAT_JSON)
        line->bytes[line->len++] = '}';
    line->bytes[line->len++] = '\n';
}

static bool write_line(int fd, const struct line *line)
{
    ssize_t written;
    do {
        written = write(fd, line->bytes, line->len);
    } while (written < 0 && errno == EINTR);
    return written == (ssize_t)line->len;
}

static void write_audit(const char *message, const struct log_field *fields)
{
    int fd = atomic_load(&audit_fd);
    struct line line;
    if (fd < 0)
        return;
    make_line(&line, LOG_LEVEL_AUDIT, message, fields, LOG_FORMAT_JSON);
    if (!write_line(fd, &line))
        log_error("the audit file cannot be written", LOG_TEXT("reason", strerror(errno)));
    atomic_store(&audit_unsynced, true);
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
    if ((int)level < atomic_load_explicit(&minimum_level, memory_order_relaxed))
        return;
    int saved_errno = errno;
    struct line line;
    if (level == LOG_LEVEL_AUDIT)
        write_audit(message, fields);
    if (level != LOG_LEVEL_AUDIT || !atomic_load(&audit_alone)) {
        make_line(&line, level, message, fields,
                  (enum log_format)atomic_load_explicit(&line_format, memory_order_relaxed));
        write_line(atomic_load_explicit(&line_fd, memory_order_relaxed), &line);
    }
    errno = saved_errno;
}

int log_audit_open(const char *path, bool alone)
{
    int old = atomic_load(&audit_fd);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return ERR_IO;
    atomic_store(&audit_alone, alone);
    if (old < 0) {
        atomic_store(&audit_fd, fd);
        return 0;
    }
    /* In place: a thread that is about to write has the number already. */
    log_audit_sync();
    int result = dup3(fd, old, O_CLOEXEC) == old ? 0 : ERR_IO;
    close(fd);
    return result;
}

void log_audit_sync(void)
{
    int fd = atomic_load(&audit_fd);
    if (fd >= 0 && atomic_exchange(&audit_unsynced, false) && fdatasync(fd) != 0)
        log_error("the audit file cannot be synced", LOG_TEXT("reason", strerror(errno)));
}

void log_audit_close(void)
{
    log_audit_sync();
    int fd = atomic_exchange(&audit_fd, -1);
    if (fd >= 0)
        close(fd);
}
