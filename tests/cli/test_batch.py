"""tilec run --batch, --fill, --pitch and --offset. The GPU is a fake: it moves memory, runs nothing."""
import os

import numpy as np
import pytest

PITCHED = """\
kernel touch[N: dim, D: dim](x: inout f32[N, D] @ stride(any, 1), n: in i32[D])
{
  par (i in 0..N) { x[i, 0] = f32(n[0]); }
}
kernel dense[N: dim, D: dim](x: inout f32[N, D], n: in i32[D])
{
  par (i in 0..N) { x[i, 0] = f32(n[0]); }
}
"""


@pytest.fixture
def fake(shell, repository, tmp_path):
    library = repository / os.environ.get("TILE_BUILD", "build") / "tests" / "libfake_cuda.so"
    shell.path("pitched.tile").write_text(PITCHED)
    shell.save("n.npy", np.zeros(5, "i4"))
    shell.save("x.npy", np.arange(15, dtype="f4").reshape(3, 5))
    return os.environ | {"TILE_CUDA_DRIVER": str(library), "TILE_NVRTC": str(library),
            "TILE_CACHE_DIR": str(tmp_path / "cache"), "FAKE_LOG": str(tmp_path / "log"),
            "FAKE_ARGS": "32"}


def words(kernel="touch", more=""):
    return f"run pitched.tile {kernel} --device cuda -i x=x.npy -i n=n.npy -o x=y.npy {more}"


@pytest.mark.parametrize("more", ["", "--pitch x=8", "--offset x=3", "--pitch x=7 --offset x=1"])
def test_rows_come_back(shell, fake, more):
    shell.ok(words(more=more), env=fake)
    assert shell.load("y.npy").tolist() == shell.load("x.npy").tolist()


def test_strides_and_offsets_reach_the_kernel(shell, fake):
    """The args struct: the pointer to x, N, D, the stride of x's rows, .."""
    shell.ok(words(more="--pitch x=8 --offset x=3"), env=fake)
    logged = next(line for line in shell.path("log").read_text().splitlines() if line.startswith("args"))
    pointer, rows, columns, stride = np.frombuffer(bytes.fromhex(logged.split()[1])[:32], "<i8")
    assert (rows, columns, stride) == (3, 5, 8) and pointer % 16 == 12


@pytest.mark.parametrize("command, text", [
    (words("dense", "--pitch x=8"), "stride"),
    (words(more="--pitch x=4"), "--pitch x: rows of 5 elements need as many"),
    (words(more="--pitch x=no"), "--pitch x=no: a number of elements is expected"),
    (words(more="--pitch n=8"), "--pitch n: it has no rows"),
    (words(more="--pitch z=8"), "--pitch z: touch has no such tensor"),
])
def test_wrong_places(shell, fake, command, text):
    shell.fails(command, text, env=fake)


def test_usage(shell):
    shell.fails("run scale.tile -s a=2 --pitch x=8", "--pitch and --offset need --device cuda", code=2)
    shell.fails("run scale.tile --fill 256", "--fill 256: an integer from 0 to 255", code=2)


def test_fill(shell):
    shell.save("n.npy", np.array([7], "i4"))
    shell.ok("run partial.tile evens -s N=4 -i n=n.npy -o y=y.npy --fill 1")
    assert shell.load("y.npy").tolist() == [7, 0x01010101, 7, 0x01010101]


def test_batch(shell):
    shell.save("x.npy", np.ones(3, "f4"))
    shell.path("runs").write_text(
        "# two that work, one that does not\n"
        "scale.tile scale -s a=2 -i x=x.npy -o y=two.npy\n\n"
        "scale.tile scale -i x=x.npy -o y=none.npy\n"
        "scale.tile scale -s a=3 -i x=x.npy -o y=three.npy")
    done = shell("run --batch runs")
    assert done.returncode == 1
    assert [line[:line.index(", 0")] for line in done.stdout.splitlines()] == [
        "batch: line 2, code 0", "batch: line 4, code 1", "batch: line 5, code 0"]
    assert "scalar a is not given" in done.stderr
    assert shell.load("two.npy").tolist() == [2, 2, 2] and shell.load("three.npy").tolist() == [3, 3, 3]


def test_batch_stops_where_the_gpu_fails(shell, fake):
    shell.path("runs").write_text((words()[4:] + "\n") * 2)
    done = shell("run --batch runs", env=fake | {"FAKE_FAIL": "cuLaunchKernelEx=719"})
    assert done.returncode == 1 and done.stdout.count("batch:") == 1
    done = shell("run --batch runs", env=fake)
    assert done.returncode == 0 and done.stdout.count("code 0") == 2


def test_time(shell, fake):
    out = shell.ok(words(more="--time 5"), env=fake)
    for text in "touch on ", " us, least ", " TB/s; a copy of as many bytes ", "; an empty kernel ":
        assert text in out


def test_no_such_batch(shell):
    shell.fails("run --batch nothing", "nothing: No such file")
