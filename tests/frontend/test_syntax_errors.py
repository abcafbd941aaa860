"""What is said of text that is no program: each message, its line and column, and nothing more."""
import re

import pytest

EXPR = "expected an expression"
ITEM = ("expected an item (`kernel`, `fn`, `const`, `enum`, `schedule`, `instances`, `import`), "
        "found ")


def body(text):
    """Statements from line 3 on."""
    return "kernel k[N: dim](x: in f32[N]) {\n  par (i in 0..N) {\n" + text + "\n  }\n}\n"


def schedule(text):
    """Directives from line 2 on."""
    return "schedule k for sm90 {\n" + text + "\n}\n"


def messages(stderr):
    """(line, column, text) of each error and note, and the hint behind its caret."""
    found = []
    lines = stderr.split("\n")
    for n, line in enumerate(lines):
        m = re.match(r"t\.tile:(\d+):(\d+): (?:error|(note)): (.*)$", line)
        if m:
            caret = re.match(r" *\^~* ?(.*)$", lines[n + 2])
            text = ("note: " if m[3] else "") + m[4]
            found.append((int(m[1]), int(m[2]), text + (" | " + caret[1] if caret[1] else "")))
    return found


CASES = {
    # Missing closers and separators.
    "bracket": (body("x[i = 3;\nlet y = 2;"),
                [(3, 8, "expected `,`, `]` or an operator, found `;`")]),
    "parenthesis": (body("let a = f(1, 2;\nlet b = ;"),
                    [(3, 15, "expected `,`, `)` or an operator, found `;`"),
                     (4, 9, EXPR + ", found `;`")]),
    "over lines": ("const a = f(1,\n  2;\nconst b = 3 +;",
                   [(2, 4, "expected `,`, `)` or an operator, found `;`"),
                    (1, 12, "note: `(` opened here"), (3, 14, EXPR + ", found `;`")]),
    "semicolon": (body("let a = 1\nlet b = 2"),
                  [(3, 10, "expected `;` or an operator, found `let`"),
                   (4, 10, "expected `;` or an operator, found `}`")]),
    "semicolon at the end": ("const c = 3",
                             [(1, 12, "expected `;` or an operator, found the end of the file")]),
    "semicolon of items": ('import "x"\nconst a = 1\nfn f(a) = a\n\nconst b = 2;',
                           [(1, 11, "expected `;`, found `const`"),
                            (2, 12, "expected `;` or an operator, found `fn`"),
                            (3, 12, "expected `;` or an operator, found `const`")]),
    "comma": ("kernel k(x: in f32[N] y: out f32) { f(); }\nenum e { a b }",
              [(1, 23, "expected `,`, `)`, `@` or `?`, found `y`"),
               (2, 12, "expected `,` or `}`, found `b`")]),
    "brace of a block": ("kernel k(x: in f32[N]) {\n  par (i in 0..N) {\n    x[i] = 1;\n}\n"
                         "schedule k { let = 1; }\n",
                         [(5, 1, "expected `}`, found `schedule`"),
                          (2, 19, "note: the `}` of this `{` stands at another indentation"),
                          (1, 24, "note: `{` opened here"),
                          (5, 18, "expected a name, found `=`")]),
    "brace at the end": ("fn f(x) {\n  return x;\n",
                         [(2, 12, "expected `}`, found the end of the file"),
                          (1, 9, "note: `{` opened here")]),
    "too many braces": ("}\nconst b = ;\n}\n}",
                        [(1, 1, "`}` closes nothing"), (2, 11, EXPR + ", found `;`"),
                         (3, 1, "`}` closes nothing"), (4, 1, "`}` closes nothing")]),
    "closing parenthesis": (body("x = 3; y = 4)\nz = 5;\nu = ;"),
                            [(3, 13, "expected `;` or an operator, found `)`"),
                             (5, 5, EXPR + ", found `;`")]),
    "semicolon after a block": (body("if a { f(); };\nlet q = ;"),
                                [(3, 14, "expected a statement or `}`, found `;` | no `;` after a block"),
                                 (4, 9, EXPR + ", found `;`")]),
    "semicolon twice": ("const a = 1;;\nconst b = 2;\n", [(1, 13, ITEM + "`;`")]),
    # Names.
    "reserved words": (body("let of = 1;  let phase = 2;\nfor role in 0..3 { }\na.in = 3;"),
                       [(3, 5, "`of` is a reserved word and cannot be a name"),
                        (3, 18, "`phase` is a reserved word and cannot be a name"),
                        (4, 5, "`role` is a reserved word and cannot be a name"),
                        (5, 3, "`in` is a reserved word and cannot be a name")]),
    "reserved parameters": ("kernel k[out: dim](local: in f32[extern]) { f(by = 3); }\nfn par(inout) = 1;",
                            [(1, 10, "`out` is a reserved word and cannot be a name"),
                             (1, 20, "`local` is a reserved word and cannot be a name"),
                             (1, 34, "`extern` is a reserved word and cannot be a name"),
                             (1, 47, "`by` is a reserved word and cannot be a name"),
                             (2, 4, "`par` is a reserved word and cannot be a name"),
                             (2, 8, "`inout` is a reserved word and cannot be a name")]),
    "no name": ("kernel (x: f32) { f(); }\nconst = 3;\nfn 3() = 1;",
                [(1, 8, "expected a name, found `(`"), (2, 7, "expected a name, found `=`"),
                 (3, 4, "expected a name, found `3`")]),
    "misspelt": ("kernal k(x: f32) { f(); }\nscedule k for sm90 { requir a; let B = tunee; }\nconts a = 1;",
                 [(1, 1, ITEM + "`kernal` | did you mean `kernel`?"),
                  (2, 1, ITEM + "`scedule` | did you mean `schedule`?"),
                  (3, 1, ITEM + "`conts` | did you mean `const`?")]),
    # Headers.
    "kernel": ("kernel k[N](x: in f32[N]) { f(; }\nkernel j[N: dim] { f(); }\n"
               "kernel m[N: dim]() { f(); }\nkernel n[](x: f32) { f(); }\nkernel o(x f32) { f(); }",
               [(1, 11, "expected `:`, found `]`"),
                (1, 31, "expected an expression, `)` or `:`, found `;`"),
                (2, 18, "expected `(`, found `{`"), (3, 18, "expected a name, found `)`"),
                (4, 10, "expected a name, found `]`"), (5, 12, "expected `:`, found `f32`")]),
    "kernel without a body": ("kernel k(x: f32)\nconst a = 1;",
                              [(2, 1, "expected `{`, `scratch` or `where`, found `const`")]),
    "type of a parameter": ("kernel k(x: in, y: 3 +) { f(); }",
                            [(1, 15, "expected a type, found `,`")]),
    "fn": ("fn g(a: i32) = a;\nfn h(a) { return; }\nfn i(a) = ;",
           [(1, 7, "expected `,` or `)`, found `:` | parameters of a fn have no types"),
            (2, 17, EXPR + ", found `;`"), (3, 11, EXPR + ", found `;`")]),
    "extern": ('extern f(x) = 3;\nextern fn g() cuda("t") = 1;\nextern fn h(a) cuda(t) = 1;',
               [(1, 8, "expected `fn`, found `f`"), (2, 13, "expected a name, found `)`"),
                (3, 21, "expected a string, found `t`")]),
    "import": ("import other;", [(1, 8, "expected a string, found `other`")]),
    "enum": ("enum e { };\nenum f;", [(1, 10, "expected a name, found `}`"),
                                      (2, 7, "expected `{`, found `;`")]),
    # Statements.
    "let": (body("let 3 = a;\nlet (a) = 3;\nlet (a, ) = 3;\nlet x == 3;\nvar x[0] = 1;\nlocal y = 3;"),
            [(3, 5, "expected a name or `(`, found `3`"), (4, 7, "expected `,`, found `)`"),
             (5, 9, "expected a name, found `)`"), (6, 7, "expected `=`, found `==`"),
             (7, 6, "expected `=`, found `[`"), (8, 9, "expected `:`, found `=`")]),
    "for": (body("for i = 0; i < 3; i++ { f(; }\nfor i in 0...3 { }\nfor i in range(3) { }\nfor k of 0..3 { }"),
            [(3, 7, "expected `in`, found `=`"),
             (3, 27, "expected an expression, `)` or `:`, found `;`"),
             (4, 13, EXPR + ", found `.` | a range is written a..b"),
             (5, 19, "expected `..` or an operator, found `{`"),
             (6, 7, "expected `in`, found `of`")]),
    "shared for": (body("for (e in 0..E) { }\nfor (e in 0..E) of p { }"),
                   [(3, 17, "expected `of`, found `{`"), (4, 20, "expected `(`, found `p`")]),
    "par": ("kernel k(x: f32) {\n  par m in 0..M { f(; }\n  par (m in 0..M by BM { f(; }\n}",
            [(2, 7, "expected `(`, found `m`"),
             (2, 21, "expected an expression, `)` or `:`, found `;`"),
             (3, 24, "expected `,`, `)` or an operator, found `{`"),
             (3, 28, "expected an expression, `)` or `:`, found `;`")]),
    "if": (body("if v = 3 { a = ; }\nif (a) x = 1;\nlet z = ;\nlet c = if a { 1 } else { 2 };"),
           [(3, 6, "expected `{` or an operator, found `=` | `==` compares"),
            (3, 16, EXPR + ", found `;`"), (4, 8, "expected `{` or an operator, found `x`"),
            (5, 9, EXPR + ", found `;`"),
            (6, 9, EXPR + ", found `if` | a choice between values is written `c ? a : b`")]),
    "broken if, good else": (body("if a b { f(); } else { g(; }"),
                             [(3, 6, "expected `{` or an operator, found `b`"),
                              (3, 26, "expected an expression, `)` or `:`, found `;`")]),
    "else alone": (body("else { x = 1; }\nlet z = ;"),
                   [(3, 1, "expected a statement or `}`, found `else`"),
                    (4, 9, EXPR + ", found `;`")]),
    "elif, while": (body("if a { f(); } elif b { g(); }\nwhile (true) { f(); }\nlet q = 3 +;"),
                    [(3, 20, "expected `;` or `=`, found `b` | write `else if`"),
                     (4, 14, "expected `;` or `=`, found `{` | there is no while: "
                      "loop with `for i in a..b { }`"),
                     (5, 12, EXPR + ", found `;`")]),
    "pipes": (body("put p { a = 1, b = };\nget p { }\npipe q { a: f32 };\nroles { f(); }\nlet a = ;"),
              [(3, 20, EXPR + ", found `}`"), (4, 7, "expected `as`, found `{`"),
               (5, 8, "expected `[`, found `{`"), (6, 9, "expected `role`, found `f`"),
               (7, 9, EXPR + ", found `;`")]),
    "roles": (body("roles {\nrole 3 { f(); }\nrole b { f(; }\n}\nlet a = ;"),
              [(4, 6, "expected a name, found `3`"),
               (5, 12, "expected an expression, `)` or `:`, found `;`"),
               (7, 9, EXPR + ", found `;`")]),
    "assignment with an operator": (body("x += 3;\nx[i] *= 2;\ni++;"),
                                    [(3, 3, "expected `;` or `=`, found `+` | write `a = a + b`"),
                                     (4, 6, "expected `;` or `=`, found `*` | write `a = a + b`"),
                                     (5, 2, "expected `;` or `=`, found `+` | write `a = a + b`")]),
    "comments of C": (body("f(); // why; x = ;\n// let\n/* all */\ng();\nlet a = ;"),
                      [(3, 6, "a comment begins with `#`"), (4, 1, "a comment begins with `#`"),
                       (5, 1, "a comment begins with `#`"), (7, 9, EXPR + ", found `;`")]),
    # Expressions.
    "operators": (body("x = a <> b;\nx = a ** b;\nx = a && & b;\nx = a b;\nx = [1, 2];\nx = f(a,, b);"),
                  [(3, 8, EXPR + ", found `>`"), (4, 8, EXPR + ", found `*`"),
                   (5, 10, EXPR + ", found `&`"), (6, 7, "expected `;` or an operator, found `b`"),
                   (7, 5, EXPR + ", found `[`"), (8, 9, "expected an expression or `:`, found `,`")]),
    "choice": ("const a = b ? c;\nconst d = b ? c : ;",
               [(1, 16, "expected `:` or an operator, found `;`"), (2, 19, EXPR + ", found `;`")]),
    "words of other languages": ("const a = b and c;\nconst d = not b;\ndef f(x) = 1;",
                                 [(1, 13, "expected `;` or an operator, found `and` | "
                                   "write `&&`, or `&` for tiles"),
                                  (2, 15, "expected `;` or an operator, found `b` | write `!`"),
                                  (3, 1, ITEM + "`def` | write `fn`")]),
    "points": ("const a = .5;\nconst b = 1.;\nconst c = t.0.1;",
               [(1, 11, EXPR + ", found `.` | a number has a digit before its point: 0.5"),
                (2, 13, "expected a name or an integer, found `;` | "
                 "a number has a digit after its point: 1.0"),
                (3, 13, "expected a name or an integer, found `0.1` | write `(t.0).1`")]),
    # Schedules and instances.
    "directives": (schedule("  let BM = tune { };\n  unit;\n  3 foo;\n  role a { load; }\n  phase x\n"
                            "  let C = 2;"),
                   [(2, 19, EXPR + ", found `}`"), (4, 3, "expected a directive or `}`, found `3`"),
                    (5, 16, "expected a word, `,` or `}`, found `;`"),
                    (7, 3, "expected `{`, found `let`")]),
    "open tune": (schedule("  let BM = tune { 1, 2;\n  let BN = ;"),
                  [(2, 23, "expected `,`, `}`, `..` or an operator, found `;`"),
                   (3, 12, "expected an expression or `tune`, found `;`")]),
    "directive without semicolon": (schedule("  unit warp pack(4)\n  require BM"),
                                    [(2, 20, "expected a word or `;`, found `require`"),
                                     (3, 13, "expected `;` or an operator, found `}`")]),
    "instances": ("instances k {\n  T: bf16, f32;\n  G: { 1 }\n  where;\n  H: { a b };\n}\n",
                  [(2, 6, "expected `{`, found `bf16`"), (3, 11, "expected `;`, found `where`"),
                   (4, 8, EXPR + ", found `;`"), (5, 10, "expected `,`, `}` or an operator, found `b`")]),
    # Tokens.
    "strings": (body('f("abc);\nlet a = "x;\nlet b = ;'),
                [(3, 3, 'unterminated string | a string ends on its line, with "'),
                 (4, 9, 'unterminated string | a string ends on its line, with "'),
                 (5, 9, EXPR + ", found `;`")]),
    "numbers": ("const a = 0x1.8 + 1_000;\nconst b = 12abc;\nconst c = 0xZZ;\nconst d = 1.5f;\n"
                "const e = 18446744073709551616;\nconst g = 0x10000000000000000;\nconst h = 1e400;\n"
                "const i = 1e;",
                [(1, 11, "malformed number `0x1.8` | hexadecimal: 0x1FFF; with a point or an exponent: 0x1.8p-3"),
                 (1, 19, "malformed number `1_000` | digits are written without _"),
                 (2, 11, "malformed number `12abc` | numbers have no suffix, and names begin with a letter"),
                 (3, 11, "malformed number `0xZZ` | hexadecimal: 0x1FFF; with a point or an exponent: 0x1.8p-3"),
                 (4, 11, "malformed number `1.5f`"),
                 (5, 11, "integer is too large: 2^64 or more"),
                 (6, 11, "integer is too large: 2^64 or more"),
                 (7, 11, "number is too large | infinity is written inf"),
                 (8, 11, "malformed number `1e` | numbers have no suffix, and names begin with a letter")]),
    "characters": ("const a = b × 2;\nconst c = 'd';\nconst e = f $ g;\nconst größe = 1;\n"
                   "const h = 1\u00a0+ 2;\nconst i = 1 ≤ \u202e2;\nconst j = ;",
                   [(1, 13, "unexpected character U+00D7 '×' | write *"),
                    (2, 11, "unexpected character ''' | strings stand in double quotes"),
                    (3, 13, "unexpected character '$'"),
                    (4, 9, "unexpected character U+00F6 'ö' | names are made of ASCII letters, digits and _"),
                    (5, 12, "unexpected character U+00A0 '\u00a0' | this is a no-break space; write a space"),
                    (6, 13, "unexpected character U+2264 '≤' | write <="),
                    (7, 11, EXPR + ", found `;`")]),
    "bytes": (b"const a = \xff;\nconst b = \x00;\nconst c = \"\xc3\";\nconst d = \xed\xa0\x80;\nconst e = \x07;\n"
              b"const f = ;",
              [(1, 11, "byte 0xFF is not valid UTF-8 | is this file UTF-16? save it as UTF-8"),
               (2, 11, "unexpected NUL byte"), (3, 12, "byte 0xC3 is not valid UTF-8"),
               (4, 11, "byte 0xED is not valid UTF-8"), (5, 11, "unexpected character U+0007"),
               (6, 11, EXPR + ", found `;`")]),
    "NUL in a comment and a string": (b"# a\0b\nconst a = \"x\0y\";\nconst b = ;",
                                      [(1, 4, "unexpected NUL byte"), (2, 13, "unexpected NUL byte"),
                                       (3, 11, EXPR + ", found `;`")]),
    # Other languages' files.
    "C": ("static int x;\nint main() { return 0; }\n", [(1, 1, ITEM + "`static`"), (2, 1, ITEM + "`int`")]),
    "nothing known": ("hello world\n", [(1, 1, ITEM + "`hello`")]),
}


@pytest.mark.parametrize("name", CASES)
def test_messages(name, driver):
    text, want = CASES[name]
    done = driver("parse", text)
    assert messages(done.stderr) == want, done.stderr
    assert done.returncode == 1


def test_what_is_right_is_kept(driver):
    """Items and statements around an error are in the tree."""
    done = driver("parse", "const a = 1;\nconst b = ;\nfn f() { let c = 1; let d = ; let e = 2; }\n"
                  "const g = 3;\n}\nconst h = 4;\n")
    assert done.returncode == 1
    assert done.stdout == ("const a 1\nfn f\n  do\n    let c 1\n    let e 2\nconst g 3\nconst h 4\n")


def test_every_error_of_a_long_file(driver):
    """A hundred independent errors: twenty are shown, in order, then no more."""
    text = "".join(f"const a{i} = {'1' if i % 2 else ''};\n" for i in range(200))
    done = driver("parse", text)
    found = messages(done.stderr)
    assert [line for line, _, _ in found] == list(range(1, 41, 2))
    assert done.stderr.endswith("too many errors (20): the rest is not shown\n")


EXPRESSIONS = {"": EXPR + ", found the end", "1 +": EXPR + ", found the end",
               "a b": "expected the end or an operator, found `b`",
               "a;": "expected the end or an operator, found `;`",
               "f(": "expected an expression, `)` or `:`, found the end",
               "(a": "expected `,`, `)` or an operator, found the end",
               "x[in]": "expected an expression or `:`, found `in`", "§": "unexpected character U+00A7 '§'"}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expressions(text, driver):
    """The debugger's parser: one message, no tree."""
    done = driver("expr", text)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("error:") == 1
    assert f"error: {EXPRESSIONS[text]}\n" in done.stderr
