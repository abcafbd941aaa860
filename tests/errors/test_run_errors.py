"""What the interpreter finds in a run: the message, its line, and the same again with its seed."""
import re

import numpy as np
import pytest

import cases

ALL = [case for path in sorted((cases.HERE / "run").glob("*.tile")) for case in cases.read(path)]
DTYPES = {"f32": "float32", "i32": "int32", "i64": "int64"}
SEED = re.compile(r"; seed (\d+) replays$")


def start(case, tilec, folder, *more):
    path = folder / "case.tile"
    path.write_text(case.text)
    arguments = [path, "k", *case.args]
    for i, (name, dtype, values) in enumerate(case.inputs):
        np.save(folder / f"{i}.npy", np.array(values, DTYPES[dtype]))
        arguments += ["-i", f"{name}={folder / f'{i}.npy'}"]
    return tilec("run", *arguments, *more)


def race_wrong(case, told):
    """A race is told at one of its lines and names both."""
    if not told:
        return []
    m = told[0]
    named = {m.line} | {int(n) for n in re.findall(r"case\.tile:(\d+):\d+", m.text)}
    wrong = [] if named == set(case.race) else [f"lines {named} are named"]
    return wrong + ([] if m.text.startswith("race: ") else ["no race"])


def compare(case, done):
    told = cases.messages(done.stderr)
    wrong = [] if done.returncode == 1 else [f"exit code {done.returncode}"]
    if case.race:
        wrong += cases.place_wrong(case, told) + race_wrong(case, told)
    else:
        wrong += cases.compare(case, told)
    errors = [m for m in told if m.kind == "error"]
    return wrong if len(errors) == 1 else wrong + [f"{len(errors)} errors"]


@pytest.mark.parametrize("case", ALL, ids=[f"{c.path.stem}-{c.name}" for c in ALL])
def test_wrong_run(case, tilec, tmp_path):
    done = start(case, tilec, tmp_path)
    wrong = compare(case, done)
    seed = SEED.search(done.stderr.splitlines()[0]) if done.stderr else None
    if not seed:
        wrong.append("no seed")
    elif start(case, tilec, tmp_path, "--seed", seed[1]).stderr != done.stderr:
        wrong.append("its seed does not replay it")
    if wrong:
        pytest.fail("\n".join(wrong) + "\n\n" + done.stderr, pytrace=False)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("case", ALL, ids=[f"{c.path.stem}-{c.name}" for c in ALL])
def test_found_in_every_order(case, seed, tilec, tmp_path):
    """Which program comes first may decide the words, never whether anything is found."""
    done = start(case, tilec, tmp_path, "--seed", seed, "--threads", 1 + seed % 2)
    wrong = compare(case, done)
    if f"; seed {seed} replays" not in done.stderr:
        wrong.append("its seed is not named")
    if wrong:
        pytest.fail("\n".join(wrong) + "\n\n" + done.stderr, pytrace=False)


ROLES = """kernel k[M: dim](y: out f32[M]) {
  par (i in 0..M) {
    pipe p[1] { v: f32 };
    pipe q[1] { v: f32 };
    roles {
      role one { for j in 0..2 { put p { v = 1.0 }; }  put q { v = 2.0 }; }
      role two { for j in 0..2 { get p as s { y[i] = s.v; } }  get q as s { y[i] = s.v; } }
    }
  }
}
"""


def test_deadlock_of_roles(tilec, tmp_path):
    """The check refuses such a program; in its IR the items are taken in the other order."""
    (tmp_path / "roles.tile").write_text(ROLES)
    ir = tilec("check", "-d", "ir", tmp_path / "roles.tile").stdout
    (tmp_path / "good.ir").write_text(ir)
    assert tilec("run", tmp_path / "good.ir", "k", "-s", "M=3").returncode == 0
    wrong, changed = re.subn(r'(role "two".*?\n)(.*?)( +get %q.*?\n +\}\n)', r"\1\3\2", ir,
                             flags=re.S)
    assert changed == 1
    (tmp_path / "wrong.ir").write_text(wrong)
    done = tilec("run", tmp_path / "wrong.ir", "k", "-s", "M=3")
    path = re.escape(str(tmp_path / "roles.tile"))
    assert done.returncode == 1
    assert re.match(rf"{path}:5:5: error: deadlock: role one waits for a free slot of pipe p at "
                    rf"{path}:6:\d+; role two waits for an item of pipe q at {path}:7:\d+; "
                    r"program \(i = \d\); seed 0 replays\n$", done.stderr), done.stderr


def test_the_first_fault_ends_the_run(tilec, tmp_path):
    """One message, and no output file is left half-written."""
    (tmp_path / "case.tile").write_text(
        "kernel k[M: dim](y: out i64[M]) { par (i in 0..M) { y[i] = 1 // (i % 2); } }\n")
    done = tilec("run", tmp_path / "case.tile", "-s", "M=1000", "-o", f"y={tmp_path / 'y.npy'}")
    assert done.returncode == 1 and done.stderr.count("error:") == 1
    assert not (tmp_path / "y.npy").exists()
