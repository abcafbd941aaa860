"""Runs kernels on the GPU and in the interpreter, and compares their outputs bit for bit.

    python3 tests/gpu/compare.py build/tilec [NAME...]

Needs numpy, a GPU and NVRTC. Every case runs twice on the GPU: equal bits again. Default sums follow
the target's plan in the interpreter (R8). One line a case; exit code 1 if any differs.
"""
import itertools
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

TILEC = sys.argv[1] if len(sys.argv) > 1 else "build/tilec"
ONLY = sys.argv[2:]
RNG = np.random.default_rng(1)
PLAN = ["--plan", "sm90"]
if "--plan" not in subprocess.run([TILEC, "run", "--help"], capture_output=True, text=True).stdout:
    PLAN = []


def f32(*shape, scale=1.0):
    return (RNG.standard_normal(shape) * scale).astype(np.float32)


def bf16(*shape, scale=1.0):
    """Truncated, with some rows far louder: any bits are a bf16."""
    return (f32(*shape, scale=scale).view(np.uint32) >> 16).astype(np.uint16)


def e4m3(*shape):
    codes = RNG.integers(0, 256, shape, dtype=np.uint8)
    return np.where(codes & 0x7F == 0x7F, 0x38, codes).astype(np.uint8)


class Case:
    def __init__(self, name, file, kernel, settings, inputs, outputs):
        self.name, self.file, self.kernel = name, file, kernel
        self.settings, self.inputs, self.outputs = settings, inputs, outputs

    def run(self, folder, where, extra):
        command = [TILEC, "run", self.file, self.kernel, *extra]
        for key, value in self.settings.items():
            command += ["-s", f"{key}={value}"]
        for key, value in self.inputs.items():
            path = folder / f"in.{key}.npy"
            if not path.exists():
                np.save(path, value)
            command += ["-i", f"{key}={path}"]
        for key in self.outputs:
            command += ["-o", f"{key}={folder}/{where}.{key}.npy"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return done.stderr.strip() or f"exit code {done.returncode}"
        return None

    def check(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for where, extra in (("cpu", PLAN), ("gpu", ["--device", "cuda"]),
                                 ("again", ["--device", "cuda"])):
                wrong = self.run(folder, where, extra)
                if wrong:
                    return f"{where}: {wrong}"
            for key in self.outputs:
                cpu, gpu, again = (np.load(folder / f"{where}.{key}.npy")
                                   for where in ("cpu", "gpu", "again"))
                bits = [a.view(np.uint8) for a in (cpu, gpu, again)]
                if not np.array_equal(bits[1], bits[2]):
                    return f"{key}: the GPU's second run differs from its first"
                if not np.array_equal(bits[0], bits[1]):
                    return f"{key}: {describe(cpu, gpu)}"
        return None


def describe(cpu, gpu):
    wrong = np.argwhere(cpu.view(f"u{cpu.itemsize}") != gpu.view(f"u{gpu.itemsize}"))
    at = tuple(wrong[0])
    return (f"{len(wrong)} of {cpu.size} elements differ, first {list(map(int, at))}: "
            f"{cpu[at]!r} in the interpreter, {gpu[at]!r} on the GPU")


def casts():
    file, kernel = "kernels.tile/quant/per_token_cast.tile", "per_token_cast"
    formats = [("f32", False, "row"), ("f32", True, "col_pad16"), ("ue8m0", True, "row")]
    for t, o, g, (s, pow2, form) in itertools.product(("bf16", "f32"), ("e4m3", "e2m1"), (32, 128),
                                                      formats):
        for m, k in ((1, 128), (7, 384), (33, 1056), (0, 256)):
            x = bf16(m, k) if t == "bf16" else f32(m, k)
            if m > 2:
                x[1] = 0
            yield Case(f"cast {t} {o} G={g} {s} {pow2} {form} {m}x{k}", file, kernel,
                       {"T": t, "O": o, "G": g, "S": s, "pow2": str(pow2).lower(), "sf": form,
                        "BM": 2, "BK": 512}, {"x": x}, ["y", "sf"])


def transposes():
    for t, make in (("e4m3", e4m3), ("bf16", bf16), ("f32", f32)):
        for b, m, n in ((1, 64, 64), (2, 65, 130), (3, 1, 7), (1, 200, 96)):
            yield Case(f"transpose {t} {b}x{m}x{n}", "kernels.tile/transpose/transpose.tile",
                       "transpose", {"T": t}, {"x": make(b, m, n)}, ["y"])


def mhc():
    for n in (1, 31, 300):
        x = f32(n, 4, 4)
        yield Case(f"sinkhorn {n}", "kernels.tile/mhc/sinkhorn.tile", "sinkhorn", {"eps": 1e-6},
                   {"x": x}, ["y"])
        yield Case(f"sinkhorn_bwd {n}", "kernels.tile/mhc/sinkhorn_bwd.tile", "sinkhorn_bwd",
                   {"eps": 1e-6}, {"x": x, "gy": f32(n, 4, 4)}, ["gx"])
    n, d, layers = 3, 256, 3
    inputs = {"res0": bf16(n, 4, d)}
    for i in range(layers):
        inputs[f"pre[{i}]"] = f32(n, 4)
        inputs[f"out_[{i}]"] = bf16(n, d)
        inputs[f"post[{i}]"] = f32(n, 4)
        inputs[f"comb[{i}]"] = f32(n, 4, 4)
    outputs = [f"{t}[{i}]" for t in ("inp", "res") for i in range(layers)]
    yield Case("multilayer", "kernels.tile/mhc/multilayer.tile", "recompute",
               {"L": layers, "LP": layers, "D": d, "BD": 128}, inputs, outputs)


def e5m6():
    file = "kernels.tile/quant/cast_e5m6.tile"
    for m, k in ((1, 4096), (5, 7168)):
        yield Case(f"cast_e5m6 {m}x{k}", file, "cast_e5m6", {"K": k, "T": "bf16"},
                   {"x": bf16(m, k)}, ["y", "sf"])
        y = RNG.integers(0, 2**32, (m, k // 8 * 3), dtype=np.uint32)
        yield Case(f"cast_back_e5m6 {m}x{k}", file, "cast_back_e5m6", {"K": k, "G": k, "O": "bf16"},
                   {"y": y, "sf": f32(m, 1)}, ["x"])


def swiglu():
    t, h, e = 300, 1024, 3
    psum = np.array([5, 128 + 77, 256], np.int32)
    for w in (False, True):
        inputs = {"x": bf16(t, 2, h), "psum": psum}
        if w:
            inputs["w"] = f32(t)
        inputs["y"] = np.zeros((t, h), np.uint8)
        inputs["sf"] = np.zeros((t, h // 128), np.float32)
        yield Case(f"swiglu_cast w={w}", "kernels.tile/quant/swiglu_psum.tile", "swiglu_cast",
                   {"limit": 10.0}, inputs, ["y", "sf"])
    x, n, k, d = 40, 12, 4, 1024
    slots = RNG.permutation(n * k)[:x].astype(np.int32)
    slots[3] = -1
    slot_pos = np.full(n * k, -1, np.int32)
    for row, slot in enumerate(slots):
        if slot >= 0:
            slot_pos[slot] = row
    for clamp in ("false", "true"):
        inputs = {"x": e4m3(x, 2 * d), "xsf": np.abs(f32(x, 2 * d // 128)) * 0.01,
                  "gy": bf16(x, d), "w": f32(n, k), "pos_slot": slots,
                  "slot_pos": slot_pos.reshape(n, k)}
        yield Case(f"swiglu_bwd clamp={clamp}", "kernels.tile/quant/swiglu_bwd.tile", "swiglu_bwd",
                   {"limit": 10.0, "clamp": clamp}, inputs, ["y", "gq", "gs", "gx", "gw"])


def norms():
    for m in (1, 5, 130):
        yield Case(f"rms_norm {m}", "examples/rms_norm.tile", "rms_norm", {"eps": 1e-6},
                   {"x": bf16(m, 4096), "w": bf16(4096)}, ["y"])
    n, h, d = 9, 4, 4096
    yield Case("engram_gate", "kernels.tile/engram/engram_gate.tile", "engram_gate",
               {"eps": 1e-6, "scale": 0.02, "clamp_lo": 1e-6, "P": 8},
               {"x": bf16(n, h, d), "k": bf16(n, h, d), "v": bf16(n, d), "wf": f32(h, d)},
               ["y", "gate"])


def routing():
    file = "kernels.tile/gating/top2_sum_gate.tile"
    for score, (e, g, kg, k, ns), n in itertools.product(
            ("sigmoid", "sqrtsoftplus", "softmax"),
            ((72, 1, 1, 6, 0), (128, 8, 4, 8, 1), (256, 8, 4, 8, 2)), (1, 61)):
        logits = f32(n, e)
        if n > 1:
            logits[3] = logits[3, 0]                                  # all equal: lowest index
        settings = {"S": score, "E": e, "G": g, "KG": kg, "K": k, "NS": ns, "factor": 1.5,
                    "extra": 0, "ep_rank": 0, "n_ep": 8, "tp_rank": 0, "n_tp": 1, "ND": 0}
        inputs = {"logits": logits, "bias": f32(e, scale=0.1)}
        if n > 1:
            inputs["mask"] = RNG.integers(0, 2, n).astype(bool)
        yield Case(f"gate {score} E={e} G={g} N={n}", file, "top2_sum_gate", settings, inputs,
                   ["idx", "w"])
    for n, e, k, a in ((1, 4, 2, 16), (1000, 256, 8, 128), (333, 9, 6, 16)):
        topk = np.stack([RNG.permutation(e)[:k] for _ in range(n)]) if e >= k else \
            RNG.integers(0, e, (n, k))
        topk = topk.astype(np.int64)
        topk[RNG.random((n, k)) < 0.1] = -1
        yield Case(f"mapping {n}x{k} E={e}", "kernels.tile/routing/fused_mapping.tile",
                   "fused_mapping", {"E": e, "K": k, "A": a, "P": 8, "X": n * k + e * a},
                   {"topk": topk}, ["pos_expert", "pos_token", "pos_slot", "slot_pos", "first",
                                    "last", "count"])


def main():
    bad = 0
    for case in itertools.chain(casts(), transposes(), mhc(), e5m6(), swiglu(), norms(), routing()):
        if ONLY and not any(word in case.name for word in ONLY):
            continue
        wrong = case.check()
        bad += wrong is not None
        print(f"{'FAILED' if wrong else 'equal '} {case.name}{': ' + wrong if wrong else ''}",
              flush=True)
    print(f"{bad} differ" if bad else "all equal")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
