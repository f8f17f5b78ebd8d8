/* The values of a look-back by rank: quantiles, distances from the median, modes, distinct values.
 *
 * Rows that are coming are sorted together with those of the window, as many at a time as the
 * window has; each gets a rank. From there on a window is a set of bits, one a rank: a row that
 * comes or goes turns one, and a quantile is a bit that is looked for near the last one. Sorting
 * is O(1) passes of a radix sort, each row goes through two merges, and nothing depends on the
 * length of the window but how far the nearest caches reach. All of it is exact, so that it cannot
 * show where rows were sorted together.
 *
 * J. Suomela, Median filtering is equivalent to sorting, arXiv:1406.1717, 2014 (blocks that are
 * sorted ahead); P. M. Fenwick, A new data structure for cumulative frequency tables, Software:
 * Practice and Experience 24(3), 1994.
 */
#ifndef TIDEGATE_ROLLING_RANKS_H
#define TIDEGATE_ROLLING_RANKS_H

#include "rolling_extreme.h"
#include <stdlib.h>

#define TG_FEW_RANKS 2048        /* rows that are sorted at a time at least */
#define TG_MOST_RANKS (INT64_C(1) << 30)

typedef struct {
    int64_t key;                 /* sorts as the value does; NaN is the largest */
    int64_t row;                 /* counted since the key of the plan began */
} tg_ranked;

enum { TG_COUNTS = 1, TG_MODES = 2, TG_SELECTS = 4 };  /* what is needed beside the bits */

typedef struct {
    int needs;
    int64_t from, to;            /* the rows that have ranks */
    int64_t n;                   /* ranks */
    int64_t n_there;
    int64_t n_distinct;
    int64_t room;
    int64_t leaves;              /* of `most`, a power of two */
    tg_ranked *ranked;           /* by rank */
    tg_ranked *spare;            /* to sort and merge in; as large */
    tg_ranked *fresh;
    int32_t *rank;               /* of rows from `from` on; -1: no value */
    uint64_t *there;             /* a bit a rank: in the window */
    int32_t *alike;              /* of each rank the first one of an equal key */
    int32_t *most;               /* how often the keys below a node are there at most */
    int32_t *sums;               /* a Fenwick tree over the words of `there` */
} tg_ranks;

/* A rank that is asked for again and again: `below` are there before word `word`. */
typedef struct {
    int64_t word;
    int64_t below;
    const int32_t *want;         /* of each window of a tile, -1: none */
    int64_t *low;                /* its key */
    int64_t *high;               /* and that of the next one there; NULL: not asked for */
} tg_seeker;

static void tg_ranks_free(tg_ranks *s)
{
    free(s->ranked);
    free(s->spare);
    free(s->fresh);
    free(s->rank);
    free(s->there);
    free(s->alike);
    free(s->most);
    free(s->sums);
}

/* ---------------------------------------------------------------------------------------- sorting */

TG_INLINE int64_t tg_key_of(int numeric, tg_word x)
{
    if (numeric == 0) {
        if (x.f != x.f)
            return INT64_MAX;
        x.f += 0.0;                                  /* -0.0 is 0.0 */
        return x.i ^ ((x.i >> 63) & INT64_MAX);
    }
    return numeric == 1 ? x.i : x.i ^ INT64_MIN;
}

/* Bring a few, or those that are nearly in order, into order; 0, and still all there, where that
 * would take more than `budget` moves. */
TG_INLINE int tg_insert_ranked(tg_ranked *a, int64_t n, int64_t budget)
{
    for (int64_t i = 1; i < n; i++) {
        tg_ranked x = a[i];
        int64_t j = i;
        if (a[j - 1].key <= x.key)
            continue;
        for (; j > 0 && a[j - 1].key > x.key; j--)
            a[j] = a[j - 1];
        a[j] = x;
        budget -= i - j;
        if (budget < 0)
            return 0;
    }
    return 1;
}

/* Sort by some bytes of the distance from the least key, the lowest first; equal ones stay in
 * order. The result is in `a`. */
static void tg_sort_bytes(tg_ranked **a, tg_ranked **b, int64_t n, int64_t least, int shift,
                          int n_bytes)
{
    int32_t counts[8][256];
    memset(counts, 0, n_bytes * sizeof counts[0]);
    for (int64_t i = 0; i < n; i++) {
        uint64_t x = ((uint64_t)(*a)[i].key - (uint64_t)least) >> shift;
        for (int k = 0; k < n_bytes; k++)
            counts[k][x >> 8 * k & 255]++;
    }
    for (int k = 0; k < n_bytes; k++, shift += 8) {
        const tg_ranked *from = *a;
        tg_ranked *to = *b;
        int32_t at = 0;
        for (int d = 0; d < 256; d++) {
            int32_t c = counts[k][d];
            counts[k][d] = at;
            at += c;
        }
        for (int64_t i = 0; i < n; i++)
            to[counts[k][((uint64_t)from[i].key - (uint64_t)least) >> shift & 255]++] = from[i];
        *b = *a;
        *a = to;
    }
}

/* Sort n pairs by key, equal ones by row, as they came; the result is in `a`, and `b` is spare.
 * Three bytes nearly always tell the keys of a block apart; where they do not, all bytes do. */
static void tg_sort_ranked(tg_ranked **a, tg_ranked **b, int64_t n)
{
    int64_t least = INT64_MAX, most = INT64_MIN;
    int n_bytes = 0, n_bits = 0;
    if (n < 48) {
        tg_insert_ranked(*a, n, INT64_MAX);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t key = (*a)[i].key;
        least = key < least ? key : least;
        most = key > most ? key : most;
    }
    if (most == least)
        return;
    n_bits = 64 - __builtin_clzll((uint64_t)most - (uint64_t)least);
    n_bytes = (n_bits + 7) / 8;
    if (n_bytes > 3) {
        tg_sort_bytes(a, b, n, least, n_bits - 24, 3);
        if (tg_insert_ranked(*a, n, 2 * n))
            return;
    }
    tg_sort_bytes(a, b, n, least, 0, n_bytes);
}

/* Merge sorted pairs, the older before the newer where keys are equal. */
static void tg_merge_ranked(const tg_ranked *a, int64_t n, const tg_ranked *b, int64_t m,
                            tg_ranked *out)
{
    const tg_ranked *a_end = a + n, *b_end = b + m;
    while (a < a_end && b < b_end) {
        int newer = b->key < a->key;
        *out++ = newer ? *b : *a;
        b += newer;
        a += !newer;
    }
    memcpy(out, a, (a_end - a) * sizeof *a);
    memcpy(out + (a_end - a), b, (b_end - b) * sizeof *b);
}

/* ------------------------------------------------------------------------------- the set of a window */

TG_INLINE void tg_count_alike(tg_ranks *s, int32_t rank, int32_t change)
{
    int64_t at = s->leaves + s->alike[rank];
    int32_t n = s->most[at] + change;
    s->most[at] = n;
    s->n_distinct += change > 0 ? n == 1 : -(n == 0);
    if (!(s->needs & TG_MODES))
        return;
    for (; at > 1; at /= 2) {
        int32_t a = s->most[at], b = s->most[at ^ 1];
        a = a > b ? a : b;
        if (s->most[at / 2] == a)
            break;
        s->most[at / 2] = a;
    }
}

TG_INLINE void tg_turn_bit(tg_ranks *s, int32_t rank, int32_t change, tg_seeker *seekers,
                           int n_seekers)
{
    int64_t word = rank >> 6;
    s->there[word] ^= UINT64_C(1) << (rank & 63);
    s->n_there += change;
    for (int k = 0; k < n_seekers; k++)
        seekers[k].below += word < seekers[k].word ? change : 0;
    if (s->needs & (TG_COUNTS | TG_MODES))
        tg_count_alike(s, rank, change);
    if (s->needs & TG_SELECTS)
        for (int64_t at = word + 1; at <= (s->n + 63) / 64; at += at & -at)
            s->sums[at] += change;
}

/* In how many bytes of `counts` is at most k. */
TG_INLINE int tg_bytes_upto(uint64_t counts, uint64_t k)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    return (int)((((((tops | k * ones) - counts) & tops) >> 7) * ones) >> 56);
}

/* The place of the k-th bit that is set: its byte, and then the bits of that, by sums of bytes. */
TG_INLINE int tg_bit_of(uint64_t x, uint64_t k)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), each = UINT64_C(0x8040201008040201);
    uint64_t s = x - (x >> 1 & UINT64_C(0x5555555555555555));
    int at;
    s = (s & UINT64_C(0x3333333333333333)) + (s >> 2 & UINT64_C(0x3333333333333333));
    s = ((s + (s >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F)) * ones;
    at = 8 * tg_bytes_upto(s, k);
    k -= (s << 8 >> at) & 255;
    s = (x >> at & 255) * ones & each;
    s = ((s + (ones * 127)) >> 7 & ones) * ones;
    return at + tg_bytes_upto(s, k);
}

/* The key of the k-th there is in the window, by the tree. */
TG_INLINE int64_t tg_select_key(const tg_ranks *s, int64_t k)
{
    int64_t n = (s->n + 63) / 64, at = 0, step = 1;
    while (2 * step <= n)
        step *= 2;
    for (; step; step /= 2)
        if (at + step <= n && s->sums[at + step] <= k) {
            at += step;
            k -= s->sums[at];
        }
    return s->ranked[64 * at + tg_bit_of(s->there[at], k)].key;
}

TG_INLINE void tg_seek(const tg_ranks *s, tg_seeker *seeker, int64_t i)
{
    int64_t k = seeker->want[i], at = seeker->word, below = seeker->below, bit;
    uint64_t word;
    if (k < 0)
        return;
    while (below > k)
        below -= __builtin_popcountll(s->there[--at]);
    for (;;) {
        int64_t more = __builtin_popcountll(s->there[at]);
        if (below + more > k)
            break;
        below += more;
        at++;
    }
    seeker->word = at;
    seeker->below = below;
    word = s->there[at];
    bit = tg_bit_of(word, k - below);
    seeker->low[i] = s->ranked[64 * at + bit].key;
    if (seeker->high == NULL)
        return;
    word = bit == 63 ? 0 : word >> (bit + 1) << (bit + 1);
    if (k + 1 >= s->n_there)
        word = UINT64_C(1) << bit;                   /* there is none */
    while (word == 0)
        word = s->there[++at];
    seeker->high[i] = s->ranked[64 * at + __builtin_ctzll(word)].key;
}

/* The key that is there most often, of several the smallest. */
TG_INLINE int64_t tg_mode_key(const tg_ranks *s)
{
    int64_t at = 1;
    while (at < s->leaves)
        at = 2 * at + (s->most[2 * at] < s->most[at]);
    return s->ranked[at - s->leaves].key;
}

/* -------------------------------------------------------------------------------------- new ranks */

static int tg_ranks_grow(void **at, int64_t n, size_t size)
{
    free(*at);
    *at = malloc((n + 64) * size);
    return *at != NULL;
}

/* Make room for n ranks and as many rows; what there is in `ranked` is kept. */
static int tg_ranks_room(tg_ranks *s, int64_t n)
{
    void *grown;
    int64_t room = n > 2 * s->room ? n : 2 * s->room;
    if (n <= s->room)
        return 1;
    room = room > 64 ? room : 64;
    grown = realloc(s->ranked, room * sizeof *s->ranked);
    if (grown == NULL)
        return 0;
    s->ranked = grown;
    s->room = 0;                                     /* the others are lost, if one cannot be */
    if (!tg_ranks_grow((void **)&s->spare, room, sizeof *s->spare) ||
        !tg_ranks_grow((void **)&s->fresh, room, sizeof *s->fresh) ||
        !tg_ranks_grow((void **)&s->there, room / 64 + 2, sizeof *s->there) ||
        !tg_ranks_grow((void **)&s->rank, room, sizeof *s->rank) ||
        (s->needs && !tg_ranks_grow((void **)&s->alike, room, sizeof *s->alike)) ||
        (s->needs && !tg_ranks_grow((void **)&s->most, 4 * room, sizeof *s->most)) ||
        (s->needs && !tg_ranks_grow((void **)&s->sums, room / 64 + 2, sizeof *s->sums)))
        return 0;
    s->room = room;
    return 1;
}

/* Set what goes with the bits anew. */
static void tg_ranks_index(tg_ranks *s, int64_t there_to)
{
    int64_t n_words = (s->n + 63) / 64;
    int needs = s->needs;
    memset(s->there, 0, (n_words + 1) * sizeof *s->there);
    s->n_there = s->n_distinct = 0;
    s->leaves = 1;
    while (s->leaves < s->n)
        s->leaves *= 2;
    if (needs) {
        memset(s->most, 0, 2 * s->leaves * sizeof *s->most);
        memset(s->sums, 0, (n_words + 1) * sizeof *s->sums);
        for (int64_t k = 0; k < s->n; k++)
            s->alike[k] = k > 0 && s->ranked[k].key == s->ranked[k - 1].key ? s->alike[k - 1]
                                                                            : (int32_t)k;
    }
    for (int64_t k = 0; k < s->n; k++) {
        s->rank[s->ranked[k].row - s->from] = (int32_t)k;
        if (s->ranked[k].row < there_to)
            tg_turn_bit(s, (int32_t)k, 1, NULL, 0);
    }
}

/* Give rows [l, end) ranks, of which those before `in_to` are in the window now. */
static int tg_ranks_renew(tg_ranks *s, const tg_series *c, int64_t base, int64_t l, int64_t in_to,
                          int64_t end)
{
    int64_t kept = 0, n = 0, first = l;
    tg_ranked *swap;
    if (s->to == base + in_to && s->to > 0) {        /* those there are in order already */
        for (int64_t word = 0; word < (s->n + 63) / 64; word++)
            for (uint64_t bits = s->there[word]; bits; bits &= bits - 1)
                s->ranked[kept++] = s->ranked[64 * word + __builtin_ctzll(bits)];
        first = in_to;
    }
    if (end - l > TG_MOST_RANKS || !tg_ranks_room(s, end - l))
        return 0;
    for (int64_t i = first; i < end; i++)
        if (tg_has(c, i))
            s->fresh[n++] = (tg_ranked){tg_key_of(c->numeric, c->x[i]), base + i};
    tg_sort_ranked(&s->fresh, &s->spare, n);
    if (kept) {
        tg_merge_ranked(s->ranked, kept, s->fresh, n, s->spare);
        swap = s->spare;
        s->spare = s->ranked;
    } else {
        swap = s->fresh;
        s->fresh = s->ranked;
    }
    s->ranked = swap;
    s->n = kept + n;
    s->from = base + l;
    s->to = base + end;
    memset(s->rank, 0xFF, (end - l) * sizeof *s->rank);
    tg_ranks_index(s, base + in_to);
    return 1;
}

/* --------------------------------------------------------------------------------- a tile at a time */

/* What is asked about the windows of a tile beside ranks; NULL: not asked for. */
typedef struct {
    tg_seeker *seekers;
    int n_seekers;
    int64_t *distinct;
    int64_t *modes;
    double *deviations;
    double (*far)(int numeric, int64_t key, int64_t low, int64_t high); /* from the median */
    double (*middle)(double low, double high);
} tg_questions;

/* The median of the distances from the median, where both are finite: those that are nearest are
 * a range of the ranks, which is searched for by halves. */
static double tg_deviation_of(const tg_ranks *s, int numeric, const tg_questions *q)
{
    int64_t n = s->n_there, h = (n + 1) / 2, a = 0, b = n - h;
    int64_t low = tg_select_key(s, (n - 1) / 2), high = tg_select_key(s, n / 2);
    double x, y, next = INFINITY;
#define TG_FAR(k) q->far(numeric, tg_select_key(s, k), low, high)
    while (a < b) {
        int64_t middle = (a + b) / 2;
        if (TG_FAR(middle) > TG_FAR(middle + h))
            a = middle + 1;
        else
            b = middle;
    }
    x = TG_FAR(a);
    y = TG_FAR(a + h - 1);
    x = x > y ? x : y;
    if (n % 2)
        return x;
    if (a > 0)
        next = TG_FAR(a - 1);
    if (a + h < n) {
        y = TG_FAR(a + h);
        next = y < next ? y : next;
    }
#undef TG_FAR
    return q->middle(x, next);
}

TG_INLINE void tg_row_turns(tg_ranks *s, int64_t number, int32_t change, const tg_questions *q)
{
    int32_t rank = s->rank[number - s->from];
    if (rank >= 0)
        tg_turn_bit(s, rank, change, q->seekers, q->n_seekers);
}

/* Answer the windows of a tile; 0 where there is no memory. */
TG_INLINE int tg_ranks_in(tg_ranks *s, const tg_series *c, const tg_tile *tile, int64_t base,
                          int64_t n_rows, const tg_questions *q)
{
    int64_t l = tile->was_l, r = tile->was_r;
    for (int64_t i = 0; i < tile->n; i++) {
        for (; r < tile->r[i]; r++) {
            if (base + r >= s->to || s->to == 0) {
                int64_t more = r - l > TG_FEW_RANKS ? r - l : TG_FEW_RANKS;
                if (!tg_ranks_renew(s, c, base, l, r, more < n_rows - r ? r + more : n_rows))
                    return 0;
                for (int k = 0; k < q->n_seekers; k++)
                    q->seekers[k].word = q->seekers[k].below = 0;
            }
            tg_row_turns(s, base + r, 1, q);
        }
        for (; l < tile->l[i]; l++)
            tg_row_turns(s, base + l, -1, q);
        for (int k = 0; k < q->n_seekers; k++)
            tg_seek(s, q->seekers + k, i);
        if (q->distinct != NULL)
            q->distinct[i] = s->n_distinct;
        if (s->n_there == 0)
            continue;
        if (q->modes != NULL)
            q->modes[i] = tg_mode_key(s);
        if (q->deviations != NULL)
            q->deviations[i] = tg_deviation_of(s, c->numeric, q);
    }
    return 1;
}
TG_CLONES static int tg_ranks_tile(tg_ranks *s, const tg_series *c, const tg_tile *tile,
                                   int64_t base, int64_t n_rows, const tg_questions *q)
{
    tg_questions one = {0};                          /* a quantile by itself has a loop of its own */
    one.seekers = q->seekers;
    one.n_seekers = 1;
    if (q->n_seekers == 1 && s->needs == 0)
        return tg_ranks_in(s, c, tile, base, n_rows, &one);
    return tg_ranks_in(s, c, tile, base, n_rows, q);
}

#endif
