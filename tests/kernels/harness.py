"""Run a kernel in the reference interpreter (`tilec run`) and get its outputs as numpy arrays.

    out = run("quant/per_token_cast.tile", "per_token_cast",
              statics={"G": 128, "pow2": True, "BM": 4},
              inputs={"x": x},                        # numpy or ml_dtypes arrays, logical shape
              outputs={"y": "e4m3", "sf": "f32"})     # name -> element type of the parameter

`statics` holds everything that `-s` takes: statics, scalars, dims, schedule parameters and the
storage format of a tensor (`{"sf": "col_pad16"}`).  Arrays always have the logical shape.
"""
import os
import pathlib
import subprocess
import tempfile

import ml_dtypes
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TILEC = pathlib.Path(os.environ.get("TILEC", ROOT / "build" / "tilec"))
LEVEL = int(os.environ.get("TILE_TEST_LEVEL", "1"))

# Element types of the language and the numpy types that hold them, one element each.
DTYPES = {
    "bool": np.bool_, "u8": np.uint8, "i8": np.int8, "u16": np.uint16, "i16": np.int16,
    "u32": np.uint32, "i32": np.int32, "u64": np.uint64, "i64": np.int64,
    "f16": np.float16, "bf16": ml_dtypes.bfloat16, "f32": np.float32, "f64": np.float64,
    "e4m3": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2,
    "e2m1": ml_dtypes.float4_e2m1fn, "ue8m0": ml_dtypes.float8_e8m0fnu,
}
DTYPES = {name: np.dtype(t) for name, t in DTYPES.items()}
E2M1 = DTYPES["e2m1"]
# Bare bits in a file.
NARROW = {DTYPES[name] for name in ("bf16", "e4m3", "e5m2", "e2m1", "ue8m0")}


class TilecError(Exception):
    """`tilec run` ended with a nonzero exit code."""

    def __init__(self, code, stderr, command):
        super().__init__(f"exit code {code}\n{stderr}\n{' '.join(command)}")
        self.code = code
        self.stderr = stderr


def dtype(name):
    return DTYPES[name] if isinstance(name, str) else np.dtype(name)


def bits(x):
    """The same bytes as unsigned integers of the same width."""
    x = np.ascontiguousarray(x)
    return x.view(np.dtype(f"u{x.dtype.itemsize}"))


def from_bits(name, u):
    t = dtype(name)
    return np.ascontiguousarray(u, np.dtype(f"u{t.itemsize}")).view(t)


def pack_e2m1(x):
    """Two codes a byte along the last axis, the even index in the low nibble."""
    u = bits(x)
    assert u.shape[-1] % 2 == 0, "e2m1 needs an even last extent"
    return u[..., 0::2] | u[..., 1::2] << 4


def unpack_e2m1(u):
    codes = np.stack([u & 15, u >> 4], axis=-1)
    return from_bits(E2M1, codes.reshape(*u.shape[:-1], u.shape[-1] * 2))


def to_file(path, x):
    x = np.asarray(x)
    if x.dtype == E2M1:
        x = pack_e2m1(x)
    elif x.dtype in NARROW:
        x = bits(x).reshape(x.shape)
    np.save(path, np.asarray(x, order="C"))


def from_file(path, name=None):
    x = np.load(path)
    if name is None:
        return x
    t = dtype(name)
    if t == E2M1:
        return unpack_e2m1(x)
    assert x.dtype == (f"u{t.itemsize}" if t in NARROW else t), f"file of {x.dtype} for {name}"
    return x.view(t)


def setting(value):
    """The text `-s NAME=` takes; floats as hex, so that they arrive bit for bit."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)):
        f = float(np.float32(value))
        return f.hex() if np.isfinite(f) else str(f)
    return str(value)


def program(file):
    """Path of a `.tile` file: a full path, or relative to kernels.tile or to the tree's root."""
    path = pathlib.Path(file)
    if path.is_absolute():
        return path
    library = ROOT / "kernels.tile" / path
    return library if library.exists() else ROOT / path


def need_tilec():
    if not TILEC.exists():
        pytest.fail(f"{TILEC.name} is not built: run make first", pytrace=False)


def run(file, kernel, statics=None, inputs=None, outputs=(), seed=0, timeout=300, arguments=()):
    """Run `kernel`; returns {name: array} for `outputs`, raises TilecError on failure.

    `outputs` maps names to element types; a plain list of names gives the arrays as the file
    holds them (u2 for bf16, u1 for the 8-bit floats and for packed e2m1).  A parameter named
    in `inputs` and `outputs` is `inout`, or an `out` whose untouched bytes stay.
    """
    need_tilec()
    types = outputs if isinstance(outputs, dict) else {name: None for name in outputs}
    with tempfile.TemporaryDirectory(prefix="tilec-") as folder:
        command = [str(TILEC), "run", str(program(file)), kernel]
        for name, value in (statics or {}).items():
            command += ["-s", f"{name}={setting(value)}"]
        for number, (name, value) in enumerate((inputs or {}).items()):
            path = f"{folder}/in{number}.npy"
            to_file(path, value)
            command += ["-i", f"{name}={path}"]
        paths = {name: f"{folder}/out{i}.npy" for i, name in enumerate(types)}
        for name, path in paths.items():
            command += ["-o", f"{name}={path}"]
        command += ["--seed", str(seed), *arguments, *os.environ.get("TILE_RUN", "").split()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        if done.returncode:
            raise TilecError(done.returncode, done.stderr, command)
        return {name: from_file(paths[name], t) for name, t in types.items()}


def same_bits(got, want, what="result"):
    """Fail unless both arrays hold the same bits; an f32 or f64 NaN equals any other NaN."""
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    assert got.dtype == want.dtype, f"{what}: {got.dtype}, expected {want.dtype}"
    differ = bits(got) != bits(want)
    if got.dtype in (np.float32, np.float64):
        differ &= ~(np.isnan(got) & np.isnan(want))
    if differ.any():
        at = tuple(int(i) for i in np.argwhere(differ)[0])
        width = got.dtype.itemsize * 2
        pytest.fail(f"{what}: {int(differ.sum())} of {differ.size} differ, first at {at}: "
                    f"{got[at]} (0x{int(bits(got)[at]):0{width}x}), "
                    f"expected {want[at]} (0x{int(bits(want)[at]):0{width}x})", pytrace=False)


def within(got, want, bound, what="result"):
    """Fail unless |got - want| <= bound (f64, elementwise)."""
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    g, w = np.asarray(got, np.float64), np.asarray(want, np.float64)
    b = np.broadcast_to(np.asarray(bound, np.float64), w.shape)
    bad = ~(np.abs(g - w) <= b)
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        pytest.fail(f"{what}: {int(bad.sum())} of {bad.size} out of bounds, first at {at}: "
                    f"{g[at]!r}, expected {w[at]!r} within {b[at]!r}", pytrace=False)
