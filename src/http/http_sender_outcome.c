/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of a request, in words for the record of attempts. libcurl's own sentences are not
 * used: they quote URLs, and the secrets in them.
 */
#include "http/http_sender_internal.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>

/*
 * By OpenSSL's numbers (X509_V_ERR_…), which libcurl passes on. It compares the name by itself
 * after OpenSSL was content, and then leaves 0 or 1.
 */
static const char *certificate_words(CURL *curl)
{
    long result = -1;
    curl_easy_getinfo(curl, CURLINFO_SSL_VERIFYRESULT, &result);
    switch (result) {
    case 0:
    case 1:
        return "the certificate is for another name";
    case 9:
        return "the certificate is not valid yet";
    case 10:
        return "the certificate has expired";
    case 18:
        return "the certificate is signed by itself";
    case 19:
    case 20:
    case 21:
        return "the certificate's issuer is not known";
    default:
        return "the certificate is not good";
    }
}

static const char *connect_words(CURL *curl)
{
    long error = 0;
    curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
    switch (error) {
    case ECONNREFUSED:
        return "the connection was refused";
    case EHOSTUNREACH:
    case ENETUNREACH:
        return "there is no route to the receiver";
    default:
        return "there was no connection";
    }
}

static const char *timeout_words(const struct http_sending *sending)
{
    if (sending->header_length > 0)
        return "the answer was not whole in time";
    if (sending->sent)
        return "there was no answer in time";
    return sending->opened ? "there was no connection in time"
                           : "the name was not resolved in time";
}

/* Words NULL: they are looked for elsewhere. */
static const struct {
    CURLcode code;
    enum http_sender_outcome outcome;
    const char *words;
} failures[] = {
    {CURLE_COULDNT_RESOLVE_HOST, HTTP_SENDER_NAME, "the name was not resolved"},
    {CURLE_COULDNT_CONNECT, HTTP_SENDER_CONNECT, NULL},
    {CURLE_URL_MALFORMAT, HTTP_SENDER_CONNECT, "the URL cannot be called"},
    {CURLE_LOGIN_DENIED, HTTP_SENDER_CONNECT, "the URL cannot be called"},
    {CURLE_OPERATION_TIMEDOUT, HTTP_SENDER_TIMEOUT, NULL},
    {CURLE_SSL_CONNECT_ERROR, HTTP_SENDER_TLS, "the TLS handshake failed"},
    {CURLE_SSL_CIPHER, HTTP_SENDER_TLS, "the TLS handshake failed"},
    {CURLE_PEER_FAILED_VERIFICATION, HTTP_SENDER_TLS, NULL},
    {CURLE_SSL_CACERT_BADFILE, HTTP_SENDER_TLS, "the CA certificate cannot be read"},
    {CURLE_SSL_CERTPROBLEM, HTTP_SENDER_TLS, "the client certificate or its key cannot be used"},
    {CURLE_SSL_CLIENTCERT, HTTP_SENDER_TLS, "the receiver wants a client certificate"},
    /* One line that is too long for libcurl itself; the second is CURLE_TOO_LARGE of 8.6. */
    {CURLE_OUT_OF_MEMORY, HTTP_SENDER_TOO_LARGE, "the answer has too many bytes of headers"},
    {(CURLcode)100, HTTP_SENDER_TOO_LARGE, "the answer has too many bytes of headers"},
    {CURLE_WRITE_ERROR, HTTP_SENDER_TOO_LARGE, "the answer has too many bytes of headers"},
    {CURLE_GOT_NOTHING, HTTP_SENDER_BROKEN, "the connection ended without an answer"},
    {CURLE_PARTIAL_FILE, HTTP_SENDER_BROKEN, "the connection ended within the answer"},
    {CURLE_SEND_ERROR, HTTP_SENDER_BROKEN, "the connection ended within the request"},
    {CURLE_UNSUPPORTED_PROTOCOL, HTTP_SENDER_BROKEN, "the answer is no HTTP"},
    {CURLE_WEIRD_SERVER_REPLY, HTTP_SENDER_BROKEN, "the answer is no HTTP"},
};

static void describe_failure(const struct http_sending *sending, CURLcode code,
                             struct http_sender_result *result)
{
    result->outcome = HTTP_SENDER_BROKEN;
    result->error = "the connection ended within the answer, or the answer is no HTTP";
    for (size_t i = 0; i < ARRAY_LENGTH(failures); i++) {
        if (failures[i].code == code) {
            result->outcome = failures[i].outcome;
            result->error = failures[i].words;
        }
    }
    if (code == CURLE_UNSUPPORTED_PROTOCOL && !sending->opened && !sending->sent) {
        result->outcome = HTTP_SENDER_CONNECT;
        result->error = "the URL cannot be called";
    }
    if (code == CURLE_COULDNT_CONNECT)
        result->error = connect_words(sending->curl);
    else if (code == CURLE_OPERATION_TIMEDOUT)
        result->error = timeout_words(sending);
    else if (code == CURLE_PEER_FAILED_VERIFICATION)
        result->error = certificate_words(sending->curl);
}

void http_sender_outcome_describe(const struct http_sending *sending, CURLcode code,
                                  struct http_sender_result *result)
{
    long status = 0;
    result->headers = buf_view(&sending->headers);
    result->body = buf_view(&sending->body);
    result->body_is_whole = sending->body_length == sending->body.len;
    /* libcurl is content with a connection that ends within the header lines. */
    if (code == CURLE_OK && sending->in_head)
        code = CURLE_PARTIAL_FILE;
    if (code == CURLE_OK || sending->cut) {
        curl_easy_getinfo(sending->curl, CURLINFO_RESPONSE_CODE, &status);
        result->outcome = HTTP_SENDER_ANSWERED;
        result->status = (int)status;
        result->error = "";
    } else if (sending->again) {
        result->outcome = HTTP_SENDER_BROKEN;
        result->error = "the connection ended without an answer";
    } else if (sending->blocked && !sending->opened) {
        result->outcome = HTTP_SENDER_BLOCKED;
        result->error = "requests may not go to this address";
    } else {
        describe_failure(sending, code, result);
    }
    snprintf(result->address, sizeof(result->address), "%s", sending->address);
}

struct str http_sender_header(const struct http_sender_result *result, const char *name)
{
    struct str rest = result->headers;
    struct str line;
    struct str field;
    while (str_split(&rest, '\n', &line)) {
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (str_split(&line, ':', &field) && line.ptr != NULL &&
            str_equal_ignoring_case(field, str_from(name)))
            return str_trim(line);
    }
    return (struct str){0};
}

bool http_sender_date(struct str text, int64_t *wall_ms)
{
    char date[40]; /* the longest form has 33 */
    if (text.len >= sizeof(date))
        return false;
    snprintf(date, sizeof(date), "%.*s", STR_ARG(text));
    time_t seconds = curl_getdate(date, NULL);
    if (seconds < 0)
        return false;
    *wall_ms = seconds < INT64_MAX / CLOCK_SECOND ? seconds * CLOCK_SECOND : INT64_MAX;
    return true;
}
