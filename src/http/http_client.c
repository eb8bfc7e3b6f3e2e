/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request with libcurl, kept on a short lead: two schemes, no redirects, no proxy, no signals,
 * and an answer of bounded size, because the CLI sends keys and must not send them elsewhere.
 */
#include "http/http_client.h"

#include "base/err.h"
#include "base/limits.h"
#include "net/tls.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

void http_client_setup(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *argument)
{
    struct http_client_response *response = argument;
    buf_append(&response->body, bytes, size * count);
    /* Anything but the full length ends the transfer. */
    return response->body.overflow ? 0 : size * count;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *argument)
{
    struct http_client_response *response = argument;
    struct str value = str_make(bytes, size * count);
    struct str name;
    if (!str_split(&value, ':', &name) || !str_equal_ignoring_case(name, STR_LIT("etag")))
        return size * count;
    while (value.len > 0 && (value.ptr[value.len - 1] == '\n' || value.ptr[value.len - 1] == '\r'))
        value.len--;
    value = str_trim(value);
    if (value.len < sizeof(response->etag)) {
        memcpy(response->etag, value.ptr, value.len);
        response->etag[value.len] = '\0';
    }
    return size * count;
}

static bool names_type(const struct http_client_request *request)
{
    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++) {
        struct str line = str_from(request->headers[i]);
        struct str name;
        if (str_split(&line, ':', &name) && str_equal_ignoring_case(name, STR_LIT("content-type")))
            return true;
    }
    return false;
}

/* NULL when memory has run out in libcurl. */
static struct curl_slist *header_list(const struct http_client_request *request)
{
    /* A name without a value keeps libcurl from sending its own. */
    const char *type = request->body.len > 0 && !names_type(request)
                           ? "Content-Type: application/json"
                           : "Content-Type:";
    struct curl_slist *list = curl_slist_append(NULL, type);
    struct curl_slist *more = list != NULL ? curl_slist_append(list, "Expect:") : NULL;
    for (size_t i = 0; more != NULL && request->headers != NULL && request->headers[i] != NULL; i++)
        more = curl_slist_append(list, request->headers[i]);
    if (more == NULL) {
        curl_slist_free_all(list);
        return NULL;
    }
    return list;
}

static void set_method(CURL *curl, const struct http_client_request *request)
{
    bool sends_body = request->body.len > 0 || strcmp(request->method, "POST") == 0 ||
                      strcmp(request->method, "PATCH") == 0 || strcmp(request->method, "PUT") == 0;
    if (strcmp(request->method, "HEAD") == 0)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    if (sends_body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.len > 0 ? request->body.ptr : "");
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
}

static void set_limits(CURL *curl, const struct http_client_request *request)
{
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "orderwire/" ORDERWIRE_VERSION);
}

static CURLcode set_trust(CURL *curl, const struct tls_trust *trust)
{
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (trust == NULL)
        return CURLE_OK;
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, trust->insecure ? 0L : 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, trust->insecure ? 0L : 2L);
    if (trust->ca_file == NULL)
        return CURLE_OK;
    /* Else the system's folder of certificates would stay trusted. */
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    return curl_easy_setopt(curl, CURLOPT_CAINFO, trust->ca_file);
}

static int error_of(CURLcode code, long number)
{
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        return number == EACCES || number == EPERM ? ERR_IO : ERR_CLOSED;
    case CURLE_COULDNT_RESOLVE_HOST:
        return ERR_NOT_FOUND;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_UNSUPPORTED_PROTOCOL: /* also what is no HTTP/1 */
        return ERR_UNSUPPORTED;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return ERR_DENIED;
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    default:
        return ERR_IO;
    }
}

static int explain(CURL *curl, CURLcode code, const struct http_client_response *response,
                   const char *description, char error[HTTP_CLIENT_ERROR_SIZE])
{
    long number = 0;
    if (code == CURLE_WRITE_ERROR && response->body.overflow) {
        snprintf(error, HTTP_CLIENT_ERROR_SIZE, "the answer is longer than %d bytes",
                 LIMIT_CLIENT_RESPONSE);
        return ERR_TOO_LARGE;
    }
    curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &number);
    if (code == CURLE_COULDNT_CONNECT && number != 0)
        snprintf(error, HTTP_CLIENT_ERROR_SIZE, "cannot connect: %s", strerror((int)number));
    else
        snprintf(error, HTTP_CLIENT_ERROR_SIZE, "%s",
                 description[0] != '\0' ? description : curl_easy_strerror(code));
    return error_of(code, number);
}

static int perform(CURL *curl, struct http_client_response *response,
                   char error[HTTP_CLIENT_ERROR_SIZE])
{
    char description[CURL_ERROR_SIZE] = "";
    long status = 0;
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, description);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, response);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, response);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    if (code != CURLE_OK)
        return explain(curl, code, response, description, error);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    response->status = (int)status;
    return 0;
}

int http_client_call(const struct http_client_request *request,
                     struct http_client_response *response, char error[HTTP_CLIENT_ERROR_SIZE])
{
    int result = ERR_IO;
    *response = (struct http_client_response){0};
    buf_init(&response->body, LIMIT_CLIENT_RESPONSE);
    snprintf(error, HTTP_CLIENT_ERROR_SIZE, "libcurl cannot start");
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = header_list(request);
    if (curl == NULL || headers == NULL || set_trust(curl, request->trust) != CURLE_OK)
        goto failed;
    set_limits(curl, request);
    set_method(curl, request);
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    result = perform(curl, response, error);
failed:
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (result != 0)
        buf_fini(&response->body);
    return result;
}
