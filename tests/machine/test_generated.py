"""Programs of tests/generate, which are well-typed and as odd as can be, on the machine model against the
interpreter."""
import os
import re
import subprocess

import pytest
from machine import BUILD, ROOT

LEVEL = int(os.environ.get("TILE_TEST_LEVEL", "1"))
SOME, MANY = 16, 600


def made(count):
    corpus = [p for p in sorted((ROOT / "tests/fuzz/corpus/program").iterdir()) if not p.suffix]
    done = subprocess.run([BUILD / "tests" / "fuzz_program", "-n", str(4 * count), *corpus], capture_output=True,
                          text=True, env=os.environ | {"TILE_FUZZ_SHOW": "1"}, check=True)
    said = re.sub(r"(?m)^\d+ files, \d+ damaged copies\n", "", done.stdout + done.stderr)
    parts = re.split(r"(?m)^(?=enum side)", said)
    texts = list(dict.fromkeys(text for text in parts if "kernel k" in text))
    return texts[::max(1, len(texts) // count)][:count]


@pytest.fixture(scope="module")
def texts():
    return made(SOME if LEVEL == 1 else MANY)


@pytest.mark.parametrize("part", range(4))
def test_programs(texts, part, tilec, tmp_path):
    ran = 0
    for i, text in enumerate(texts[part::4]):
        path = tmp_path / f"{i}.tile"
        path.write_text(text)
        done = tilec("check", "--machine", "sm90", "--seeds", "2", "-v", path)
        assert done.returncode == 0, done.stderr + text
        ran += " seeds\n" in done.stdout
    assert ran > len(texts) // 16
