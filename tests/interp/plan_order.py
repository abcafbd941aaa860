"""The order of a planned sum (docs/language.md, R8), element by element over numpy values.

A plan is a list of digits (owner, extent, stride) along the summed axis.
"""
import itertools

import numpy as np


def extent(plan):
    return int(np.prod([e for _, e, _ in plan], dtype=int))


def text(plan):
    return "plan (" + ", ".join(f"{o} {e}@{s}" for o, e, s in plan) + ")"


def digits_of(plan, owner):
    return [(e, s) for o, e, s in plan if o == owner]


def counted(digits):
    """All values of the digits, the first one fastest."""
    ranges = [range(e) for e, _ in reversed(digits)]
    return [tuple(reversed(values)) for values in itertools.product(*ranges)]


def offset(digits, values):
    return sum(v * s for v, (_, s) in zip(values, digits))


def in_order(plan, term, start, n=None):
    """The sum over one axis of n elements: `term(total, i)` adds element i, `start` is +0. Beyond the
    axis there is nothing to add."""
    n = extent(plan) if n is None else n
    reg, lane, warp = (digits_of(plan, o) for o in ("reg", "lane", "warp"))
    held = {}
    for w in counted(warp):
        for t in counted(lane):
            total = start
            for r in counted(reg):
                i = offset(reg, r) + offset(lane, t) + offset(warp, w)
                total = term(total, i) if i < n else total
            held[t, w] = total
    for d, (e, _) in enumerate(lane):
        bit = 1
        while bit < e:
            held = {(t, w): held[t, w] + held[(*t[:d], t[d] ^ bit, *t[d + 1:]), w]
                    for t, w in held}
            bit *= 2
    for d, (e, _) in enumerate(warp):
        after = {}
        for t, w in held:
            total = held[t, (*w[:d], 0, *w[d + 1:])]
            for k in range(1, e):
                total = total + held[t, (*w[:d], k, *w[d + 1:])]
            after[t, w] = total
        held = after
    values = list(held.values())
    assert all(v.tobytes() == values[0].tobytes() for v in values), "all threads hold it"
    return values[0]


def planned_sum(plan, x, axis):
    """The f32 sum of x along the axis, which stays with extent 1; NaNs are what numpy makes."""
    rows = np.moveaxis(x, axis, 0)
    total = in_order(plan, lambda t, i: t + rows[i], np.zeros(rows.shape[1:], np.float32),
                     len(rows))
    return np.expand_dims(total, axis)
