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
KERNEL = re.compile(r'extern "C" __global__ void __launch_bounds__\((\d+)[^\n]*\)\s*\n(v\d+_\w+)'
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
        files = sorted((folder / "cu").glob("*.cu"))
        headers = folder / "runtime" / "device"
        headers.mkdir(parents=True)
        for header in (ROOT / "runtime" / "device").glob("*.h"):
            (headers / header.name).write_text(without_asm(header.read_text()))
        self.kernels, text = {}, ""
        for number, file in enumerate(files):
            text += self.add(file.name.removesuffix(".sm90.cu"), number, file.read_text())
        (folder / "all.cpp").write_text('#include "machine.h"\n' + text)
        done = subprocess.run([CXX, *FLAGS, f"-I{folder}", f"-I{ROOT / 'tests' / 'device'}",
                               f"-I{ROOT}", "-o", folder / "all.so", folder / "all.cpp"],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[:4000]
        self.library = ctypes.CDLL(str(folder / "all.so"))

    def add(self, variant, number, text):
        """The text with a function that launches each of its kernels from an array of pointers."""
        text = text.replace(" tk_", f" v{number}_")
        text = re.sub(r"\ntk_", f"\nv{number}_", text)
        text = re.sub(r"__shared__ (.*)char shared_memory\[(\d+)\];",
                      r"static \1char all_shared[MOST_BLOCKS][\2]; "
                      r"char *const shared_memory = all_shared[blockIdx.x];", text)
        for threads, name, parameters, body in KERNEL.findall(text):
            parameters = [p.strip().rsplit(" ", 1) for p in parameters.split(",")]
            parameters = [(t + "*" * n.count("*"), n.lstrip("*")) for t, n in parameters]
            arguments = ", ".join(f"*({t} *)a[{i}]" for i, (t, _) in enumerate(parameters))
            together = "true" if "tile_grid_sync" in body else "false"
            text += (f"static void thunk_{name}(void **a) {{ {name}({arguments}); }}\n"
                     f'extern "C" void run_{name}(void **a, unsigned blocks, bool backwards)\n'
                     f"{{ launch(thunk_{name}, a, blocks, {threads}, {together}, backwards); }}\n")
            per = re.search(r"tile_block\(\) \* (\d+)", body)
            self.kernels[variant] = (name, parameters, int(per.group(1)) if per else 1)
        return text

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def run(self, variant, values, programs, backwards=False):
        """`variant`: the kernel's name, with the statics as `tilec emit` names its file. The
        values go by the source's names."""
        name, parameters, per = self.kernels[variant]
        values = {**values, "programs": programs}
        kept = []
        for type, parameter in parameters:
            name_of = parameter if parameter in values else re.sub(r"_\d+$", "", parameter)
            value = values[name_of]
            if isinstance(value, np.ndarray):
                kept.append(ctypes.c_void_p(value.ctypes.data))
            else:
                kept.append(NUMBERS[type.removeprefix("const ")](value))
        pointers = (ctypes.c_void_p * len(kept))(*(ctypes.addressof(k) for k in kept))
        run = getattr(self.library, f"run_{name}")
        run(pointers, ctypes.c_uint(-(-programs // per)), ctypes.c_bool(backwards))
