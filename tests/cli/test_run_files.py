"""tilec run: what .npy files it takes, and what it says about those it does not take."""
import ml_dtypes
import numpy as np
import pytest

F32 = np.float32
SCALE = "run scale.tile scale -s a=2 -i x=x.npy -o y=y.npy"
COPY = "run copy.tile copy -i x=x.npy -o y=y.npy"


def bits(x):
    x = np.ascontiguousarray(x)
    return x.view(f"u{x.dtype.itemsize}")


# ---- files that are refused ----

@pytest.mark.parametrize("array, text", [
    (np.zeros(4, np.float64), "x.npy: x is f32: 4-byte elements are expected, the file has float64"),
    (np.zeros(4, np.float16), "x.npy: x is f32: 4-byte elements .* the file has float16"),
    (np.zeros(4, np.uint8), "4-byte elements are expected, the file has uint8"),
    (np.zeros(4, bool), "4-byte elements are expected, the file has bool"),
    (np.zeros(4, ml_dtypes.bfloat16), "4-byte elements are expected, the file has 2-byte elements"),
    (np.zeros((4, 2), F32), r"x.npy: x is f32\[N\]: 1 axis is expected, the file has shape \(4, 2\)"),
    (np.zeros((), F32), r"1 axis is expected, the file has shape \(\)"),
    (np.zeros(4, ">f4"), "x.npy: big-endian"),
    (np.zeros(4, complex), "x.npy: elements of type"),
    (np.zeros(4, [("a", "f4")]), "x.npy: holds records"),
    (np.array(["a", "b"]), "x.npy: elements of type"),
])
def test_elements_and_axes(shell, array, text):
    shell.save("x.npy", array)
    shell.fails(SCALE, "tilec: .*" + text)


@pytest.mark.parametrize("T, good, bad", [
    ("bf16", np.uint16, F32), ("e4m3", np.uint8, np.uint16), ("i64", np.int64, np.int32),
    ("ue8m0", np.uint8, F32), ("f16", np.float16, F32), ("bool", bool, np.int64),
])
def test_element_sizes(shell, T, good, bad):
    shell.save("x.npy", np.zeros((2, 8), good))
    shell.ok(f"{COPY} -s T={T}")
    shell.save("x.npy", np.zeros((2, 8), bad))
    shell.fails(f"{COPY} -s T={T}", f"x is {T}: {np.dtype(good).itemsize}-byte elements are "
                f"expected, the file has {np.dtype(bad).name}")


@pytest.mark.parametrize("data, text", [
    (b"", "x.npy: not a .npy file"), (b"hello, world", "x.npy: not a .npy file"),
    (b"\x93NUMPY\x09\x00", "version 9.0"), (b"\x93NUMPY\x01\x00\xff", "cut short"),
])
def test_no_npy_files(shell, data, text):
    shell.path("x.npy").write_bytes(data)
    shell.fails(SCALE, text)


def test_a_short_file(shell):
    shell.save("x.npy", np.zeros(100, F32))
    data = shell.path("x.npy").read_bytes()
    shell.path("x.npy").write_bytes(data[:-4])
    shell.fails(SCALE, "x.npy: cut short: 396 of 400 bytes")


@pytest.mark.parametrize("path, text", [
    ("none.npy", "none.npy: cannot be opened: No such file"), (".", r"\.: .*directory"),
    ("none/x.npy", "No such file"), ("scale.tile/x.npy", "Not a directory"),
])
def test_no_file_at_all(shell, path, text):
    shell.fails(f"run scale.tile -s a=2 -i x={path}", text)


def test_bits_of_another_kind_are_taken_with_a_warning(shell):
    x = np.array([[1.5, -2, 3, 4, 5, 6, 7, 8]], np.float16)
    shell.save("x.npy", x)
    done = shell(f"{COPY} -s T=bf16")
    assert done.returncode == 0
    assert "warning: x is bf16, the file has float16" in done.stderr
    assert (shell.load("y.npy") == bits(x)).all()


# ---- dims ----

def test_dims_that_disagree(shell):
    shell.save("x.npy", np.zeros((6, 3), F32))
    shell.fails("run two.tile first -i x=x.npy -s N=7", "axis 0 is 6", "N is 7", "x.npy")
    shell.fails("run two.tile first -i x=x.npy -s D=4", "axis 1 is 3", "4")
    shell.save("z.npy", np.zeros((4, 2), np.int32))
    shell.save("w.npy", np.zeros(6, np.int32))
    shell.fails("run two.tile second -i z=z.npy -i w=w.npy", "N is [46]",
                r"w is i32\[N\], w.npy has shape \(6,\)", r"z is i32\[N, 2\]")


def test_dims_that_nothing_shows(shell):
    shell.fails("run scalar.tile -s T=f32 -s a=1", "dim N .*-s N=VALUE")
    shell.fails("run scalar.tile -s T=f32 -s a=1 -s N=-3", "N is -3")


def test_conditions(shell):
    shell.save("z.npy", np.zeros((3, 2), np.int32))
    shell.fails("run two.tile second -i z=z.npy", "N % 2 == 0", "N is 3")


def test_extents_too_large(shell):
    shell.fails("run scalar.tile -s T=i64 -s a=1 -s N=1000000000000000", "out of memory|2\\^")
    shell.fails("run scalar.tile -s T=i64 -s a=1 -s N=9223372036854775807", "y")


# ---- which tensors ----

def test_missing_inputs_are_all_named(shell):
    shell.fails("run scale.tile -s a=2 -o y=y.npy",
                r"input x is missing: it is f32\[N\]; give -i x=FILE.npy")
    shell.fails("run two.tile second -o y=y.npy -o z=z.npy", r"inout z is missing: .*i32\[N, 2\]")


@pytest.mark.parametrize("more, text", [
    ("-i q=x.npy", "-i q: scale has no tensor q"), ("-o yy=q.npy", "is meant: y; it has x, y"),
    ("-o x=q.npy", "-o x: x is an input"), ("-i a=x.npy", "-i a: a is no tensor; set it by -s"),
    ("-i x[0]=x.npy", r"-i x\[0\]: x is no table, it is f32\[N\]|given twice"),
    ("-o y[0]=q.npy", r"-o y\[0\]: x is no table|y is no table"),
])
def test_tensors_that_are_not_there(shell, more, text):
    shell.save("x.npy", np.zeros(3, F32))
    shell.fails(f"run scale.tile -s a=2 -i x=x.npy {more}", text)


@pytest.mark.parametrize("more, text", [
    ("-s A=2", "there is no A; is [aN] meant"), ("-s b=2", "What can be set: N, a"),
    ("-s x=row", "x is a tensor, and declares no formats"),
    ("-s BM=2", "there is no BM. What can be set: N, a"),
])
def test_settings_that_are_not_there(shell, more, text):
    shell.save("x.npy", np.zeros(3, F32))
    shell.fails(f"run scale.tile -i x=x.npy {more}", text)


@pytest.mark.parametrize("more, text", [
    ("", "scalar a is not given: give -s a=VALUE"),
    ("-s a=two", "-s a=two: a is f32: a number is expected"),
    ("-s a=1.5x", "a number is expected"), ("-s a=1e39", "out of range"),
    ("-s a=2 -s N=1.5", "-s N=1.5: N is a dim: an integer is expected"),
])
def test_scalars(shell, more, text):
    shell.save("x.npy", np.zeros(3, F32))
    shell.fails(f"run scale.tile -i x=x.npy {more}", text)


def test_kernels_that_are_not_there(shell):
    shell.fails("run two.tile", "has 2 kernels, name one: first, second")
    shell.fails("run two.tile third", "has no kernel third; it has first, second")
    shell.path("none.tile").write_text("const A = 1;\n")
    shell.fails("run none.tile", "none.tile: has no kernel")
    shell.fails("run missing.tile k", "missing.tile: No such file")
    shell.fails("run wrong.tile wrong", r"wrong\.tile:\d+:\d+: error")


# ---- outputs that cannot be written ----

@pytest.mark.parametrize("path, text", [
    ("/dev/full", "/dev/full: cannot be written: No space left"),
    ("none/y.npy", "none/y.npy: cannot be written: No such file"),
    (".", r"\.: cannot be written: Is a directory"),
    ("scale.tile/y.npy", "cannot be written: Not a directory"),
])
def test_outputs(shell, path, text):
    shell.save("x.npy", np.zeros(3, F32))
    shell.fails(f"run scale.tile -s a=2 -i x=x.npy -o y={path}", text)


def test_a_failed_run_writes_nothing(shell):
    shell.save("x.npy", np.array([4, 1, -1], F32))
    shell.path("y.npy").write_text("old")
    shell.fails("run assert.tile -i x=x.npy -o y=y.npy", r"assert\.tile:3:\d+: error",
                "x is negative")
    assert shell.path("y.npy").read_text() == "old"
    assert not list(shell.folder.glob("*.tmp"))


# ---- tables ----

def test_table_entries(shell):
    for i in range(3):
        shell.save(f"x{i}.npy", np.full(4, i + 1, F32))
    shell.save("short.npy", np.zeros(3, F32))
    shell.save("wide.npy", np.zeros(4, np.float64))
    run = "run table.tile sums -i xs[0]=x0.npy"
    shell.fails(f"{run} -i xs[2]=x2.npy", r"xs\[1\] is missing: entries up to xs\[2\]")
    shell.fails(f"{run} -i xs[1]=short.npy", r"short.npy: xs\[1\] has shape \(3,\), xs\[0\] has "
                r"\(4,\)")
    shell.fails(f"{run} -i xs[1]=wide.npy", r"wide.npy: xs\[1\] is f32: 4-byte elements")
    shell.fails("run table.tile sums -i xs=x0.npy", r"xs is a table: write -i 'xs\[0\]=FILE'")
    shell.fails(f"{run} -s L=2", "L is 2")
    shell.fails(f"{run} -o ys[1]=y.npy", r"-o ys\[1\]: ys has 1 entry")
    shell.fails("run table.tile sums -s L=2 -s N=4", r"xs is missing: it is table\(L, f32\[N\]\) "
                r"with 2 entries")
    shell.ok(f"{run} -i xs[1]=x1.npy -i xs[2]=x2.npy -o s=s.npy -o ys[1]=y1.npy")
    assert shell.load("s.npy").tolist() == [6.0] * 4
    assert shell.load("y1.npy").tolist() == [-2.0] * 4
    shell.ok("run table.tile sums -s L=0 -s N=2 -o s=s.npy")
    assert shell.load("s.npy").tolist() == [0.0] * 2
