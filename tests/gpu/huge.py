"""A tensor of more than 2^31 elements: 300007 x 7168 bf16 to e4m3. The interpreter runs some of its
rows, which do not depend on each other: the first and last, those around element 2^31, others between."""
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
    block = r.integers(0, 0x7F00, (PERIOD, COLUMNS), dtype=np.uint16) | \
        (r.integers(0, 2, (PERIOD, COLUMNS), dtype=np.uint16) << 15)
    x = np.lib.format.open_memmap(path, "w+", np.uint16, (ROWS, COLUMNS))
    for first in range(0, ROWS, PERIOD):
        x[first:first + PERIOD] = block[:ROWS - first]
    x.flush()
    return x


def run(tilec, folder, x, where, extra):
    command = [tilec, "run", *KERNEL, *SETTINGS, *extra, "-i", f"x={x}"]
    for name in "y", "sf":
        command += ["-o", f"{name}={folder / where}.{name}.npy"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else None


def samples():
    middle = 2**31 // COLUMNS
    for first in (0, middle - 128, middle // 2, 2**30 // COLUMNS, ROWS - 257):
        yield first, first + 257


def compare(tilec):
    """0, or 1 after a message."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tilec-huge-") as name:
        folder = pathlib.Path(name)
        x = write_input(folder / "x.npy")
        wrong = run(tilec, folder, folder / "x.npy", "gpu", ["--device", "cuda"])
        for first, last in samples():
            if wrong:
                break
            np.save(folder / "part.npy", x[first:last])
            wrong = run(tilec, folder, folder / "part.npy", "cpu", ["--plan", "sm90"])
            for key in ("y", "sf") if not wrong else ():
                gpu = np.load(folder / f"gpu.{key}.npy", mmap_mode="r")[first:last]
                cpu = np.load(folder / f"cpu.{key}.npy")
                if not np.array_equal(gpu.view(np.uint8), cpu.view(np.uint8)):
                    wrong = f"{key} differs in rows {first} to {last}"
    print(f"{'FAILED' if wrong else 'equal '} cast of {ROWS} x {COLUMNS}, {ROWS * COLUMNS} elements, "
          f"{257 * len(list(samples()))} rows compared{': ' + wrong if wrong else ''}; "
          f"{time.monotonic() - start:.0f} s", flush=True)
    return 1 if wrong else 0
