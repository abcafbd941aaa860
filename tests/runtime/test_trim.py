"""Device headers without what a kernel does not need: small texts whose fate is known, and NVRTC, which makes
the same machine code of either."""
import ctypes
import ctypes.util
import glob
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADERS = [str(p.relative_to(ROOT)) for p in sorted((ROOT / "runtime/device").glob("*.h"))] + \
    [f"runtime/numerics/{name}.h" for name in ("bits", "math", "convert")]
GOLDEN = sorted((ROOT / "tests/cuda/golden").glob("*.cu"))


@pytest.fixture
def trim(runtime, tmp_path):
    """trim(source, {"a.h": text}): texts of the headers, None where nothing is left out."""
    def run(source, headers, root=tmp_path):
        folder = tmp_path / "trimmed"
        folder.mkdir(exist_ok=True)
        (tmp_path / "source.cu").write_text(source)
        if root == tmp_path:
            for name, text in headers.items():
                (tmp_path / name).write_text(text)
        done = runtime("trim", tmp_path / "source.cu", root, folder, *headers, "end")
        fates = [line.split()[-1] for line in done.of("trim")]
        return [(folder / str(i)).read_text() if fate == "cut" else None for i, fate in enumerate(fates)]
    return run


def one(trim, source, header):
    text, = trim('#include "a.h"\n' + source, {"a.h": header})
    return text and re.sub("#line.*\n", "", text)


USED = "TILE_FN int used(int x)\n{\n    return helper(x) + 1; // not unused\n}\n"
HELPER = "TILE_FN int helper(int x) { return LIMIT(x); }\n"


def test_what_is_used_stays(trim):
    header = ("#define LIMIT(x) \\\n    ((x) & MASK)\n#define MASK 7\n#define OTHER 8\n/* unused */\n" + HELPER +
              "TILE_FN int unused(int x)\n{\n    return OTHER;\n}\n" + USED +
              "typedef struct T { int unused_too; } T;\n")
    text = one(trim, "int x = used(1);", header)
    assert re.findall(r"\w+", text).count("unused") == 0 and "OTHER" not in text
    assert [w for w in ("LIMIT(x)", "MASK 7", "helper(int x)", "used(int x)", "struct T") if w not in text] == []


def test_lines_keep_their_numbers(trim):
    text, = trim('#include "a.h"\nused();', {"a.h": "/* one\n two */\n\nTILE_FN void no(void) {}\n" + USED})
    assert text.startswith("#line 5\nTILE_FN int used(int x)\n{\n")


def test_functions_that_macros_define(trim):
    header = ("#define TWO(T, name) \\\n    TILE_FN T min_##name(T a, T b) { return a < b ? a : b; } \\\n"
              "    ONE(T, max_##name, a > b)\n"
              "#define ONE(T, name, test) TILE_FN T name(T a, T b) { return test ? a : b; }\n"
              "TWO(int, i32)\nTWO(float, f32)\n#undef TWO\n#undef ONE\n")
    text = one(trim, "max_f32(1, 2);", header)
    assert text.split() == "TILE_FN float max_f32(float a, float b) { return a > b ? a : b; }".split()


def test_names_that_are_pasted(trim):
    header = ("#define ADD(name, x) add_##name(x)\nTILE_FN int add_one(int x) { return x + 1; }\n"
              "TILE_FN int add_two(int x) { return x + 2; }\nTILE_FN int sub_one(int x) { return x - 1; }\n")
    text = one(trim, "ADD(one, 2);", header)
    assert "add_one(int" in text and "add_two(int" in text and "sub_one" not in text


@pytest.mark.parametrize("header", [
    '#define NAME(x) TILE_FN const char *name_##x(void) { return #x; }\nNAME(a)\n',
    "#if A\n#define F(n) TILE_FN int n(void) { return 1; }\n#else\n#define F(n) TILE_FN int n(void) { return 2; }\n"
    "#endif\nF(used)\n",
    "UNKNOWN(a)\n", "TILE_FN int f(void) {\n"], ids=["texts", "one of two", "unknown", "not closed"])
def test_what_is_not_understood_stays(trim, header):
    """And what it needs of other headers does."""
    texts = trim('#include "a.h"\n#include "b.h"\n', {"a.h": header + "#define ALL helper(1)\n",
                                                    "b.h": HELPER + "TILE_FN int no(void) { return 1; }\n"})
    assert texts[0] is None and "helper(int" in texts[1] and "no(void)" not in texts[1]


def test_a_paste_that_may_give_any_name(trim):
    header = "#define CALL(name) name##_function(1)\nTILE_FN int a_function(int x) { return x; }\n"
    assert one(trim, "CALL(a);", header) is None
    assert "a_function" not in one(trim, "", header)


def test_headers_that_are_not_included(trim):
    texts = trim('#include "b.h"\n', {"a.h": HELPER, "b.h": "#include \"c.h\"\n", "c.h": "int c;\n"})
    assert texts[0] is None and "int c;" in texts[2]


# ---- our headers ----

def trimmed(trim, source):
    texts = trim(source, dict.fromkeys(HEADERS), ROOT)
    return {name: (ROOT / name).read_text() if text is None else text for name, text in zip(HEADERS, texts)}, texts


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.name.split(".")[0])
def test_most_is_left_out(trim, path):
    """Headers that every kernel includes are understood, and most of their text goes."""
    less, texts = trimmed(trim, path.read_text())
    included, found = set(), ["runtime/device/tile.h"]
    while found:
        included.add(found[-1])
        found += set(re.findall('#include "(.*)"', (ROOT / found.pop()).read_text())) & set(HEADERS) - included
    assert len(included) > 4 and None not in [t for name, t in zip(HEADERS, texts) if name in included]
    assert sum(len(less[name]) for name in included) < sum((ROOT / name).stat().st_size for name in included) / 4


class Nvrtc:
    """Machine code by NVRTC itself."""

    def __init__(self, path):
        self.library = ctypes.CDLL(path)

    def ask(self, name, *arguments):
        return getattr(self.library, "nvrtc" + name)(*arguments)

    def compile(self, text, headers, arch, options):
        program, size = ctypes.c_void_p(), ctypes.c_size_t()
        texts, names, words = ((ctypes.c_char_p * len(x))(*[s.encode() for s in x]) for x in (
            list(headers.values()), list(headers), ["--std=c++17", f"--gpu-architecture=sm_{arch[2:]}a", "--fmad=false",
                                                    "--no-source-include", *options]))
        assert self.ask("CreateProgram", ctypes.byref(program), text.encode(), b"k.cu", len(headers), texts, names) == 0
        code = self.ask("CompileProgram", program, len(words), words)
        kind = "ProgramLog" if code else "CUBIN"
        self.ask(f"Get{kind}Size", program, ctypes.byref(size))
        out = ctypes.create_string_buffer(size.value)
        self.ask(f"Get{kind}", program, out)
        self.ask("DestroyProgram", ctypes.byref(program))
        assert code == 0, out.value.decode()
        return out.raw


@pytest.fixture(scope="module")
def nvrtc():
    found = sorted(glob.glob("/usr/local/cuda*/lib64/libnvrtc.so.1?")) + \
        [ctypes.util.find_library("nvrtc"), os.environ.get("TILE_REAL_NVRTC")]
    found = [path for path in found if path]
    if not found:
        pytest.skip("no NVRTC")
    return Nvrtc(found[-1])


def some_kernels(level):
    """Golden texts and kernels by hand; the first and the last variant of every kernel at TILE_TEST_LEVEL=2."""
    by_hand = sorted((ROOT / "tests/machine/kernels").glob("*gemm.cu" if level == 1 else "*.cu"))
    files = [*GOLDEN, *by_hand]
    found = [("sm100" if "tcgen05" in path.name or path.stem == "tmem" else "sm90", path) for path in files]
    return found if level == 1 else found + [
        (arch, file) for arch in ("sm90", "sm100") for file in sorted((ROOT / "kernels.tile").rglob("*.tile"))]


def test_the_same_machine_code(trim, nvrtc, level, tmp_path):
    compared = 0
    for arch, path in some_kernels(level):
        paths = [path]
        if path.suffix == ".tile":
            folder = tmp_path / f"{path.stem}.{arch}"
            subprocess.run([os.environ["TILEC"], "emit", path, "--arch", arch, "-o", folder], check=False,
                           capture_output=True)              # of some nothing can be emitted
            by_kernel = {}
            for cu in sorted(folder.glob("*.cu")):
                by_kernel.setdefault(cu.name.split(".")[0], []).append(cu)
            paths = [cu for all_ in by_kernel.values() for cu in (all_[0], all_[-1])]
        for cu in paths:
            text = cu.read_text()
            less, _ = trimmed(trim, text)
            for options in ([], ["-DTILE_ALIGNED=0"]):
                whole = {name: (ROOT / name).read_text() for name in HEADERS}
                assert nvrtc.compile(text, less, arch, options) == nvrtc.compile(text, whole, arch, options), cu.name
                compared += 1
    assert compared >= (10 if level == 1 else 80)
