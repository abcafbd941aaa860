"""compiler/npy.c against numpy: what numpy writes is read, what is written numpy reads."""
import os
import random
import resource
import signal
import struct

import ml_dtypes
import numpy as np
import pytest

SHAPES = [(), (0,), (1,), (7,), (3, 0, 2), (2, 3), (5, 1, 4), (2, 3, 4, 5), (1, 2, 1, 2, 1, 2, 1, 2)]
TYPES = ["?", "b", "B", "h", "H", "i", "I", "q", "Q", "e", "f", "d",
         ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2,
         ml_dtypes.float4_e2m1fn, ml_dtypes.float8_e8m0fnu]


def checksum(data):
    h = 14695981039346656037
    for byte in data:
        h = (h ^ byte) * 1099511628211 & (1 << 64) - 1
    return f"{h:016x}"


def some(shape, dtype, seed=1):
    dtype = np.dtype(dtype)
    count = int(np.prod(shape))
    raw = np.random.default_rng(seed).integers(0, 2 if dtype == bool else 256,
                                               count * dtype.itemsize, np.uint8)
    return raw.view(dtype).reshape(shape)


def header(text, version=1, pad=b"\n"):
    text = text.encode() if isinstance(text, str) else text
    text += pad
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I",
                                                           len(text)) + text


def described(descr="'<f4'", order="False", shape="(2,)"):
    return header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}")


def lines(unit, paths):
    done = unit("npy_driver", "read", *paths)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def read(unit, tmp_path):
    """The driver's line on a file of these bytes."""
    def read(data):
        path = tmp_path / "x.npy"
        path.write_bytes(data)
        return lines(unit, [path])[0]
    return read


def expected(a, order="C"):
    kind = np.lib.format.dtype_to_descr(a.dtype)[1]     # ml_dtypes gives '<V2', '|V1', '<f1'
    extents = "".join(f" {n}" for n in a.shape)
    return f"{kind}{a.dtype.itemsize} {order}{extents} {checksum(a.tobytes('C'))}"


def test_reads_every_type_and_shape(unit, tmp_path):
    paths, want = [], []
    for dtype in TYPES:
        for shape in SHAPES:
            a = some(shape, dtype)
            paths.append(tmp_path / f"{len(paths)}.npy")
            np.save(paths[-1], a)
            want.append(expected(a))
    assert lines(unit, paths) == want


def test_turns_fortran_order_into_c_order(unit, tmp_path):
    paths, want = [], []
    for shape in [s for s in SHAPES if len(s) >= 2 and 0 not in s]:
        a = some(shape, "i")
        paths.append(tmp_path / f"{len(paths)}.npy")
        np.save(paths[-1], np.asfortranarray(a))
        order = "C" if np.asfortranarray(a).flags.c_contiguous else "F"
        want.append(expected(a, order))
    assert lines(unit, paths) == want


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_reads_every_version(unit, tmp_path, version):
    a = some((3, 5), "f")
    path = tmp_path / "x.npy"
    with open(path, "wb") as f:
        np.lib.format.write_array(f, a, version)
    assert lines(unit, [path]) == [expected(a)]


def test_reads_what_numpy_would(read):
    data = bytes(range(8))
    for good in [described("\"<f4\"", shape="( 2 , )"), described("'=f4'"), described("'f4'"),
                 described(shape="(2L,)"), described(shape="[2]").replace(b"[2]", b"(2)"),
                 header("{'shape':(2,),'fortran_order':False,'descr':'<f4'}"),
                 header("{'shape':(2,),'fortran_order':False,'descr':'<f4'}", pad=b"")]:
        assert read(good + data) == f"f4 C 2 {checksum(data)}"
    assert read(described() + data + b"more") == f"f4 C 2 {checksum(data)}"
    assert read(described("'>u1'") + data) == f"u1 C 2 {checksum(data[:2])}"
    assert read(described(order="True") + data) == f"f4 F 2 {checksum(data)}"


REFUSED = [
    (b"", "not a .npy file"),
    (b"\x93NUMP", "not a .npy file"),
    (b"PK\x03\x04 an archive", "not a .npy file"),
    (b"\x93NUMPY\x01", "cut short in its header"),
    (b"\x93NUMPY\x01\x00\x40", "cut short in its header"),
    (b"\x93NUMPY\x04\x00\x01\x00\x00\x00\x00", "version 4.0 of the .npy format is not known"),
    (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}", "a header of 4294967295 bytes is too long"),
    (described()[:30], "cut short: 20 of"),
    (described() + b"1234567", "cut short: 7 of 8 bytes of data"),
    (described(shape="(1 << 40,)"), "broken header: 'shape' is no tuple"),
    (described(shape="(1099511627776,)") + b"1", "cut short: 1 of 4398046511104 bytes of data"),
    (described("'>f4'"), "big-endian"),
    (described("'|O'"), "Python objects"),
    (described("[('a', '<f4')]"), "records"),
    (described("('<f4', (2,))"), "records"),
    (described("'<c8'"), "elements of type '<c8' are not read"),
    (described("'<U4'"), "elements of type '<U4' are not read"),
    (described("'<M8[ns]'"), "elements of type '<M8[ns]' are not read"),
    (described("'<f16'"), "elements of type '<f16' are not read"),
    (described("'<f'"), "elements of type"),
    (described("''"), "elements of type"),
    (described("'<f99999999999999999999999'"), "elements of type"),
    (described("'<\x01\x02'"), "elements of type '<??"),
    (described("'" + "f" * 100 + "'"), "broken header: no type string"),
    (described("4"), "broken header: no type string"),
    (described(order="0"), "neither True nor False"),
    (described(shape="(-1,)"), "negative"),
    (described(shape="(9223372036854775808,)"), "too large"),
    (described(shape="(4611686018427387904, 2)"), "too large"),
    (described(shape="(4294967296, 4294967296, 0)"), "too large"),
    (described(shape="(1, 1, 1, 1, 1, 1, 1, 1, 1)"), "more than 8 dimensions"),
    (described(shape="2"), "'shape' is no tuple"),
    (described(shape="(2"), "'shape' is no tuple"),
    (described(shape="(2 3)"), "'shape' is no tuple"),
    (described(shape="(,)"), "'shape' is no tuple"),
    (header("[]"), "no dictionary"),
    (header(""), "no dictionary"),
    (header("{"), "broken header"),
    (header("{'descr': '<f4'}"), "no 'fortran_order'"),
    (header("{'descr': '<f4', 'descr': '<f4'}"), "repeated key 'descr'"),
    (header("{'description': '<f4'}"), "unknown key 'description'"),
    (header("{'descr': '<f4' 'shape': ()}"), "no comma"),
    (header("{'descr"), "broken header"),
]


@pytest.mark.parametrize("data, message", REFUSED)
def test_refuses(read, data, message):
    line = read(data)
    assert line.startswith("error: ") and message in line


def test_refuses_what_is_no_file(unit, tmp_path):
    missing, folder = lines(unit, [tmp_path / "none.npy", tmp_path])
    assert missing == "error: cannot be opened: No such file or directory"
    assert folder == "error: cannot be read: Is a directory"


def test_survives_damaged_files(unit, tmp_path, level):
    """No byte changed, dropped or added makes it crash (signals fail in `unit`)."""
    dice = random.Random(1)
    good = [described("'<u2'", "True", "(2, 3)") + bytes(12), described(shape="(0, 5)"),
            header("{'descr': '|V1', 'fortran_order': False, 'shape': ()}", version=3) + b"1"]
    paths = []
    for number in range(300 * level):
        data = bytearray(dice.choice(good))
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(len(data))
            data[at:at + dice.randint(0, 2)] = dice.choice(
                [b"", bytes([dice.randrange(256)]), b"9" * dice.randint(1, 25), b"(", b"'", b"{"])
        paths.append(tmp_path / f"{number}.npy")
        paths[-1].write_bytes(data)
    assert len(lines(unit, paths)) == len(paths)


@pytest.mark.parametrize("shape", SHAPES)
def test_numpy_reads_what_is_written(unit, tmp_path, shape):
    a = some(shape, "<f4")
    np.save(tmp_path / "a.npy", a)
    done = unit("npy_driver", "copy", tmp_path / "a.npy", tmp_path / "b.npy", "<f4")
    assert done.stdout == "ok\n"
    b = np.load(tmp_path / "b.npy")
    assert b.dtype == a.dtype and b.shape == a.shape and b.tobytes() == a.tobytes()
    assert sorted(os.listdir(tmp_path)) == ["a.npy", "b.npy"]
    with open(tmp_path / "b.npy", "rb") as f:
        assert int.from_bytes(f.read(10)[8:], "little") % 64 == 54     # data at a multiple of 64


def test_a_failed_write_leaves_the_old_file(unit, tmp_path):
    np.save(tmp_path / "a.npy", some((1 << 16,), "u1"))
    (tmp_path / "b.npy").write_bytes(b"old")
    done = unit("npy_driver", "copy", tmp_path / "a.npy", tmp_path / "b.npy", "|u1",
                preexec_fn=limit_files)
    assert done.returncode == 1 and done.stdout == "cannot be written: File too large\n"
    assert (tmp_path / "b.npy").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["a.npy", "b.npy"]


def limit_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def test_writes_to_devices_and_through_links(unit, tmp_path):
    a = some((4,), "|u1")
    np.save(tmp_path / "a.npy", a)
    assert unit("npy_driver", "copy", tmp_path / "a.npy", "/dev/null", "|u1").stdout == "ok\n"
    full = unit("npy_driver", "copy", tmp_path / "a.npy", "/dev/full", "|u1")
    assert full.stdout == "cannot be written: No space left on device\n"
    none = unit("npy_driver", "copy", tmp_path / "a.npy", tmp_path / "no" / "b.npy", "|u1")
    assert none.stdout == "cannot be written: No such file or directory\n"
    (tmp_path / "link.npy").symlink_to("b.npy")
    unit("npy_driver", "copy", tmp_path / "a.npy", tmp_path / "link.npy", "|u1")
    assert (tmp_path / "link.npy").is_symlink() and np.array_equal(np.load(tmp_path / "b.npy"), a)


def test_reads_more_than_4_gib(unit, tmp_path, level):
    """A sparse file: extents and offsets beyond 32 bits."""
    if level < 2:
        pytest.skip("TILE_TEST_LEVEL=2 reads a file of 4 GiB")
    path = tmp_path / "x.npy"
    with open(path, "wb") as f:
        f.write(described("'|u1'", shape="(4294967299,)"))
        f.truncate(f.tell() + 4294967299)
    assert lines(unit, [path])[0].startswith("u1 C 4294967299 ")
