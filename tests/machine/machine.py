"""Kernels on the machine model: scripts for tests/unit/machine_driver.c and what comes back.

    run = Kernel("gemm").run(Launch(..), {"a": array}, args)
"""
import os
import pathlib
import struct
import subprocess
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("TILE_BUILD", "build")
DRIVER = BUILD / "tests" / "machine_driver"
KERNELS = pathlib.Path(__file__).parent / "kernels"
os.environ.setdefault("TILE_CACHE_DIR", str(BUILD / "machine-cache"))

READ_ONLY, UNDEFINED = 1, 2
BY_SEED, LATE, EARLY, RANDOM = range(4)
TYPES = ["u8", "u16", "u32", "i32", "u64", "i64", "f16", "f32", "f64", "bf16"]
SWIZZLES = {0: 0, 32: 1, 64: 2, 128: 3}


class Pointer:
    def __init__(self, buffer, distance=0):
        self.buffer, self.distance = buffer, distance


class Map:
    """The arguments of a tensor map; extents and box begin with the contiguous dim, strides are in
    bytes and begin with dim 1."""

    def __init__(self, buffer, type, extents, strides, box, swizzle=0, steps=None, nan=False,
                 distance=0):
        self.buffer, self.type, self.distance = buffer, type, distance
        self.extents, self.strides, self.box = list(extents), [0, *strides], list(box)
        self.steps, self.swizzle, self.nan = steps or [1] * len(self.box), swizzle, nan


class Launch:
    def __init__(self, entry, grid=1, block=128, cluster=0, shared=0, cooperative=False, pdl=False):
        self.words = (entry, grid, block, cluster, shared, int(cooperative), int(pdl))


class Fault(Exception):
    def __init__(self, name, report, seed):
        super().__init__(report)
        self.name, self.report, self.seed = name, report, seed


def layout(args):
    """(offset, value) of each field of an args struct, by C's rules; its size."""
    at, most, fields = 0, 1, []
    for value in args:
        size, align = (128, 64) if isinstance(value, Map) else (8, 8)
        if isinstance(value, (np.int32, np.uint32, np.float32)):
            size = align = 4
        at = -(-at // align) * align
        fields.append((at, value))
        at, most = at + size, max(most, align)
    return fields, -(-at // most) * most


def script_args(args):
    fields, size = layout(args)
    lines = [f"args {size}"]
    for at, value in fields:
        if isinstance(value, Pointer):
            lines.append(f"pointer {at} {value.buffer} {value.distance}")
        elif isinstance(value, Map):
            m = value
            numbers = [*m.extents, *m.strides, *m.box, *m.steps]
            lines.append(f"map {at} {m.buffer} {m.distance} {TYPES.index(m.type)} {len(m.box)} "
                         f"{SWIZZLES[m.swizzle]} {int(m.nan)} " + " ".join(map(str, numbers)))
        elif isinstance(value, int):
            lines.append(f"bytes {at} {struct.pack('<q', value).hex()}")
        else:
            lines.append(f"bytes {at} {value.tobytes().hex()}")
    return lines


class Kernel:
    def __init__(self, name, text=None, options=(), tile=None):
        self.path = KERNELS / f"{name}.cu"
        self.text = text or self.path.read_text()
        self.options, self.tile = options, tile
        self.arch = "sm100" if "tcgen05.h" in self.text else "sm90"

    def run(self, launches, buffers, args, seeds=(0, 0), policy=BY_SEED, flags={},
            timeline=None):
        """buffers: name to array, changed in place; not in flags: it may be written. timeline: a block
        and the file for its picture. Raises Fault; gives (steps, bank conflicts) of the last run."""
        with tempfile.TemporaryDirectory(prefix="machine-") as folder:
            folder = pathlib.Path(folder)
            (folder / self.path.name).write_text(self.text)
            lines = [f"arch {self.arch}", f"source {folder / self.path.name}"]
            lines += [f"option {o}" for o in self.options]
            lines += [f"tile {self.tile}"] if self.tile else []
            for name, array in buffers.items():
                (folder / name).write_bytes(np.ascontiguousarray(array).tobytes())
                lines.append(f"buffer {name} {array.nbytes} {flags.get(name, 0)} {folder / name}")
            lines += script_args(args)
            launches = launches if isinstance(launches, list) else [launches]
            lines += ["launch " + " ".join(map(str, launch.words)) for launch in launches]
            lines += [f"timeline {timeline[0]} {timeline[1]}"] if timeline else []
            lines.append(f"run {seeds[0]} {seeds[1]} {policy}")
            lines += [f"out {name} {folder / name}.out" for name in buffers]
            done = subprocess.run([DRIVER], input="\n".join(lines) + "\n", capture_output=True,
                                  text=True, timeout=300)
            assert done.returncode == 0, (done.returncode, done.stderr[-4000:])
            results = done.stdout.splitlines()
            last = results[-1].split(" ", 2)
            if last[0] == "fault":
                name, report = last[2].split(": ", 1)
                raise Fault(name, report.replace("\\n", "\n"), int(last[1]))
            assert last[0] == "ok" and len(results) == seeds[1] - seeds[0] + 1, results[-1]
            for name, array in buffers.items():
                new = np.frombuffer((folder / f"{name}.out").read_bytes(), array.dtype)
                array[...] = new.reshape(array.shape)
            return int(last[1]), int(last[2])
