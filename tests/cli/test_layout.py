"""tilec layout: what it says of a tile's holders, and that its pictures are SVG."""
import re
import xml.etree.ElementTree as ElementTree

import pytest

SVG = "{http://www.w3.org/2000/svg}"
PROGRAM = """\
kernel square[N: dim, T: type, D: int](x: in T[N, D], y: out T[N, D], w: in f32[D]?)
{
  par (n in 0..N by 4) {
    let v = f32(x[n +: 4, :]);
    let scale = 2.0;
    let q = v * v * scale;
    y[n +: 4, :] = T(has(w) ? q * reshape(w[:], 1, D) : q);
  }
}
schedule square for sm90, sm100 { unit warp; }
instances square { T: { bf16, f32 };  D: { 64, 20 }; }

kernel flip[T: type = f32](x: in T[64, 64], y: out T[64, 64])
{
  par (n in 0..1) { y[:, :] = trans(x[:, :]); }
}
schedule flip for sm90 { unit block warps(4); }

kernel one(x: in f32[4], y: out f32[4])
{
  par (n in 0..4) { let a = x[n];  y[n] = a; }
}
"""


@pytest.fixture
def layout(shell):
    shell.path("k.tile").write_text(PROGRAM)
    return lambda words: shell.ok(f"layout k.tile {words}")


def test_values_and_accesses_are_listed(layout):
    listed = re.findall(r"^(value|load from|store to) (\w+), line (\d+): (\w+\[4, 64\]) +reg",
                        layout("square -s w=none"), re.M)
    assert listed == [("value", "v", "4", "f32[4, 64]"), ("value", "q", "6", "f32[4, 64]"),
                      ("load from", "x", "4", "bf16[4, 64]"), ("store to", "y", "7", "bf16[4, 64]")]
    assert re.search(r"^load from w, line 7: f32\[64\]", layout("square -s w=row"), re.M)


def test_modes_and_accesses_are_explained(layout):
    text = layout("square v -s w=none")
    assert "value v, line 4: f32[4, 64]" in text
    assert re.search(r"^  reg 8@1\.1 \| lane 8@8\.1 \| lane 4@1\.0$", text, re.M), text
    assert re.search(r"^    lane x 8    a step is 8 along axis 1$", text, re.M)
    assert "8 registers a thread, 32 lanes, 1 warp" in text
    assert "load from x, line 4: 1 access a lane, 16 bytes each (8 bf16)" in text
    assert "moves 512 bytes, touches 16 sectors of 32 bytes (least 16)" in text


def test_settings_pick_the_variant(layout):
    assert "f32[4, 20]" in layout("square v -s D=20")
    assert "16 bytes each (4 f32)" in layout("square v -s T=f32")
    assert "places hold nothing" in layout("square v -s D=20 -s T=bf16")
    assert "bf16[64, 64]" in layout("flip y -s T=bf16")


def test_a_tensor_stands_for_its_accesses(layout):
    text = layout("square y -s w=none")
    assert text.startswith("store to y, line 7: bf16[4, 64]")
    assert "store to y, line 7: 1 access a lane" in text


def test_shared_memory_is_explained(layout):
    text = layout("flip y")
    assert "through shared memory, line 15:" in text
    assert re.search(r"^  16384 bytes: lines along axis \d, \d+ chunks of 16 bytes each$", text, re.M)
    assert re.search(r"swizzle: chunk k of line n is at k \^ \(n >> \d & \d\)", text)
    for side in "written", "read":
        assert re.search(rf"^  {side}: \d+ access(es)? a lane of \d+ bytes?, \d phases? each; ", text, re.M)


def rows_of(svg):
    return [t.text for t in svg.iter(f"{SVG}text")]


def test_picture_of_a_tile(layout, shell):
    assert layout("square v -s w=none -o v.svg") == ""
    svg = ElementTree.parse(shell.path("v.svg")).getroot()
    texts = rows_of(svg)
    assert svg.tag == f"{SVG}svg" and "value v, line 4: f32[4, 64]" in texts
    assert "by element: lane, register; the first 4 x 32 of 4 x 64" in texts
    # Cells: element (0, 9) is register 1 of lane 1; every register of the first 32 columns shows.
    registers = [t for t in texts if re.fullmatch(r"r\d+", t)]
    assert len(registers) == 4 * 32 and set(registers) == {f"r{i}" for i in range(8)}
    inside(svg)


def inside(svg):
    """Nothing is drawn outside of the picture."""
    width, height = float(svg.get("width")), float(svg.get("height"))
    for rect in list(svg.iter(f"{SVG}rect"))[1:]:
        x, y, w, h = (float(rect.get(k)) for k in ("x", "y", "width", "height"))
        assert x >= 0 and y >= 0 and x + w <= width and y + h <= height


def test_picture_of_a_mask_leaves_cells_empty(layout, shell):
    layout("square v -s w=none -s D=20 -o v.svg")
    svg = ElementTree.parse(shell.path("v.svg")).getroot()
    empty = [r for r in svg.iter(f"{SVG}rect") if r.get("stroke") == "#cccccc"]
    assert len(empty) % 4 == 0 and (empty or "hold nothing" not in layout("square v -s D=20"))


def test_picture_of_shared_memory(layout, shell):
    layout("flip y -s T=bf16 -o y.svg")
    svg = ElementTree.parse(shell.path("y.svg")).getroot()
    texts = rows_of(svg)
    assert any(t.startswith("through shared memory, line 15: bf16[64, 64]") for t in texts)
    assert sum(t == "bank" for t in texts) == 3
    assert [t for t in texts if re.fullmatch(r"\d+, \d+\.\.\d+|\d+\.\.\d+, \d+", t)]
    inside(svg)


def test_pictures_of_all(layout, shell):
    layout("square -o all.svg")
    texts = rows_of(ElementTree.parse(shell.path("all.svg")).getroot())
    for name in "value v", "value q", "load from x", "store to y":
        assert any(t.startswith(name) for t in texts)


@pytest.mark.parametrize("kernel", ["quant/per_token_cast", "transpose/transpose", "mhc/sinkhorn",
                                    "gating/top2_sum_gate", "routing/fused_mapping", "mhc/multilayer"])
def test_kernels_have_pictures(shell, repository, kernel):
    file = repository / "kernels.tile" / f"{kernel}.tile"
    shell.ok(["layout", file, "-o", "all.svg"])
    inside(ElementTree.parse(shell.path("all.svg")).getroot())


@pytest.mark.parametrize("words, texts", [
    ("", ["k.tile: has 3 kernels, name one: square, flip, one"]),
    ("cube", ["has no kernel cube; it has square, flip, one"]),
    ("square u", ["square: has no value or tensor u with a layout; it has v, q, "]),
    ("square scale", ["square: scale has no layout: it is a scalar or constant"]),
    ("one a", ["one: a has no layout: it is a scalar or constant"]),
    ("one", ["one: has no tile that threads share out"]),
    ("square v -s E=3", ["E"]),
    ("square v -o no/v.svg", ["no/v.svg: No such file"]),
])
def test_errors(shell, words, texts):
    shell.path("k.tile").write_text(PROGRAM)
    shell.fails(f"layout k.tile {words}", *texts)


def test_usage(shell):
    shell.fails("layout", "usage: tilec layout FILE", code=2)
    shell.fails("layout k.tile a b c", "unexpected argument c", code=2)
    shell.fails("layout k.tile --arch sm80", "--arch sm80: write --arch sm90|sm100", code=2)
    assert "-o PICTURE.svg" in shell.ok("layout --help")
