/* math.h over arrays. Element i of the result is the scalar function's result, bit for bit, on
 * every CPU. The result may be one of the operands, but not overlap one in part.
 */
#ifndef TILE_VECTOR_H
#define TILE_VECTOR_H

#include <stddef.h>

void tile_vexp(float *y, const float *x, size_t n);
void tile_vlog(float *y, const float *x, size_t n);
void tile_vsigmoid(float *y, const float *x, size_t n);
void tile_vsoftplus(float *y, const float *x, size_t n);
void tile_vtanh(float *y, const float *x, size_t n);
void tile_vrsqrt(float *y, const float *x, size_t n);
void tile_vsin(float *y, const float *x, size_t n);
void tile_vcos(float *y, const float *x, size_t n);
void tile_vceil_pow2(float *y, const float *x, size_t n);
void tile_vsqrt(float *y, const float *x, size_t n);

/* a[i] * b[i] + c[i], rounded once. */
void tile_vfma(float *y, const float *a, const float *b, const float *c, size_t n);

#endif
