"""Libraries of `tilec build` on a real GPU: the same calls on GPU and CPU give the same bytes; a call
captured into a graph; what the host needs for a call; the example in C.

    make all units && python3 tests/gpu/host.py            builds into build/gpu-host, then runs
    python3 tests/gpu/host.py --run                        what was built elsewhere

Building needs a C compiler and NVRTC or nvcc, running the GPU, build/tests/call_driver and numpy.
"""
import pathlib
import re
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "gpu-host"
DRIVER = ROOT / "build" / "tests" / "call_driver"
RNG = np.random.default_rng(5)
CAST = ["bfloat16:{m}x{k}:s={pitch},1:fill={x}", "float8_e4m3fn:{m}x{k}", "float32:{m}x{g}",
        "i={G}", "i=0"]
# 16 tensors, scratch, two phases: the call with the most to check.
ROWS, WEIGHTS = "bfloat16:8x4x4096", "4x4096"
ENGRAM = ["engram", 0, "scratch", 1 << 27, "bench", 100, "engram_gate_bwd", *[ROWS] * 3, "bfloat16:8x4096",
          f"float32:{WEIGHTS}", *[f"bfloat16:{WEIGHTS}"] * 2, *["float32:8x4"] * 4, *[ROWS] * 2, "bfloat16:8x4096",
          *[f"float32:{WEIGHTS}"] * 2, "f=1", "f=1", "end"]


def build():
    FOLDER.mkdir(parents=True, exist_ok=True)
    tilec = ROOT / "build" / "tilec"
    for name, file in (("cast", "kernels.tile/quant/per_token_cast.tile"),
                       ("cases", "tests/host/cases.tile"),
                       ("engram", "kernels.tile/engram/engram_gate_bwd.tile")):
        subprocess.run([tilec, "build", ROOT / file, "--arch", "sm90,cpu", "-o", FOLDER / name],
                       check=True)
    subprocess.run(["cc", ROOT / "examples" / "c" / "cast.c", f"-I{FOLDER}", FOLDER / "libcast.a",
                    "-lm", "-ldl", "-pthread", "-o", FOLDER / "example"], check=True)


def driver(library, context, *words):
    done = subprocess.run([DRIVER, "library", FOLDER / f"lib{library}.so", "context", str(context),
                           *map(str, words), "free"], capture_output=True, text=True, check=False)
    if done.returncode != 0 or "TILE_ERR" in done.stdout:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout


def data(name, array):
    path = FOLDER / f"{name}.bytes"
    path.write_bytes(np.ascontiguousarray(array).tobytes())
    return path


def outputs(library, context, words, saves, before=()):
    """The bytes of tensors after the call."""
    more = []
    for i in saves:
        more += ["save", i, FOLDER / f"out{i}"]
    driver(library, context, *before, "call", *words, "end", "wait", *more)
    return [(FOLDER / f"out{i}").read_bytes() for i in saves]


def compare(title, library, words, saves, before=()):
    gpu = outputs(library, 0, words, saves, before)
    again = outputs(library, 0, words, saves, before)
    cpu = outputs(library, "cpu", words, saves, before)
    good = gpu == cpu and gpu == again
    print(f"{'equal ' if good else 'DIFFER'} {title}")
    return good


def floats(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def bf16(*shape):
    return (floats(*shape).view(np.uint32) >> 16).astype(np.uint16)


def cast_words(m, k, group, pitch, plus=0):
    x = data("x", bf16(m, pitch))
    words = [w.format(m=m, k=k, pitch=pitch, x=x, g=-(-k // group), G=group) for w in CAST]
    words[0] += f":plus={plus}" if plus else ""
    return ["per_token_cast", *words]


def checks():
    for m, k, group, pitch in ((1, 128, 32, 128), (77, 4096, 128, 4096), (5, 1000, 128, 1003),
                               (130, 7168, 32, 7200), (0, 256, 128, 256)):
        yield compare(f"cast {m} x {k}, G = {group}, pitch {pitch}", "cast",
                      cast_words(m, k, group, pitch), [1, 2])
    yield compare("cast at an odd address", "cast", cast_words(9, 512, 128, 512, plus=2), [1, 2])
    x = data("x", floats(1000))
    yield compare("scale in one memory", "cases",
                  ["scale", f"float32:1000:fill={x}", "float32:1000:at=0+0", "f=1.25"], [0])
    entries = [f"float32:100x4:fill={data(f'e{i}', floats(100, 4))}" for i in range(40)]
    yield compare("a table of 40", "cases", ["add_all", "[", *entries, "]", "float32:100x4"], [40])
    ids, flags = np.arange(8, dtype=np.int32) % 6, np.array([1, 0] * 4, np.uint8)
    for w in ("null", f"float32:3:fill={data('w', floats(3))}"):
        yield compare(f"optional tensor {'absent' if w == 'null' else 'present'}", "cases",
                      ["pick", f"float32:8x5:fill={data('x', floats(8, 5))}", w,
                       f"int32:8:fill={data('i', ids)}", f"bool:8:fill={data('f', flags)}",
                       f"float32:8x6:fill={data('y', floats(8, 6))}", "i=1", "i=2", "i=7"],
                      [3 if w == "null" else 4])
    yield compare("strides of three axes", "cases",
                  ["cube", f"int32:20x30x40:s=40,800,1:fill={data('x', np.arange(24000, dtype=np.int32))}",
                   "int32:40x20x30"], [1])


def sums():
    """grid_sync and scratch; integers in floats, so that the number of programs does not matter."""
    x = RNG.integers(-9, 9, (5000, 32)).astype(np.float32)
    words = ["sums", f"float32:5000x32:fill={data('x', x)}", "float32:32", "float32:32"]
    need = re.search(r"need: TILE_OK (\d+)", driver("cases", 0, "need", *words, "end"))[1]
    call = ["call", *words, "end", "wait"]
    driver("cases", 0, "scratch", need, *call * 3, "save", 2, FOLDER / "out")
    good = (np.frombuffer((FOLDER / "out").read_bytes(), np.float32) == x.sum(0) * 2).all()
    print(f"{'equal ' if good else 'DIFFER'} three calls with one scratch of {need} bytes")
    return good


def main():
    if "--run" not in sys.argv:
        build()
    good = all([*checks(), sums()])
    words = cast_words(128, 7168, 128, 7168)
    print(driver("cast", 0, "capture", 10, *words, "end").replace("\n", ", "))
    for _ in range(3):
        for name, bench in (("the cast", ("cast", 0, "bench", 200, *words, "end")), ("the Engram backward", ENGRAM)):
            ns = re.search(r"ns: (\d+) bare (\d+)", driver(*bench))
            print(f"a call of {name} takes the host {ns[1]} ns, a bare launch {ns[2]} ns")
    print(subprocess.run([FOLDER / "example"], capture_output=True, text=True, check=True).stdout, end="")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
