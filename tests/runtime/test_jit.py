"""From CUDA text to machine code: NVRTC, the disk cache, and what its entries are named by."""
import ctypes
import os
import resource
import shutil
import signal
import subprocess

import pytest

FLAGS = "--fmad=false --std=c++17 --generate-line-info --no-source-include"


def entries(cache, kind="cubin"):
    return sorted(cache.glob("*." + kind))


def test_flags_and_headers(runtime, source, repository):
    done = runtime("compile", source(), "sm90", "compile", source("b.cu"), "sm100")
    assert [text.split(" bytes")[1] for text in done.of("compile")] == ["", ""]
    assert done.calls("compile") == [f"compile add.cu {FLAGS} --gpu-architecture=sm_90a",
                                     f"compile b.cu {FLAGS} --gpu-architecture=sm_100a"]
    sizes = {call.split()[1]: int(call.split()[2]) for call in done.calls("header")}
    headers = [repository / "runtime" / "numerics" / f"{n}.h" for n in ("bits", "math", "convert")]
    headers += (repository / "runtime" / "device").glob("*.h")
    assert sizes == {str(h.relative_to(repository)): h.stat().st_size for h in headers}
    assert done.calls("cuInit") == []


def test_embedded_text_is_the_file_s(repository, tmp_path):
    """Also with what C would take for something else."""
    odd = b'"quoted" \\ back\\\\slash ??= ??/ %d \\n end\n\n#define X "a\\"b"  // tab\there\n'
    (tmp_path / "odd.h").write_bytes(odd)
    text = subprocess.run(["sh", repository / "runtime" / "embed.sh", "odd.h"], cwd=tmp_path,
                          capture_output=True, check=True, text=True).stdout
    program = text.replace('#include "runtime/runtime.h"', """
        #include <stdio.h>
        typedef struct TextFile { const char *name, *text; } TextFile;""")
    program += "int main(void) { return fputs(tile__device_headers[0].text, stdout) < 0; }\n"
    subprocess.run([os.environ.get("TILE_CC", "gcc"), "-std=c11", "-x", "c", "-", "-o", "show"],
                   cwd=tmp_path, input=program, text=True, check=True)
    assert subprocess.run([tmp_path / "show"], capture_output=True).stdout == odd


def test_nvrtc_is_missing(runtime, source):
    text = runtime("compile", source(), "sm90", TILE_NVRTC="/nowhere/libnvrtc.so").one("compile")
    assert text.startswith("TILE_ERR_NVRTC no NVRTC: /nowhere/libnvrtc.so: ")
    assert text.endswith("(named by TILE_NVRTC)")


def test_a_library_that_is_not_nvrtc(runtime, source):
    text = runtime("compile", source(), "sm90", TILE_NVRTC="libm.so.6").one("compile")
    assert text == ("TILE_ERR_NVRTC libm.so.6 is no NVRTC of CUDA 12 or later: it has no "
                    "nvrtcVersion")


def test_a_refused_source(runtime, source, cache):
    bad = source("bad.cu", "int a;\nint b;\n#error no such thing\n")
    done = runtime("compile", bad, "sm90")
    assert done.one("compile") == ("TILE_ERR_COMPILE compiling bad.cu: NVRTC_ERROR_COMPILATION")
    assert "\nbad.cu(3): #error no such thing\n" in done.text
    assert entries(cache) == [] and "0 programs" in done.log[-1]


def test_a_refused_source_through_a_context(runtime, source):
    done = runtime("context", 0, "module", source("bad.cu", "#error here\n"), "free")
    assert done.one("module").startswith("TILE_ERR_COMPILE compiling bad.cu: ")
    assert "\nbad.cu(1): #error here" in done.text


def test_a_long_log_is_cut_visibly(runtime, source):
    done = runtime("compile", source("bad.cu", "#error " + "x" * 9000), "sm90")
    assert done.text.rstrip().endswith("xxx...") and len(done.text) < 5000


def test_verbose_gives_the_whole_log(runtime, source):
    done = runtime("compile", source("bad.cu", "#error " + "x" * 9000), "sm90", TILE_VERBOSE=1)
    assert "x" * 9000 in done.errors


@pytest.mark.parametrize("call, code, status", [
    ("nvrtcCreateProgram", 1, "TILE_ERR_MEMORY"), ("nvrtcCompileProgram", 5, "TILE_ERR_NVRTC"),
    ("nvrtcCompileProgram", 1, "TILE_ERR_MEMORY"), ("nvrtcGetCUBIN", 2, "TILE_ERR_MEMORY")])
def test_nvrtc_may_fail(runtime, source, cache, call, code, status):
    done = runtime("compile", source(), "sm90", FAKE_FAIL=f"{call}={code}")
    assert done.one("compile").startswith(status + " compiling add.cu: ")
    assert entries(cache) == [] and "0 programs" in done.log[-1]


def test_no_such_target(runtime, source):
    text = runtime("compile", source(), "sm80").one("compile")
    assert text == "TILE_ERR_ARCH add.cu: there is no target 2"


# ---- the disk cache ----

def test_a_second_process_compiles_nothing(runtime, source, cache):
    path = source()
    first, second = runtime("compile", path, "sm90"), runtime("compile", path, "sm90")
    assert second.one("compile") == first.one("compile") + " from the cache"
    assert len(first.calls("compile")) == 1 and second.calls("compile") == []
    assert len(entries(cache)) == 1


def test_from_the_cache_nvrtc_is_not_loaded(runtime, source, fake, tmp_path):
    """Its library loads only if something is to be compiled: the fake logs its own end."""
    path = source()
    runtime("compile", path, "sm90")
    assert runtime("compile", path, "sm90").log == []


def test_a_hit_gives_the_same_bytes(runtime, source, cache):
    """The entry is the machine code with a trailer of 88 bytes."""
    done = runtime("compile", source(), "sm90")
    data = entries(cache)[0].read_bytes()
    size = int(done.one("compile").split()[1])
    assert len(data) == size + 88 and data[size:size + 8] == b"TILECUBE"
    assert data[:6] == b"\x7fFAKE\n" and int.from_bytes(data[size + 16:size + 24], "little") == size
    assert data[size + 24:size + 56].hex() == entries(cache)[0].stem


def test_checksum_is_sha256(runtime, source, cache):
    import hashlib
    for length in (1, 55, 56, 63, 64, 65, 1000, 70000):
        shutil.rmtree(cache, ignore_errors=True)
        runtime("compile", source(text="x" * length), "sm90")
        data = entries(cache)[0].read_bytes()
        assert hashlib.sha256(data[:-32]).digest() == data[-32:]


def test_permissions(runtime, source, cache):
    runtime("compile", source(), "sm90", before=lambda: os.umask(0))
    assert cache.stat().st_mode & 0o777 == 0o700
    assert {e.stat().st_mode & 0o777 for e in cache.iterdir()} == {0o600}


@pytest.mark.parametrize("variables, where", [
    ({"TILE_CACHE_DIR": None, "XDG_CACHE_HOME": "{}/xdg"}, "xdg/tilec"),
    ({"TILE_CACHE_DIR": "", "XDG_CACHE_HOME": None, "HOME": "{}/home"}, "home/.cache/tilec"),
    ({"TILE_CACHE_DIR": None, "XDG_CACHE_HOME": "relative", "HOME": "{}/h"}, "h/.cache/tilec"),
    ({"TILE_CACHE_DIR": "{}/a/b/c"}, "a/b/c")])
def test_where_it_is(runtime, source, tmp_path, variables, where):
    variables = {k: v and v.format(tmp_path) for k, v in variables.items()}
    runtime("compile", source(), "sm90", **variables)
    assert len(entries(tmp_path / where)) == 1


DAMAGES = {
    "empty": lambda data: b"",
    "truncated code": lambda data: data[:20],
    "truncated trailer": lambda data: data[:-1],
    "longer": lambda data: data + b"x",
    "a bit of the code": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "a bit of the trailer": lambda data: data[:-40] + bytes([data[-40] ^ 1]) + data[-39:],
    "another format": lambda data: data[:-80] + b"\2" + data[-79:],
    "zeros": lambda data: bytes(len(data)),
    "trailer alone": lambda data: data[-88:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_made_anew(runtime, source, cache, damage):
    path = source()
    first = runtime("compile", path, "sm90")
    entry = entries(cache)[0]
    whole = entry.read_bytes()
    entry.write_bytes(DAMAGES[damage](whole))
    second = runtime("compile", path, "sm90")
    assert second.one("compile") == first.one("compile") and len(second.calls("compile")) == 1
    assert entry.read_bytes() == whole
    assert runtime("compile", path, "sm90").calls("compile") == []


def test_an_entry_under_another_s_name(runtime, source, cache):
    runtime("compile", source(), "sm90")
    other = source("other.cu", "void other();")
    mine = entries(cache)[0]
    runtime("compile", other, "sm90")
    theirs = next(e for e in entries(cache) if e != mine)
    shutil.copy(mine, theirs)
    assert len(runtime("compile", other, "sm90").calls("compile")) == 1


@pytest.mark.parametrize("kind", ["directory", "link", "pipe"])
def test_an_entry_that_is_no_file(runtime, source, cache, tmp_path, kind):
    path = source()
    runtime("compile", path, "sm90")
    entry = entries(cache)[0]
    entry.rename(tmp_path / "kept")
    if kind == "directory":
        entry.mkdir()
    elif kind == "link":
        entry.symlink_to(tmp_path / "kept")
    else:
        os.mkfifo(entry)
    assert len(runtime("compile", path, "sm90").calls("compile")) == 1


def test_everything_is_in_the_key(runtime, source, cache, fake):
    """Text, name, target, options, NVRTC's version; an update shows in its library's size."""
    path = source()
    runtime("compile", path, "sm90")

    def update(**variables):
        with open(fake, "ab") as file:
            file.write(bytes(not variables))
        os.utime(fake, (1, 1))
        runtime("compile", path, "sm90", **variables)
    for change in (lambda: runtime("compile", path, "sm100"),
                   lambda: runtime("compile", source("b.cu"), "sm90"),
                   lambda: runtime("compile", source(text="void changed();"), "sm90"),
                   lambda: runtime("compile", path, "sm90", NVRTC_OPTION="-G"),
                   lambda: update(FAKE_NVRTC=12), lambda: update()):
        before = len(entries(cache))
        change()
        assert len(entries(cache)) == before + 1


def test_header_text_is_in_the_key(repository, environment, source, tmp_path):
    """The same runtime with another header: built from its sources, but for the embedded text."""
    compiler = [os.environ.get("TILE_CC", "gcc"), "-std=c11", "-D_POSIX_C_SOURCE=200809L",
                "-pthread", f"-I{repository}"]
    fake, numerics = tmp_path / "fake.so", tmp_path / "runtime" / "numerics"
    numerics.mkdir(parents=True)
    subprocess.run([*compiler, "-fPIC", "-shared", repository / "tests/runtime/fake_cuda.c", "-o",
                    fake], check=True)
    names = set()
    for text in ("int one;\n", "int two;\n"):
        (numerics / "bits.h").write_text(text)
        embedded = subprocess.run(
            ["sh", repository / "runtime" / "embed.sh", "runtime/numerics/bits.h"], cwd=tmp_path,
            capture_output=True, check=True).stdout
        (tmp_path / "text.c").write_bytes(embedded)
        files = [*(repository / "runtime").glob("*.c"), tmp_path / "text.c",
                 repository / "tests" / "unit" / "runtime_driver.c"]
        subprocess.run([*compiler, *files, "-ldl", "-lm", "-o",
                        tmp_path / "driver"], check=True)
        subprocess.run([tmp_path / "driver", "compile", source(), "sm90"], check=True,
                       env=environment | {"TILE_NVRTC": str(fake)}, capture_output=True)
        names |= {e.name for e in entries(tmp_path / "cache")}
    assert len(names) == 2


def test_nvrtc_changes_behind_the_memory_of_it(runtime, source, cache, fake):
    """What is remembered names an old entry; before it compiles, NVRTC itself is asked."""
    path = source()
    runtime("compile", path, "sm90", FAKE_NVRTC=12)
    os.utime(fake, (5, 5))
    assert len(runtime("compile", path, "sm90").calls("compile")) == 1
    assert runtime("compile", path, "sm90").log == []
    assert len(entries(cache)) == 2 and len(entries(cache, "nvrtc")) == 1


@pytest.mark.parametrize("damage", ["empty", "zeros", "a bit of the code", "longer"])
def test_a_damaged_memory_of_nvrtc(runtime, source, cache, damage):
    path = source()
    runtime("compile", path, "sm90")
    memory = entries(cache, "nvrtc")[0]
    whole = memory.read_bytes()
    memory.write_bytes(DAMAGES[damage](whole))
    assert runtime("compile", path, "sm90").one("compile").endswith(" from the cache")
    assert memory.read_bytes() == whole


# ---- a cache that cannot be used ----

def warned(done, *parts):
    text = done.one("warning")
    assert text.startswith("compiled kernels are not kept on disk: ")
    assert all(part in text for part in parts), text


def test_no_directory_can_be_made(runtime, source, tmp_path):
    path, file = source(), source("file")
    done = runtime("warn", "compile", path, "sm90", "compile", path, "sm90",
                   TILE_CACHE_DIR=file / "cache")
    assert [text.split()[0] for text in done.of("compile")] == ["TILE_OK"] * 2
    warned(done, "Not a directory")


def test_warnings_are_for_those_who_ask(runtime, source):
    path = source()
    silent = runtime("compile", path, "sm90", TILE_CACHE_DIR=path / "x")
    loud = runtime("compile", path, "sm90", TILE_CACHE_DIR=path / "x", TILE_VERBOSE=1)
    assert silent.errors == ""
    assert loud.errors.startswith("tile: compiled kernels are not kept on disk: ")


def test_no_home(runtime, source):
    done = runtime("warn", "compile", source(), "sm90", TILE_CACHE_DIR=None, XDG_CACHE_HOME=None,
                   HOME=None)
    assert done.one("compile").startswith("TILE_OK")
    warned(done, "neither TILE_CACHE_DIR nor HOME")


def test_a_directory_for_everybody(runtime, source, cache):
    cache.mkdir()
    cache.chmod(0o777)
    done = runtime("warn", "compile", source(), "sm90")
    warned(done, str(cache), "every user can write there")
    assert done.one("compile").startswith("TILE_OK") and list(cache.iterdir()) == []


def test_a_full_disk(runtime, source, cache):
    """A limit on the size of files is met in the middle of the machine code."""
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    done = runtime("warn", "compile", source(text="x" * 5000), "sm90", before=limit)
    assert done.one("compile").startswith("TILE_OK")
    warned(done, "File too large")
    assert entries(cache) == [] and len(list(cache.iterdir())) == 1


def obey_modes():
    """Before a program starts: root may not ignore the modes of files either."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def test_a_read_only_cache(runtime, source, cache):
    known, new = source(), source("new.cu")
    runtime("compile", known, "sm90")
    cache.chmod(0o500)
    probe = subprocess.run(["touch", cache / "probe"], preexec_fn=obey_modes, capture_output=True)
    if probe.returncode == 0:
        pytest.skip("this user can write anywhere")
    try:
        done = runtime("warn", "compile", known, "sm90", "compile", new, "sm90", "compile", new,
                       "sm90", before=obey_modes)
    finally:
        cache.chmod(0o700)
    assert done.of("compile")[0].endswith("from the cache") and len(done.calls("compile")) == 2
    warned(done, "Permission denied")


def test_processes_at_once(environment, source, cache, repository, tmp_path):
    """All miss, compile and write the same entry; every one gets the code, one entry is left."""
    build = repository / os.environ.get("TILE_BUILD", "build")
    command = [build / "tests" / "runtime_driver", "compile", source(), "sm90"]
    now = environment | {"FAKE_SLOW": "100", "FAKE_LOG": str(tmp_path / "log")}
    running = [subprocess.Popen(command, env=now, stdout=subprocess.PIPE, text=True)
               for _ in range(6)]
    texts = {p.communicate()[0].replace(" from the cache", "") for p in running}
    assert len(texts) == 1 and texts.pop().startswith("compile: TILE_OK")
    assert sorted(e.suffix for e in cache.iterdir()) == [".cubin", ".nvrtc"]
    assert (tmp_path / "log").read_text().count("\ncompile ") > 1


def test_threads_at_once(runtime, source, cache):
    done = runtime("context", 0, "threads", 8, source(), "add", "free", FAKE_SLOW=30)
    assert done.one("threads") == "0 failed"
    assert len(entries(cache)) == 1 and done.log[-1].startswith("left: 0 contexts, 0 modules")
