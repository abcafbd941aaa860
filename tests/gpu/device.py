"""Kernels of .tile files on torch tensors, compiled on demand: what bench.py times.

    kernel = Kernel("kernels.tile/transpose/transpose.tile", "transpose")
    launch = kernel.bind({}, {"x": tensor("bf16", (1, 64, 64)), "y": tensor("bf16", (1, 64, 64))})
    launch()                                    # on torch's current stream
"""
import ctypes
import os
import pathlib

import torch

import nvrtc
from schedules import with_parameters

# Element type: DLPack's code, bits, and the torch type that draws its random values.
TYPES = {"bool": (6, 8), "u8": (1, 8), "i8": (0, 8), "u16": (1, 16), "i16": (0, 16), "i32": (0, 32),
         "u32": (1, 32), "i64": (0, 64), "u64": (1, 64), "f16": (2, 16), "bf16": (4, 16), "f32": (2, 32),
         "e4m3": (10, 8), "e5m2": (12, 8), "e2m1": (17, 4), "ue8m0": (14, 8)}
TORCH = {"bool": torch.bool, "u8": torch.uint8, "i8": torch.int8, "i16": torch.int16, "i32": torch.int32,
         "u32": torch.uint32, "i64": torch.int64, "f16": torch.float16, "bf16": torch.bfloat16,
         "f32": torch.float32, "e4m3": torch.float8_e4m3fn}


# "cpu": with a driver that is a fake, to see that every kernel takes its arguments.
DEVICE = os.environ.get("TILE_BENCH_DEVICE", "cuda")


class DLTensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int), ("device_id", ctypes.c_int),
                ("ndim", ctypes.c_int), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8),
                ("lanes", ctypes.c_uint16), ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]


class Table(ctypes.Structure):
    _fields_ = [("tensors", ctypes.POINTER(ctypes.POINTER(DLTensor))), ("count", ctypes.c_int64)]


class Argument(ctypes.Union):
    _fields_ = [("tensor", ctypes.POINTER(DLTensor)), ("table", Table), ("integer", ctypes.c_int64),
                ("number", ctypes.c_float)]


class Tensor:
    """Elements of a type of the language in a torch tensor; `torch` is that, with torch's type where
    it has one. Rows may lie `pitch` elements apart."""

    def __init__(self, dtype, shape, data=None, pitch=0):
        self.dtype, self.shape = dtype, tuple(shape)
        bits, last = TYPES[dtype][1], (shape[-1] if shape else 1)
        rows = 1
        for n in shape[:-1]:
            rows *= n
        self.elements = rows * last
        self.bytes = self.elements * bits // 8
        self.pitch = pitch or last
        held = TORCH.get(dtype, torch.uint8)
        width = self.pitch if dtype in TORCH else self.pitch * bits // 8
        self.torch = torch.empty((*shape[:-1], width) if shape else (), dtype=held, device=DEVICE)
        if pitch:
            self.torch = self.torch[..., :last]
        if data is not None:
            self.torch.copy_(data)

    def dl(self):
        code, bits = TYPES[self.dtype]
        n = len(self.shape)
        shape, strides = (ctypes.c_int64 * max(n, 1))(*self.shape), (ctypes.c_int64 * max(n, 1))()
        step = 1
        for i in range(n - 1, -1, -1):
            strides[i] = step
            step *= self.pitch if i == n - 1 else self.shape[i]
        return DLTensor(self.torch.data_ptr(), 2, 0, n, code, bits, 1, shape, strides, 0)


def random(dtype, shape, scale=1.0, pitch=0):
    """Normal values; of integers and small floats any bits."""
    t = Tensor(dtype, shape, pitch=pitch)
    if dtype in ("f32", "bf16", "f16"):
        t.torch.copy_(torch.randn(shape, device=DEVICE) * scale)
    elif dtype == "e4m3":
        t.torch.copy_((torch.randn(shape, device=DEVICE) * scale).to(torch.float8_e4m3fn))
    else:
        raw = t.torch.view(torch.uint8)
        raw.copy_(torch.randint(0, 256, raw.shape, device=DEVICE, dtype=torch.uint8))
    return t


class Library:
    def __init__(self, path):
        nvrtc.find()
        self.lib = ctypes.CDLL(str(path))
        self.context = ctypes.c_void_p()
        self.lib.tile_error.restype = ctypes.c_char_p
        self.lib.bench_parameter.restype = ctypes.c_char_p
        self.lib.bench_static.restype = ctypes.c_char_p
        self.check(self.lib.tile_context_create(0, ctypes.byref(self.context)), None)

    def check(self, status, context):
        if status:
            message = self.lib.tile_error(context) or self.lib.tile_error(None) or b""
            raise RuntimeError(message.decode(errors="replace") or f"status {status}")


LIBRARY = None


def library():
    global LIBRARY
    if LIBRARY is None:
        torch.zeros(1, device=DEVICE)
        LIBRARY = Library(os.environ.get("TILE_BENCH_LIBRARY", "build/tests/libbench.so"))
    return LIBRARY


def stream():
    if DEVICE == "cpu":
        return None
    return ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)


class Kernel:
    def __init__(self, file, name, parameters=None):
        lib, self.handle = library(), ctypes.c_void_p()
        text = None
        if parameters:
            text = with_parameters(pathlib.Path(file).read_text(), name, parameters).encode()
        lib.check(lib.lib.bench_kernel(str(file).encode(), text, name.encode(), ctypes.byref(self.handle)),
                  None)
        self.name = name
        kind, self.parameters, self.statics = ctypes.c_int(), [], []
        while (p := lib.lib.bench_parameter(self.handle, len(self.parameters), ctypes.byref(kind))) is not None:
            self.parameters.append((p.decode(), kind.value))
        while (s := lib.lib.bench_static(self.handle, len(self.statics))) is not None:
            self.statics.append(s.decode())

    def integer(self, number, value):
        if isinstance(value, bool) or str(value) in ("true", "false"):
            return int(str(value).lower() == "true")
        member = library().lib.bench_member(self.handle, number, str(value).encode())
        return member if member >= 0 else int(value)

    def arguments(self, settings, tensors):
        tensors_of, scalars, keep = [], [], []
        for name, kind in self.parameters:
            a = Argument()
            if kind == 0 and name in tensors:
                keep.append(tensors[name].dl())
                a.tensor = ctypes.pointer(keep[-1])
            elif kind == 1:
                entries = [t.dl() for t in tensors[name]]
                pointers = (ctypes.POINTER(DLTensor) * max(len(entries), 1))(*map(ctypes.pointer, entries))
                keep += [entries, pointers]
                a.table = Table(pointers, len(entries))
            elif kind == 3:
                a.number = float(settings[name])
            elif kind == 2:
                a.integer = int(settings[name])
            (tensors_of if kind < 2 else scalars).append(a)
        statics = []
        for number, name in enumerate(self.statics):
            if name:
                statics.append(Argument())
                statics[-1].integer = self.integer(number, settings[name])
        all_of_them = tensors_of + statics + scalars
        return (Argument * max(len(all_of_them), 1))(*all_of_them), len(all_of_them), (keep, tensors)

    def bind(self, settings, tensors):
        """A function that launches the kernel on torch's current stream."""
        lib, (array, count, keep) = library(), self.arguments(settings, tensors)
        needed = ctypes.c_size_t()
        lib.check(lib.lib.tile_call_scratch(self.handle, lib.context, array, count, ctypes.byref(needed)),
                  lib.context)
        scratch = torch.zeros(needed.value + 256, dtype=torch.uint8, device=DEVICE)
        aligned = (scratch.data_ptr() + 255) // 256 * 256
        size, place = needed, ctypes.c_void_p(aligned if needed.value else None)
        if needed.value:
            lib.check(lib.lib.tile_scratch_init(lib.context, place, size, stream()), lib.context)

        def launch(_held=(keep, scratch)):
            lib.check(lib.lib.tile_call(self.handle, lib.context, array, count, place, size, stream()),
                      lib.context)
        return launch


def cuda_function(text, name):
    """A kernel of CUDA text; arguments are pointers and numbers of 8 bytes."""
    class Source(ctypes.Structure):
        _fields_ = [("name", ctypes.c_char_p), ("text", ctypes.c_char_p), ("options", ctypes.c_void_p)]

    class Config(ctypes.Structure):
        _fields_ = [("grid", ctypes.c_uint32 * 3), ("block", ctypes.c_uint32 * 3),
                    ("cluster", ctypes.c_uint32 * 3), ("shared", ctypes.c_uint32), ("cooperative", ctypes.c_bool),
                    ("pdl", ctypes.c_bool), ("rest", ctypes.c_uint8 * 64)]
    lib, module, function = library(), ctypes.c_void_p(), ctypes.c_void_p()
    source = Source(b"bench.cu", text.encode(), None)
    lib.check(lib.lib.tile_module_compile(lib.context, ctypes.byref(source), ctypes.byref(module)), lib.context)
    lib.check(lib.lib.tile_module_function(module, name.encode(), 0, ctypes.byref(function)), lib.context)

    def launch(blocks, threads, *values):
        config = Config(grid=(blocks, 1, 1), block=(threads, 1, 1))
        held = [v if isinstance(v, ctypes._SimpleCData) else ctypes.c_void_p(v) for v in values]
        pointers = (ctypes.c_void_p * max(len(held), 1))(
            *[ctypes.cast(ctypes.pointer(v), ctypes.c_void_p) for v in held])
        lib.check(lib.lib.tile_launch(function, ctypes.byref(config), stream(), pointers), lib.context)
    return launch
