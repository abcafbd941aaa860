"""The tree itself: what is where, and what no file of it holds."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

TOP = {"Makefile", "dsl", "compiler", "runtime", "kernels.tile", "tests", "examples", "docs",
       "README.md", "LICENSE", ".ci", ".clang-format", ".gitignore"}
CODE = {".c", ".h", ".re", ".y", ".py", ".sh", ".tile"}
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b|\b(not |un)implem" r"ented\b")
MACHINE_PATH = re.compile(r"(?<![\w.])/(home|root|work|Users|mnt)/")
# The street of the data: no folder includes from one to its right. All share the element types.
SHARED = "dsl/dtype.h"
MAY_INCLUDE = {"runtime": {"runtime"}, "dsl": {"dsl", "runtime"},
               "compiler": {"dsl", "compiler", "runtime"}}


@pytest.fixture(scope="module")
def files():
    """Every file that git knows or would add, but for test inputs that may hold anything."""
    root = pathlib.Path(__file__).resolve().parents[1]
    git = ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"]
    names = subprocess.run(git, cwd=root, capture_output=True, text=True, check=True).stdout
    paths = [root / name for name in names.split("\0") if name]
    return [p for p in paths if p.is_file() and "corpus" not in p.parts]


@pytest.fixture(scope="module")
def texts(files):
    """The text of every file that people write and read."""
    kinds = CODE | {".md", ".txt", ""}
    return {p: p.read_text(errors="replace") for p in files if p.suffix in kinds}


def complain(what, found):
    assert not found, what + ":\n" + "\n".join(f"    {f}" for f in found)


def code(texts):
    return {p: t for p, t in texts.items() if p.suffix in CODE or p.name == "Makefile"}


def matches(pattern, texts, root):
    return [f"{p.relative_to(root)}:{number}: {line.strip()}" for p, text in texts.items()
            for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]


def test_top_level(files, repository):
    assert {p.relative_to(repository).parts[0] for p in files} == TOP


def test_no_file_is_long(texts, repository):
    complain("over 1000 lines", [p.relative_to(repository) for p, text in code(texts).items()
                                 if text.count("\n") > 1000])


def test_nothing_is_marked_unfinished(texts, repository):
    complain("marks of unfinished work", matches(UNFINISHED, code(texts), repository))


def test_no_paths_of_one_machine(texts, repository):
    complain("paths of a machine", matches(MACHINE_PATH, texts, repository))


def test_lines(texts, repository):
    own = {p: t for p, t in code(texts).items() if p.suffix != ".tile"}
    blank = re.compile(r"[ \t\r]$")
    complain("space at the end of a line", matches(blank, own, repository))
    complain("no newline at the end, or an empty line there",
             [p.relative_to(repository) for p, t in own.items()
              if t and (not t.endswith("\n") or t.endswith("\n\n"))])
    complain("tabs", matches(re.compile("\t"), {p: t for p, t in own.items()
                                                if p.name != "Makefile"}, repository))
    # The message that a program in a test must give stands on the line that is wrong (#! and #?).
    own = {p: re.sub(r" *#[!?] .*", "", t) for p, t in own.items()}
    for suffixes, columns in ({".c", ".h", ".re", ".y"}, 100), ({".py", ".sh"}, 120):
        some = {p: t for p, t in own.items() if p.suffix in suffixes}
        complain(f"over {columns} columns",
                 matches(re.compile(rf"^.{{{columns},}}[^\s\\]"), some, repository))


def test_includes_follow_the_pipeline(texts, repository):
    found = []
    for path, text in texts.items():
        folder = path.relative_to(repository).parts[0]
        for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.M):
            target = name.split("/")[0] if "/" in name else folder
            if name != SHARED and target not in MAY_INCLUDE.get(folder, {target}):
                found.append(f"{path.relative_to(repository)} includes {name}")
    complain("a folder reaches forward", found)


def test_format(files, repository):
    tool = shutil.which("clang-format")
    version = subprocess.check_output([tool, "--version"], text=True) if tool else ""
    if not re.search(r"version 14\.", version):
        pytest.skip("clang-format 14 decides; it is not here")
    sources = [p for p in files if p.suffix in (".c", ".h")]
    done = subprocess.run([tool, "--dry-run", "-Werror", *sources], cwd=repository,
                          capture_output=True, text=True)
    found = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", done.stderr, re.M)))
    complain("run make format", [os.path.relpath(f, repository) for f in found])


@pytest.mark.parametrize("missing, package", [("re2c", "re2c"), ("lemon", "lemon"),
                                              ("gcc", "gcc"), ("gcc", "libedit2")])
def test_a_missing_tool_is_named(repository, tmp_path, missing, package):
    """With every tool but one, the message is one line with the command that installs it."""
    for tool in ("sh", "basename", "gcc", "re2c", "lemon"):
        if tool != missing and shutil.which(tool):
            (tmp_path / tool).symlink_to(shutil.which(tool))
    done = subprocess.run(["/bin/sh", "tests/setup/deps.sh", "check"], cwd=repository,
                          env={"PATH": str(tmp_path), "CC": "gcc"}, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("setup: missing: ")
    assert re.search(rf"sudo apt-get install .*\b{package}\b", done.stderr)


@pytest.mark.parametrize("arguments", [["build"], ["python", "demo"], ["python", "test"]])
def test_setup_asks_nobody_when_all_is_there(repository, arguments):
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_FIND_LINKS": ""}
    done = subprocess.run(["sh", "tests/setup/deps.sh", *arguments], cwd=repository,
                          env=os.environ | nowhere | {"CC": os.environ.get("TILE_CC", "gcc")},
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_make_is_silent_when_all_is_built(repository):
    """Nothing is compiled, installed or asked for twice."""
    build = os.environ.get("TILE_BUILD", "build")
    make = ["make", "-C", str(repository), "--no-print-directory",
            f"CC={os.environ.get('TILE_CC', 'gcc')}"]
    if build == "build/san":
        make.append("SAN=1")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    done = subprocess.run(make, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
