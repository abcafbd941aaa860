"""What reaches the driver: the bytes of the args struct, grids, and which code.

The second source of the bytes: the struct as the CUDA text declares it, laid out by C's rules here,
and what its names mean in the .tile file.
"""
import random
import re
import struct

import pytest

from built import CASES, ROOT, TILEC, build_library, clean_environment, sanitized

import subprocess

SIZES = {"int64_t": "q", "uint64_t": "Q", "int32_t": "i", "uint32_t": "I", "float": "f",
         "uint8_t": "B", "bool": "?", "uint16_t": "H"}


@pytest.fixture(scope="session")
def emitted(tmp_path_factory):
    """The folder with the CUDA of every variant."""
    folder = tmp_path_factory.mktemp("emitted")
    subprocess.run([TILEC, "emit", CASES, "--arch", "sm90", "-o", folder], check=True,
                   env=clean_environment(ASAN_OPTIONS="detect_leaks=0"))
    return folder


def fields(text):
    """(offset, format, name) of every field of the args struct, and its size."""
    body = re.search(r"typedef struct tk_\w+_args \{\n(.*?)\n\} tk_", text, re.S).group(1)
    at, found = 0, []
    for line in body.splitlines():
        kind, name = re.fullmatch(r"\s*(.*?)\s?(\w+)(?:\[\w+\])?;", line).groups()
        form = "Q" if kind.endswith("*") else "24s" if kind == "TileDivisor" else SIZES[kind]
        align = 8 if form == "24s" else struct.calcsize(form)
        at = (at + align - 1) // align * align
        found.append((at, form, name))
        at += struct.calcsize(form)
    return found, at


def decode(emitted, variant, done, launch=0):
    """The args of a launch by name."""
    text = (emitted / f"{variant}.sm90.cu").read_text()
    found, _ = fields(text)
    data = bytes.fromhex(done.calls("args")[launch].split()[1])
    return {name: struct.unpack_from("<" + form, data, at)[0] for at, form, name in found}


def divides_by(divisor, d):
    """As tile_divide_u32 and tile_divide_i64 of the device header."""
    magic, value, magic32, shift = struct.unpack("<QqIi", divisor)
    rng = random.Random(1)
    assert value == d
    for n in [0, 1, d - 1, d, d + 1, 2**31 - 1, *(rng.randrange(2**31) for _ in range(50))]:
        assert ((n * magic32 >> 32) + n) >> shift == n // d
    for n in [2**62 - 1, *(rng.randrange(2**62) for _ in range(50))]:
        assert ((n * magic >> 64) + n) >> shift == n // d


@pytest.mark.parametrize("m, k, pitch", [(4, 256, 256), (9, 4096, 4160), (1, 16, 999)])
def test_cast(call, emitted, m, k, pitch):
    groups = (k + 127) // 128
    done = call("cast", f"bfloat16:{m}x{k}:s={pitch},1", f"float8_e4m3fn:{m}x{k}",
                f"float32:{m}x{groups}", "i=128", "i=0", "f=0.25", FAKE_ARGS=120)
    assert done.one("call") == "TILE_OK"
    args, at = decode(emitted, "cast.bf16_e4m3_128_false", done), done.addresses()
    assert (args["x"], args["y"], args["sf"]) == (at[0], at[1], at[2])
    assert (args["M"], args["K"], args["low"]) == (m, k, 0.25)
    # A stride of an axis of one element is that of a dense tensor.
    assert args["x_stride0"] == (pitch if m > 1 else k)
    divides_by(args["k_count"], groups)
    grid = (m + 3) // 4 * groups
    assert done.calls("launch")[0].startswith(f"launch tk_cast on 0 grid={grid},1,1 block=128,1,1 ")


def test_byte_offset(call, emitted):
    done = call("scale", "float32:100:off=16", "float32:100", "f=-1.5", FAKE_ARGS=40)
    args = decode(emitted, "scale", done)
    assert args["x"] == done.addresses()[0] + 16 and args["a"] == -1.5


def test_alias(call):
    done = call("scale", "float32:100", "float32:100:at=0+0", "f=2")
    assert done.one("call") == "TILE_OK" and len(done.calls("launch")) == 1


@pytest.mark.parametrize("x, unaligned", [
    ("bfloat16:4x256", False), ("bfloat16:4x256:plus=8", False), ("bfloat16:4x256:plus=2", True),
    ("bfloat16:4x256:s=257,1", True)])
def test_which_code(call, x, unaligned):
    done = call("cast", x, "float8_e4m3fn:4x256", "float32:4x2", "i=128", "i=0", "f=1")
    assert done.one("call") == "TILE_OK"
    assert done.calls("cuModuleLoadData") == ["cuModuleLoadData" + " unaligned" * unaligned]


@pytest.mark.parametrize("y, unaligned", [
    ("float8_e4m3fn:4x256:plus=16", False), ("float8_e4m3fn:4x256:plus=1", True), ("float8_e5m2:4x256:plus=1", True),
    ("float4_e2m1fn:4x256:plus=1", True)])
@pytest.mark.parametrize("x", ["bfloat16:4x256", "bfloat16:4x256:plus=2"])
def test_which_code_for_an_output(call, x, y, unaligned):
    """One fact for all addresses: any of them may break it."""
    done = call("cast", x, y, "float32:4x2", "i=128", "i=0", "f=1")
    assert done.one("call") == "TILE_OK"
    assert done.calls("cuModuleLoadData") == ["cuModuleLoadData" + " unaligned" * (unaligned or "plus" in x)]


def test_plans_are_short(tmp_path):
    """What is constant is computed while compiling, and what depends on the GPU's occupancy comes last."""
    subprocess.run([TILEC, "emit", ROOT / "kernels.tile/engram/engram_gate_bwd.tile", "--arch", "sm90", "-o", tmp_path],
                   check=True)
    text = (tmp_path / "engram_gate_bwd.c").read_text()
    for body in re.findall(r"tile_node \w+\[\] = \{\n(.*?)\n\};", text, re.S):
        nodes = [re.search(r"\{TILE_NODE_(\w+), (\w+), \w+, (-?\d+), (-?\d+), (-?\d+), (.*)\}", line).groups()
                 for line in body.splitlines()]
        assert len(nodes) < 90 and len(set(nodes)) == len(nodes)
        late = set()
        for i, (op, _, a, b, _, _) in enumerate(nodes):
            arguments = {int(a), int(b)} if op in "ADD SUB MUL FDIV MOD MAX MIN EQ LE GE AND OR".split() else set()
            if op in ("ADD", "SUB", "MUL", "FDIV"):
                assert {nodes[k][0] for k in arguments} != {"CONST"}
            if op in ("RESIDENT", "PROGRAMS") or arguments & late:
                late.add(i)
        assert late == set(range(min(late), len(nodes)))


def test_optional(call, emitted):
    tensors = ["float32:8x5", "null", "int32:8", "bool:8", "float32:8x6"]
    for w, form in (("null", "none"), ("float32:3", "row")):
        tensors[1] = w
        done = call("pick", *tensors, "i=1", "i=4", "i=7", FAKE_ARGS=96)
        assert done.one("call") == "TILE_OK"
        args, at = decode(emitted, f"pick.up_w-{form}" if w == "null" else "pick.up", done), \
            done.addresses()
        assert args["N"] == 8 and args["x"] == at[0]
        assert "w" not in args if w == "null" else (args["w"], args["W"]) == (at[1], 3)


def test_table(call, emitted):
    entries = ["float32:5x4", "float32:5x4", "float32:5x4"]
    done = call("add_all", "[", *entries, "]", "float32:5x4", FAKE_ARGS=32 + 8 * 3)
    args, at = decode(emitted, "add_all", done), done.addresses()
    data = bytes.fromhex(done.calls("args")[0].split()[1])
    assert (args["N"], args["L"], args["xs_first"], args["y"]) == (5, 3, 0, at[3])
    assert struct.unpack("<3Q", data[32:]) == (at[0], at[1], at[2])


def test_strides(call, emitted):
    done = call("cube", "int32:2x3x4:s=100,1,9", "int32:4x2x3", FAKE_ARGS=160)
    args = decode(emitted, "cube", done)
    assert (args["A"], args["B"], args["C"]) == (2, 3, 4)
    strides = {value for name, value in args.items() if name.startswith("x_stride")}
    assert {100, 1, 9} <= strides                # beside products of them


def test_scratch_and_phases(driver, cases, emitted):
    """P is what the fake GPU holds of the phase that holds fewest: 132 x 2048 / 128."""
    tensors = ["float32:9x32", "float32:32", "float32:32"]
    done = driver("library", cases / "libcases.so", "context", 0, "scratch", 1 << 20, "call", "sums",
                  *tensors, "end", "free", FAKE_ARGS=56)
    assert done.one("call") == "TILE_OK"
    args, p = decode(emitted, "sums.32", done), 132 * 16
    assert (args["N"], args["P"]) == (9, p)
    assert args["part"] == args["grid_barrier"] + 256
    assert [c.split(" shared")[0] for c in done.calls("launch")] == [
        f"launch tk_sums_rows on 0 grid={p},1,1 block=128,1,1",
        f"launch tk_sums_columns on 0 grid={p},1,1 block=128,1,1"]
    assert [" cooperative=1" in c for c in done.calls("launch")] == [False, True]
    assert done.calls("cuMemsetD8Async") == [f"cuMemsetD8Async {1 << 20} stream=(nil)"]


def test_dims_that_the_device_bounds(call, emitted):
    """P = min(2112, 1000) // 2, and Q follows from P, not from what P is in the interpreter."""
    done = call("bound", "float32:9", "float32:9", FAKE_ARGS=40)
    args = decode(emitted, "bound", done)
    assert args["P"] == 500 and 512.0 in args.values()
    assert " grid=500,1,1 " in done.calls("launch")[0]


@pytest.mark.parametrize("kernel, arguments", [
    ("cast", ["bfloat16:0x256", "float8_e4m3fn:0x256", "float32:0x2", "i=128", "i=0", "f=1"]),
    ("scale", ["float32:0", "float32:0:nodata", "f=1"])])
def test_nothing_to_do(call, kernel, arguments):
    done = call(kernel, *arguments)
    assert done.one("call") == "TILE_OK" and done.calls("launch") == []


@pytest.mark.parametrize("x, y, sf", [
    ("bfloat16:4x256", "uint8:4x128", "float32:4x2"),            # e2m1: two to a byte
    ("bfloat16:4x256", "float4_e2m1fn:4x256", "float32:4x2"),
    ("float32:4x256", "float4_e2m1fn_x2:4x128", "float32:4x2"),
    ("bfloat16:4x256", "float8_e5m2:4x256", "float32:4x2:s=1,4"),
    ("bfloat16:1x256", "float8_e5m2:1x256", "float32:1x2:s=7,1"),
    ("bfloat16:4x128", "float8_e4m3fn:4x128", "float32:4x1:s=1,77")])
def test_host_forms(call, x, y, sf):
    assert call("cast", x, y, sf, "i=128", "i=0", "f=1").one("call") == "TILE_OK"


@pytest.mark.parametrize("sf", ["uint8:9x10", "float8_e8m0fnu:9x10", "int32:9x3", "int32:9x3:s=1,12",
                                "uint8:9x10:s=1,16"])
def test_forms_of_scales(call, sf):
    assert call("scales", "float32:9x10", sf).one("call") == "TILE_OK"


def test_halves_of_rows_do_not_overlap(call):
    """As torch.chunk gives them: one memory, other columns."""
    done = call("cube", "int32:2x3x4:s=24,8,1", "int32:4x2x3", context=0)
    assert done.one("call") == "TILE_OK"
    done = call("cast", "float32:4x32:s=64,1", "float8_e4m3fn:4x32:s=256,1:at=0+128", "float32:4x1",
                "i=128", "i=0", "f=1")
    assert done.one("call").startswith("TILE_ERR_STRIDE")  # an output is dense: nothing else is wrong


def test_each_gpu_loads_its_own(driver, cases):
    x = ["float32:4:dev=2.1", "float32:4:dev=2.1", "f=1"]
    done = driver("library", cases / "libcases.so", "context", 1, "call", "scale", *x, "end", "call",
                  "scale", *x, "end", "free", FAKE_GPUS=2)
    assert done.of("call") == ["TILE_OK", "TILE_OK"]
    assert len(done.calls("cuModuleLoadData")) == 1
    assert [c.split(" grid")[0] for c in done.calls("launch")] == ["launch tk_scale on 1"] * 2


def test_threads(driver, cases):
    done = driver("library", cases / "libcases.so", "context", 0, "threads", 16, "scale", "float32:4",
                  "float32:4:at=0+0", "f=1", "end", "free")
    assert done.one("threads") == "0 failed" and len(done.calls("launch")) == 16
    assert "0 modules" in done.log[-1]


def test_the_warm_path_asks_the_system_nothing(driver, cases):
    """No lock, no allocation that grows, no system call, or the process dies."""
    done = driver("library", cases / "libcases.so", "context", 0, "sealed", 1000, "cast",
                  "bfloat16:4x256", "float8_e4m3fn:4x256", "float32:4x2", "i=128", "i=0", "f=1",
                  "end", "free", FAKE_LOG=None)
    if done.one("sealed") == "exit 77":
        pytest.skip("no seccomp here")
    assert done.one("sealed") == "exit 0"


CAST = ["bfloat16:4x256", "float8_e4m3fn:4x256", "float32:4x2", "i=128", "i=0", "f=1"]


def test_a_call_can_be_captured(driver, cases):
    """The fake refuses what cannot be part of a graph."""
    done = driver("library", cases / "libcases.so", "context", 0, "capture", 3, "cast", *CAST, "end",
                  "free")
    assert done.one("capture") == done.one("warm") == "TILE_OK" and done.one("replays") == "0"
    words = [line.split()[0] for line in done.log]
    inside = words[words.index("capture") + 1:words.index("captured")]
    assert inside == ["launch", "args"] and words.count("replay") == 3


def test_a_first_call_cannot(driver, cases):
    """Loading code is nothing for a graph: the driver says so, and the call does."""
    done = driver("library", cases / "libcases.so", "context", 0, "capture", "cold", "cast", *CAST,
                  "end", "call", "cast", *CAST, "end", "free")
    assert done.one("capture").startswith("TILE_ERR_MODULE loading ")
    assert "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED" in done.one("capture")
    assert done.one("call") == "TILE_OK"


def host_cost(driver, library, *words):
    """Nanoseconds beyond the driver's launch: at most 2 us, on a busy machine some more. Printed."""
    done = driver("library", library, "context", 0, *words, "end", "free", FAKE_LOG=None)
    assert done.of("bench") == ["TILE_OK"], done.text
    ns = re.fullmatch(r"(\d+) bare (\d+)", done.one("ns"))
    print(f"{words[words.index('bench') + 2]}: {done.one('ns')} ns")
    assert int(ns[1]) - int(ns[2]) < (100000 if sanitized() else 6000)


def test_host_cost(driver, cases):
    host_cost(driver, cases / "libcases.so", "bench", 2000, "cast", *CAST)


def test_host_cost_of_many_tensors(driver, tmp_path):
    """16 of them, two phases, scratch."""
    build_library(tmp_path, "engram", ROOT / "kernels.tile/engram/engram_gate_bwd.tile", arch="sm90")
    rows, weights, heads = "bfloat16:8x4x4096", "4x4096", ["float32:8x4"] * 4
    host_cost(driver, tmp_path / "libengram.so", "scratch", 1 << 27, "bench", 500, "engram_gate_bwd",
              *[rows] * 3, "bfloat16:8x4096", f"float32:{weights}", *[f"bfloat16:{weights}"] * 2, *heads, *[rows] * 2,
              "bfloat16:8x4096", *[f"float32:{weights}"] * 2, "f=1", "f=1")
