"""tilec check: what it says, -s, -d, -v."""
import pytest


def test_silent_when_all_is_well(shell):
    assert shell.ok("check scale.tile copy.tile two.tile table.tile alias.tile tuned.tile") == ""


def test_library_checks(shell, repository):
    files = sorted(str(p) for p in repository.glob("kernels.tile/*/*.tile"))
    files += sorted(str(p) for p in repository.glob("examples/*.tile"))
    assert len(files) >= 21
    assert shell.ok(["check", *files]) == ""


def test_many_errors_in_one_run(shell):
    text = shell.fails("check wrong.tile syntax.tile scale.tile", r"wrong\.tile:4:5: error",
                       r"syntax\.tile:1:\d+: error")
    assert text.count("error:") >= 2
    assert "scale.tile" not in text


def test_an_error_of_every_variant_is_told_once(shell):
    shell.path("v.tile").write_text(
        "kernel v[N: dim, B: int](x: in bf16[N], y: out bf16[N]) {\n"
        "  par (i in 0..N by B) { y[i +: B] = x[i +: B] * x[i +: B]; }\n"
        "}\ninstances v { B: { 1, 2, 4, 8 }; }\n")
    text = shell.fails("check v.tile", r"v\.tile:2:\d+: error")
    assert text.count(": error: bf16") <= 1 or text.count("error:") <= 4


def test_twenty_errors_are_enough(shell):
    lines = "".join(f"    y[{i}] = nothing{i};\n" for i in range(50))
    shell.path("many.tile").write_text(
        f"kernel many[N: dim](y: out f32[N]) {{\n  par (i in 0..N) {{\n{lines}  }}\n}}\n")
    text = shell.fails("check many.tile")
    assert text.count("error:") == 20
    assert "too many errors" in text


@pytest.mark.parametrize("name, text", [
    ("missing.tile", "missing.tile: No such file"), (".", r"\.: .*directory"),
    ("/proc/self/mem", "/proc/self/mem: "), ("folder", "folder: .*directory"),
])
def test_unreadable_files(shell, name, text):
    shell.path("folder").mkdir()
    shell.fails(["check", name], text)


@pytest.mark.parametrize("data", [b"", b"\n", b"\0", b"\xff\xfe\xfd", b"(" * 10000, b"kernel",
                                  b"\x7fELF" + bytes(range(256)) * 40])
def test_any_bytes(shell, data):
    shell.path("any.tile").write_bytes(data)
    done = shell("check any.tile")
    assert done.returncode == (0 if not data.strip() else 1), done.stderr


def test_standard_input(shell):
    good = shell.path("scale.tile").read_text()
    assert shell.ok("check -", input=good) == ""
    shell.fails("check -", "standard input:1:", input="kernel")


def test_verbose_tells_variants(shell):
    out = shell.ok("check -v scale.tile two.tile")
    assert "scale.tile: 1 kernel, 1 variant," in out
    assert "two.tile: 2 kernels, " in out


def test_settings_choose_a_variant(shell):
    assert "1 variant," in shell.ok("check -v copy.tile -s T=e4m3 -s y=col_pad16")
    shell.fails("check copy.tile -s T=f33", "-s T=f33: an element type is expected")
    shell.fails("check copy.tile -s y=ue8m0x4", "-s y=ue8m0x4")
    shell.fails("check copy.tile -s t=bf16", "there is no t", "is T meant",
                "What can be set: M, K, T, y")


def test_dump_of_the_tree(shell):
    out = shell.ok("check -d ast scale.tile")
    assert "scale" in out and len(out.splitlines()) > 5


def test_dump_of_the_ir(shell):
    one = shell.ok("check -d ir two.tile second")
    both = shell.ok("check -d ir two.tile")
    assert "second" in one and "first" not in one
    assert len(both) > len(one)
    shell.fails("check -d ir two.tile third", "has no kernel third; it has first, second")


def test_optional_tensors_can_be_left_out(shell):
    without = shell.ok("check -d ir two.tile second -s w=none")
    present = shell.ok("check -d ir two.tile second -s w=row")
    assert '"w"' not in without and '"w"' in present
    shell.path("k.ir").write_text(without + present)
    shell.fails("run k.ir", r"k\.ir:\d+:1: error")
