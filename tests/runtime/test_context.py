"""Finding the driver and the GPU, messages, and the GPU's memory."""
import re

import pytest


def test_a_gpu(runtime):
    done = runtime("context", 0, "free")
    assert done.one("context") == ("TILE_OK Fake 0 sm90 9.0 multiprocessors=132 shared=232448 "
                                   f"l2={50 << 20}")
    assert done.log == ["cuInit 0", "left: 0 contexts, 0 modules, 0 allocations, 0 events, "
                        "0 programs"]


def test_the_second_gpu(runtime):
    assert " Fake 1 sm90" in runtime("context", 1, "free", FAKE_GPUS=2).one("context")


def test_sm100(runtime):
    assert " sm100 10.0 " in runtime("context", 0, "free", FAKE_CAPABILITY=100).one("context")


@pytest.mark.parametrize("capability", [80, 86, 89, 91, 103, 120])
def test_another_architecture(runtime, capability):
    text = runtime("context", 0, FAKE_CAPABILITY=capability).one("context")
    assert text == (f"TILE_ERR_ARCH GPU 0 (Fake 0) has compute capability {capability // 10}."
                    f"{capability % 10}; 9.0 (sm90) or 10.0 (sm100) is needed")


def test_no_driver_anywhere(runtime):
    """Where there is one, this shows nothing but that nothing breaks."""
    text = runtime("context", 0, TILE_CUDA_DRIVER=None).one("context")
    if text.startswith("TILE_ERR_NO_DRIVER no CUDA driver"):
        assert "libcuda.so.1" in text and "libcuda.so:" in text
        assert text.endswith("(TILE_CUDA_DRIVER may name the file)")


def test_no_driver_at_a_path(runtime):
    text = runtime("context", 0, TILE_CUDA_DRIVER="/nowhere/libcuda.so.1").one("context")
    assert text.startswith("TILE_ERR_NO_DRIVER no CUDA driver: /nowhere/libcuda.so.1: ")
    assert text.endswith("(named by TILE_CUDA_DRIVER)")


def test_a_library_that_is_no_driver(runtime):
    assert runtime("context", 0, TILE_CUDA_DRIVER="libm.so.6").one("context") == (
        "TILE_ERR_NO_DRIVER libm.so.6 is no CUDA driver of CUDA 12 or later: it has no cuInit")


def test_the_answer_is_the_same_twice(runtime):
    done = runtime("context", 0, "context", 0, TILE_CUDA_DRIVER="/nowhere/x")
    first, second = done.of("context")
    assert first == second and first.startswith("TILE_ERR_NO_DRIVER")


def test_no_gpu(runtime):
    assert runtime("context", 0, FAKE_FAIL="cuInit=100").one("context") == (
        "TILE_ERR_NO_GPU the CUDA driver did not start: CUDA_ERROR_NO_DEVICE "
        "(100: as the test asked)")


def test_a_driver_that_does_not_start(runtime):
    text = runtime("context", 0, FAKE_FAIL="cuInit=999").one("context")
    assert text.startswith("TILE_ERR_NO_DRIVER the CUDA driver did not start: CUDA error (999: ")


@pytest.mark.parametrize("device, count", [(1, 1), (0, 0), (-1, 1), (7, 2)])
def test_no_such_gpu(runtime, device, count):
    assert runtime("context", device, FAKE_GPUS=count).one("context") == (
        f"TILE_ERR_NO_GPU GPU {device} was asked for; the CUDA driver sees {count}")


@pytest.mark.parametrize("call, code, status", [
    ("cuDeviceGetCount", 3, "TILE_ERR_NO_GPU"), ("cuDeviceGet", 101, "TILE_ERR_NO_GPU"),
    ("cuDeviceGetName", 1, "TILE_ERR_NO_GPU"), ("cuDeviceGetAttribute", 1, "TILE_ERR_NO_GPU"),
    ("cuDevicePrimaryCtxRetain", 2, "TILE_ERR_MEMORY")])
def test_each_step_may_fail(runtime, call, code, status):
    done = runtime("context", 0, FAKE_FAIL=f"{call}={code}")
    assert done.one("context").startswith(status + " ")
    assert f"({code}: " in done.one("context")
    assert done.calls("left:")[0].startswith("left: 0 contexts")


def test_the_first_message_is_kept_until_read(runtime):
    done = runtime("context", 0, "keep", "cubin", "-", "memory", 1 << 50, "message", "memory",
                   1 << 50, "message", "message", "free")
    first, second, third = done.of("message")
    assert first.startswith("loading 8 bytes of code")
    assert second == f"allocating {1 << 50} bytes on GPU 0: CUDA_ERROR_OUT_OF_MEMORY (2: as the test asked)"
    assert third == second


def test_each_thread_has_its_own_message(runtime):
    done = runtime("keep", "context", 5, "others", 6, "message")
    assert done.one("others") == "GPU 6 was asked for; the CUDA driver sees 1"
    assert done.one("message") == "GPU 5 was asked for; the CUDA driver sees 1"


def test_no_message(runtime):
    assert runtime("context", 0, "message", "free").one("message") == ""


def test_null_context(runtime, source):
    done = runtime("module", source(), "function", "add", 0, "launch", "1,1,1", "1,1,1", "0,0,0",
                   0, "-", 0, "memory", 3, "timer", "free")
    assert [text for _, text in done.lines[:5]] == [
        "TILE_ERR_NULL tile_module_compile: the context is null",
        "TILE_ERR_NULL tile_module_function: the module is null",
        "TILE_ERR_NULL the context is null", "TILE_ERR_NULL the context is null",
        "TILE_ERR_NULL the context is null"]
    assert done.calls("compile") == []


def test_memory(runtime):
    done = runtime("context", 0, "memory", 1000, "memory", 0, "free")
    assert done.of("memory") == ["TILE_OK allocated", "TILE_OK nothing"]
    assert done.of("download") == ["TILE_OK 7 1", "TILE_OK 0 1"]
    assert set(done.of("fill") + done.of("upload") + done.of("release")) == {"TILE_OK"}
    assert "0 allocations" in done.log[-1]


def test_out_of_memory(runtime):
    text = runtime("context", 0, "memory", 1 << 41, "free").one("memory")
    assert text.startswith(f"TILE_ERR_MEMORY allocating {1 << 41} bytes on GPU 0: CUDA_ERROR_OUT")


@pytest.mark.parametrize("call, word, status", [
    ("cuMemcpyHtoD_v2", "upload", "TILE_ERR_COPY copying to the GPU 9 bytes"),
    ("cuMemcpyDtoH_v2", "download", "TILE_ERR_COPY copying from the GPU 9 bytes"),
    ("cuMemsetD8_v2", "fill", "TILE_ERR_COPY filling 9 bytes"),
    ("cuCtxPushCurrent_v2", "memory", "TILE_ERR_NO_GPU making GPU 0 current")])
def test_memory_may_fail(runtime, call, word, status):
    done = runtime("context", 0, "memory", 9, "free", FAKE_FAIL=f"{call}=700")
    assert done.one(word).startswith(status)
    assert "CUDA_ERROR_ILLEGAL_ADDRESS (700: " in done.one(word)


def test_tensor_map(runtime):
    done = runtime("context", 0, "map", 3, 3, "map", 2, 2, "map", 6, 0, "map", 1, 1, "free")
    too_wide = "a tensor map for 0x1000: the box's inner dim is longer than the swizzle"
    assert done.of("map") == ["TILE_OK", f"TILE_ERR_VALUE {too_wide}",
                              "TILE_ERR_VALUE a tensor map for 0x1000: the rank is not in 1 to 5",
                              f"TILE_ERR_VALUE {too_wide}"]
    at = done.log.index("cuTensorMapEncodeTiled type=9 rank=3 at=0x1000 swizzle=3 promotion=2 fill=0 "
                        "interleave=0")
    assert done.log[at + 1:at + 4] == ["dim 0: extent=1000 stride=0 box=64 step=1",
                                       "dim 1: extent=300 stride=2048 box=32 step=1",
                                       "dim 2: extent=7 stride=65536 box=1 step=1"]


def test_a_tensor_map_may_fail(runtime):
    done = runtime("context", 0, "map", 2, 3, "free", FAKE_FAIL="cuTensorMapEncodeTiled=1")
    assert done.one("map").startswith("TILE_ERR_VALUE making a tensor map of rank 2 for 0x1000: CUDA")


def test_timer(runtime):
    done = runtime("context", 0, "timer", "free")
    assert done.one("timer") == "TILE_OK 0.0025" and "0 events" in done.log[-1]


@pytest.mark.parametrize("call", ["cuEventCreate", "cuEventRecord", "cuEventSynchronize",
                                  "cuEventElapsedTime"])
def test_a_timer_may_fail(runtime, call):
    done = runtime("context", 0, "timer", "free", FAKE_FAIL=f"{call}=1")
    assert done.one("timer").startswith("TILE_ERR_LAUNCH ") and "0 events" in done.log[-1]


def test_every_status_has_a_meaning(repository):
    header = (repository / "runtime" / "tile.h").read_text()
    rows = re.findall(r'X\((TILE_\w+), "([^"]+)"\)', header)
    used = set()
    for path in (repository / "runtime").glob("*.c"):
        used |= set(re.findall(r"\bTILE_(?:OK|ERR_\w+)", path.read_text()))
    assert len(rows) == len({meaning for _, meaning in rows}) and used <= {n for n, _ in rows}
