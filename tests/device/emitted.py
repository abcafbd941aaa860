"""Emitted CUDA on the CPU: compiled by the host compiler against machine.h, which runs the threads
of a block as fibers, one block after the other.

    with Emitted(text of a .tile file) as e:
        e.run("kernel", {"x": array, "y": array, "N": 5}, programs=5)      # arrays change in place
"""
import ctypes
import os
import pathlib
import re
import subprocess
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
TILEC = pathlib.Path(os.environ.get("TILEC", ROOT / "build" / "tilec"))
CXX = os.environ.get("TILE_CXX", "g++")
FLAGS = ["-std=c++17", "-O0", "-w", "-ffp-contract=off", "-fno-strict-aliasing", "-shared", "-fPIC",
         "-fno-stack-protector"]

ASM = re.compile(r'asm(?:\s+volatile)?\s*\((?:[^()"]|"(?:[^"\\]|\\.)*"|\([^()]*\))*\)')
KERNEL = re.compile(r'extern "C" __global__ void __launch_bounds__\((\d+)[^\n]*\)\s*\ntk_(\w+)'
                    r'\(([^)]*)\)\s*\n\{(.*?)\n\}', re.S)
NUMBERS = {"int64_t": ctypes.c_int64, "int32_t": ctypes.c_int32, "float": ctypes.c_float,
           "uint32_t": ctypes.c_uint32, "uint64_t": ctypes.c_uint64, "bool": ctypes.c_bool,
           "int": ctypes.c_int}


def without_asm(text):
    def stand_in(match):
        asm = match.group(0)
        for name in ("max", "min"):
            if f"{name}.NaN.f32" in asm:
                return f"y = ptx_{name}_nan(a, b)"
        return "ptx_unknown(" + re.search(r'"(?:[^"\\]|\\.)*"', asm).group(0) + ")"
    return ASM.sub(stand_in, text)


class Emitted:
    def __init__(self, source, name="test.tile"):
        self.folder = tempfile.TemporaryDirectory(prefix="emitted-")
        folder = pathlib.Path(self.folder.name)
        (folder / name).write_text(source)
        done = subprocess.run([TILEC, "emit", folder / name, "--arch", "sm90", "-o", folder / "cu"],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        text = "".join(f.read_text() for f in sorted((folder / "cu").glob("*.cu")))
        headers = folder / "runtime" / "device"
        headers.mkdir(parents=True)
        for header in (ROOT / "runtime" / "device").glob("*.h"):
            (headers / header.name).write_text(without_asm(header.read_text()))
        self.kernels, runs = {}, ""
        for threads, kernel, parameters, body in KERNEL.findall(text):
            parameters = [p.strip().rsplit(" ", 1) for p in parameters.split(",")]
            arguments = ", ".join(f"*({t}{'*' if n.startswith('*') else ''} *)a[{i}]" if "*" not in t
                                  else f"*({t} *)a[{i}]" for i, (t, n) in enumerate(parameters))
            runs += (f"static void thunk_{kernel}(void **a) {{ tk_{kernel}({arguments}); }}\n"
                     f'extern "C" void run_{kernel}(void **a, unsigned blocks, bool backwards)\n'
                     f"{{ launch(thunk_{kernel}, a, blocks, {threads}, backwards); }}\n")
            per = re.search(r"tile_block\(\) \* (\d+)", body)
            self.kernels[kernel] = (parameters, int(per.group(1)) if per else 1)
        (folder / "all.cpp").write_text('#include "machine.h"\n' + text + runs)
        done = subprocess.run([CXX, *FLAGS, f"-I{folder}", f"-I{ROOT / 'tests' / 'device'}",
                               f"-I{ROOT}", "-o", folder / "all.so", folder / "all.cpp"],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[:4000]
        self.library = ctypes.CDLL(str(folder / "all.so"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def run(self, kernel, values, programs, backwards=False):
        parameters, per = self.kernels[kernel]
        values = {**values, "programs": programs}
        kept = []
        for type, name in parameters:
            value = values[name.lstrip("*").removeprefix("__restrict__").strip()]
            if isinstance(value, np.ndarray):
                kept.append(ctypes.c_void_p(value.ctypes.data))
            else:
                kept.append(NUMBERS[type.replace("const", "").strip()](value))
        pointers = (ctypes.c_void_p * len(kept))(*(ctypes.addressof(k) for k in kept))
        run = getattr(self.library, f"run_{kernel}")
        run(pointers, ctypes.c_uint(-(-programs // per)), ctypes.c_bool(backwards))
