import pathlib

import pytest

HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture
def driver(unit, tmp_path):
    """driver("parse", text): exit code, output and messages of the front end alone."""

    def run(mode, text, name="t.tile", **options):
        options = {"errors": "replace"} | options
        if mode in ("expr", "places"):
            return unit("frontend_driver", mode, text, **options)
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return unit("frontend_driver", mode, name, cwd=tmp_path, **options)

    return run


@pytest.fixture
def good(driver):
    """good("fmt", text): the output; there must be no message."""

    def run(mode, text, **options):
        done = driver(mode, text, **options)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run
