"""Weight gradient: D[g] += A_g B_g^T, K cut into groups of whole blocks of 128.

a holds the groups one after another, group g as a contiguous M x K_g matrix, b alike; ends[g] is
where group g ends in K; sa[block, row] and sb[block, row] scale 128 channels of a row.
"""
import numpy as np

from ref_math import E4M3_UNIT, F32, fma

F64 = np.float64
BLOCK = 128


def operand(flat, rows, begin, end):
    """Group [begin, end) of K as a matrix [rows, end - begin], in f64."""
    return flat[rows * begin:rows * end].reshape(rows, end - begin).astype(F64)


def blocks(a, b, m, n, ends):
    """(group, block index, A's block, B's block) in the order of K."""
    begin = 0
    for g, end in enumerate(int(e) for e in ends):
        left, right = operand(a, m, begin, end), operand(b, n, begin, end)
        for k in range(0, end - begin, BLOCK):
            yield g, (begin + k) // BLOCK, left[:, k:k + BLOCK], right[:, k:k + BLOCK]
        begin = end


def grouped(a, sa, b, sb, ends, d):
    """In f64: the result, and the bound of R9 on the matrix products in it."""
    out, bound = d.astype(F64), np.zeros(d.shape)
    for g, q, left, right in blocks(a, b, d.shape[1], d.shape[2], ends):
        scale = np.outer(sa[q].astype(F64), sb[q].astype(F64))
        out[g] += scale * (left @ right.T)
        bound[g] += BLOCK * E4M3_UNIT * np.abs(scale) * (np.abs(left) @ np.abs(right).T)
    return out, bound


def rounded(a, sa, b, sb, ends, d):
    """f32, for products of blocks that are exact in f32: scales multiply, fma promotes, one last
    addition to d; a group without K leaves d."""
    acc, touched = np.zeros(d.shape, F32), np.diff(np.concatenate([[0], ends])) > 0
    for g, q, left, right in blocks(a, b, d.shape[1], d.shape[2], ends):
        p = (left @ right.T).astype(F32)
        acc[g] = fma(p, sa[q][:, None] * sb[q][None, :], acc[g])
    return np.where(touched[:, None, None], d + acc, d)
