"""`make bench`: times kernels on the GPU beside a copy of as many bytes, in one process a kernel.

    python3 tests/gpu/bench.py build/tilec [NAME...]

Needs numpy, a GPU and NVRTC. Each time is the median of 50 runs with a cold L2 (`tilec run --device
cuda --time 50`), between events on the stream; an empty launch costs about 2 us of it.
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

TILEC = sys.argv[1] if len(sys.argv) > 1 else "build/tilec"
ONLY = sys.argv[2:]
RNG = np.random.default_rng(0)
CAST = ("kernels.tile/quant/per_token_cast.tile", "per_token_cast")


def f32(*shape):
    return RNG.standard_normal(shape, np.float32)


def bf16(*shape):
    return (f32(*shape).view(np.uint32) >> 16).astype(np.uint16)


def cases():
    """Name, file and kernel, settings, inputs."""
    x, y = bf16(8064, 7168), f32(8064, 7168)
    for t, data in (("bf16", x), ("f32", y)):
        for o in ("e4m3", "e2m1"):
            for g in (32, 128):
                yield (f"cast {t} {o} G={g} 8064 x 7168", CAST,
                       {"T": t, "O": o, "G": g, "pow2": "true"}, {"x": data})
    for shape in ((8064, 4096), (8064, 2560), (8064, 576), (128, 7168)):
        yield f"cast bf16 e4m3 G=32 {shape[0]} x {shape[1]}", CAST, {"G": 32}, {"x": bf16(*shape)}
    transpose = ("kernels.tile/transpose/transpose.tile", "transpose")
    yield "transpose bf16 8064 x 7168", transpose, {}, {"x": x[None]}
    yield ("transpose e4m3 8064 x 7168", transpose, {"T": "e4m3"},
           {"x": RNG.integers(0, 127, (1, 8064, 7168), dtype=np.uint8)})
    m = f32(8192, 4, 4)
    yield "sinkhorn 8192", ("kernels.tile/mhc/sinkhorn.tile", "sinkhorn"), {"eps": 1e-6}, {"x": m}
    yield ("sinkhorn_bwd 8192", ("kernels.tile/mhc/sinkhorn_bwd.tile", "sinkhorn_bwd"),
           {"eps": 1e-6}, {"x": m, "gy": m})
    for e, score in ((72, "sigmoid"), (128, "sqrtsoftplus"), (256, "sigmoid")):
        yield (f"gate {score} 8001 x {e}", ("kernels.tile/gating/top2_sum_gate.tile",
                                            "top2_sum_gate"),
               {"S": score, "E": e, "G": 1, "KG": 1, "K": 6, "NS": 0, "factor": 1, "extra": 0,
                "ep_rank": 0, "n_ep": 1, "tp_rank": 0, "n_tp": 1, "ND": 0},
               {"logits": f32(8001, e), "bias": f32(e)})
    for n, k, e in ((8192, 2, 32), (18700, 6, 256)):
        yield (f"mapping {n} x {k}", ("kernels.tile/routing/fused_mapping.tile", "fused_mapping"),
               {"E": e, "K": k, "A": 128, "P": 132, "X": n * k + e * 128},
               {"topk": RNG.integers(0, e, (n, k), dtype=np.int64)})
    yield ("rms_norm 8064 x 7168", ("examples/rms_norm.tile", "rms_norm"), {"eps": 1e-6},
           {"x": x, "w": bf16(7168)})
    yield ("swiglu_cast 8192 x 4096", ("kernels.tile/quant/swiglu_psum.tile", "swiglu_cast"),
           {"limit": 10, "BK": 2048},
           {"x": bf16(8192, 2, 4096), "psum": np.array([1024, 3000, 8192], np.int32)})
    yield ("cast_e5m6 8064 x 7168", ("kernels.tile/quant/cast_e5m6.tile", "cast_e5m6"),
           {"K": 7168}, {"x": x})


def run(name, where, settings, inputs, folder):
    command = [TILEC, "run", *where, "--device", "cuda", "--time", "50"]
    for key, value in settings.items():
        command += ["-s", f"{key}={value}"]
    for key, value in inputs.items():
        path = folder / f"{key}.npy"
        np.save(path, value)
        command += ["-i", f"{key}={path}"]
    done = subprocess.run(command, capture_output=True, text=True)
    words = done.stdout.split(" on ", 1)[-1].strip() if done.returncode == 0 else done.stderr.strip()
    print(f"{name:36} {words}", flush=True)
    return done.returncode == 0


def main():
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for name, where, settings, inputs in cases():
            if not ONLY or any(word in name for word in ONLY):
                good &= run(name, where, settings, inputs, pathlib.Path(folder))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
