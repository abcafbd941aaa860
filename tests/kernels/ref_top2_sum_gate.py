"""MoE gate: score the experts of a token, choose K of them inside the KG best groups, weigh, map.

A group's score is the sum of its two best keys.  Equal keys: the lower index comes first.  The
physical expert `id` lives on rank id // per; the ranks are n_ep in all, and n_tp neighbours share
their experts, so this rank keeps an index only where rank % n_tp is its own tp_rank.
"""
import numpy as np

import ref_math
from ref_math import F32

SPREAD = 23333      # multiplier that spreads tokens over the replicas of an expert


def scores(z, S):
    if S == "softmax":
        return ref_math.softmax(z, 0)
    if S == "sigmoid":
        return ref_math.sigmoid(z)
    return np.sqrt(ref_math.softplus(z))


def descending(keys):
    return sorted(range(len(keys)), key=lambda i: (-float(keys[i]), i))


def choose(keys, G, KG, K):
    """Indices of the K best keys, groups limited to the KG best."""
    size = len(keys) // G
    pairs = []
    for g in range(G):
        group = keys[g * size:(g + 1) * size]
        best = descending(group)[:2]
        pairs.append(group[best[0]] + group[best[1]])
    open_groups = set(descending(pairs)[:KG])
    limited = [k if i // size in open_groups else -np.inf for i, k in enumerate(keys)]
    return descending(limited)[:K]


def local_index(physical, per, tp_rank, n_tp):
    """Index among the experts that tp_rank sees, or -1: whole ranks of `per` experts are kept."""
    if physical < 0 or physical // per % n_tp != tp_rank:
        return -1
    return physical // per // n_tp * per + physical % per


def top2_sum_gate(logits, bias, G, KG, K, S, factor, extra=0, ep_rank=0, n_ep=1, tp_rank=0, n_tp=1,
                  NS=0, mask=None, fixed=None, raw=None, phys=None, nphys=None):
    """(idx i64[N, K + NS], w f32[N, K + NS], raw i64[N, K])."""
    N, E = logits.shape
    per = (E + extra) // n_ep
    idx = np.full((N, K + NS), -1, np.int64)
    w = np.zeros((N, K + NS), F32)
    chosen = np.full((N, K), -1, np.int64)
    for t in range(N):
        if mask is not None and not mask[t]:
            continue
        z = logits[t]
        s = scores(z, S)
        keys = (z if S == "softmax" else s) + bias
        experts = raw[t].tolist() if fixed is not None and fixed[t] else choose(keys, G, KG, K)
        chosen[t] = experts
        p = [s[e] if e >= 0 else F32(0) for e in experts]
        total = F32(1e-20)
        for value in p:
            total = total + value
        for j, value in enumerate(p):
            w[t, j] = value / total * F32(factor)
        w[t, K:] = 1
        for j, e in enumerate(experts + list(range(E, E + NS))):
            if phys is not None:
                e = int(phys[e, (ep_rank + t * SPREAD) % int(nphys[e])])
            idx[t, j] = local_index(e, per, tp_rank, n_tp)
    return idx, w, chosen
