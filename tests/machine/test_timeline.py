"""Pictures of what a block does: events in the places and at the times that the kernel's waits demand."""
import re
import xml.etree.ElementTree

import faults
import faults_tcgen05
import numpy as np
import pytest
from machine import ROOT, Kernel

CONFIGS = faults.CONFIGS | faults_tcgen05.CONFIGS
SVG = "{http://www.w3.org/2000/svg}"


class Event:
    def __init__(self, rect):
        title = rect.find(f"{SVG}title").text
        self.what, self.place, steps = title.split("\n")
        self.start, self.end = map(int, re.findall(r"\d+", steps))
        stage = re.search(r"stage (\d+)", self.what)
        self.stage = int(stage[1]) if stage else None
        self.y = float(rect.get("y"))


def read(path):
    """The texts, and the events by the row's name."""
    root = xml.etree.ElementTree.parse(path).getroot()
    texts = [(t.text, float(t.get("y"))) for t in root.iter(f"{SVG}text")]
    names = [(y, text) for text, y in texts
             if re.fullmatch(r"warp \d+|loads|stores|cp\.async|tensor cores", text)]
    rows = {text: [] for _, text in names}
    for rect in root.iter(f"{SVG}rect"):
        if rect.find(f"{SVG}title") is not None:
            event = Event(rect)
            rows[max((y, text) for y, text in names if y <= event.y + 13.01)[1]].append(event)
    return [text for text, _ in texts], rows


def draw(kernel, path, seed=0, **options):
    launches, buffers, args, flags, flags_cc = CONFIGS[kernel](**options)
    Kernel(kernel, options=flags_cc).run(launches, buffers, args, (seed, seed), flags=flags,
                                         timeline=(0, path))
    return read(path)


@pytest.mark.parametrize("seed", range(3))
def test_gemm(seed, tmp_path):
    texts, rows = draw("gemm", tmp_path / "x.svg", seed)
    assert f"gemm, block 0, seed {seed}" in texts
    assert any("say nothing about a GPU's speed" in text for text in texts)
    assert set(rows) == {"loads", "stores", "tensor cores", *(f"warp {i}" for i in range(12))}
    loads, math = (sorted(rows[name], key=lambda e: e.start) for name in ("loads", "tensor cores"))
    # Eight stages of A and B through a ring of four, four wgmma of two warpgroups for each.
    assert len(loads) == 16 and len(math) == 64 and len(rows["stores"]) == 4
    for k in range(8):
        ab, mm = loads[2 * k:2 * k + 2], math[8 * k:8 * k + 8]
        assert {e.stage for e in ab + mm} == {k % 4}
        assert min(e.start for e in mm) >= max(e.end for e in ab)
        if k >= 4:
            assert min(e.start for e in ab) >= max(e.end for e in math[8 * k - 32:8 * k - 24])
    assert min(e.start for e in rows["stores"]) > max(e.end for e in math)


@pytest.mark.parametrize("kernel", CONFIGS)
def test_warps_do_one_thing_at_a_time(kernel, tmp_path):
    _, rows = draw(kernel, tmp_path / "x.svg", seed=2)
    assert any(name.startswith("warp") for name in rows)
    for name, events in rows.items():
        events.sort(key=lambda e: e.start)
        assert all(e.start < e.end for e in events)
        if name.startswith("warp"):
            assert events[0].start == 0
            assert all(a.end == b.start for a, b in zip(events, events[1:]))


def test_run(tilec, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((1, 100, 132), np.float32))
    arguments = ["run", ROOT / "kernels.tile/transpose/transpose.tile", "-s", "T=f32",
                 "-i", f"x={tmp_path}/x.npy", "-o", f"y={tmp_path}/y.npy",
                 "--timeline", tmp_path / "x.svg", "--block", "1"]
    done = tilec(*arguments, "--machine", "sm90")
    assert (done.returncode, done.stderr) == (0, "")
    texts, rows = read(tmp_path / "x.svg")
    assert "tk_transpose, block 1, seed 0" in texts
    assert list(rows) == [f"warp {i}" for i in range(8)]
    assert {e.place for e in rows["warp 0"]} <= {"transpose.tile:6"}
    done = tilec(*arguments[:-4], "--machine", "sm90", "-v")
    assert re.match(r"\d+ steps, 2048 passes over shared memory, 0 more by bank conflicts\n", done.stdout)
    done = tilec(*arguments[:-1], "999", "--machine", "sm90")
    assert done.returncode == 1 and done.stderr == "tilec: --block 999: no launch has such a block\n"
    done = tilec(*arguments)
    assert done.returncode == 2 and "--timeline needs --machine" in done.stderr


@pytest.mark.parametrize("kernel, mma, options", [("tcgen05_gemm", 4, {"m": 256}),
                                                  ("tcgen05_pair", 4, {"m": 512, "k": 512})])
def test_tcgen05(kernel, mma, options, tmp_path):
    """Two tiles through a ring: operands before their products, products before the stage is filled again and
    before the sums are read."""
    _, rows = draw(kernel, tmp_path / "x.svg", **options)
    stages = 4 if kernel == "tcgen05_gemm" else 3
    loads, math = (sorted(rows[name], key=lambda e: e.start) for name in ("loads", "tensor cores"))
    assert len(loads) == 2 * 16 and len(math) == mma * 16
    for k in range(16):
        ab, mm = loads[2 * k:2 * k + 2], math[mma * k:mma * (k + 1)]
        assert {e.stage for e in ab + mm} == {k % stages}
        assert min(e.start for e in mm) >= max(e.end for e in ab)
        if k >= stages:
            assert min(e.start for e in ab) >= max(e.end for e in math[mma * (k - stages):][:mma])
    readers = [e for i in range(2, 6) for e in rows[f"warp {i}"] if "tcgen05.ld" in e.what]
    assert min(e.start for e in readers) >= max(e.end for e in math[:mma * 8])
