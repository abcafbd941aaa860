"""tilec fmt: the tree stays, the comments stay, formatting twice changes nothing."""
import random
import re

import pytest

import programs

WIDTH = 100


def check(text, good):
    """Formats and returns the result, after the checks that hold for every program."""
    once = good("fmt", text)
    assert good("fmt", once) == once
    assert good("parse", once) == good("parse", text)
    source = text if isinstance(text, str) else text.decode()
    assert programs.tokens(once) == programs.tokens(source)
    return once


@pytest.mark.parametrize("path", programs.FILES, ids=programs.NAMES)
def test_programs(path, good):
    out = check(path.read_text(), good)
    for line in out.splitlines():
        assert line == line.rstrip()
        assert len(re.sub(r"\s*#.*", "", line)) <= WIDTH


def test_canonical_form_stays(good):
    text = programs.ALL_FORMS.read_text()
    assert good("fmt", text) == text
    assert good("fmt", text.replace("\n", "\r\n")) == text


@pytest.mark.parametrize("path", programs.FILES, ids=programs.NAMES)
@pytest.mark.parametrize("seed", [1, 2])
def test_other_blanks(path, seed, good):
    """The same tokens with other blanks between them."""
    rng = random.Random(seed)
    text = ""
    for token in programs.tokens(path.read_text()):
        text += token + ("\n" if token.startswith("#") else
                         rng.choice([" ", " ", "  ", "\n", "\n\n\n", "\t", "\r\n"]))
    check(text, good)


@pytest.mark.parametrize("path", programs.FILES, ids=programs.NAMES)
def test_one_line(path, good):
    """A whole program on one line becomes lines that fit."""
    words = [t for t in programs.tokens(path.read_text()) if not t.startswith("#")]
    out = check(" ".join(words) + "\n", good)
    assert max(map(len, out.splitlines())) <= WIDTH


def test_comment_after_every_token(good):
    """Comments may stand anywhere and stay behind or above what they stood at."""
    words = [t for t in programs.tokens(programs.ALL_FORMS.read_text()) if not t.startswith("#")]
    for place in ("{} # {}\n", "{}\n# {}\n"):
        text = "".join(place.format(word, i) for i, word in enumerate(words))
        out = check(text, good)
        for i, word in enumerate(words):
            if place.startswith("{} "):
                assert re.search(re.escape(word) + rf"  +# {i}$", out, re.M), (i, word)
            else:
                assert re.search(rf"^ *# {i}$", out, re.M), (i, word)


CASES = {
    "blanks": ("const  a=1+2*3 ;\nfn f( a,b )=a?-b:!b;\n",
               "const a = 1 + 2 * 3;\nfn f(a, b) = a ? -b : !b;\n"),
    "signs": ("const a=- -x-(-1)+~y%2//3;const b=x[i+:2,:,-1,pad=- 1];\n",
              "const a = --x - (-1) + ~y % 2 // 3;  const b = x[i +: 2, :, -1, pad = -1];\n"),
    "tuple members": ("const a = t. 0 . 1 ;\n", "const a = t.0 .1;\n"),
    "blank lines": ("\n\nconst a = 1;\n\n\n\nconst b = 2;\nconst c = 3;\n\n\n",
                    "const a = 1;\n\nconst b = 2;\nconst c = 3;\n"),
    "empty": ("", ""),
    "only comments": ("\n# a\n\n\n\n   # b\n", "# a\n\n# b\n"),
    "missing line end": ("const a = 1;", "const a = 1;\n"),
    "statements": ("fn f(a) {\nlet b=a;let c=b;\n\n\nlet d = c;\nreturn d; }\n",
                   "fn f(a) {\n  let b = a;  let c = b;\n\n  let d = c;\n  return d;\n}\n"),
    "one-line block": ("fn f(a){let b=a;return b;}\n", "fn f(a) { let b = a;  return b; }\n"),
    "if": ("fn f(a) {\nif a\n{ g(); }\nelse\n{ h(); }\nif a {\ng(); } else if b { h(); }\n}\n",
           "fn f(a) {\n  if a { g(); } else { h(); }\n  if a {\n    g();\n  } else if b {\n    h();\n"
           "  }\n}\n"),
    "arms": ("fn f(a) {\n" + "  if aaaaaaaaaaaaaaaaaaaaaaaa { bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb(); } "
             "else { ccccccccccccccccccccccccccccccccccccccc(); }\n}\n",
             "fn f(a) {\n  if aaaaaaaaaaaaaaaaaaaaaaaa { bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb(); }\n"
             "  else { ccccccccccccccccccccccccccccccccccccccc(); }\n}\n"),
    "trailing comments keep their column": (
        "const  a=1;         # one\nconst bbbbbbbbbbbbbbbbbbbbbb = 2; # two\n",
        "const a = 1;        # one\nconst bbbbbbbbbbbbbbbbbbbbbb = 2;  # two\n"),
    "a block with a comment": ("fn f() { g(); # why\n}\n", "fn f() {\n  g();  # why\n}\n"),
    "kernel on one line": ("kernel k[N:dim](x:in f32[N]){par(i in 0..N){x[i]=1.0;}}\n",
                           "kernel k[N: dim](x: in f32[N]) { par (i in 0..N) { x[i] = 1.0; } }\n"),
    "kernel": ("kernel k[N:dim](x:in f32[N],\n y:out f32[N]@store(row)) scratch(p:inout i32[1])\n"
               "where N%2==0 { grid_sync(); }\n",
               "kernel k[N: dim]\n  (x: in f32[N],\n   y: out f32[N] @ store(row))\n"
               "  scratch (p: inout i32[1])\n  where N % 2 == 0\n{ grid_sync(); }\n".replace(
                   "{ grid_sync(); }", "{\n  grid_sync();\n}")),
    "wrapping": ("const x = " + " + ".join(["aaaaaaaaaaaaaaaaaaa * bbbbbbbbbbbbbbbbbb"] * 3) + ";\n",
                 "const x = aaaaaaaaaaaaaaaaaaa * bbbbbbbbbbbbbbbbbb + aaaaaaaaaaaaaaaaaaa *"
                 " bbbbbbbbbbbbbbbbbb +\n    aaaaaaaaaaaaaaaaaaa * bbbbbbbbbbbbbbbbbb;\n"),
    "wrapping a call": (
        "const x = concat(" + ", ".join(["aaaaaaaaaaaaaaaaaaaaaaaa[i, j]"] * 4) + ");\n",
        "const x = concat(aaaaaaaaaaaaaaaaaaaaaaaa[i, j], aaaaaaaaaaaaaaaaaaaaaaaa[i, j],\n"
        "                 aaaaaaaaaaaaaaaaaaaaaaaa[i, j], aaaaaaaaaaaaaaaaaaaaaaaa[i, j]);\n"),
    "documentation stays what it is": (
        "kernel k(\n## doc\nx: f32,\n\n## not doc\n\ny: f32) { f(); }\n",
        "kernel k\n  (\n   ## doc\n   x: f32,\n\n   ## not doc\n\n   y: f32)\n{\n  f();\n}\n"),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name, good):
    text, want = CASES[name]
    assert check(text, good) == want


def test_long_lists(good):
    out = check("enum e { " + ", ".join(f"member{i}" for i in range(2000)) + " }\n", good)
    assert max(map(len, out.splitlines())) <= WIDTH
