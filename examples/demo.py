"""What `make demo` runs: the per-token cast of bf16 activations to e4m3, on real tensors.

    build/venv/bin/python examples/demo.py build/tilec

Shows the input, the program, the result, and whether it equals a reference written in numpy and
ml_dtypes from the formula, bit for bit. The files stay in build/demo.
"""
import os
import pathlib
import subprocess
import sys
import time

import ml_dtypes
import numpy as np

FILE = "kernels.tile/quant/per_token_cast.tile"
KERNEL = "per_token_cast"
M, K, G = 512, 7168, 128
TILEC = sys.argv[1] if len(sys.argv) > 1 else "build/tilec"
BOLD, PLAIN = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")


def title(text):
    print(f"\n{BOLD}{text}{PLAIN}")


def activations():
    """Tokens of differing loudness, a few channels a hundred times louder than the rest."""
    rng = np.random.default_rng(2026)
    x = rng.standard_normal((M, K), np.float32)
    x *= np.exp(rng.normal(0, 0.5, (M, 1))).astype(np.float32)
    x[:, rng.choice(K, 12, replace=False)] *= 100
    x[7, :G] = 0                                    # a block of zeros has a scale too
    return x.astype(ml_dtypes.bfloat16)


def reference(x):
    """One scale for G neighbours: s = max(amax, 1e-4) / 448, codes = e4m3(x * (448 / amax))."""
    v = x.astype(np.float32).reshape(M, K // G, G)
    amax = np.maximum(np.abs(v).max(axis=2), np.float32(1e-4))
    scaled = v * (np.float32(448) / amax)[:, :, None]
    codes = np.clip(scaled, -448, 448).astype(ml_dtypes.float8_e4m3fn)
    return codes.reshape(M, K), amax / np.float32(448)


def show_program():
    """The kernel itself, without the schedule and the instances below it."""
    lines = pathlib.Path(FILE).read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(f"kernel {KERNEL}"))
    last = next(i for i, line in enumerate(lines) if i > first and line == "}")
    for line in lines[first:last + 1]:
        print("    " + line)


def run_kernel(folder):
    command = [TILEC, "run", FILE, KERNEL, "-s", f"G={G}", "-i", f"x={folder}/x.npy",
               "-o", f"y={folder}/y.npy", "-o", f"sf={folder}/sf.npy"]
    print("    " + " ".join(command))
    start = time.perf_counter()
    code = subprocess.run(command).returncode
    if code:
        sys.exit(f"demo: tilec ended with exit code {code}")
    return time.perf_counter() - start


def compare(name, got, want):
    """Bit for bit; gives whether all are equal."""
    u = f"u{want.dtype.itemsize}"
    equal = got.shape == want.shape and got.dtype.itemsize == want.dtype.itemsize
    wrong = np.count_nonzero(got.view(u) != want.view(u)) if equal else want.size
    verdict = "all equal, bit for bit" if wrong == 0 else f"{wrong} DIFFER"
    print(f"    {name:3}{want.size:10,} elements: {verdict}")
    return wrong == 0


def main():
    os.chdir(pathlib.Path(__file__).resolve().parents[1])
    folder = pathlib.Path("build/demo")
    folder.mkdir(parents=True, exist_ok=True)
    x = activations()
    np.save(folder / "x.npy", x)

    title("Input")
    size = np.abs(x.astype(np.float32))
    print(f"    x: bf16[{M}, {K}], {x.nbytes / 1e6:.1f} MB; |x| has median {np.median(size):.3g}, "
          f"maximum {size.max():.4g}")
    print(f"    x[0, :6] = {'  '.join(f'{v:.4g}' for v in x[0, :6].astype(float))}")

    title(f"Program ({FILE})")
    show_program()

    title("Run, in the interpreter on this CPU")
    seconds = run_kernel(folder)

    y = np.load(folder / "y.npy").view(ml_dtypes.float8_e4m3fn)
    sf = np.load(folder / "sf.npy")
    title(f"Result: y: e4m3[{M}, {K}], sf: f32[{M}, {K // G}]")
    for row in (0, 1, 7):
        codes = " ".join(f"{c:02x}" for c in y.view("u1")[row, :6])
        values = y[row, :3].astype(np.float32) * sf[row, 0]
        print(f"    row {row}: codes {codes} ..  scale {sf[row, 0]:.6g}  "
              f"codes * scale = {'  '.join(f'{v:.4g}' for v in values)} ..")
    loss = np.abs(y.astype(np.float32).reshape(M, -1, G) * sf[:, :, None]
                  - x.astype(np.float32).reshape(M, -1, G)).max(axis=2) / (sf * 448)
    print(f"    largest error, of its block's maximum: {loss.max():.2%}")

    title("Check, against numpy and ml_dtypes")
    start = time.perf_counter()
    want = reference(x)
    reference_seconds = time.perf_counter() - start
    same = [compare("y", y, want[0]), compare("sf", sf, want[1])]
    print(f"    tilec {seconds:.2f} s (reading and writing files included), "
          f"numpy {reference_seconds:.2f} s")
    if not all(same):
        sys.exit("demo: the result differs from the reference")


if __name__ == "__main__":
    main()
