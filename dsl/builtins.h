/* The operations of the language by name: the one table. docs/language.md has an entry for each.
 *
 *   B(name, min, max, named, group)
 *   min, max: positional arguments (max -1: any number); named: named arguments it takes
 *   group: shape elementwise reduce order mma view integer effect query
 */
#ifndef TILE_BUILTINS_H
#define TILE_BUILTINS_H

/* clang-format off */
#define TILE_BUILTINS(B)                                                                       \
    B(reshape, 1, -1, "", shape) B(trans, 1, 1, "", shape) B(squeeze, 1, 1, "", shape)           \
    B(concat, 1, -1, "axis", shape) B(iota, 1, 1, "", shape) B(fill, 1, -1, "", shape)           \
    B(size, 2, 2, "", shape) B(select, 3, 3, "", shape) B(take, 2, 2, "pad", shape)              \
    B(abs, 1, 1, "", elementwise) B(neg, 1, 1, "", elementwise)                                  \
    B(sqrt, 1, 1, "", elementwise) B(rsqrt, 1, 1, "", elementwise)                               \
    B(fma, 3, 3, "", elementwise) B(copysign, 2, 2, "", elementwise)                             \
    B(floor, 1, 1, "", elementwise) B(exp, 1, 1, "", elementwise)                                \
    B(log, 1, 1, "", elementwise) B(sigmoid, 1, 1, "", elementwise)                              \
    B(softplus, 1, 1, "", elementwise) B(tanh, 1, 1, "", elementwise)                            \
    B(sin, 1, 1, "", elementwise) B(cos, 1, 1, "", elementwise)                                  \
    B(isfinite, 1, 1, "", elementwise) B(isnan, 1, 1, "", elementwise)                           \
    B(ceil_pow2, 1, 1, "", elementwise) B(bits, 1, 1, "", elementwise)                           \
    B(from_bits, 2, 2, "", elementwise) B(min, 2, 2, "", elementwise)                            \
    B(max, 2, 2, "", elementwise)                                                                \
    B(sum, 2, 2, "order init", reduce) B(amax, 2, 2, "", reduce) B(amin, 2, 2, "", reduce)       \
    B(any, 1, 2, "", reduce) B(all, 1, 2, "", reduce) B(cumsum, 2, 2, "exclusive", reduce)       \
    B(cummax, 2, 2, "", reduce) B(softmax, 2, 2, "", reduce)                                     \
    B(topk, 3, 3, "", order) B(rank, 2, 2, "", order) B(argmax, 2, 2, "", order)                 \
    B(histogram, 2, 2, "", order) B(occurrence, 1, 2, "", order)                                 \
    B(mma, 2, 3, "", mma) B(mma_scaled, 4, 5, "", mma)                                           \
    B(flat, 1, 1, "", view) B(slice, 3, 3, "axis", view) B(upsample, 2, -1, "", view)            \
    B(cdiv, 2, 2, "", integer) B(align, 2, 2, "", integer) B(clz, 1, 1, "", integer)             \
    B(popc, 1, 1, "", integer)                                                                   \
    B(grid_sync, 0, 0, "", effect) B(exchange, 1, 1, "", effect)                                 \
    B(atomic_add, 2, 2, "scope", effect) B(assert, 1, 2, "", effect)                             \
    B(assume, 1, 2, "", effect) B(print, 1, -1, "", effect)                                      \
    B(signal, 2, 2, "op scope", effect) B(wait, 1, 1, "timeout", effect)                         \
    B(has, 1, 1, "", query) B(store, 1, 1, "", query)
/* clang-format on */

typedef struct Builtin {
    const char *name;
    int min, max;
    const char *named;
    const char *group;
} Builtin;

/* NULL-terminated by name. */
extern const Builtin builtin_table[];
const Builtin *builtin_find(const char *name);

#endif
