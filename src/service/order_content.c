/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The normal form of an order's content. The SDKs differ in what they decode, and the strictest
 * polls for ever when a member is missing or has another type, so mistakes are refused here, where
 * the merchant sees them, and not there, where nobody does.
 */
#include "service/order_content.h"

#include "base/err.h"
#include "base/limits.h"

#include <stdarg.h>
#include <stdio.h>

enum { WORD_MAX = 255, AMOUNT_MAX = 32, PATH_SIZE = 64 };

/* Where we are and what went wrong first. */
struct context {
    struct buf *out;
    char *error;
    char path[PATH_SIZE]; /* of the object being read: "content.items[3]" */
};

static int refuse(const struct context *context, const char *member, const char *format, ...)
    PRINTF_LIKE(3, 4);

static int refuse(const struct context *context, const char *member, const char *format, ...)
{
    char sentence[ORDER_CONTENT_ERROR_SIZE / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    snprintf(context->error, ORDER_CONTENT_ERROR_SIZE, "%s%s%s: %s", context->path,
             member[0] != '\0' ? "." : "", member, sentence);
    return ERR_INVALID;
}

static int refuse_kind(const struct context *context, const char *member, const char *expected,
                       const struct json *value)
{
    return refuse(context, member, "expected %s, got %s", expected,
                  value != NULL ? json_kind_name(json_kind(value)) : "nothing");
}

static bool is_digits(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    }
    return text.len > 0;
}

/* "9.99": digits, and perhaps a point and more digits. */
static bool is_decimal(struct str text)
{
    struct str whole;
    struct str fraction = text;
    if (text.len > 0 && text.ptr[0] == '-')
        fraction = str_make(text.ptr + 1, text.len - 1);
    if (!str_split(&fraction, '.', &whole) || !is_digits(whole))
        return false;
    return fraction.ptr == NULL || is_digits(fraction);
}

/* An amount of money as a decimal string. */
static int write_amount(const struct context *context, const char *member, const struct json *value)
{
    struct buf digits;
    struct str text;
    enum json_kind kind = value != NULL ? json_kind(value) : JSON_KIND_NULL;
    buf_init(&digits, AMOUNT_MAX);
    if (kind == JSON_KIND_INT || kind == JSON_KIND_REAL)
        json_dump(value, &digits);
    text = buf_view(&digits);
    int rc = 0;
    if (kind != JSON_KIND_INT && kind != JSON_KIND_REAL && !json_as_string(value, &text))
        rc = refuse_kind(context, member, "a decimal number like \"9.99\"", value);
    else if (text.len > AMOUNT_MAX || !is_decimal(text))
        rc = refuse(context, member, "expected a decimal number like \"9.99\"");
    else
        json_write_text(context->out, member, text);
    buf_fini(&digits);
    return rc;
}

static int read_word(const struct context *context, const char *member, const struct json *value,
                     struct str *word)
{
    if (!json_as_string(value, word))
        return refuse_kind(context, member, "a string", value);
    if (word->len == 0 || word->len > WORD_MAX || str_has_control(*word))
        return refuse(context, member, "must have 1 to %d bytes, no control characters", WORD_MAX);
    return 0;
}

/* A word that may be absent: `word` is then untouched. */
static int read_optional_word(const struct context *context, const struct json *object,
                              const char *member, struct str *word)
{
    const struct json *value = json_get_non_null(object, member);
    return value != NULL ? read_word(context, member, value, word) : 0;
}

static int write_bool(const struct context *context, const struct json *object, const char *member,
                      bool *result)
{
    const struct json *value = json_get_non_null(object, member);
    *result = false;
    if (value != NULL && !json_as_bool(value, result))
        return refuse_kind(context, member, "a boolean", value);
    json_write_bool(context->out, member, *result);
    return 0;
}

/* What the merchant gave beyond the members we know; `known` is a list that ends with NULL. */
static void write_others(const struct context *context, const struct json *object,
                         const char *const *known)
{
    const struct json *value;
    void *iterator = NULL;
    struct str key;
    while (json_next(object, &iterator, &key, &value)) {
        const char *const *name = known;
        while (*name != NULL && !str_equal_text(key, *name))
            name++;
        if (*name == NULL)
            json_write_member(context->out, key, value);
    }
}

static void enter(struct context *inner, const struct context *outer, const char *member)
{
    *inner = (struct context){.out = outer->out, .error = outer->error};
    snprintf(inner->path, PATH_SIZE, "%.40s.%s", outer->path, member);
}

static int write_price_members(const struct context *context, const struct json *price)
{
    static const char *const known[] = {"amount", "amount_without_discount", "currency", NULL};
    struct str currency;
    const struct json *amount = json_get(price, "amount");
    const struct json *full = json_get_non_null(price, "amount_without_discount");
    int rc = write_amount(context, "amount", amount);
    if (rc == 0)
        rc = write_amount(context, "amount_without_discount", full != NULL ? full : amount);
    if (rc == 0)
        rc = read_word(context, "currency", json_get(price, "currency"), &currency);
    if (rc != 0)
        return rc;
    json_write_text(context->out, "currency", currency);
    write_others(context, price, known);
    return 0;
}

static int read_count(const struct context *context, const char *member, const struct json *value,
                      int64_t *count)
{
    struct str digits;
    if (json_as_int(value, count) && *count >= 0 && *count <= INT32_MAX)
        return 0;
    if (json_as_string(value, &digits) && str_to_int64(digits, 0, INT32_MAX, count))
        return 0;
    return refuse(context, member, "expected a whole number from 0 to %d", INT32_MAX);
}

struct virtual_price {
    struct str sku;
    struct str name;
    struct str type;
    struct str currency;
    int64_t amount;
    int64_t full_amount;
};

static int read_virtual_price(const struct context *context, const struct json *object,
                              struct virtual_price *price)
{
    const struct json *amount = json_get(object, "amount");
    const struct json *full = json_get_non_null(object, "amount_without_discount");
    *price = (struct virtual_price){.type = STR_LIT("virtual_currency")};
    int rc = read_optional_word(context, object, "currency", &price->currency);
    if (rc == 0)
        price->sku = price->currency;
    if (rc == 0)
        rc = read_optional_word(context, object, "sku", &price->sku);
    if (rc == 0 && price->sku.len == 0)
        rc = refuse(context, "sku", "required, or currency");
    price->name = price->sku;
    if (price->currency.len == 0)
        price->currency = price->sku;
    if (rc == 0)
        rc = read_optional_word(context, object, "name", &price->name);
    if (rc == 0)
        rc = read_optional_word(context, object, "type", &price->type);
    if (rc == 0)
        rc = read_count(context, "amount", amount, &price->amount);
    price->full_amount = price->amount;
    if (rc == 0 && full != NULL)
        rc = read_count(context, "amount_without_discount", full, &price->full_amount);
    return rc;
}

static int write_virtual_price_members(const struct context *context, const struct json *object)
{
    static const char *const known[] = {
        "sku", "is_default", "name", "type", "currency", "amount", "amount_without_discount", NULL};
    struct virtual_price price;
    bool is_default;
    int rc = read_virtual_price(context, object, &price);
    if (rc != 0)
        return rc;
    json_write_text(context->out, "sku", price.sku);
    rc = write_bool(context, object, "is_default", &is_default);
    json_write_text(context->out, "name", price.name);
    json_write_text(context->out, "type", price.type);
    json_write_text(context->out, "currency", price.currency);
    json_write_int(context->out, "amount", price.amount);
    json_write_int(context->out, "amount_without_discount", price.full_amount);
    write_others(context, object, known);
    return rc;
}

/* A member that is null or an object which `write_members` writes. */
static int write_object(const struct context *outer, const struct json *object, const char *member,
                        int (*write_members)(const struct context *context,
                                             const struct json *object))
{
    struct context context;
    const struct json *value = json_get_non_null(object, member);
    json_write_key(outer->out, member);
    if (value == NULL) {
        buf_append_text(outer->out, "null");
        return 0;
    }
    if (json_kind(value) != JSON_KIND_OBJECT)
        return refuse_kind(outer, member, "an object or null", value);
    enter(&context, outer, member);
    buf_append_byte(outer->out, '{');
    int rc = write_members(&context, value);
    buf_append_byte(outer->out, '}');
    return rc;
}

static int write_quantity(const struct context *context, const struct json *item)
{
    const struct json *value = json_get_non_null(item, "quantity");
    int64_t quantity = 1;
    if (value != NULL && !json_as_int(value, &quantity))
        return refuse_kind(context, "quantity", "a whole number", value);
    if (quantity < 1 || quantity > INT32_MAX)
        return refuse(context, "quantity", "must be between 1 and %d", INT32_MAX);
    json_write_int(context->out, "quantity", quantity);
    return 0;
}

static int write_item(const struct context *context, const struct json *item)
{
    static const char *const known[] = {"sku", "quantity", "is_free", "price", NULL};
    struct str sku;
    bool is_free;
    if (json_kind(item) != JSON_KIND_OBJECT)
        return refuse_kind(context, "", "an object", item);
    int rc = read_word(context, "sku", json_get(item, "sku"), &sku);
    if (rc != 0)
        return rc;
    buf_append_byte(context->out, '{');
    json_write_text(context->out, "sku", sku);
    rc = write_quantity(context, item);
    if (rc == 0)
        rc = write_bool(context, item, "is_free", &is_free);
    if (rc == 0)
        rc = write_object(context, item, "price", write_price_members);
    write_others(context, item, known);
    buf_append_byte(context->out, '}');
    return rc;
}

static int write_items(const struct context *outer, const struct json *content)
{
    const struct json *items = json_get_non_null(content, "items");
    struct context context = *outer;
    int rc = 0;
    if (items != NULL && json_kind(items) != JSON_KIND_ARRAY)
        return refuse_kind(outer, "items", "an array", items);
    size_t count = items != NULL ? json_length(items) : 0;
    json_write_key(outer->out, "items");
    buf_append_byte(outer->out, '[');
    for (size_t i = 0; i < count && rc == 0; i++) {
        if (i > 0)
            buf_append_byte(outer->out, ',');
        snprintf(context.path, PATH_SIZE, "content.items[%zu]", i);
        rc = write_item(&context, json_at(items, i));
    }
    buf_append_byte(outer->out, ']');
    return rc;
}

static int write_content(const struct context *context, const struct json *content, bool *is_free)
{
    static const char *const known[] = {"price", "virtual_price", "is_free", "items", NULL};
    buf_append_byte(context->out, '{');
    int rc = write_object(context, content, "price", write_price_members);
    if (rc == 0)
        rc = write_object(context, content, "virtual_price", write_virtual_price_members);
    if (rc == 0)
        rc = write_bool(context, content, "is_free", is_free);
    if (rc == 0)
        rc = write_items(context, content);
    write_others(context, content, known);
    buf_append_byte(context->out, '}');
    return rc;
}

int order_content_normalize(const struct json *content, struct buf *out, bool *is_free,
                            char error[ORDER_CONTENT_ERROR_SIZE])
{
    struct buf normal;
    struct context context = {.out = &normal, .error = error, .path = "content"};
    if (json_kind(content) != JSON_KIND_OBJECT)
        return refuse_kind(&context, "", "an object", content);
    buf_init(&normal, LIMIT_CONTENT);
    int rc = write_content(&context, content, is_free);
    if (rc == 0 && normal.overflow) {
        refuse(&context, "", "must be no larger than %d bytes", LIMIT_CONTENT);
        rc = ERR_TOO_LARGE;
    }
    if (rc == 0)
        buf_append_str(out, buf_view(&normal));
    buf_fini(&normal);
    return rc;
}
