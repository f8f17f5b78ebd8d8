/* NumPy's array interface on the C side, and a look at an array of times. */
#ifndef TIDEGATE_ARRAYS_H
#define TIDEGATE_ARRAYS_H

#include <stdint.h>

#include "clones.h"

/* https://numpy.org/doc/stable/reference/arrays.interface.html */
typedef struct {
    int two; /* a check: it is 2 */
    int nd;
    char typekind;
    int itemsize; /* bytes */
    int flags;
    intptr_t *shape;
    intptr_t *strides;
    void *data;
    void *descr;
} tg_array_struct;

TG_CLONES static int tg_has_nat(const int64_t *times, int64_t n)
{
    int64_t found = 0;
    for (int64_t row = 0; row < n; row++)
        found |= times[row] == INT64_MIN;
    return found != 0;
}

#endif
