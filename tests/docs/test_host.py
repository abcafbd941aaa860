"""Every command of docs/host.md works and prints what the page shows; the rules of test_tutorial.py.

    build/venv/bin/python tests/docs/test_host.py     writes what is printed into the page
"""
import os
import pathlib
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from blocks import ROOT, Page  # noqa: E402
from test_tutorial import commands, outputs  # noqa: E402

PAGE = ROOT / "docs" / "host.md"


def printed(page):
    """With no GPU, and a compiler of CUDA that is a fake: the page is the same everywhere."""
    fake = ROOT / os.environ.get("TILE_BUILD", "build") / "tests" / "libfake_cuda.so"
    with tempfile.TemporaryDirectory(prefix="tilec-") as cache:
        kept = dict(os.environ)
        os.environ.update(TILE_CUDA_DRIVER="/nowhere", TILE_NVRTC=str(fake), TILE_CACHE_DIR=cache)
        try:
            return [text.replace(" by NVRTC", "") for text in outputs(page)]
        finally:
            os.environ.clear()
            os.environ.update(kept)


def test_host():
    pytest.importorskip("tvm_ffi")
    if os.environ.get("TILE_BUILD", "build") != "build":
        pytest.skip("a sanitized library needs a sanitized program")
    page = Page(PAGE)
    pairs, texts = list(commands(page)), printed(page)
    assert len(pairs) == len(texts), texts
    for (block, shown), text in zip(pairs, texts):
        assert text == (shown.text if shown else ""), f"{block!r}: {block.text}"


def update():
    page = Page(PAGE)
    text = page.text
    for (block, shown), have in reversed(list(zip(commands(page), printed(page)))):
        if shown:
            text = text[:shown.match.start(3)] + have + text[shown.match.end(3):]
        elif have:
            print(f"{block!r} prints:\n{have}")
    PAGE.write_text(text)


if __name__ == "__main__":
    update()
