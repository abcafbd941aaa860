"""mHC recompute over layers: chains of fma and casts, so every bit is fixed."""
import numpy as np
import pytest

import ref_multilayer as ref
from harness import LEVEL, TilecError, run, same_bits
from ref_math import F32, to_bf16

FILE, KERNEL = "mhc/multilayer.tile", "recompute"


def case(seed, n, size, layers, mixed, m=4):
    rng = np.random.default_rng(seed)

    def mixes(*shape):
        return (rng.standard_normal(shape) * 0.5).astype(F32)

    return {"res0": to_bf16(rng.standard_normal((n, m, size))),
            "pre": [mixes(n, m) for _ in range(layers)],
            "out_": [to_bf16(rng.standard_normal((n, size))) for _ in range(mixed)],
            "post": [mixes(n, m) for _ in range(mixed)],
            "comb": [mixes(n, m, m) for _ in range(mixed)]}


def entries(values):
    """Tables as the command line names them: pre[0], pre[1], ..."""
    flat = {"res0": values["res0"]}
    for name in ("pre", "out_", "post", "comb"):
        flat.update({f"{name}[{i}]": value for i, value in enumerate(values[name])})
    return flat


def execute(values, seed=0, **more):
    _, m, size = values["res0"].shape
    layers, mixed = len(values["pre"]), len(values["post"])
    outputs = {f"inp[{i}]": "bf16" for i in range(layers)}
    outputs.update({f"res[{i}]": "bf16" for i in range(mixed)})
    statics = {"M": m, "D": size, "L": layers, "LP": mixed, **more}
    return run(FILE, KERNEL, statics, entries(values), outputs, seed)


def check(values, seed=0, **more):
    got = execute(values, seed, **more)
    inp, res = ref.rounded(*values.values())
    for i, want in enumerate(inp):
        same_bits(got[f"inp[{i}]"], want, f"inp[{i}]")
    for i, want in enumerate(res):
        same_bits(got[f"res[{i}]"], want, f"res[{i}]")


@pytest.mark.parametrize("layers, mixed", [
    (1, 0), (1, 1), (2, 1), (2, 2), (5, 4), (5, 5), (12, 11),
])
def test_layers(layers, mixed):
    check(case(layers, 3, 20, layers, mixed), BD=16)


@pytest.mark.parametrize("n", [0, 1, 2, 17])
@pytest.mark.parametrize("size, tile", [
    (1, 16), (15, 16), (16, 16), (17, 16), (40, 16), (40, 2048),
])
def test_sizes(n, size, tile):
    check(case(n * 50 + size, n, size, 2, 2), seed=n, BD=tile)


@pytest.mark.parametrize("m", [1, 2, 3, 8])
@pytest.mark.parametrize("seed", [0, 1])
def test_branches(m, seed):
    check(case(seed, 4, 33, 3, 2, m), seed, BD=32)


@pytest.mark.parametrize("size", [2047, 2048, 2049] + ([7168] if LEVEL > 1 else []))
def test_scheduled_tile(size):
    check(case(size, 2, size, 3, 3))


def test_zero_and_infinite_mixes():
    values = case(5, 3, 16, 2, 2)
    values["pre"][0][0] = 0
    values["comb"][0][1, 2, 3] = np.inf
    values["post"][0][2, 1] = F32(1e-42)
    check(values)


def test_table_lengths_are_checked():
    """LP is L or L - 1."""
    for layers, mixed in ((3, 1), (2, 3)):
        with pytest.raises(TilecError) as failure:
            execute(case(6, 2, 16, layers, mixed))
        assert failure.value.code == 1
