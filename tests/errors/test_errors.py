"""Every rule that a program can break when it is checked: the message, its line, nothing else."""
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


def check_files(tilec, folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.tile").write_text(text)
    done = tilec("check", folder / "main.tile")
    return done, cases.messages(done.stderr)


KERNEL = "kernel k[M: dim](x: in f32[M], y: out f32[M]) { par (i in 0..M) { y[i] = f(x[i]); } }\n"


def test_imported_file_is_wrong(tilec, tmp_path):
    done, told = check_files(tilec, tmp_path, main='import "lib.tile";\n' + KERNEL,
                             lib="# functions\nfn f(a) = a + missing;\n")
    assert done.returncode == 1 and len(told) == 1
    assert (told[0].file, told[0].line, told[0].column) == (str(tmp_path / "lib.tile"), 2, 15)
    assert "unknown name `missing`" in told[0].text and told[0].source == "fn f(a) = a + missing;"


def test_import_of_an_import_is_missing(tilec, tmp_path):
    done, told = check_files(tilec, tmp_path, main='import "lib.tile";\n' + KERNEL,
                             lib='import "deeper.tile";\nfn f(a) = a;\n')
    assert done.returncode == 1 and len(told) == 1
    assert told[0].file == str(tmp_path / "lib.tile") and "deeper.tile" in told[0].text


def test_import_gives_no_kernels(tilec, tmp_path):
    lib = "fn f(a) = a;\nkernel other[M: dim](y: out f32[M]) { par (i in 0..M) { y[i] = 1.0; } }\n"
    done, told = check_files(
        tilec, tmp_path, lib=lib,
        main='import "lib.tile";\n' + KERNEL + "schedule other for sm90 { unit warp; }\n")
    assert done.returncode == 1 and len(told) == 1
    assert told[0].line == 3 and "other" in told[0].text


def test_imports_in_a_circle(tilec, tmp_path):
    done, told = check_files(tilec, tmp_path, main='import "lib.tile";\nconst A = 2;\n' + KERNEL,
                             lib='import "deep.tile";\nfn f(a) = a;\n',
                             deep='const B = 1;\nimport "../{}/main.tile";\n'.format(tmp_path.name))
    main, lib, deep = (tmp_path / f"{name}.tile" for name in ("main", "lib", "deep"))
    assert done.returncode == 1 and len(told) == 1
    assert told[0].text == f"import cycle: {main} -> {lib} -> {deep} -> {main}"
    assert (told[0].file, told[0].line) == (str(deep), 2)


def test_a_file_that_imports_itself(tilec, tmp_path):
    done, told = check_files(tilec, tmp_path, main='import "main.tile";\n' + KERNEL)
    main = tmp_path / "main.tile"
    assert done.returncode == 1 and told[0].text == f"import cycle: {main} -> {main}"


def test_a_file_that_two_files_import(tilec, tmp_path):
    """It is one file, whichever way its path is written."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "one.tile").write_text('import "../lib.tile";\nfn f(a) = g(a);\n')
    (tmp_path / "link.tile").symlink_to(tmp_path / "lib.tile")
    main = 'import "sub/one.tile";\nimport "./lib.tile";\nimport "sub/../link.tile";\n' + KERNEL
    done, told = check_files(tilec, tmp_path, main=main, lib="fn g(a) = a * A;\nconst A = 2;\n")
    assert (done.returncode, told) == (0, []), done.stderr


def test_a_name_of_two_imports(tilec, tmp_path):
    done, told = check_files(tilec, tmp_path, one="fn f(a) = a;\n", two="fn f(a) = -a;\n",
                             main='import "one.tile";\nimport "two.tile";\n' + KERNEL)
    assert done.returncode == 1 and told[0].kind == "error"
    assert told[0].file == str(tmp_path / "two.tile") and "`f`" in told[0].text


def test_missing_file(tilec, tmp_path):
    done = tilec("check", tmp_path / "nowhere.tile")
    assert done.returncode == 1
    assert "nowhere.tile" in done.stderr and "No such file" in done.stderr


def test_at_most_twenty_errors(tilec, tmp_path):
    lines = "".join(f"  let a{i} = y + {i};\n" for i in range(40))
    head = "kernel k[M: dim](y: out f32[M]) { par (i in 0..M) {\n"
    done, told = check_files(tilec, tmp_path, main=head + lines + "} }\n")
    assert done.returncode == 1 and len(told) == 20
    assert "too many errors" in done.stderr


@pytest.mark.parametrize("text", [
    b"", b"\n", b"\xff\xfe", b"\0" * 100, b"kernel", b"(" * 10000, b"kernel k(" + b"[" * 10000,
    b"const A = " + b"-" * 100000 + b"1;", b"const A = 1" + b" + 1" * 100000 + b";",
    b"fn f(a) { " + b"if a { } else " * 5000 + b"{ } }", b"const A = \"" + b"x" * 100000,
    b"# only a comment", b"\xef\xbb\xbfconst A = 1;\r\n"],
    ids=["empty", "newline", "utf16", "nul", "word", "parentheses", "brackets", "signs", "sum",
         "else", "string", "comment", "mark"])
def test_no_input_crashes(tilec, tmp_path, text):
    (tmp_path / "main.tile").write_bytes(text)
    assert tilec("check", tmp_path / "main.tile").returncode in (0, 1)
