"""Bad input to a stub: a status, and a message with the argument, what is expected, what came.

Nothing is launched for any of them, and the sanitizer build finds no leak.
"""
import ctypes
import re
import resource
import signal
import subprocess

import pytest

from built import BUILD, CASES, build_library, clean_environment

X, Y, SF = "bfloat16:4x256", "float8_e4m3fn:4x256", "float32:4x2"
CAST = {"x": X, "y": Y, "sf": SF, "G": "i=128", "exact": "i=0", "low": "f=1e-4"}
PICK = {"x": "float32:8x5", "w": "float32:3", "ids": "int32:8", "flags": "bool:8",
        "y": "float32:8x6", "R": "i=0", "step": "i=2", "base": "i=1"}
SUMS = {"x": "float32:9x32", "y": "float32:32", "z": "float32:32"}


def cast(**changes):
    return "cast", *(CAST | changes).values()


def pick(**changes):
    return "pick", *(PICK | changes).values()


def table(*entries):
    return "[", *entries, "]"


BAD = [
    # ---- null ----
    ("null tensor", cast(x="null"), "NULL", "cast: x: is null, and not optional"),
    ("null data", cast(y=Y + ":nodata"), "NULL", "cast: y: its data is null"),
    ("null shape", cast(sf=SF + ":noshape"), "NULL", "cast: sf: its shape is null"),
    ("null table", ("add_all", "[", "]2", "float32:4x4"), "NULL", "add_all: xs: entry 0 is null"),
    ("null entry", ("add_all", *table("float32:4x4", "null"), "float32:4x4"), "NULL",
     "add_all: xs: entry 1 is null"),
    ("null kernel", ("none",), "NULL", "tile_call: the kernel is null"),
    ("a library of an older tilec", ("old:scale", "float32:4", "float32:4", "f=1"), "VALUE",
     "a kernel of version 1 of the tables is called, this is version 2: build its library again"),
    # ---- count ----
    ("too few arguments", ("scale", "float32:4", "float32:4"), "VALUE",
     "scale: 2 arguments are given, it takes 3"),
    ("too many arguments", ("scale", "float32:4", "float32:4", "f=1", "f=1"), "VALUE",
     "scale: 4 arguments are given, it takes 3"),
    # ---- device ----
    ("cpu tensor", cast(x=X + ":dev=cpu"), "DEVICE",
     "cast: x: is on the CPU, the context is of GPU 0"),
    ("other gpu", cast(sf=SF + ":dev=2.1"), "DEVICE",
     "cast: sf: is on GPU 1, the context is of GPU 0"),
    ("pinned", cast(y=Y + ":dev=3.0"), "DEVICE",
     "cast: y: is on the CPU (pinned), the context is of GPU 0"),
    ("strange device", cast(y=Y + ":dev=8.2"), "DEVICE",
     "cast: y: is on DLPack device 8:2, the context is of GPU 0"),
    ("entry on the cpu", ("add_all", *table("float32:4x4", "float32:4x4:dev=cpu"), "float32:4x4"),
     "DEVICE", "add_all: xs: is on the CPU, the context is of GPU 0"),
    # ---- rank ----
    ("rank 1", cast(x="bfloat16:1024"), "RANK", "cast: x: has 1 axis, T[M, K] has 2"),
    ("rank 3", cast(sf="float32:4x2x1"), "RANK", "cast: sf: has 3 axes, f32[M, cdiv(K, G)] has 2"),
    ("rank 0", ("scale", "float32:", "float32:4", "f=1"), "RANK", "scale: x: has 0 axes, f32[N] has 1"),
    ("negative rank", cast(x=X + ":ndim=-1"), "RANK", "cast: x: has -1 axes, T[M, K] has 2"),
    # ---- element type ----
    ("float64", cast(x="float64:4x256"), "DTYPE", "cast: x: float64 is no element type of kernels"),
    ("fixed type", cast(sf="float16:4x2"), "DTYPE", "cast: sf: is of float16, f32 is expected"),
    ("f32 for i32", pick(ids="float32:8"), "DTYPE", "pick: ids: is of float32, i32 is expected"),
    ("i64 for i32", pick(ids="int64:8"), "DTYPE", "pick: ids: is of int64, i32 is expected"),
    ("i8 for bool", pick(flags="int8:8"), "DTYPE", "pick: flags: is of int8, bool is expected"),
    ("vector lanes", cast(sf="2.32.4:4x2"), "DTYPE", "cast: sf: is of float32x4, f32 is expected"),
    ("complex", cast(sf="5.64.1:4x2"), "DTYPE",
     "cast: sf: is of DLPack type 5 of 64 bits, f32 is expected"),
    ("e4m3 of another kind", cast(y="8.8.1:4x256"), "DTYPE",
     "cast: y: DLPack type 8 of 8 bits is no element type of kernels"),
    ("bytes of two types", cast(y="uint8:4x256"), "DTYPE",
     "cast: y: uint8 may be e4m3 or e5m2 here: pass it as what it is"),
    ("entries differ", ("add_all", *table("float32:4x4", "int32:4x4"), "float32:4x4"), "DTYPE",
     "add_all: xs: entry 1 has another element type than entry 0"),
    # ---- extents ----
    ("axis 0", cast(y="float8_e4m3fn:5x256"), "SHAPE", "cast: y: axis 0 is 5, M is 4 (from x)"),
    ("axis 1", cast(y="float8_e4m3fn:4x272"), "SHAPE", "cast: y: axis 1 is 272, K is 256 (from x)"),
    ("expression", cast(sf="float32:4x3"), "SHAPE",
     "cast: sf: axis 1 is 3, cdiv(K, 128) is 2; K is 256 (from x)"),
    ("pairs", cast(y="uint8:4x127"), "SHAPE", "cast: y: axis 1 is 127, K is 256 (from x)"),
    ("half a byte", cast(y="float4_e2m1fn_x2:4x127"), "SHAPE",
     "cast: y: axis 1 is 127, of 2 e2m1 each, K is 256 (from x)"),
    ("a fact", cast(x="bfloat16:4x250", y="float8_e4m3fn:4x250"), "SHAPE",
     "cast: K % 16 == 0 does not hold: K is 250 (from x)"),
    ("a negative extent", cast(x="bfloat16:4x-256"), "SHAPE",
     "cast: x: axis 1 is -256: an extent is not negative"),
    ("more than there can be", cast(x="bfloat16:1000000000x1000000000:at=0+0"), "SHAPE",
     "cast: x: has more than 2^56 elements"),
    ("2^63 - 1", ("scale", "float32:9223372036854775807:at=0+0", "float32:4", "f=1"), "SHAPE",
     "scale: x: has more than 2^56 elements"),
    ("no solution", pick(x="float32:8x6"), "SHAPE",
     "pick: x: axis 1 is 6, and no K gives that by (2 * K) + 1"),
    ("solved extent", pick(y="float32:8x3"), "SHAPE",
     "pick: y: axis 1 is 3, 3 * K is 6; K is 2 (from x)"),
    ("where of dims", pick(w="float32:9"), "SHAPE",
     "pick: W <= N does not hold: N is 8 (from x), W is 9 (from w)"),
    ("entries' shapes", ("add_all", *table("float32:4x4", "float32:5x4"), "float32:4x4"), "SHAPE",
     "add_all: xs: entry 1: axis 0 is 5, that of entry 0 is 4"),
    ("a constant", ("add_all", *table("float32:4x5"), "float32:4x4"), "SHAPE",
     "add_all: xs: axis 1 is 5, not 4"),
    ("quads", ("scales", "float32:8x9", "int32:8x2"), "SHAPE",
     "scales: sf: axis 1 is 2, of 4 ue8m0 each, K is 9 (from x)"),
    # ---- strides ----
    ("a transposed tensor", cast(x="bfloat16:4x256:s=1,4"), "STRIDE",
     "cast: x: the stride of axis 1 is 4, 1 is expected"),
    ("a gap", ("scale", "float32:4:s=2", "float32:4", "f=1"), "STRIDE",
     "scale: x: the stride of axis 0 is 2, 1 is expected"),
    ("a negative stride", cast(x="bfloat16:4x256:s=-256,1"), "STRIDE",
     "cast: x: the stride of axis 0 is -256: a stride is not negative"),
    ("a stride beyond all memory", cast(x=X + ":s=4611686018427387904,1:at=0+4096"), "STRIDE",
     "cast: x: the stride of axis 0 is 4611686018427387904: its elements lie more than 2^56 apart"),
    ("a dense output", cast(y=Y + ":s=272,1"), "STRIDE",
     "cast: y: the stride of axis 0 is 272, 256 is expected"),
    ("overlapping rows", cast(y=Y + ":s=255,1"), "STRIDE",
     "cast: y: the stride of axis 0 is 255, a row has 256 elements"),
    ("no form", cast(sf=SF + ":s=1,2"), "STRIDE",
     "cast: sf: strides (1, 2) are those of none of row, col_pad16"),
    ("nibbles", cast(y="float4_e2m1fn:4x256:s=257,1"), "STRIDE",
     "cast: y: the stride of axis 0 is 257, 256 is expected"),
    ("a broadcast output", ("cube", "int32:2x3x4", "int32:4x2x3:s=0,3,1"), "STRIDE",
     "cube: y: the stride of axis 0 is 0, 6 is expected"),
    ("entries' strides", ("add_all", *table("float32:4x4", "float32:4x4:s=8,1"), "float32:4x4"),
     "STRIDE", "add_all: xs: entry 1: the stride of axis 0 is 8, in entry 0 4"),
    ("ue8m0x4 as bytes", ("scales", "float32:8x8", "uint8:8x8:s=1,17"), "STRIDE",
     "scales: sf: strides (1, 17) are those of none of row, col_pad16, ue8m0x4"),
    ("rows for the one form", ("columns", "float32:8x9", "float32:8x9"), "STRIDE",
     "columns: y: its strides are (9, 1), col_pad16 has (1, 8)"),
    ("a pitch that is no multiple of 16 bytes", ("columns", "float32:8x9", "float32:8x9:s=1,9"), "STRIDE",
     "columns: y: its strides are (1, 9), col_pad16 has (1, 8)"),
    ("rows of quads", ("quads", "float32:8x8", "int32:8x2:s=2,1"), "STRIDE",
     "quads: y: its strides are (2, 1), ue8m0x4 has (1, 8)"),
    ("bytes for quads", ("quads", "float32:8x8", "uint8:8x8"), "DTYPE",
     "quads: y: ue8m0x4 is passed as int32 [M, cdiv(K, 4)]"),
    # ---- alignment ----
    ("a bf16 at an odd address", cast(x=X + ":off=1"), "ALIGN", r"cast: x: its address 0x\w+ is no multiple of 2"),
    ("an f32 at half", cast(sf=SF + ":plus=2"), "ALIGN", r"cast: sf: its address 0x\w+ is no multiple of 4"),
    # ---- overlap ----
    ("output on input", ("scale", "float32:64", "float32:64:at=0+128", "f=1"), "OVERLAP",
     r"scale: y: its bytes 0x\w+ to 0x\w+ overlap those of x, 0x\w+ to 0x\w+"),
    ("two outputs", cast(sf="float32:4x2:at=1+16"), "OVERLAP",
     r"cast: y: its bytes 0x\w+ to 0x\w+ overlap those of sf, 0x\w+ to 0x\w+"),
    ("one memory without alias", ("add_all", *table("float32:4x4"), "float32:4x4:at=0+0"), "OVERLAP",
     r"add_all: y: its bytes 0x\w+ to 0x\w+ overlap those of xs, 0x\w+ to 0x\w+"),
    # ---- values ----
    ("a scalar that divides by 0", pick(step="i=0"), "VALUE", "pick: N % step == 0: division by zero"),
    ("where of a scalar", pick(step="i=3"), "VALUE",
     "pick: N % step == 0 does not hold: N is 8 (from x)"),
    ("where beyond 64 bits", ("product", "float32:4", "float32:4", "i=4611686018427387904"), "VALUE",
     "product: N * s * s >= 0: exceeds 64 bits"),
    ("more blocks than a grid has", ("cube", "int32:65536x65536x1:at=0+4096", "int32:1x65536x65536:at=0+1099511627776"),
     "VALUE", "cube: tk_cube: 4294967296 blocks are too many"),
    ("a bool", cast(exact="i=2"), "VALUE", "cast: exact is 2, and goes from 0 to 1"),
    ("an enum", pick(R="i=3"), "VALUE", "pick: R is 3, and goes from 0 to 2"),
    ("a negative enum", pick(R="i=-1"), "VALUE", "pick: R is -1, and goes from 0 to 2"),
    ("too many entries", ("add_all", "[", "float32:1x4", "]481", "float32:1x4"), "TABLE",
     "add_all: xs: 481 entries; a call has at most 480"),
    ("too many entries together", ("add_two", "[", "float32:1x4", "]x300", "[", "float32:1x4", "]x300", "float32:1x4"),
     "TABLE", "add_two: zs: all tables of a call have at most 480 entries"),
    ("a negative number of entries", ("add_all", "[", "float32:1x4", "]-1", "float32:1x4"), "TABLE",
     "add_all: xs: -1 entries; a call has at most 480"),
    # ---- variants ----
    ("a value that is not built", cast(G="i=256", sf="float32:4x1"), "NO_VARIANT",
     "cast: no variant for T=bf16 O=e4m3 G=256 exact=false sf=row was built; add to `instances "
     "cast`: G: { 256 };"),
    ("two values", cast(x="float16:4x256", G="i=32", sf="float32:4x8"), "NO_VARIANT",
     "cast: no variant for T=f16 O=e4m3 G=32 exact=false sf=row was built; add to `instances "
     "cast`: T: { f16 };  G: { 32 };"),
    ("a combination", cast(G="i=64", sf="float32:4x4"), "NO_VARIANT",
     "cast: no variant for T=bf16 O=e4m3 G=64 exact=false sf=row was built: `where`, of the kernel or "
     "of its instances, does not hold for it"),
    ("a member", pick(R="i=2"), "NO_VARIANT",
     "pick: no variant for R=rounding.down w=row was built; add to `instances pick`: "
     "R: { rounding.down };"),
    ("a dim that is listed", ("fixed", "float32:3x9", "float32:3x13", "i=4"), "NO_VARIANT",
     "fixed: no variant for D=9 E=4 was built; add to `instances fixed`: D: { 9 };"),
    ("a dim that is an argument", ("fixed", "float32:3x8", "float32:3x13", "i=5"), "NO_VARIANT",
     "fixed: no variant for D=8 E=5 was built; add to `instances fixed`: E: { 5 };"),
    ("constants that do not add up", ("fixed", "float32:3x8", "float32:3x13", "i=4"), "SHAPE",
     "fixed: y: axis 1 is 13, not 12"),
    ("an extent", ("sums", "float32:9x33", "float32:33", "float32:33"), "NO_VARIANT",
     "sums: no variant for D=33 was built; add to `instances sums`: D: { 33 };"),
]


@pytest.mark.parametrize("words, status, message", [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad(call, words, status, message):
    done = call(*words)
    text = done.one("call")
    assert text.startswith(f"TILE_ERR_{status} ")
    if message:
        message = message if r"\w" in message else re.escape(message)
        assert re.fullmatch(f"TILE_ERR_{status} {message}", text), text
    assert done.calls("launch") == [] and done.calls("compile") == []
    assert "0 modules, 0 allocations" in done.log[-1]


# ---- scratch ----

def scratch(driver, cases, bytes_):
    return driver("library", cases / "libcases.so", "context", 0, "need", "sums", *SUMS.values(), "end",
                  "scratch", bytes_, "call", "sums", *SUMS.values(), "end", "free")


def test_scratch_that_is_missing(driver, cases):
    done = scratch(driver, cases, 0)
    need = int(done.one("need").split()[1])
    assert done.one("call") == f"TILE_ERR_NULL sums: the scratch is null; it needs {need} bytes"
    assert done.calls("launch") == []


def test_scratch_that_is_too_small(driver, cases):
    need = int(scratch(driver, cases, 0).one("need").split()[1])
    done = scratch(driver, cases, need - 1)
    assert done.one("call") == (
        f"TILE_ERR_SCRATCH sums: the scratch has {need - 1} bytes, it needs {need}")
    assert done.calls("launch") == []
    assert scratch(driver, cases, need).one("call") == "TILE_OK"


def test_scratch_that_is_not_aligned(driver, cases):
    done = scratch(driver, cases, f"{1 << 20}+64")
    assert re.fullmatch(r"TILE_ERR_ALIGN sums: the scratch is at 0x\w+40, which is no multiple of 256",
                        done.one("call"))
    assert done.calls("launch") == []


def test_scratch_grows_with_the_gpu(driver, cases):
    """P x D floats behind the barrier; the fake GPU holds 132 x 2048 / 128 blocks."""
    need = int(scratch(driver, cases, 0).one("need").split()[1])
    assert need == 256 + 132 * 16 * 32 * 4


# ---- GPU and driver ----

def test_no_driver(call):
    done = call(*cast(), context=0, TILE_CUDA_DRIVER="/nowhere/libcuda.so.1", first=())
    assert done.one("context").startswith("TILE_ERR_NO_DRIVER no CUDA driver: /nowhere/libcuda.so.1")
    assert done.one("call") == "TILE_ERR_NULL cast: the context is null"


def test_no_gpu(call):
    done = call(*cast(), FAKE_FAIL="cuInit=100")
    assert done.one("context").startswith("TILE_ERR_NO_GPU the CUDA driver did not start: ")
    assert done.one("call") == "TILE_ERR_NULL cast: the context is null"


def test_an_old_gpu(call):
    done = call(*cast(), FAKE_CAPABILITY=80)
    assert done.one("context").startswith("TILE_ERR_ARCH GPU 0 (Fake 0) has compute capability 8.0;")


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """Built for sm90 alone."""
    folder = tmp_path_factory.mktemp("narrow")
    build_library(folder, "narrow", CASES, arch="sm90")
    return folder / "libnarrow.so"


def test_a_gpu_that_it_was_not_built_for(driver, narrow):
    done = driver("library", narrow, "context", 0, "call", *cast(), "end", "free",
                  FAKE_CAPABILITY=100)
    assert done.one("call") == ("TILE_ERR_ARCH cast: was built for sm90; GPU 0 (Fake 0) is sm100: "
                                "build it with --arch sm90,sm100")
    assert done.calls("cuModuleLoadData") == []


def test_a_cpu_that_it_was_not_built_for(driver, narrow):
    done = driver("library", narrow, "context", "cpu", "call", *cast(), "end", "free")
    assert done.one("call") == (
        "TILE_ERR_ARCH cast: was not built for the CPU: build it with --arch cpu")


def test_a_tensor_of_the_gpu_on_the_cpu(call):
    done = call(*cast(x=X + ":dev=cuda"), context="cpu")
    assert done.one("call") == "TILE_ERR_DEVICE cast: x: is on GPU 0, the context is of the CPU"


@pytest.mark.parametrize("fail, status, message", [
    ("cuModuleLoadData=200", "MODULE", "loading "), ("cuModuleLoadData=209", "ARCH", "loading "),
    ("cuModuleLoadData=2", "MEMORY", "loading "),
    ("cuModuleGetFunction=500", "TABLE", "taking kernel tk_cast"),
    ("cuFuncSetAttribute=1", "TABLE", "taking kernel tk_cast"),
    ("cuLaunchKernelEx=700", "LAUNCH", "launching kernel tk_cast"),
    ("cuLaunchKernelEx=701", "OCCUPANCY", "launching kernel tk_cast")])
def test_the_driver_may_fail(call, fail, status, message):
    done = call(*cast(), FAKE_FAIL=fail)
    assert done.one("call").startswith(f"TILE_ERR_{status} {message}")
    assert "0 modules, 0 allocations" in done.log[-1]


def test_a_grid_that_never_fits(driver, cases):
    tensors = ["float32:9000"] * 3
    done = driver("library", cases / "libcases.so", "context", 0, "scratch", 4096, "call", "meet", *tensors,
                  "end", "free")
    assert done.one("call") == ("TILE_ERR_OCCUPANCY meet: tk_meet: 3000 blocks must be resident together, "
                                "Fake 0 holds 2112")
    assert done.calls("launch") == []


def test_a_grid_that_does_not_fit(call, driver, cases):
    """The phase with grid_sync needs P blocks at once; P is what the GPU holds."""
    done = driver("library", cases / "libcases.so", "context", 0, "need", "sums", *SUMS.values(),
                  "end", "free", FAKE_FAIL="cuOccupancyMaxActiveBlocksPerMultiprocessor=1")
    assert done.one("need").startswith("TILE_ERR_OCCUPANCY asking how many blocks of kernel tk_sums_")


# ---- CUDA text that is compiled at the first call ----

@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Built where there is neither NVRTC nor nvcc."""
    folder = tmp_path_factory.mktemp("text")
    done = build_library(folder, "text", CASES, arch="sm90", TILE_NVRTC="/nowhere/x", TILE_NVCC="")
    assert done.stderr == ("tilec: neither NVRTC nor nvcc is here: libtext has CUDA text, which is "
                           "compiled at the first call\n")
    return folder / "libtext.so"


def run_text(driver, text, *, context=0, **options):
    return driver("library", text, "context", context, "call", *cast(), "end", "free", **options)


def test_compiled_at_the_first_call(driver, text):
    first, second = run_text(driver, text), run_text(driver, text)
    assert first.one("call") == second.one("call") == "TILE_OK"
    assert len(first.calls("compile")) == 1 and second.calls("compile") == []
    assert len(first.calls("launch")) == len(second.calls("launch")) == 1


def test_nvrtc_is_missing(driver, text):
    done = run_text(driver, text, TILE_NVRTC="/nowhere/libnvrtc.so")
    assert done.one("call").startswith("TILE_ERR_NVRTC no NVRTC: /nowhere/libnvrtc.so: ")
    assert done.calls("launch") == []


def test_nvrtc_refuses(driver, text):
    done = run_text(driver, text, FAKE_FAIL="nvrtcCompileProgram=6")
    assert done.one("call").startswith("TILE_ERR_COMPILE compiling cast.bf16_e4m3_128_false.sm90.cu:")
    assert done.calls("launch") == []


def obey_modes():
    """Before a program starts: root may not ignore the modes of files either."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def test_the_cache_is_full(driver, text, tmp_path):
    """No file may be larger than some bytes: the entry is not kept, the call goes on."""
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))
    done = run_text(driver, text, before=limit, FAKE_LOG=None, TILE_VERBOSE=1)
    assert done.one("call") == "TILE_OK"
    assert "compiled kernels are not kept on disk" in done.errors
    assert list((tmp_path / "cache").glob("*.cubin*")) == []


def test_the_cache_is_read_only(driver, text, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o500)
    if subprocess.run(["touch", cache / "probe"], preexec_fn=obey_modes, capture_output=True).returncode == 0:
        pytest.skip("this user can write anywhere")
    done = run_text(driver, text, before=obey_modes, TILE_VERBOSE=1)
    assert done.one("call") == "TILE_OK" and len(done.calls("launch")) == 1
    assert f"compiled kernels are not kept on disk: {cache}" in done.errors and "Permission denied" in done.errors


def test_the_cache_is_no_folder(driver, text, tmp_path):
    (tmp_path / "cache").write_text("x")
    done = run_text(driver, text, TILE_VERBOSE=1)
    assert done.one("call") == "TILE_OK" and "not kept on disk" in done.errors


def test_a_damaged_cache_is_rebuilt(driver, text, tmp_path):
    run_text(driver, text)
    entry, = (tmp_path / "cache").glob("*.cubin")
    good = entry.read_bytes()
    for bad in (good[:-1], good[:40], b"", good[:100] + b"?" + good[101:]):
        entry.write_bytes(bad)
        done = run_text(driver, text)
        assert done.one("call") == "TILE_OK" and len(done.calls("compile")) == 1
        assert entry.read_bytes() == good


def test_two_processes_fill_the_cache_at_once(text, tmp_path):
    env = clean_environment(TILE_CACHE_DIR=tmp_path / "cache", FAKE_SLOW=200)
    words = [BUILD / "tests" / "call_driver", "library", text, "context", "0", "call", *cast(), "end",
             "free"]
    both = [subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert all("call: TILE_OK" in p.communicate()[0] for p in both)
    assert len(list((tmp_path / "cache").glob("*.cubin"))) == 1
    assert [e for e in (tmp_path / "cache").iterdir() if e.suffix not in (".cubin", ".nvrtc")] == []


def test_there_are_enough_cases():
    assert len(BAD) >= 60
