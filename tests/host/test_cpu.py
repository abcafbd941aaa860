"""The same library on the CPU: its bits are those of `tilec run`, whatever the strides are."""
import subprocess

import ml_dtypes
import numpy as np
import pytest

from built import CASES, TILEC, clean_environment

RNG = np.random.default_rng(7)


def run(tmp_path, kernel, settings, inputs, outputs, file=CASES):
    """What `tilec run` gives."""
    words = [TILEC, "run", file, kernel]
    for name, value in settings.items():
        words += ["-s", f"{name}={value}"]
    for name, array in inputs.items():
        np.save(tmp_path / f"{name}.in.npy", array)
        words += ["-i", f"{name}={tmp_path / name}.in.npy"]
    for name in outputs:
        words += ["-o", f"{name}={tmp_path / name}.out.npy"]
    env = clean_environment(ASAN_OPTIONS="detect_leaks=0")
    subprocess.run(words, check=True, env=env)
    return [np.load(tmp_path / f"{name}.out.npy") for name in outputs]


def bf16(*shape):
    return RNG.normal(size=shape).astype(ml_dtypes.bfloat16)


def f32(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def fill(tmp_path, name, array):
    path = tmp_path / f"{name}.bytes"
    path.write_bytes(np.ascontiguousarray(array).tobytes())
    return f":fill={path}"


def saved(tmp_path, dtype, shape, strides=None):
    data = np.frombuffer((tmp_path / "saved").read_bytes(), dtype)
    if strides is None:
        return data[:int(np.prod(shape))].reshape(shape)
    return np.lib.stride_tricks.as_strided(data, shape, [s * data.itemsize for s in strides])


def save(index, tmp_path):
    return "save", index, tmp_path / "saved"


@pytest.mark.parametrize("pitch", [256, 300])
@pytest.mark.parametrize("out, numpy", [("e4m3", "float8_e4m3fn:5x256"), ("e5m2", "float8_e5m2:5x256"),
                                        ("e2m1", "uint8:5x128")])
def test_cast(call, tmp_path, pitch, out, numpy):
    x = bf16(5, 256)
    y, sf = run(tmp_path, "cast", {"G": 128, "O": out, "low": 1e-4},
                {"x": x.view(np.uint16)}, ["y", "sf"])
    padded = np.zeros((5, pitch), np.uint16)
    padded[:, :256] = x.view(np.uint16)
    words = ["cast", f"bfloat16:5x256:s={pitch},1" + fill(tmp_path, "x", padded), numpy,
             "float32:5x2:s=1,8", "i=128", "i=0", "f=1e-4"]
    done = call(*words, context="cpu", then=(*save(1, tmp_path), "free"))
    assert done.one("call") == "TILE_OK" and done.log == []
    assert (saved(tmp_path, np.uint8, y.shape) == y).all()
    call(*words, context="cpu", then=(*save(2, tmp_path), "free"))
    assert (saved(tmp_path, np.float32, (5, 2), (1, 8)) == sf).all()


@pytest.mark.parametrize("form, shape, dtype, strides", [
    ("row", "uint8:7x12", np.uint8, (12, 1)), ("row", "int32:7x3", np.uint8, (12, 1)),
    ("col_pad16", "uint8:7x12:s=1,16", np.uint8, (1, 16)),
    ("ue8m0x4", "int32:7x3:s=1,8", np.uint8, None)])
def test_storage_formats(call, tmp_path, form, shape, dtype, strides):
    x = np.exp2(RNG.integers(-20, 20, (7, 12))).astype(np.float32)
    want = (127 + np.log2(x)).astype(np.uint8)
    call("scales", "float32:7x12" + fill(tmp_path, "x", x), shape, context="cpu",
         then=(*save(1, tmp_path), "free"))
    if strides:
        got = saved(tmp_path, dtype, (7, 12), strides)
    else:                                            # byte [k // 4][4 m + k % 4], rows of 32 bytes
        got = np.lib.stride_tricks.as_strided(saved(tmp_path, np.uint8, (92,)), (7, 3, 4), (4, 32, 1))
        got = got.reshape(7, 12)
    assert (got == want).all()


def test_table(call, tmp_path):
    xs = [f32(9, 4) for _ in range(3)]
    call("add_all", "[", *[f"float32:9x4" + fill(tmp_path, str(i), x) for i, x in enumerate(xs)], "]",
         "float32:9x4", context="cpu", then=(*save(3, tmp_path), "free"))
    assert (saved(tmp_path, np.float32, (9, 4)) == (np.float32(0) + xs[0] + xs[1] + xs[2])).all()


def test_an_empty_table(call, tmp_path):
    done = call("add_all", "null", "float32:9x4", context="cpu", then=(*save(0, tmp_path), "free"))
    assert done.one("call") == "TILE_OK" and not saved(tmp_path, np.float32, (9, 4)).any()


@pytest.mark.parametrize("w", [False, True])
def test_optional_and_scalars(call, tmp_path, w):
    x, weight = f32(6, 5), f32(4)
    ids, flags = np.array([0, 1, 2, 3, 4, 5], np.int32), np.array([1, 0, 1, 1, 0, 1], bool)
    y = f32(6, 6)
    want = y.copy()
    for n in range(6):
        if flags[n]:
            want[n, ids[n]] = x[n, 0] + np.float32(3) + (weight[0] if w else 0) + np.float32(1)
    done = call("pick", "float32:6x5" + fill(tmp_path, "x", x),
                "float32:4" + fill(tmp_path, "w", weight) if w else "null",
                "int32:6" + fill(tmp_path, "i", ids), "uint8:6" + fill(tmp_path, "f", flags),
                "float32:6x6" + fill(tmp_path, "y", y), "i=1", "i=2", "i=3", context="cpu",
                then=(*save(4 if w else 3, tmp_path), "free"))
    assert done.one("call") == "TILE_OK"
    assert (saved(tmp_path, np.float32, (6, 6)) == want).all()


def test_strides(call, tmp_path):
    x = RNG.integers(-9, 9, (2, 3, 4)).astype(np.int32)
    memory = np.zeros(40, np.int32)
    np.lib.stride_tricks.as_strided(memory, (2, 3, 4), (4 * 4, 4 * 8, 4))[:] = x
    done = call("cube", "int32:2x3x4:s=4,8,1" + fill(tmp_path, "x", memory[:24]), "int32:4x2x3",
                context="cpu", then=(*save(1, tmp_path), "free"))
    assert done.one("call") == "TILE_OK"
    assert (saved(tmp_path, np.int32, (4, 2, 3)) == x.transpose(2, 0, 1)).all()


def test_scratch(driver, cases, tmp_path):
    """`grid.resident` is 4 in the interpreter, so are the parts."""
    x = f32(9, 32)
    words = ["float32:9x32" + fill(tmp_path, "x", x), "float32:32", "float32:32", "end"]
    need = driver("library", cases / "libcases.so", "context", "cpu", "need", "sums", *words, "free")
    bytes_ = need.one("need").split()[1]
    assert bytes_ == str(256 + 4 * 32 * 4)
    done = driver("library", cases / "libcases.so", "context", "cpu", "scratch", bytes_, "call",
                  "sums", *words, *save(2, tmp_path), "free")
    assert done.one("call") == "TILE_OK"
    parts = [sum((x[n] for n in range(p, 9, 4)), np.zeros(32, np.float32)) for p in range(4)]
    want = sum(parts, np.zeros(32, np.float32)) * np.float32(2)
    assert (saved(tmp_path, np.float32, (32,)) == want).all()


def test_dims_that_the_device_bounds(call, tmp_path):
    """P is 4 // 2, Q three times that, as in `tilec run`."""
    x = f32(9)
    call("bound", "float32:9" + fill(tmp_path, "x", x), "float32:9", context="cpu",
         then=(*save(1, tmp_path), "free"))
    want, = run(tmp_path, "bound", {}, {"x": x}, ["y"])
    assert (saved(tmp_path, np.float32, (9,)) == x + np.float32(6)).all() and (want == x + 6).all()


def test_alias(call, tmp_path):
    x = f32(300)
    call("scale", "float32:300" + fill(tmp_path, "x", x), "float32:300:at=0+0", "f=3", context="cpu",
         then=(*save(0, tmp_path), "free"))
    assert (saved(tmp_path, np.float32, (300,)) == x * np.float32(3)).all()


def test_a_fault_is_told(call, tmp_path):
    """The interpreter's own message, with file and line."""
    ids = np.array([0, 0, 99, 0], np.int32)
    done = call("twice", "int32:4" + fill(tmp_path, "i", ids), "float32:4", context="cpu")
    text = done.one("call")
    assert text.startswith("TILE_ERR_LAUNCH twice: ") and "cases.tile:" in done.text
    assert "race" in done.text


def test_threads(driver, cases):
    done = driver("library", cases / "libcases.so", "context", "cpu", "threads", 8, "scale",
                  "float32:40", "float32:40:at=0+0", "f=1", "end", "free")
    assert done.one("threads") == "0 failed"
