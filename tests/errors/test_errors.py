"""Every rule that a program can break when it is checked: the message, its line, nothing else."""
import re

import pytest

import cases

ALL = [case for path in sorted(cases.HERE.glob("*.tile")) for case in cases.read(path)]


@pytest.mark.parametrize("case", ALL, ids=[f"{c.path.stem}-{c.name}" for c in ALL])
def test_wrong_program(case, tilec, tmp_path):
    path = tmp_path / "case.tile"
    path.write_text(case.text)
    done = tilec("check", path)
    told = cases.messages(done.stderr)
    wrong = cases.compare(case, told)
    if done.returncode != 1:
        wrong.append(f"exit code {done.returncode}")
    wrong += [f"another file: {m.file}" for m in told if m.file != str(path)]
    if wrong:
        pytest.fail("\n".join(wrong) + "\n\n" + done.stderr, pytrace=False)


def test_every_case_expects_something():
    assert len(ALL) >= 110
    assert not [c.name for c in ALL if not c.expected]
    names = [(c.path, c.name) for c in ALL]
    assert len(names) == len(set(names))


def test_messages_are_sentences(tmp_path, tilec):
    """No text of a message begins with a capital letter or ends with a full stop."""
    for case in ALL:
        for want in case.expected:
            assert not re.search(r"\.$", want.text) or want.text.endswith("..")
