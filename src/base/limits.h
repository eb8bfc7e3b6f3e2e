/* SPDX-License-Identifier: Apache-2.0 */
/* All maxima, from base/limits.def, as constants LIMIT_NAME. */
#ifndef ORDERWIRE_BASE_LIMITS_H
#define ORDERWIRE_BASE_LIMITS_H

enum limit {
#define LIMIT(name, value, unit, reason) LIMIT_##name = (value),
#include "base/limits.def"
};

#endif
