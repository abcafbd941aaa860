"""Wrong programs with what must be said about them.

A program marks the lines that are wrong: `#! text` is an error there whose message has that text,
and `#? text` a hint or note that must stand somewhere in the output. No other error may be told.
"""
import re

ERROR = re.compile(r"^[^\n:]*:(\d+):(\d+): error: (.*)$", re.M)


def told(done):
    return [(int(line), text) for line, _, text in ERROR.findall(done.stderr + done.stdout)]


def expected(program):
    errors, hints = [], []
    for number, line in enumerate(program.splitlines(), 1):
        for mark, text in re.findall(r"#([!?])\s*([^#]*)", line):
            if mark == "!":
                errors.append((number, text.strip()))
            else:
                hints.append(text.strip())
    return errors, hints


def check_wrong(tilec, tmp_path, program):
    path = tmp_path / "wrong.tile"
    path.write_text(program)
    done = tilec("check", path)
    output = done.stderr + done.stdout
    errors, hints = expected(program)
    assert errors, "the program marks no error"
    left = told(done)
    for line, text in errors:
        match = next((one for one in left if one[0] == line and text in one[1]), None)
        assert match, f"line {line}: {text}\nis not among\n{output}"
        left.remove(match)
    assert not left, f"not expected: {left}\n{output}"
    for text in hints:
        assert text in output, f"{text}\nis not in\n{output}"
    assert done.returncode == 1


def check_right(tilec, tmp_path, program):
    path = tmp_path / "right.tile"
    path.write_text(program)
    done = tilec("check", path)
    assert done.returncode == 0 and not told(done), done.stderr + done.stdout
