/* Every f32 through the functions of runtime/numerics/vector.h, against the double of libm.
 *
 *   sweep EVERY [FUNCTION...]
 *
 * EVERY = 1 takes all, minutes a function; 256 takes one block of 4096 neighbours in 256. Prints
 * the greatest error in ulp and where it is; exits 1 if one is above 2 ulp.
 * A double is 2^29 times finer than an f32, so its own error does not show. One ulp is the
 * spacing of f32 in the binade of the true value, at least 2^-149.
 */
#include "runtime/numerics/vector.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 4096 };

typedef struct Function {
    const char *name;
    void (*bulk)(float *y, const float *x, size_t n);
    double (*reference)(double x);
} Function;

static double sigmoid(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double rsqrt(double x)
{
    return 1 / sqrt(x);
}

static double ceil_pow2(double x)
{
    int e;
    double m = frexp(x, &e);
    return x < 0 ? NAN : x == 0 || isinf(x) ? fabs(x) : ldexp(1, m == 0.5 ? e - 1 : e);
}

static const Function functions[] = {
    {"exp", tile_vexp, exp},
    {"log", tile_vlog, log},
    {"sigmoid", tile_vsigmoid, sigmoid},
    {"softplus", tile_vsoftplus, softplus},
    {"tanh", tile_vtanh, tanh},
    {"rsqrt", tile_vrsqrt, rsqrt},
    {"sin", tile_vsin, sin},
    {"cos", tile_vcos, cos},
    {"ceil_pow2", tile_vceil_pow2, ceil_pow2},
    {"sqrt", tile_vsqrt, sqrt},
};

static double spacing(double r)
{
    uint64_t u;
    memcpy(&u, &r, sizeof u);
    int e = (int)(u >> 52 & 0x7FF) - 1023;
    u = (uint64_t)((e < -126 ? -149 : e > 127 ? 104 : e - 23) + 1023) << 52;
    memcpy(&r, &u, sizeof r);
    return r;
}

static double ulps(float y, double r)
{
    if (isnan(r)) {
        uint32_t u;
        memcpy(&u, &y, sizeof u);
        return u == 0x7FFFFFFF ? 0 : INFINITY;
    }
    if (isinf(r))
        return y == r ? 0 : INFINITY;
    if (!signbit(y) != !signbit(r))
        return INFINITY;
    double a = isinf(y) ? 0x1p+128 : fabs((double)y), b = fmin(fabs(r), 0x1p+128);
    return fabs(a - b) / spacing(b);
}

/* Whether the error stays within 2 ulp. */
static int sweep(const Function *f, uint64_t every)
{
    static float x[BLOCK], y[BLOCK];
    double worst = -1;
    float at = 0;
    uint64_t over = 0;
    for (uint64_t first = 0; first < (uint64_t)1 << 32; first += BLOCK * every) {
        for (uint32_t i = 0; i < BLOCK; i++) {
            uint32_t u = (uint32_t)first + i;
            memcpy(&x[i], &u, sizeof u);
        }
        f->bulk(y, x, BLOCK);
        for (uint32_t i = 0; i < BLOCK; i++) {
            double e = ulps(y[i], f->reference((double)x[i]));
            over += e > 1;
            if (e > worst) {
                worst = e;
                at = x[i];
            }
        }
    }
    printf("%-10s %.4f ulp at %a; above 1 ulp: %llu\n", f->name, worst, (double)at,
           (unsigned long long)over);
    fflush(stdout);
    return worst <= 2;
}

int main(int argc, char **argv)
{
    uint64_t every = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    int ok = every > 0;
    for (size_t k = 0; every > 0 && k < sizeof functions / sizeof *functions; k++) {
        int wanted = argc == 2;
        for (int i = 2; i < argc; i++)
            wanted |= strcmp(argv[i], functions[k].name) == 0;
        if (wanted)
            ok &= sweep(&functions[k], every);
    }
    return ok ? 0 : 1;
}
