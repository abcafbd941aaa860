"""Libraries as Python loads them: tvm_ffi.load_module, arrays of numpy on the CPU."""
import ctypes
import shutil
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

from built import ROOT, clean_environment, sanitized

tvm_ffi = pytest.importorskip("tvm_ffi")
loads = pytest.mark.skipif(sanitized(), reason="a sanitized library needs a sanitized Python")


def test_declarations_are_theirs(tmp_path, compiler):
    """Sizes, offsets and codes, from two compilations of one program."""
    include = [f"-I{tvm_ffi.libinfo.find_include_path()}",
               f"-I{tvm_ffi.libinfo.find_dlpack_include_path()}"]
    texts = []
    for options in ([f"-I{ROOT}"], ["-DTHEIRS", *include]):
        program = tmp_path / f"abi{len(texts)}"
        subprocess.run([compiler, "-std=c11", *options, ROOT / "tests" / "host" / "abi.c", "-o",
                        program], check=True)
        texts.append(subprocess.run([program], capture_output=True, text=True, check=True).stdout)
    ours, theirs = (text.splitlines() for text in texts)
    assert len(ours) > 50 and ours == theirs


@pytest.mark.parametrize("order", [("dlpack/dlpack.h", "runtime/tile.h"),
                                   ("tvm/ffi/c_api.h", "runtime/tvm_ffi.h")])
def test_their_headers_may_come_first(tmp_path, compiler, order):
    text = "".join(f'#include "{name}"\n' for name in order) + "DLTensor t;\n"
    subprocess.run([compiler, "-std=c11", "-fsyntax-only", "-x", "c", f"-I{ROOT}",
                    f"-I{tvm_ffi.libinfo.find_include_path()}",
                    f"-I{tvm_ffi.libinfo.find_dlpack_include_path()}", "-"], input=text, text=True,
                   check=True)


@pytest.fixture(scope="module")
def library(cases):
    return tvm_ffi.load_module(str(cases / "libcases.so"))


@loads
def test_cast(library):
    x = np.random.default_rng(0).normal(size=(5, 256)).astype(np.float32)
    y, sf = np.zeros((5, 128), np.uint8), np.zeros((5, 2), np.float32)
    library.cast(x, y, sf, 128, False, 1e-4)
    want = np.exp2(np.ceil(np.log2(np.abs(x.reshape(5, 2, 128)).max(2) / np.float32(448))))
    assert (sf == want).all() and y.any()


@loads
def test_own_types(library):
    x = np.ones((4, 256), ml_dtypes.bfloat16)
    y, sf = np.zeros((4, 256), ml_dtypes.float8_e5m2), np.zeros((4, 2), np.float32)
    tensors = [tvm_ffi.from_dlpack(a) if a.dtype == np.float32 else as_tensor(a) for a in (x, y, sf)]
    library.cast(*tensors, 128, False, 1e-4)
    assert sf[0, 0] == 2.0 ** -8 and (y.astype(np.float32) == 256).all()


def as_tensor(array):
    """numpy does not hand over ml_dtypes' types: bytes, and the type they have."""
    codes = {"bfloat16": (4, 16), "float8_e5m2": (12, 8)}
    code, bits = codes[array.dtype.name]

    class Tensor(ctypes.Structure):
        _fields_ = [("data", ctypes.c_void_p), ("device", ctypes.c_int32 * 2),
                    ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8),
                    ("lanes", ctypes.c_uint16), ("shape", ctypes.POINTER(ctypes.c_int64)),
                    ("strides", ctypes.c_void_p), ("offset", ctypes.c_uint64),
                    ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]
    shape = (ctypes.c_int64 * array.ndim)(*array.shape)
    managed = Tensor(array.ctypes.data, (ctypes.c_int32 * 2)(1, 0), array.ndim, code, bits, 1, shape)
    KEPT.append((managed, shape, array))
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return tvm_ffi.from_dlpack(Capsule(new(ctypes.addressof(managed), b"dltensor", None)))


KEPT = []


class Capsule:
    def __init__(self, capsule):
        self.capsule = capsule

    def __dlpack__(self, **options):
        return self.capsule

    def __dlpack_device__(self):
        return (1, 0)


@loads
@pytest.mark.parametrize("r", ["up", "rounding.up", 1])
def test_enums_optional_tensors_and_scalars(library, r):
    x, y = np.ones((2, 5), np.float32), np.zeros((2, 6), np.float32)
    ids, flags = np.array([1, 2], np.int32), np.array([True, True])
    library.pick(x, None, ids, flags, y, r, 2, 7)
    assert y.tolist() == [[0, 9, 0, 0, 0, 0], [0, 0, 9, 0, 0, 0]]


@loads
def test_tables(library):
    xs = [np.full((3, 4), i, np.float32) for i in range(5)]
    y = np.zeros((3, 4), np.float32)
    for table in (xs, [tvm_ffi.from_dlpack(x) for x in xs], tuple(xs)):
        y[:] = 0
        library.add_all(table, y)
        assert (y == 10).all()


@loads
def test_scratch(library):
    x = np.ones((9, 32), np.float32)
    y, z = np.zeros(32, np.float32), np.zeros(32, np.float32)
    size = library.sums_scratch(x, y, z)
    memory = np.zeros(size + 256, np.uint8)
    start = -memory.ctypes.data % 256
    library.sums(x, y, z, memory[start:start + size])
    assert (y == 9).all() and (z == 18).all()
    with pytest.raises(ValueError, match=f"the scratch has {size - 1} bytes, it needs {size}"):
        library.sums(x, y, z, memory[start:start + size - 1])
    with pytest.raises(ValueError, match="the scratch is null"):
        library.sums(x, y, z, None)


F32, U8 = np.zeros((4, 256), np.float32), np.zeros((4, 256), np.uint8)
SF = np.zeros((4, 2), np.float32)


@loads
@pytest.mark.parametrize("name, arguments, error, text", [
    ("cast", (F32, U8, SF, 128), TypeError, "cast: 4 arguments are given, it takes 6"),
    ("cast", (F32, U8, SF, "128", False, 1.0), TypeError, "cast: G: an integer is expected"),
    ("cast", (F32, U8, SF, 128, 1.5, 1.0), TypeError, "cast: exact: a bool is expected"),
    ("cast", (F32, U8, SF, 128, False, "x"), TypeError, "cast: low: a number is expected"),
    ("cast", (F32, 3, SF, 128, False, 1.0), TypeError, "cast: y: a tensor is expected"),
    ("cast", (F32, None, SF, 128, False, 1.0), ValueError, "cast: y: is null, and not optional"),
    ("cast", (F32, U8, SF, 128, False, 1.0), TypeError, "uint8 may be e4m3 or e5m2 here"),
    ("cast", (F32, U8, SF[:, :1], 128, False, 1.0), ValueError, "cast: sf: axis 1 is 1, "),
    ("cast", (F32, U8[:, :128], SF, 256, False, 1.0), ValueError, "add to `instances cast`"),
    ("scale", (F32[0, :4], SF[:, 0], 1), ValueError, "scale: y: the stride of axis 0 is 2"),
    ("pick", (F32, None, F32, F32, F32, "sideways", 1, 1), TypeError, "R: there is no such member"),
    ("pick", (F32, None, F32, F32, F32, 1.0, 1, 1), TypeError, "R: a member's name is expected"),
    ("add_all", (F32, F32), TypeError, "add_all: xs: a list of tensors is expected"),
    ("add_all", ([], F32[:, :4].copy()), None, None)])
def test_errors(library, name, arguments, error, text):
    if error is None:
        return library[name](*arguments)
    with pytest.raises(error) as raised:
        library[name](*arguments)
    assert text in str(raised.value)


STREAM = """
import ctypes, sys, tvm_ffi
class Device(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int32), ("id", ctypes.c_int32)]
class Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device", Device), ("ndim", ctypes.c_int32),
                ("dtype", ctypes.c_uint8 * 4), ("shape", ctypes.c_void_p),
                ("strides", ctypes.c_void_p), ("offset", ctypes.c_uint64)]
class Any(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int32), ("pad", ctypes.c_uint32), ("value", ctypes.c_uint64)]
memory = (ctypes.c_float * 64)()
shape = (ctypes.c_int64 * 1)(64)
x = Tensor(ctypes.addressof(memory), Device(2, 0), 1, (ctypes.c_uint8 * 4)(2, 32, 1, 0),
           ctypes.addressof(shape))
scale = getattr(ctypes.CDLL(sys.argv[1]), "__tvm_ffi_scale")
with tvm_ffi.use_raw_stream(tvm_ffi.device("cuda", 0), 0x1234):
    arguments = (Any * 3)(Any(7, 0, ctypes.addressof(x)), Any(7, 0, ctypes.addressof(x)), Any(1, 0, 2))
    result = Any()
    sys.exit(scale(None, arguments, 3, ctypes.byref(result)))
"""


@loads
def test_the_stream_is_the_current_one(cases, tmp_path):
    """On the fake GPU, which takes any address for its own."""
    log = tmp_path / "log"
    done = subprocess.run([sys.executable, "-c", STREAM, cases / "libcases.so"], capture_output=True,
                          text=True, check=False,
                          env=clean_environment(FAKE_LOG=log, TILE_CACHE_DIR=tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    launch, = [line for line in log.read_text().splitlines() if line.startswith("launch")]
    assert launch.startswith("launch tk_scale on 0 ") and "stream=0x1234" in launch


def test_nothing_of_tvm_ffi_is_linked(cases):
    """Weak or not: no symbol of its library is asked of the linker."""
    nm = shutil.which("nm") or pytest.skip("no nm")
    out = subprocess.run([nm, "-D", "--undefined-only", cases / "libcases.so"], capture_output=True,
                         text=True, check=True).stdout
    assert "TVMFFI" not in out and "cu" not in {line.split()[-1][:2] for line in out.splitlines()}
