"""tilec run: values, element types, formats, optional tensors and aliases arrive as they should."""
import struct

import ml_dtypes
import numpy as np
import pytest

F32 = np.float32
COPY = "run copy.tile copy -i x=x.npy -o y=y.npy"
TYPES = {
    "bool": bool, "u8": np.uint8, "i8": np.int8, "u16": np.uint16, "i16": np.int16,
    "u32": np.uint32, "i32": np.int32, "u64": np.uint64, "i64": np.int64, "f16": np.float16,
    "bf16": ml_dtypes.bfloat16, "f32": F32, "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2, "ue8m0": ml_dtypes.float8_e8m0fnu,
}
BARE = {"bf16": np.uint16, "e4m3": np.uint8, "e5m2": np.uint8, "ue8m0": np.uint8}


def random(T, *shape):
    """Any bits at all; a bool is 0 or 1."""
    t = np.dtype(TYPES[T])
    data = np.random.default_rng(len(T)).integers(0, 256, (*shape, t.itemsize), np.uint8)
    return data[..., 0] < 128 if T == "bool" else data.view(t).reshape(shape)


def bits(x):
    x = np.ascontiguousarray(x)
    return x.view(f"u{x.dtype.itemsize}")


@pytest.mark.parametrize("T", TYPES)
def test_every_element_type(shell, T):
    """numpy's own descriptors, ml_dtypes' and bare bits; the output is bare bits where numpy has
    no such type."""
    x = random(T, 5, 11)
    shell.save("x.npy", x)
    done = shell(f"{COPY} -s T={T}")
    assert done.returncode == 0 and done.stderr == ""
    y = shell.load("y.npy")
    assert y.dtype == BARE.get(T, TYPES[T]) and y.shape == (5, 11)
    assert (bits(y) == bits(x)).all()
    shell.save("x.npy", bits(x))
    shell.ok(f"{COPY} -s T={T}")
    assert (bits(shell.load("y.npy")) == bits(x)).all()


def test_e2m1_is_two_a_byte(shell):
    codes = np.random.default_rng(1).integers(0, 16, (5, 12), np.uint8)
    packed = codes[:, 0::2] | codes[:, 1::2] << 4
    for x in (packed, packed.view(np.int8), codes.view(ml_dtypes.float4_e2m1fn)):
        shell.save("x.npy", x)
        shell.ok(f"{COPY} -s T=e2m1")
        y = shell.load("y.npy")
        assert y.dtype == np.uint8 and (y == packed).all()


def test_bool_bytes_are_made_0_or_1(shell):
    shell.save("x.npy", np.array([[0, 1, 2, 255]], np.uint8))
    shell.ok(f"{COPY} -s T=bool")
    assert shell.load("y.npy").tolist() == [[False, True, True, True]]


@pytest.mark.parametrize("T, form", [("f32", "col_pad16"), ("ue8m0", "col_pad16"),
                                     ("ue8m0", "ue8m0x4"), ("bf16", "col_pad16"), ("f32", "row")])
@pytest.mark.parametrize("shape", [(5, 11), (1, 1), (16, 4), (0, 3), (3, 0)])
def test_formats_do_not_show_in_files(shell, T, form, shape):
    x = random(T, *shape)
    shell.save("x.npy", x)
    shell.ok(f"{COPY} -s T={T} -s y={form}")
    assert (bits(shell.load("y.npy")) == bits(x)).all()
    shell.ok(f"run formats.tile -s T={T} -s x={form} -i x=x.npy -o y=y.npy")
    y = shell.load("y.npy")
    assert y.shape == shape and (bits(y) == bits(x)).all()


def test_fortran_order_and_versions(shell):
    x = np.asfortranarray(np.arange(55, dtype=F32).reshape(5, 11))
    for version in ((1, 0), (2, 0), (3, 0)):
        with open(shell.path("x.npy"), "wb") as file:
            np.lib.format.write_array(file, x, version)
        shell.ok(COPY)
        assert (shell.load("y.npy") == x).all()


@pytest.mark.parametrize("shape", [(0, 0), (0, 8), (8, 0), (1, 1)])
def test_empty_tensors(shell, shape):
    shell.save("x.npy", np.zeros(shape, F32))
    shell.ok(COPY)
    assert shell.load("y.npy").shape == shape


@pytest.mark.parametrize("text, want", [
    ("1", 1.0), ("-2.5", -2.5), ("0x1.fffffep-3", float.fromhex("0x1.fffffep-3")),
    ("0x1p-149", 2.0 ** -149), ("-0.0", -0.0), ("inf", np.inf), ("-inf", -np.inf),
    ("1e-46", 0.0), ("3.4028235e38", float(np.finfo(F32).max)),
    # Between two f32: rounding to f64 first would give the even neighbour.
    ("1.000000059604644775390625001", float.fromhex("0x1.000002p0")),
])
def test_f32_scalars_arrive_bit_for_bit(shell, text, want):
    shell.ok(f"run scalar.tile -s T=f32 -s N=1 -s a={text} -o y=y.npy")
    assert bits(shell.load("y.npy"))[0] == struct.unpack("<I", struct.pack("<f", want))[0]


def test_nan_scalars(shell):
    shell.ok("run scalar.tile -s T=f32 -s N=1 -s a=nan -o y=y.npy")
    assert np.isnan(shell.load("y.npy")[0])


@pytest.mark.parametrize("T, good, bad", [
    ("i32", ["-2147483648", "2147483647", "0x7f"], ["2147483648", "-2147483649", "1.5", "x", "0x"]),
    ("u8", ["0", "255"], ["256", "-1", "1e2"]), ("i8", ["-128", "127"], ["128", "-129"]),
    ("i64", ["-9223372036854775808", "9223372036854775807"], ["9223372036854775808"]),
    ("u64", ["18446744073709551615"], ["18446744073709551616", "-1"]),
    ("bool", ["true", "0"], ["yes", "2"]),
])
def test_integer_scalars(shell, T, good, bad):
    for text in good:
        shell.ok(f"run scalar.tile -s T={T} -s N=2 -s a={text} -o y=y.npy")
        want = text == "true" if T == "bool" else int(text, 0)
        assert shell.load("y.npy").tolist() == [want] * 2
    for text in bad:
        shell.fails(f"run scalar.tile -s T={T} -s N=2 -s a={text} -o y=y.npy",
                    f"-s a={text}: a is {T}: .*(expected|out of range)")


@pytest.mark.parametrize("T, text", [
    ("bf16", "1.00390625000000001"), ("bf16", "1.01171875"), ("f16", "0.1"), ("e4m3", "1e9"),
    ("bf16", "-inf"),
])
def test_scalars_of_other_floats(shell, T, text):
    """Rounded once: 1.00390625 lies halfway, what is above it goes up."""
    shell.ok(f"run scalar.tile -s T={T} -s N=1 -s a={text} -o y=y.npy")
    want = {"1.00390625000000001": 1.0, "1e9": 448.0}.get(text, float(text))
    want = np.array([want], TYPES[T])
    if T == "e4m3":
        want = np.array([448.0], TYPES[T])
    assert (bits(shell.load("y.npy")) == bits(want)).all()


def test_statics(shell):
    x = np.arange(6, dtype=F32).reshape(2, 3)
    shell.save("x.npy", x)
    run = "run two.tile first -i x=x.npy -o y=y.npy"
    for more, want in (("", x), ("-s D=3", x), ("-s K=twice", 2 * x), ("-s K=kind.twice", 2 * x),
                       ("-s on=true", -x), ("-s on=false -s N=2", x)):
        shell.ok(f"{run} {more}")
        assert (shell.load("y.npy") == want).all()
    shell.fails(f"{run} -s K=thrice", "-s K=thrice: a member of enum kind is expected")
    shell.fails(f"{run} -s K=other.plain", "a member of enum kind is expected")
    shell.fails(f"{run} -s on=maybe", "-s on=maybe: true or false is expected")
    shell.fails(f"{run} -s D=three", "-s D=three: an integer is expected")


def test_optional_tensors(shell):
    shell.save("z.npy", np.zeros((2, 2), np.int32))
    shell.save("w.npy", np.array([5, 6], np.int32))
    run = "run two.tile second -i z=z.npy -o y=y.npy"
    shell.ok(run)
    assert shell.load("y.npy").tolist() == [-1, -1]
    shell.ok(f"{run} -i w=w.npy -o z=z2.npy")
    assert shell.load("y.npy").tolist() == [5, 6]
    assert shell.load("z2.npy").tolist() == [[1, 0], [1, 0]]
    assert shell.load("z.npy").tolist() == [[0, 0], [0, 0]]


def test_inout_in_place(shell):
    shell.save("z.npy", np.zeros((2, 2), np.int32))
    for _ in range(3):
        shell.ok("run two.tile second -i z=z.npy -o z=z.npy")
    assert shell.load("z.npy").tolist() == [[3, 0], [3, 0]]


def test_bytes_of_an_output_stay(shell):
    shell.save("n.npy", np.array([7], np.int32))
    shell.save("y0.npy", np.arange(5, dtype=np.int32))
    shell.ok("run partial.tile -i n=n.npy -i y=y0.npy -o y=y.npy")
    assert shell.load("y.npy").tolist() == [7, 1, 7, 3, 7]
    shell.ok("run partial.tile -i n=n.npy -s N=5 -o y=y.npy")
    assert shell.load("y.npy").tolist() == [7, 0, 7, 0, 7]


def test_schedule_parameters(shell):
    shell.ok("run tuned.tile -s N=20 -s P=2 -o y=y.npy")
    assert shell.load("y.npy").tolist() == [i // 4 % 2 for i in range(20)]
    shell.ok("run tuned.tile -s N=20 -s P=3 -s B=8 -o y=y.npy")
    assert shell.load("y.npy").tolist() == [i // 8 % 3 for i in range(20)]
    shell.fails("run tuned.tile -s N=20 -s B=5", "require")
    shell.ok("run tuned.tile -s N=20 -o y=y.npy")
    assert shell.load("y.npy")[:4].tolist() == [0] * 4


def test_outputs_need_no_file(shell):
    shell.save("x.npy", np.zeros(3, F32))
    assert shell.ok("run scale.tile -s a=1 -i x=x.npy") == ""
    out = shell.ok("run scale.tile -s a=1 -i x=x.npy -v")
    assert "N=3" in out and "y: f32(3,)" in out and "not written" in out


def test_alias(shell):
    shell.save("x.npy", np.arange(4, dtype=F32))
    shell.ok("run alias.tile bump -i x=x.npy -o y=y.npy")
    assert shell.load("y.npy").tolist() == [1, 2, 3, 4]
    shell.fails("run alias.tile late -i x=x.npy -o y=y.npy",
                r"results differ when x and y are the same memory \(where alias\(x, y\)\): y\[")


def test_pipes(shell):
    """Files that can be read and written but once."""
    shell.save("x.npy", np.arange(4, dtype=F32))
    data = shell.path("x.npy").read_bytes()
    done = shell("run alias.tile bump -i x=/dev/stdin -o y=/dev/stdout", input=data, text=False)
    assert done.returncode == 0 and done.stderr == b""
    assert np.frombuffer(done.stdout[-16:], F32).tolist() == [1, 2, 3, 4]


def test_device_outputs_and_inputs(shell):
    shell.save("x.npy", np.zeros(3, F32))
    shell.ok("run scale.tile -s a=1 -i x=x.npy -o y=/dev/null")


@pytest.mark.parametrize("kernel", ["scale", "table"])
def test_dumped_ir_runs(shell, kernel):
    """-d ir, read back, gives the same result."""
    x = np.arange(40, dtype=F32)
    shell.save("x.npy", x)
    shell.path("k.ir").write_text(shell.ok(f"check -d ir {kernel}.tile"))
    if kernel == "scale":
        shell.ok("run k.ir scale -s a=0x1.8p1 -i x=x.npy -o y=y.npy")
        assert (shell.load("y.npy") == 3 * x).all()
        shell.fails("run k.ir other", "has no kernel other; it has scale")
        shell.fails("run k.ir -s b=1 -i x=x.npy", "there is no b")
        shell.fails("run k.ir -s a=1", r"input x is missing: it is tensor f32\[\?\]")
    else:
        shell.ok("run k.ir -i xs[0]=x.npy -i xs[1]=x.npy -o s=s.npy")
        assert (shell.load("s.npy") == 2 * x).all()


def test_broken_ir(shell):
    shell.path("k.ir").write_text("kernel @nonsense {\n")
    shell.fails("run k.ir", r"k\.ir")
    good = shell.ok("check -d ir scale.tile")
    shell.path("cut.ir").write_text(good[:len(good) // 2])
    shell.fails("run cut.ir", r"cut\.ir")
