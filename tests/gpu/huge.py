"""A tensor of more than 2^31 elements, on the GPU and whole in the interpreter: 300007 x 7168 bf16 to
e4m3. Needs 13 GB of disk and memory."""
import pathlib
import subprocess
import tempfile
import time

import numpy as np

ROWS, COLUMNS, PERIOD = 300_007, 7168, 9973
SETTINGS = ["-s", "T=bf16", "-s", "O=e4m3", "-s", "G=128", "-s", "pow2=false"]
KERNEL = ["kernels.tile/quant/per_token_cast.tile", "per_token_cast"]


def write_input(path):
    """Rows repeat after an odd period, so that a wrapped index meets another row."""
    r = np.random.default_rng(1)
    block = r.integers(0, 0x7F00, (PERIOD, COLUMNS), dtype=np.uint16)
    block |= r.integers(0, 2, (PERIOD, COLUMNS), dtype=np.uint16) << np.uint16(15)
    x = np.lib.format.open_memmap(path, "w+", np.uint16, (ROWS, COLUMNS))
    for first in range(0, ROWS, PERIOD):
        x[first:first + PERIOD] = block[:ROWS - first]
    x.flush()


def run(tilec, folder, where, extra):
    command = [tilec, "run", *KERNEL, *SETTINGS, *extra, "-i", f"x={folder}/x.npy"]
    for name in "y", "sf":
        command += ["-o", f"{name}={folder}/{where}.{name}.npy"]
    done = subprocess.run(command, capture_output=True, text=True)
    return f"{where}: {done.stderr.strip()}" if done.returncode else None


def difference(folder, name, part=10_000):
    cpu, gpu = (np.load(f"{folder}/{where}.{name}.npy", mmap_mode="r") for where in ("cpu", "gpu"))
    for first in range(0, ROWS, part):
        if not np.array_equal(cpu[first:first + part].view(np.uint8), gpu[first:first + part].view(np.uint8)):
            return f"{name} differs in rows {first} to {first + part}"
    return None


def compare(tilec, device=("--device", "cuda")):
    """0, or 1 after a message."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tilec-huge-") as name:
        folder = pathlib.Path(name)
        write_input(folder / "x.npy")
        wrong = run(tilec, folder, "gpu", device) or run(tilec, folder, "cpu", ["--plan", "sm90"]) or \
            difference(folder, "y") or difference(folder, "sf")
    print(f"{'FAILED' if wrong else 'equal '} cast of {ROWS} x {COLUMNS}, {ROWS * COLUMNS} elements"
          f"{': ' + wrong if wrong else ''}; {time.monotonic() - start:.0f} s", flush=True)
    return 1 if wrong else 0
