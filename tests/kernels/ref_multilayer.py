"""mHC recompute over layers. For every layer l, from the residual r[M, D] of a token:
  inp[l] = sum over i of pre[l][i] r[i]
  r'[i]  = post[l][i] out[l] + sum over j of comb[l][j, i] r[j]    (layers that have a post mix)
and r' in bf16 is both stored and the next layer's residual.
"""
import numpy as np

from ref_math import F32, f32, fma, to_bf16


def formula(res0, pre, out, post, comb):
    """In f64, with the residual rounded to bf16 between layers as the kernel must: (inp, res)."""
    r = np.asarray(res0).astype(np.float64)
    inp, res = [], []
    for layer, w in enumerate(pre):
        inp.append(np.einsum("ni,nid->nd", w.astype(np.float64), r))
        if layer < len(post):
            mixed = np.einsum("nji,njd->nid", comb[layer].astype(np.float64), r)
            new = post[layer].astype(np.float64)[:, :, None]
            res.append(new * np.asarray(out[layer]).astype(np.float64)[:, None, :] + mixed)
            r = to_bf16(res[-1]).astype(np.float64)
    return inp, res


def rounded(res0, pre, out, post, comb):
    """f32: the input is a chain of fma from 0; the residual starts from the rounded product
    post * out and adds comb[j] r[j] by fma in ascending j. Lists of bf16 arrays (inp, res)."""
    r = f32(res0)
    n, m, size = r.shape
    inp, res = [], []
    for layer, w in enumerate(pre):
        u = np.zeros((n, size), F32)
        for i in range(m):
            u = fma(w[:, i, None], r[:, i, :], u)
        inp.append(to_bf16(u))
        if layer < len(post):
            new = post[layer][:, :, None] * f32(out[layer])[:, None, :]
            for j in range(m):
                new = fma(comb[layer][:, j, :, None], r[:, j, None, :], new)
            res.append(to_bf16(new))
            r = f32(res[-1])
    return inp, res
