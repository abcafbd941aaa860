"""`make bench-interp`: how long `tilec check` and `tilec run` take, and the memory of a run.

Each line is the best and the median of several runs of the whole command, files included, with the
bar it must stay under where there is one. Memory is the greatest resident size less the bytes of
the tensors. With names as arguments only those lines run: bench_interp.py cast gemm.
"""
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import ml_dtypes
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
TILEC = pathlib.Path(os.environ.get("TILEC", ROOT / "build" / "tilec"))
KERNELS = ROOT / "kernels.tile"
BF16, E4M3 = np.dtype(ml_dtypes.bfloat16), np.dtype(ml_dtypes.float8_e4m3fn)
MiB = 1 << 20
FEW = 16    # MiB beside the tensors: the program, and a quarter of a byte for each stored element


class Case:
    """A command line with the bytes of the tensors it holds."""

    def __init__(self, name, arguments, tensors=0, seconds=None, mebibytes=None, repeat=5):
        self.name, self.arguments, self.tensors = name, arguments, tensors
        self.seconds, self.mebibytes, self.repeat = seconds, mebibytes, repeat


class Folder:
    """Input files, and -i and -o for them."""

    def __init__(self, path):
        self.path, self.random = pathlib.Path(path), np.random.default_rng(1)

    def normal(self, shape, dtype=BF16, scale=1.0):
        # One block of numbers again and again: drawing 30 million takes longer than the run.
        block = (self.random.standard_normal(1 << 16) * scale).astype(dtype)
        return np.resize(block, shape)

    def run(self, file, kernel, settings, inputs, outputs):
        """The words of a run; `outputs` are sizes in bytes. Returns them with all bytes."""
        words = ["run", str(KERNELS / file), kernel]
        total = sum(outputs.values())
        for name, value in settings.items():
            words += ["-s", f"{name}={value}"]
        for name, array in inputs.items():
            target = self.path / f"{kernel}-{name}.npy"
            np.save(target, array.view(f"u{array.itemsize}") if array.dtype.kind == "V" else array)
            words += ["-i", f"{name}={target}"]
            total += array.nbytes
        for name in outputs:
            words += ["-o", f"{name}={self.path / f'{kernel}-{name}.out.npy'}"]
        return words, total


def check_all():
    files = sorted(KERNELS.rglob("*.tile")) + sorted((ROOT / "examples").glob("*.tile"))
    words = ["check", *map(str, files)]
    return Case(f"check of {len(files)} files", words, seconds=0.05, repeat=20)


def cast(folder):
    M, K, G = 4096, 7168, 128
    words, size = folder.run("quant/per_token_cast.tile", "per_token_cast", {"G": G},
                             {"x": folder.normal((M, K))}, {"y": M * K, "sf": M * K // G * 4})
    return Case("cast bf16 to e4m3, 4096 x 7168", words, size, seconds=1.0, mebibytes=FEW)


def transpose(folder):
    M, N = 4096, 7168
    words, size = folder.run("transpose/transpose.tile", "transpose", {"T": "bf16"},
                             {"x": folder.normal((1, M, N))}, {"y": 2 * M * N})
    return Case("transpose bf16, 4096 x 7168", words, size, mebibytes=FEW)


def engram(folder):
    N, H, D = 1024, 4, 4096
    inputs = {"x": folder.normal((N, H, D)), "k": folder.normal((N, H, D)),
              "v": folder.normal((N, D)), "wf": folder.normal((H, D), np.float32)}
    words, size = folder.run("engram/engram_gate.tile", "engram_gate",
                             {"eps": 1e-6, "scale": D ** -0.5, "clamp_lo": 1e-6}, inputs,
                             {"y": 2 * N * H * D, "gate": 4 * N * H})
    return Case("engram gate, 1024 tokens, 4 x 4096", words, size, mebibytes=FEW)


def gate(folder):
    N, E, K = 8192, 256, 8
    settings = {"G": 8, "KG": 4, "K": K, "NS": 0, "S": "sigmoid", "factor": 2.5, "extra": 0,
                "ep_rank": 0, "n_ep": 1, "tp_rank": 0, "n_tp": 1}
    inputs = {"logits": folder.normal((N, E), np.float32), "bias": folder.normal((E,), np.float32)}
    words, size = folder.run("gating/top2_sum_gate.tile", "top2_sum_gate", settings, inputs,
                             {"idx": 8 * N * K, "w": 4 * N * K})
    return Case("top2_sum_gate, 8192 tokens of 256", words, size, mebibytes=FEW)


def gemm(folder):
    n = 512
    inputs = {"a": folder.normal((n, n)), "b": folder.normal((n, n))}
    words, size = folder.run("gemm/gemm_bf16.tile", "gemm_nt", {}, inputs, {"c": 2 * n * n})
    return Case("gemm bf16, 512^3", words, size, mebibytes=FEW)


CASES = {"check": lambda folder: check_all(), "cast": cast, "transpose": transpose,
         "engram": engram, "gate": gate, "gemm": gemm}


def high_water(pid):
    """The greatest resident size in bytes until now. (That of wait4 counts the parent's, too.)"""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    kib = [line.split()[1] for line in text.splitlines() if line.startswith("VmHWM")]
    return int(kib[0]) * 1024 if kib else 0


def measure(words):
    """Seconds and the greatest resident size in bytes of one command."""
    memory, start = 0, time.perf_counter()
    with tempfile.TemporaryFile() as log, subprocess.Popen([TILEC, *words], stderr=log) as process:
        while process.poll() is None:
            memory = max(memory, high_water(process.pid))
            time.sleep(0.001)
        seconds = time.perf_counter() - start
        if process.returncode != 0:
            log.seek(0)
            sys.exit(f"bench_interp: tilec {words[0]} failed:\n{log.read().decode()}")
    return seconds, memory


def judge(value, bar):
    return "" if bar is None else f"bar {bar:g}: {'ok' if value <= bar else 'MISSED'}"


def main(names):
    print(f"{os.cpu_count()} cores")
    print(f"{'':36} {'best s':>8} {'median s':>9}  {'':18} {'tensors MiB':>11} {'more MiB':>9}")
    with tempfile.TemporaryDirectory(prefix="bench-") as path:
        folder = Folder(path)
        for name in names or CASES:
            case = CASES[name](folder)
            runs = [measure(case.arguments) for _ in range(case.repeat)]
            seconds = [s for s, _ in runs]
            more = (max(m for _, m in runs) - case.tensors) / MiB
            print(f"{case.name:36} {min(seconds):8.3f} {statistics.median(seconds):9.3f}  "
                  f"{judge(min(seconds), case.seconds):18} {case.tensors / MiB:11.1f} {more:9.1f}"
                  f"  {judge(more, case.mebibytes)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
