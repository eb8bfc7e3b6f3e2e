/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of a request. llhttp judges its grammar; what makes two servers disagree about where
 * a request ends (RFC 9112 section 11.2) is decided here, the same with every version of llhttp:
 * line ends, folded lines, the framing fields and Host. Only what has one reading passes.
 */
#include "http/http_internal.h"

#include <llhttp.h>
#include <string.h>

/* The longest method and version round a target of LIMIT_HTTP_URL bytes. */
#define REQUEST_LINE_MAX (LIMIT_HTTP_URL + 64)

static enum api_error refuse(const char **detail, const char *sentence)
{
    *detail = sentence;
    return API_ERROR_BAD_REQUEST;
}

void http_head_reader_init(struct http_head_reader *reader)
{
    *reader = (struct http_head_reader){0};
    buf_init(&reader->text, REQUEST_LINE_MAX + LIMIT_HTTP_HEADERS);
}

void http_head_reader_reset(struct http_head_reader *reader)
{
    struct buf text = reader->text;
    *reader = (struct http_head_reader){.text = text};
    buf_clear(&reader->text);
}

static enum api_error check_size(const struct http_head_reader *reader, size_t fields_max,
                                 size_t more)
{
    size_t size = reader->text.len + more - reader->fields_start;
    if (reader->lines == 0)
        return size > REQUEST_LINE_MAX ? API_ERROR_URL_TOO_LONG : API_ERROR_NONE;
    /* The request line counts as a line, and the empty one may follow. */
    if (size > fields_max || reader->lines > LIMIT_HTTP_HEADER_COUNT + 1)
        return API_ERROR_HEADERS_TOO_LARGE;
    return API_ERROR_NONE;
}

/* Judges the line that has just ended. */
static enum api_error end_line(struct http_head_reader *reader, bool *complete, const char **detail)
{
    const char *line = reader->text.ptr + reader->line_start;
    size_t length = reader->text.len - reader->line_start;
    if (memchr(line, '\r', length) != line + length - 2)
        return refuse(detail, "A line of the request does not end with CR LF");
    if (length == 2 && reader->lines == 0) {
        /* One is forgiven, as RFC 9112 section 2.2 asks. */
        if (reader->skipped_empty_line)
            return refuse(detail, "The request begins with empty lines");
        reader->skipped_empty_line = true;
        buf_clear(&reader->text);
        return API_ERROR_NONE;
    }
    if (reader->lines > 0 && (line[0] == ' ' || line[0] == '\t'))
        return refuse(detail, "A header field is folded over several lines");
    *complete = length == 2;
    reader->line_start = reader->text.len;
    if (reader->lines++ == 0)
        reader->fields_start = reader->text.len;
    return API_ERROR_NONE;
}

enum api_error http_head_read(struct http_head_reader *reader, size_t fields_max, struct str *input,
                              bool *complete, const char **detail)
{
    enum api_error error = API_ERROR_NONE;
    *complete = false;
    *detail = NULL;
    while (input->len > 0 && !*complete && error == API_ERROR_NONE) {
        const char *end = memchr(input->ptr, '\n', input->len);
        size_t length = end != NULL ? (size_t)(end - input->ptr) + 1 : input->len;
        error = check_size(reader, fields_max, length);
        if (error != API_ERROR_NONE)
            return error;
        buf_append(&reader->text, input->ptr, length);
        *input = str_make(input->ptr + length, input->len - length);
        if (end != NULL)
            error = end_line(reader, complete, detail);
    }
    return error;
}

bool http_head_next_field(struct str *fields, struct str *name, struct str *value)
{
    const char *end = fields->len > 0 ? memchr(fields->ptr, '\n', fields->len) : NULL;
    if (end == NULL || end - fields->ptr < 2)
        return false;
    struct str line = str_make(fields->ptr, (size_t)(end - fields->ptr) - 1);
    *fields = str_make(end + 1, fields->len - line.len - 2);
    if (!str_split(&line, ':', name))
        return false;
    *value = str_trim(line);
    return true;
}

bool http_head_find_field(struct str *fields, struct str wanted, struct str *value)
{
    struct str name, found;
    while (http_head_next_field(fields, &name, &found)) {
        if (str_equal_ignoring_case(name, wanted)) {
            *value = found;
            return true;
        }
    }
    return false;
}

/* Exactly "METHOD target HTTP/1.x"; a version of the right form but another number is 505. */
static enum api_error split_request_line(struct str head, struct http_head *out,
                                         const char **detail)
{
    struct str line, version;
    if (!str_split(&head, '\r', &line) || head.len == 0)
        return refuse(detail, "The request line is malformed");
    out->fields = str_make(head.ptr + 1, head.len - 1);
    if (!str_split(&line, ' ', &out->method) || !str_split(&line, ' ', &out->target) ||
        !str_split(&line, ' ', &version) || line.ptr != NULL)
        return refuse(detail, "The request line is not a method, an address and a version");
    if (!str_starts_with(version, STR_LIT("HTTP/")))
        return refuse(detail, "The request line does not end with a version of HTTP");
    out->http_1_0 = str_equal(version, STR_LIT("HTTP/1.0"));
    if (!out->http_1_0 && !str_equal(version, STR_LIT("HTTP/1.1")))
        return API_ERROR_VERSION_NOT_SUPPORTED;
    return out->target.len > LIMIT_HTTP_URL ? API_ERROR_URL_TOO_LONG : API_ERROR_NONE;
}

static int on_headers_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

/* No lenient flag is ever set. Without the pause llhttp would go on to the body. */
static enum api_error check_grammar(struct str text, const char **detail)
{
    static const llhttp_settings_t settings = {.on_headers_complete = on_headers_complete};
    llhttp_t parser;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    if (llhttp_execute(&parser, text.ptr, text.len) == HPE_PAUSED)
        return API_ERROR_NONE;
    return refuse(detail, "The request line or a header field is malformed");
}

/* RFC 9110 section 5.6.2. Some versions of llhttp allow a space before the colon, or nothing. */
static bool is_token(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && (c == '\0' || strchr("-_!#$%&'*+.^`|~", c) == NULL))
            return false;
    }
    return name.len > 0;
}

struct framing {
    unsigned hosts, lengths, codings;
    struct str host, length, coding;
    bool closes, persists, expects_continue;
};

/* Of lists, which may be spread over several fields, one word counts wherever it stands. */
static void note_field(struct framing *framing, struct str name, struct str value)
{
    if (str_equal_ignoring_case(name, STR_LIT("host"))) {
        framing->hosts++;
        framing->host = value;
    } else if (str_equal_ignoring_case(name, STR_LIT("content-length"))) {
        framing->lengths++;
        framing->length = value;
    } else if (str_equal_ignoring_case(name, STR_LIT("transfer-encoding"))) {
        framing->codings++;
        framing->coding = value;
    } else if (str_equal_ignoring_case(name, STR_LIT("connection"))) {
        framing->closes |= str_list_has(value, STR_LIT("close"));
        framing->persists |= str_list_has(value, STR_LIT("keep-alive"));
    } else if (str_equal_ignoring_case(name, STR_LIT("expect"))) {
        framing->expects_continue |= str_list_has(value, STR_LIT("100-continue"));
    }
}

static bool is_host(struct str host)
{
    for (size_t i = 0; i < host.len; i++)
        if ((unsigned char)host.ptr[i] <= ' ' || strchr("/?#@,\\<>\"", host.ptr[i]) != NULL)
            return false;
    return true;
}

static bool all_digits(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len > 0;
}

/* A number too big to hold is too big for any body. What is not a number was refused. */
static uint64_t saturated(struct str digits)
{
    uint64_t value = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (value > (UINT64_MAX - 9) / 10)
            return UINT64_MAX;
        value = value * 10 + (uint64_t)(digits.ptr[i] - '0');
    }
    return value;
}

static enum api_error judge_framing(const struct framing *framing, bool http_1_0,
                                    const char **detail)
{
    if (framing->hosts > 1 || (framing->hosts == 0 && !http_1_0))
        return refuse(detail, "The request must have exactly one Host field");
    if (!is_host(framing->host))
        return refuse(detail, "The Host field is malformed");
    if (framing->lengths > 0 && framing->codings > 0)
        return refuse(detail, "The request has both Content-Length and Transfer-Encoding");
    if (framing->lengths > 1)
        return refuse(detail, "The request has more than one Content-Length");
    if (framing->lengths == 1 && !all_digits(framing->length))
        return refuse(detail, "Content-Length is not a number");
    if (framing->codings > 0 && (framing->codings > 1 || http_1_0 ||
                                 !str_equal_ignoring_case(framing->coding, STR_LIT("chunked"))))
        return refuse(detail, "The only Transfer-Encoding is chunked, in HTTP/1.1");
    return API_ERROR_NONE;
}

static enum api_error check_framing(struct http_head *head, const char **detail)
{
    struct framing framing = {0};
    struct str fields = head->fields, name, value;
    while (http_head_next_field(&fields, &name, &value)) {
        if (!is_token(name) || value.ptr == NULL)
            return refuse(detail, "The name of a header field is malformed");
        note_field(&framing, name, value);
    }
    enum api_error error = judge_framing(&framing, head->http_1_0, detail);
    head->content_length = saturated(framing.length);
    head->chunked = framing.codings == 1;
    head->keep_alive = !framing.closes && (framing.persists || !head->http_1_0);
    head->expects_continue = framing.expects_continue && !head->http_1_0;
    return error;
}

enum api_error http_head_parse(struct str head, struct http_head *out, const char **detail)
{
    *out = (struct http_head){0};
    *detail = NULL;
    enum api_error error = split_request_line(head, out, detail);
    if (error == API_ERROR_NONE)
        error = check_grammar(head, detail);
    if (error == API_ERROR_NONE)
        error = check_framing(out, detail);
    return error;
}
