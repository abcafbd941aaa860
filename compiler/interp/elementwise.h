/* Loops over rows of elements, one function an operation and element type. */
#ifndef TILE_INTERP_ELEMENTWISE_H
#define TILE_INTERP_ELEMENTWISE_H

#include "compiler/interp/prepare.h"

typedef void UnaryRow(void *d, const void *a, int64_t n);
typedef void BinaryRow(void *d, const void *a, const void *b, int64_t n);
typedef void TernaryRow(void *d, const void *a, const void *b, const void *c, int64_t n);

/* Both args rows, or one of them a single element. */
typedef struct BinaryRows {
    BinaryRow *rows, *right_one, *left_one;
} BinaryRows;

/* rows.c. NULL: no such row for the element type; then it is done through f32. */
UnaryRow *unary_row(OpCode, DType);
const BinaryRows *binary_rows(OpCode, DType);
TernaryRow *ternary_row(OpCode, DType);

/* Values of a storage type back to its codes. A conversion would saturate e5m2's infinities. */
void encode_f32(DType to, void *y, const float *x, size_t n);

/* One element of OP_MAX and OP_MIN. */
float larger_f32(float a, float b);
float smaller_f32(float a, float b);

#endif
