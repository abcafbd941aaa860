"""The form of a message: place, text, source line, caret, hint."""


def shown(driver, text):
    done = driver("parse", text)
    assert done.returncode == 1
    return done.stderr.split("\n")


def test_form(driver):
    assert shown(driver, "const a = b c;\n") == [
        "t.tile:1:13: error: expected `;` or an operator, found `c`",
        "const a = b c;",
        "            ^",
        ""]


def test_caret_covers_the_token_and_the_hint_follows(driver):
    assert shown(driver, "kernal k(x: f32) { f(); }")[1:3] == [
        "kernal k(x: f32) { f(); }", "^~~~~~ did you mean `kernel`?"]


def test_tabs_count_one_and_are_shown_as_blanks(driver):
    lines = shown(driver, "fn f() {\n\t\tlet a = \t;\n}\n")
    assert lines[0].startswith("t.tile:2:12: error:")
    assert lines[1:3] == ["  let a =  ;", "           ^"]


def test_wide_and_combining_characters(driver):
    lines = shown(driver, 'const a = "漢字" b;\n')
    assert lines[0].startswith("t.tile:1:16: error:")        # characters, not bytes or cells
    assert lines[1] == 'const a = "漢字" b;'
    assert lines[2] == " " * 17 + "^"                        # two of them are two cells wide
    lines = shown(driver, 'const a = "e\u0301" b;\n')
    assert lines[0].startswith("t.tile:1:16: error:")
    assert lines[2] == " " * 14 + "^"


def test_what_could_act_on_a_terminal_is_not_shown(driver):
    lines = shown(driver, b'const a = "\x1b[31m\x9b\xff\xe2\x80\xae" b;\n')
    assert not [c for line in lines for c in line if ord(c) < 32 or c == "\u202e"]
    assert "\ufffd[31m" in lines[1]


def test_crlf_is_no_part_of_the_line(driver):
    lines = shown(driver, "const a = ;\r\nconst b = 1;\r\n")
    assert lines[1:3] == ["const a = ;", "          ^"]


def test_long_lines_are_cut_around_the_caret(driver):
    lines = shown(driver, "const a = " + "b + " * 200 + "c d" + " + e" * 300 + ";\n")
    assert lines[0].startswith("t.tile:1:813: error:")
    assert len(lines[1]) < 140 and lines[1].startswith("...") and lines[1].endswith("...")
    assert lines[1][lines[2].index("^")] == "d"


def test_error_at_the_end_of_an_empty_file(driver):
    done = driver("expr", "")
    assert done.stderr == ("expression:1:1: error: expected an expression, found the end"
                           "\n\n^\n")


def test_place_after_the_last_token(driver):
    lines = shown(driver, "const a = 1 # why\n\n\nconst b = 2;\n")
    assert lines[:3] == ["t.tile:1:12: error: expected `;` or an operator, found `const`",
                         "const a = 1 # why", "           ^"]
