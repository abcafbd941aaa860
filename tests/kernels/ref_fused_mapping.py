"""MoE routing maps: where each (token, slot) goes when rows are grouped by expert.

Expert e owns `align(count, A)` rows from `first[e]`.  Its slots take them in ascending order of
token and slot; rows left over are holes (-1), as are the slots of expert -1.
"""
import numpy as np

from ref_math import align


def fused_mapping(topk, X, E, A):
    N, K = topk.shape
    counts = [int(np.sum(topk == e)) for e in range(E)]
    rooms = [align(c, A) for c in counts]
    ends = np.cumsum([0] + rooms)
    pos_expert, pos_token, pos_slot = (np.full(X, -1, np.int32) for _ in range(3))
    slot_pos = np.full((N, K), -1, np.int32)
    for e in range(E):
        for i, (t, k) in enumerate(np.argwhere(topk == e).tolist()):
            p = int(ends[e]) + i
            slot_pos[t, k] = p
            if p < X:
                pos_expert[p], pos_token[p], pos_slot[p] = e, t, t * K + k
    i32 = np.int32
    return {"pos_expert": pos_expert, "pos_token": pos_token, "pos_slot": pos_slot,
            "slot_pos": slot_pos, "first": ends[:-1].astype(i32), "last": ends[1:].astype(i32),
            "count": np.array(rooms, i32).reshape(E)}
