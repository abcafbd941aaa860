"""Verbs and options: help, exit code 2 and what is said."""
import pytest

SCALE = "scale.tile scale -s a=2 -i x=x.npy -o y=y.npy"


@pytest.mark.parametrize("arguments, texts", [
    ("", ["usage", "--help"]),
    ("chekc scale.tile", ["unknown verb chekc", "is check meant"]),
    ("frobnicate", ["unknown verb frobnicate"]),
    ("check", ["usage: tilec check FILE"]),
    ("fmt", ["usage: tilec fmt FILE"]),
    ("run", ["usage: tilec run FILE"]),
    ("debug", ["usage: tilec debug FILE"]),
    ("run scale.tile scale extra", ["unexpected argument extra"]),
    ("run scale.tile --sead 3", ["unknown option --sead", "is --seed meant"]),
    ("run scale.tile -q", ["unknown option -q"]),
    ("check scale.tile -i x=x.npy", ["tilec check takes no -i"]),
    ("fmt scale.tile -s N=3", ["tilec fmt takes no -s"]),
    ("run scale.tile -d ir", ["tilec run takes no -d"]),
    ("run scale.tile -s", ["-s needs NAME=VALUE"]),
    ("run scale.tile --seed", ["--seed needs N"]),
    ("run scale.tile -s N", ["-s N: write -s NAME=VALUE"]),
    ("run scale.tile -s =3", ["-s =3: write -s NAME=VALUE"]),
    ("run scale.tile -i x", ["-i x: write -i NAME=FILE"]),
    ("run scale.tile -i x=", ["-i x=: write -i NAME=FILE"]),
    ("run scale.tile -s a=1 -s a=2", ["-s a is given twice"]),
    ("run scale.tile -i x=a.npy -i x=b.npy", ["-i x is given twice"]),
    ("run table.tile -i xs[0]=a.npy -i xs[00]=b.npy", [r"given twice"]),
    ("run scale.tile -o y=a.npy -o y=b.npy", ["-o y is given twice"]),
    ("run table.tile sums -i xs[=a.npy", ["write a table's entry as"]),
    ("run table.tile sums -i xs[-1]=a.npy", ["write a table's entry as"]),
    ("run table.tile sums -i xs[1]x=a.npy", ["write a table's entry as"]),
    ("run two.tile -o y=same.npy -o z=same.npy", ["would both be written to same.npy"]),
    ("run scale.tile --seed -1", ["--seed -1: an integer"]),
    ("run scale.tile --seed x", ["--seed x: an integer"]),
    ("run scale.tile --seed 18446744073709551616", ["an integer from 0 to 18446744073709551615"]),
    ("run scale.tile --threads 100000", ["--threads 100000: an integer from 0 to 1024"]),
    ("check -d dot scale.tile", ["-d dot: ast or ir"]),
    ("run scale.tile --plan sm80", ["--plan sm80: write --plan sm90|sm100"]),
    ("run scale.tile --plan", ["--plan needs sm90|sm100"]),
    ("check scale.tile --plan sm90", ["tilec check takes no --plan"]),
    ("run scale.ir --plan sm90", ["--plan takes a .tile file"]),
    ("debug scale.ir --plan sm90", ["--plan takes a .tile file"]),
    ("run scale.tile --plan sm90 --machine sm90", ["--plan is for the interpreter"]),
    ("run scale.tile --machine sm90 --device cuda", ["either --device or --machine"]),
    ("run scale.tile --machine sm90 --block 1", ["--block needs --timeline"]),
    ("run scale.tile --time 5", ["--time needs --device cuda"]),
    ("run scale.tile --pitch x=8", ["--pitch and --offset need --device cuda or --machine"]),
])
def test_wrong_command_lines(shell, arguments, texts):
    shell.fails(arguments, *texts, code=2)


@pytest.mark.parametrize("arguments, texts", [
    ("--help", ["check FILE", "run FILE", "debug FILE", "layout FILE", "fmt FILE", "exit codes"]),
    ("-h", ["usage: tilec VERB"]),
    ("check --help", ["usage: tilec check FILE", "-s NAME=VALUE", "-d ast|ir"]),
    ("run --help", ["-s NAME=VALUE", "-i NAME=FILE", "-o NAME=FILE", "--seed N",
                    "--plan sm90|sm100"]),
    ("debug --help", ["-s NAME=VALUE", "-i NAME=FILE", "-o NAME=FILE", "--seed N",
                      "--plan sm90|sm100"]),
    ("fmt --help", ["--check"]),
    ("run nothing.tile -s a=1 --help", ["usage: tilec run"]),
])
def test_help(shell, arguments, texts):
    out = shell.ok(arguments)
    for text in texts:
        assert text in out


def test_version(shell):
    assert shell.ok("--version").startswith("tilec ")


def test_forms_of_options(shell):
    """Options stand anywhere; values may be attached."""
    shell.save("x.npy", [1.0, 2.0])
    shell.save("x.npy", shell.load("x.npy").astype("f4"))
    for line in (f"run {SCALE}", "run -sa=2 -ix=x.npy -oy=y.npy scale.tile scale --seed=7",
                 "run --seed 0x7 -s a=2 -i x=x.npy -o y=y.npy -- scale.tile",
                 f"run --threads 1 {SCALE}", f"run --seed 18446744073709551615 {SCALE}"):
        shell.path("y.npy").unlink(missing_ok=True)
        assert shell.ok(line) == ""
        assert shell.load("y.npy").tolist() == [2.0, 4.0]


def test_standard_output_must_take_the_text(shell):
    with open("/dev/full", "w") as full:
        for line in ("--help", "check -v scale.tile", "check -d ir scale.tile"):
            done = shell.tilec(*line.split(), cwd=shell.folder, capture_output=False, text=True,
                               stdout=full, stderr=-1)
            assert done.returncode == 1
            assert "standard output: No space left" in done.stderr


def test_folders_are_made(shell):
    """With those above them; what is no folder is told, and nothing is written."""
    shell.ok("emit scale.tile --arch sm90 -o a/b/c")
    assert list(shell.path("a/b/c").glob("*.cu"))
    shell.path("file").write_text("")
    for folder in "file", "file/below":
        shell.fails(f"emit scale.tile --arch sm90 -o {folder}", f"^tilec: {folder}: Not a directory$")
