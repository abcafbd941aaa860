/* Every loop is compiled twice: for any CPU, and for x86-64 with AVX2 and FMA, chosen at the call.
 * The second only makes them fast (without FMA hardware fmaf is a library call). The copies are
 * not static, so that the tests can compare them.
 */
#include "runtime/numerics/vector.h"

#include "runtime/numerics/math.h"

/* Iterations are independent, also where the result is an operand. */
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed" /* the copies that call fmaf */
#define EACH(i, n) _Pragma("clang loop vectorize(assume_safety)") for (size_t i = 0; i < n; i++)
#else
#define EACH(i, n) _Pragma("GCC ivdep") for (size_t i = 0; i < n; i++)
#endif

#define MAP(name, function, target)                      \
    target void name(float *y, const float *x, size_t n) \
    {                                                    \
        EACH(i, n) y[i] = function(x[i]);                \
    }

/* Sine and cosine: the common range in a loop without branches, then the large arguments of each
 * piece one by one. The piece is copied first, since the result may be the operand. */
enum { PIECE = 256 };
#define MAP_TRIG(name, function, target)                           \
    target void name(float *y, const float *x, size_t n)           \
    {                                                              \
        for (; n > 0;) {                                           \
            size_t m = n < PIECE ? n : PIECE;                      \
            float piece[PIECE];                                    \
            memcpy(piece, x, m * sizeof *x);                       \
            int large = 0;                                         \
            EACH(i, m)                                             \
            {                                                      \
                y[i] = function##_small(piece[i]);                 \
                large |= !(tile_abs(piece[i]) <= TILE_TRIG_SMALL); \
            }                                                      \
            for (size_t i = 0; large && i < m; i++)                \
                if (!(tile_abs(piece[i]) <= TILE_TRIG_SMALL))      \
                    y[i] = function##_large(piece[i]);             \
            x += m, y += m, n -= m;                                \
        }                                                          \
    }

#define MAP_FMA(name, target)                                                            \
    target void name(float *y, const float *a, const float *b, const float *c, size_t n) \
    {                                                                                    \
        EACH(i, n) y[i] = tile_fma(a[i], b[i], c[i]);                                    \
    }

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2,fma")))
#define BOTH(loop, name, ...) loop(name##_base, __VA_ARGS__) loop(name##_avx2, __VA_ARGS__ AVX2)
#define CALL(name, ...)                                                                         \
    (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? name##_avx2(__VA_ARGS__) \
                                                                     : name##_base(__VA_ARGS__))
#else
#define BOTH(loop, name, ...) loop(name##_base, __VA_ARGS__)
#define CALL(name, ...) name##_base(__VA_ARGS__)
#endif

#define FUNCTIONS(X)  \
    X(MAP, exp)       \
    X(MAP, log)       \
    X(MAP, sigmoid)   \
    X(MAP, softplus)  \
    X(MAP, tanh)      \
    X(MAP, rsqrt)     \
    X(MAP_TRIG, sin)  \
    X(MAP_TRIG, cos)  \
    X(MAP, ceil_pow2) \
    X(MAP, sqrt)

#define DEFINE(loop, name)                                \
    BOTH(loop, tile_v##name, tile_##name, )               \
    void tile_v##name(float *y, const float *x, size_t n) \
    {                                                     \
        CALL(tile_v##name, y, x, n);                      \
    }
FUNCTIONS(DEFINE)

BOTH(MAP_FMA, tile_vfma, )
void tile_vfma(float *y, const float *a, const float *b, const float *c, size_t n)
{
    CALL(tile_vfma, y, a, b, c, n);
}
