"""What a program carries through a loop, and what it reads of its own stores (R12): emitted CUDA on
the machine model, against numpy."""
import os
import subprocess

import numpy as np
import pytest
from machine import ROOT

TILEC = os.environ.get("TILEC", str(ROOT / "build" / "tilec"))

P, N = 2, 192

KERNELS = {
    "turns": """let u = a; a = b; b = u; if k == 2 { continue; } a = a + 1;""",
    "shifts": """let left = t[p, k +: 191]; t[p, 1 +: 191] = left + 1;""",
    "gathers": """t[p, :] = t[p, (iota(192) * 7 + k) % 192] + 1;""",
    "own": """let y = t[p, :]; t[p, :] = y * 3 + k32; t[p, :] = t[p, :] - 1;""",
    "branches": """if k % 2 == 0 { t[p, 0 +: 96] = a[0 +: 96]; }
        else { t[p, 96 +: 96] = b[0 +: 96]; } a = t[p, (iota(192) + 50) % 192];""",
}


def kernel(name, body, unit):
    return (f"kernel {name}[P: dim](x: in i32[P, {N}], t: inout i32[P, {N}]) {{\n"
            f"  par (p in 0..P) {{ var a = x[p, :]; var b = x[p, :] * 2;\n"
            f"    for k in 0..5 {{ let k32 = i32(k); {body} }}\n"
            f"    t[p, :] = t[p, :] + a * 5 + b; }}\n}}\n"
            f"schedule {name} for sm90 {{ {unit}; }}\n")


UNITS = {"warp": "unit warp pack(2)", "block": "unit block warps(2)"}


def reference(name, x, t):
    a, b, t = x.copy(), 2 * x, t.copy()
    i = np.arange(N)
    for k in range(5):
        if name == "turns":
            a, b = b, a
            if k != 2:
                a = a + 1
        elif name == "shifts":
            left = np.concatenate([t, np.zeros((P, N), t.dtype)], 1)[:, k:k + 191]
            t[:, 1:] = left + 1
        elif name == "gathers":
            t = t[:, (i * 7 + k) % N] + 1
        elif name == "own":
            t = t * 3 + k - 1
        else:
            if k % 2 == 0:
                t[:, :96] = a[:, :96]
            else:
                t[:, 96:] = b[:, :96]
            a = t[:, (i + 50) % N]
    return t + 5 * a + b


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", KERNELS)
def test_program(name, unit, tmp_path):
    random = np.random.default_rng(7)
    x, t = random.integers(-9, 9, (2, P, N)).astype(np.int32)
    (tmp_path / "k.tile").write_text(kernel("k", KERNELS[name], UNITS[unit]))
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "t.npy", t)
    for seed in range(6):
        subprocess.run([TILEC, "run", tmp_path / "k.tile", "--machine", "sm90", "--seed", str(seed),
                        "-i", f"x={tmp_path}/x.npy", "-i", f"t={tmp_path}/t.npy",
                        "-o", f"t={tmp_path}/out.npy"], check=True)
        assert np.array_equal(np.load(tmp_path / "out.npy"), reference(name, x, t))
