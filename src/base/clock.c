/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the two clocks, and dates as text. The calendar is computed here, because the C library's
 * functions depend on the time zone and the locale of the process. Days are counted in years
 * that begin in March, so that the leap day is the last of its year.
 */
#include "base/clock.h"

#include <string.h>
#include <time.h>

enum {
    DAYS_OF_400_YEARS = 146097,
    DAYS_OF_100_YEARS = 36524,
    DAYS_OF_4_YEARS = 1461,
    DAYS_BEFORE_1970 = 719468, /* from 1 March of the year 0 */
};

static const int64_t last_wall_second = INT64_C(253402300799); /* 9999-12-31T23:59:59Z */

static int64_t read_ms(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * CLOCK_SECOND + now.tv_nsec / 1000000;
}

int64_t clock_mono_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

int64_t clock_mono_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

struct date {
    int year;
    int month; /* 1 to 12 */
    int day;
};

static struct date date_of_days(int64_t days_since_1970)
{
    int64_t days = days_since_1970 + DAYS_BEFORE_1970;
    int64_t era = days / DAYS_OF_400_YEARS;
    int64_t day = days % DAYS_OF_400_YEARS;
    int64_t year = (day - day / (DAYS_OF_4_YEARS - 1) + day / DAYS_OF_100_YEARS -
                    day / (DAYS_OF_400_YEARS - 1)) /
                   365;
    day -= 365 * year + year / 4 - year / 100;
    /* Months from March have 31, 30, 31, 30, 31 days, again and again: 153 days each five. */
    int64_t month = (5 * day + 2) / 153;
    struct date date = {
        .year = (int)(year + 400 * era + (month >= 10)),
        .month = (int)(month < 10 ? month + 3 : month - 9),
        .day = (int)(day - (153 * month + 2) / 5 + 1),
    };
    return date;
}

static int64_t days_of_date(struct date date)
{
    int64_t year = date.month > 2 ? date.year : date.year - 1;
    int64_t month = date.month > 2 ? date.month - 3 : date.month + 9;
    /* 400 years more keep January of the year 0 on the side where division rounds down. */
    year += 400;
    return 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + date.day - 1 -
           DAYS_OF_400_YEARS - DAYS_BEFORE_1970;
}

/* Writes `value` with leading zeros into the `count` bytes at `out`. */
static void put_digits(char *out, int count, unsigned value)
{
    for (; count > 0; value /= 10)
        out[--count] = (char)('0' + value % 10);
}

/* By hand: it is written twice into each webhook, and snprintf costs as much as the rest of a body. */
void clock_format(int64_t wall_ms, char out[CLOCK_TEXT_SIZE])
{
    const int64_t last_ms = last_wall_second * CLOCK_SECOND + 999;
    int64_t ms = wall_ms < 0 ? 0 : wall_ms > last_ms ? last_ms : wall_ms;
    struct date date = date_of_days(ms / CLOCK_DAY);
    unsigned rest = (unsigned)(ms % CLOCK_DAY);
    memcpy(out, "0000-00-00T00:00:00.000Z", CLOCK_TEXT_SIZE);
    put_digits(out, 4, (unsigned)date.year);
    put_digits(out + 5, 2, (unsigned)date.month);
    put_digits(out + 8, 2, (unsigned)date.day);
    put_digits(out + 11, 2, rest / 3600000);
    put_digits(out + 14, 2, rest / 60000 % 60);
    put_digits(out + 17, 2, rest / 1000 % 60);
    put_digits(out + 20, 3, rest % 1000);
}

/* Takes exactly `count` digits off the front of `*rest`. */
static bool take_digits(struct str *rest, size_t count, int min, int max, int *out)
{
    if (rest->len < count)
        return false;
    int value = 0;
    for (size_t i = 0; i < count; i++) {
        if (rest->ptr[i] < '0' || rest->ptr[i] > '9')
            return false;
        value = value * 10 + (rest->ptr[i] - '0');
    }
    rest->ptr += count;
    rest->len -= count;
    *out = value;
    return value >= min && value <= max;
}

/* Takes one of the characters of `any` off the front; gives it back, or 0. */
static char take_one(struct str *rest, const char *any)
{
    for (; rest->len > 0 && *any != '\0'; any++) {
        if (rest->ptr[0] == *any) {
            rest->ptr++;
            rest->len--;
            return *any;
        }
    }
    return 0;
}

static bool take_date(struct str *rest, int64_t *days)
{
    static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct date date;
    if (!take_digits(rest, 4, 0, 9999, &date.year) || !take_one(rest, "-") ||
        !take_digits(rest, 2, 1, 12, &date.month) || !take_one(rest, "-") ||
        !take_digits(rest, 2, 1, lengths[date.month - 1], &date.day))
        return false;
    bool leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
    if (date.month == 2 && date.day == 29 && !leap)
        return false;
    *days = days_of_date(date);
    return true;
}

/* Digits after the third are dropped. */
static bool take_fraction(struct str *rest, int *ms)
{
    int weight = 100;
    int digit;
    *ms = 0;
    if (!take_one(rest, "."))
        return true;
    if (!take_digits(rest, 1, 0, 9, &digit))
        return false;
    do {
        *ms += digit * weight;
        weight /= 10;
    } while (take_digits(rest, 1, 0, 9, &digit));
    return true;
}

static bool take_offset(struct str *rest, int64_t *seconds)
{
    int hours;
    int minutes;
    *seconds = 0;
    if (take_one(rest, "Zz"))
        return true;
    char sign = take_one(rest, "+-");
    if (sign == 0 || !take_digits(rest, 2, 0, 23, &hours) || !take_one(rest, ":") ||
        !take_digits(rest, 2, 0, 59, &minutes))
        return false;
    *seconds = (hours * 60 + minutes) * (sign == '-' ? -60 : 60);
    return true;
}

static bool parse_rfc3339(struct str rest, int64_t *wall_ms)
{
    int64_t days;
    int64_t offset;
    int hour;
    int minute;
    int second;
    int ms;
    if (!take_date(&rest, &days) || !take_one(&rest, "Tt") ||
        !take_digits(&rest, 2, 0, 23, &hour) || !take_one(&rest, ":") ||
        !take_digits(&rest, 2, 0, 59, &minute) || !take_one(&rest, ":") ||
        !take_digits(&rest, 2, 0, 60, &second) || !take_fraction(&rest, &ms) ||
        !take_offset(&rest, &offset) || rest.len > 0)
        return false;
    int64_t utc = days * 86400 + hour * 3600 + minute * 60 + second - offset;
    /* A leap second is the last of a day in UTC; here it is the first second of the next. */
    if (second == 60 && utc % 86400 != 0)
        return false;
    *wall_ms = utc * CLOCK_SECOND + ms;
    return true;
}

bool clock_parse(struct str text, int64_t *wall_ms)
{
    int64_t seconds;
    if (!str_to_int64(text, 0, last_wall_second, &seconds))
        return parse_rfc3339(text, wall_ms);
    *wall_ms = seconds * CLOCK_SECOND;
    return true;
}
