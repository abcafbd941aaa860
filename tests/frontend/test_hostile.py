"""No input may crash the front end, hang it, or fill the memory."""
import os
import random
import resource
import time

import pytest

import programs

SANITIZED = "san" in os.environ.get("TILE_BUILD", "")
MEMORY = 1 << 31
SECONDS = 20
MILLION = 10 ** 6


def limited():
    if not SANITIZED:                # a sanitizer reserves address space without end
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def run(driver, mode, text):
    start = time.monotonic()
    done = driver(mode, text, preexec_fn=limited, errors="replace")
    assert time.monotonic() - start < SECONDS
    assert done.returncode in (0, 1)
    assert len(done.stderr) < 20000
    return done


def statement(text):
    return "kernel k(x: in f32[N]) { " + text + " }"


DEEP = "nested too deeply"
REFUSED = {
    "10,000 parentheses": ("const a = " + "(" * 10000 + "1" + ")" * 10000 + ";", DEEP),
    "201 parentheses": ("const a = " + "(" * 201 + "1" + ")" * 201 + ";", DEEP),
    "a million minuses": ("const a = " + "-" * MILLION + "1;", DEEP),
    "1000 minuses": ("const a = " + "-" * 1000 + "1;", DEEP),
    "a long sum": ("const a = " + "a+" * 100000 + "1;", DEEP),
    "a long power of choices": ("const a = " + "a?b:" * 100000 + "1;", DEEP),
    "choices in choices": ("const a = " + "a?" * 100000 + "1;", DEEP),
    "indices of indices": ("const a = x" + "[0]" * 100000 + ";", DEEP),
    "members of members": ("const a = x" + ".a" * 100000 + ";", DEEP),
    "10,000 blocks": (statement("if a { " * 10000), DEEP),
    "201 arms": (statement("if a { }" + " else if a { }" * 201), DEEP),
    "phases in phases": ("schedule k { " + "phase a { " * 10000, DEEP),
    "open brackets": ("[" * MILLION, "expected an item"),
    "semicolons": (";" * MILLION, "expected an item"),
    "closing braces": ("}" * MILLION, "closes nothing"),
    "pairs of braces": ("{}" * MILLION, "expected an item"),
    "keywords": ("const " * MILLION, "reserved word"),
    "kernels": ("kernel\n" * MILLION, "expected a name"),
    "attributes": (statement("@a " * 100000), "expected"),
    "at signs": (statement("@" * MILLION), "expected a name"),
    "NUL": (b"\0", "unexpected NUL byte"),
    "many NULs": (b"\0" * MILLION, "unexpected NUL byte"),
    "invalid bytes": (b"\xff" * MILLION, "not valid UTF-8"),
    "half a character": (b"const a = 1; \xe2\x82", "not valid UTF-8"),
    "UTF-16": ("const a = 1;".encode("utf-16"), "is this file UTF-16?"),
    "a digit string": ("const a = " + "1" * MILLION + ";", "integer is too large"),
    "a string without end": ('import "' + "x" * MILLION, "unterminated string"),
    "quotes": ('"' * MILLION, "expected an item"),
    "too many tokens": ("const a = f(" + "a," * 2100000, "the file is too large"),
    "too many comments": ("#\n" * 4100000, "the file is too large"),
}

ACCEPTED = {
    "nothing": "",
    "a line end": "\n",
    "blanks": " " * MILLION,
    "line ends": "\r\n" * MILLION,
    "one comment": "#" + "x" * MILLION,
    "comment without line end": "const a = 1; # x",
    "200 parentheses": "const a = " + "(" * 200 + "1" + ")" * 200 + ";",
    "999 minuses": "const a = " + "-" * 999 + "1;",
    "a sum of 1000": "const a = " + "a+" * 999 + "1;",
    "200 arms": statement("if a { }" + " else if a { }" * 199),
    "a long name": "const " + "a" * MILLION + " = 1;",
    "many names": "".join(f"const a{i} = 1;\n" for i in range(50000)),
    "a long list": "enum e { " + "a, " * MILLION + "a }",
    "a long call": "const a = f(" + "1, " * 300000 + "1);",
    "many statements": statement("x[i] = 1;\n" * 100000),
    "a long string": 'import "' + "x" * MILLION + '";',
    "many comments": "# c\n" * 200000 + "const a = 1;",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, driver):
    text, message = REFUSED[name]
    done = run(driver, "parse", text)
    assert done.returncode == 1
    assert message in done.stderr.split("\n")[0] + done.stderr.split("\n")[2]


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name, driver):
    done = run(driver, "parse", ACCEPTED[name])
    assert (done.returncode, done.stderr) == (0, "")
    once = run(driver, "fmt", ACCEPTED[name])
    assert (once.returncode, once.stderr) == (0, "")
    assert run(driver, "fmt", once.stdout).stdout == once.stdout


@pytest.mark.parametrize("piece", [b" ", b"#\n", b"const a=1;", b"a + ", b"\x90", b"let x = (;\n"],
                         ids=["blanks", "comments", "consts", "terms", "bytes", "errors"])
def test_100_megabytes(piece, driver, level):
    size = 100_000_000 if level > 1 else 10_000_000
    run(driver, "parse", piece * (size // len(piece)))


def test_random_bytes(driver, level):
    rng = random.Random(3)
    for _ in range(40 * level):
        run(driver, "parse", rng.randbytes(rng.randrange(1, 3000)))


def test_random_tokens(driver, level):
    """Programs with tokens taken away, doubled, exchanged, or replaced by another's."""
    rng = random.Random(4)
    pool = programs.tokens("\n".join(path.read_text() for path in programs.FILES))
    for _ in range(120 * level):
        words = programs.tokens(rng.choice(programs.FILES).read_text())
        for _ in range(rng.randrange(1, 6)):
            i, j = rng.randrange(len(words)), rng.randrange(len(words))
            kind = rng.randrange(4)
            if kind == 0:
                del words[i]
            elif kind == 1:
                words.insert(i, words[j])
            elif kind == 2:
                words[i], words[j] = words[j], words[i]
            else:
                words[i] = rng.choice(pool)
        done = run(driver, "parse", "\n".join(words))
        assert done.stderr.count("error:") <= 20


def test_cut_anywhere(driver, level):
    """A program that ends in the middle: a message, unless it ends between items."""
    text = programs.ALL_FORMS.read_text()
    for end in range(1, len(text), 23 // level):
        run(driver, "parse", text[:end])


def test_fuzz_corpus(unit, level):
    """The fuzzer's harness on its corpus, on all programs and on damaged copies of them."""
    corpus = sorted((programs.ROOT / "tests/fuzz/corpus/parse").glob("*"))
    done = unit("fuzz_parse", "-n", 400 * level, *corpus, *programs.FILES)
    assert done.returncode == 0, done.stderr
