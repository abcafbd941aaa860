"""Every command of these pages works and prints what the page shows.

    ```sh                     commands, in one shell in one folder; `sh setup` is not run here
    ```text                   behind them: what they print
    ```python NAME, ```tile file NAME    files that the reader writes

    build/venv/bin/python tests/docs/test_tutorial.py     writes what is printed into the pages
"""
import os
import pathlib
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from blocks import ROOT, TILEC, Page  # noqa: E402

PAGES = [ROOT / "docs" / f"{name}.md" for name in ("tutorial", "layouts", "machine-model")]
MARK = "--- end of block ---"


def script(page):
    """One shell script for all blocks: it prints MARK behind each."""
    parts = []
    for b in page.blocks:
        if b.language == "python" or b.words[:1] == ["file"]:
            parts.append(f"cat > {b.words[-1]} <<'END_OF_FILE'\n{b.text}END_OF_FILE\n")
        elif b.language == "sh" and b.words != ["setup"]:
            parts.append(f"{b.text}echo '{MARK}'\n")
    return "".join(parts)


def outputs(page):
    """What each block of commands prints, in order."""
    with tempfile.TemporaryDirectory(prefix="tilec-") as folder:
        tools = pathlib.Path(folder) / "tools"
        tools.mkdir()
        (tools / "tilec").symlink_to(TILEC)
        (tools / "python").write_text(f'#!/bin/sh\nexec {ROOT}/build/venv/bin/python -B "$@"\n')
        (tools / "python").chmod(0o755)
        work = pathlib.Path(folder) / "work"
        work.mkdir()
        done = subprocess.run(["bash", "-c", script(page)], cwd=work, text=True, timeout=300,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=os.environ | {"PATH": f"{tools}:{os.environ['PATH']}",
                                                "PYTHONPATH": str(ROOT / "tests" / "machine")})
    blocks = done.stdout.split(MARK + "\n")
    return ["\n".join(line.rstrip() for line in b.splitlines()) + ("\n" if b else "")
            for b in blocks[:-1]]


def commands(page):
    """Each block of commands and the block with its output, or None."""
    for i, b in enumerate(page.blocks):
        if b.language == "sh" and b.words != ["setup"]:
            after = page.blocks[i + 1] if i + 1 < len(page.blocks) else None
            yield b, after if after is not None and after.language == "text" else None


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_commands(path):
    page = Page(path)
    printed = outputs(page)
    pairs = list(commands(page))
    assert len(printed) == len(pairs)
    for (block, shown), text in zip(pairs, printed):
        assert text == (shown.text if shown else ""), f"{block!r}: {block.text}"


def update(path):
    page = Page(path)
    text = page.text
    for (block, shown), printed in reversed(list(zip(commands(page), outputs(page)))):
        if shown:
            m = shown.match
            text = text[:m.start(3)] + printed + text[m.end(3):]
        elif printed:
            print(f"{block!r} prints:\n{printed}")
    path.write_text(text)


if __name__ == "__main__":
    for name in PAGES:
        update(name)
