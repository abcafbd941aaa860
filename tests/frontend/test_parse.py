"""Text to tree: every form of the grammar, precedences, literals, places, documentation."""
import random

import pytest

import programs

# C's table, loosest first; every one associates to the left.
LEVELS = [["||"], ["&&"], ["|"], ["^"], ["&"], ["==", "!="], ["<", "<=", ">", ">="],
          ["<<", ">>"], ["+", "-"], ["*", "/", "//", "%"]]
LEVEL = {op: i for i, ops in enumerate(LEVELS) for op in ops}


@pytest.mark.parametrize("path", programs.FILES, ids=programs.NAMES)
def test_programs_parse(path, good):
    assert good("parse", path.read_bytes())


def test_all_forms(good):
    """The dump of a few forms, written by hand from the grammar."""
    dump = good("parse", programs.ALL_FORMS.read_text())
    for want in [
        'import "other.tile"\n',
        'extern fast a b cuda "__fast(a, b)" (* a b)\n',
        "const ONE 1\n",
        "enum kind none row both\n",
        "fn half x (/ x 0x1p+1)\n",
        "fn nothing\n  do\n    return 0\n",
        "kernel k ## What the kernel does.\nIn two lines.\n",
        "  static N: dim % 8\n",
        "  static BM: tune = 64\n",
        "  param x in ([] T M N) @(stride any 1) @nondet\n",
        "  param y out ([] f32 M) ? ## an optional output\n",
        "  param ts in (() table L ([] f32 N))\n  param eps f32\n",
        "  scratch more inout ([] f32 1)\n  where (&& (== (% N G) 0) (||' (() has y) (! save)))\n",
        "      par @main @unordered (m 0 M BM) (n (() first m) N)\n".replace("      ", "    ", 1),
        "        let a ([] x (+: m BM) : idx (= (- 1) pad))\n",
        '        let s t u (tuple 1 0x1.4p+1 "text")\n',
        "        local buf ([] f32 (* 2 G))\n",
        "        if (< a b)\n          do\n            continue\n          else if\n"
        "            if (> a b)\n              do\n                assign acc b\n"
        "              else\n                assign acc a\n",
        "        for @(unroll 4) (i 0 4 2)\n",
        "        share (e 0 E) (r 0 ([] rows e) 8) p P\n",
        "        pipe ab STAGES a: ([] f32 BM) b: ([] bf16 BM 2)\n",
        "          role load (warps 1) (regs 40)\n            do\n              put ab a= ([] x m) b= (- y)\n",
        "              get ab as item\n",
        "(|| a (&& b (| c (^ d (& e (!= (== f g) (>= (> (<= (< h i) j) k)"
        " (>> (<< l m) (- (+ n o) (% (// (/ (* p q) r) s) t)))))))))",
        "let o (?: (- (+ (- a) (! b)) (~ c)) (tuple d true) false)\n",
        "schedule k sm90 sm100\n  let STAGES 4\n  tune BN { 1 - - } { 2 - - } { 16 64 16 } { 0 3 - }\n",
        '  words load load x via smem  "text"  12  0x1.8p+0 (wait load (= a share))\n',
        "  role math (regs 232) { mma acc, store y tma (overlap 2)\n",
        "  phase main\n    words unit unit warp (pack 8)\n",
        "instances k\n  T bf16 f32\n  y\n  where (|| (== T bf16) save)\n",
    ]:
        assert want in dump, want


def random_tree(rng, depth):
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(["a", "b", "7"])
    kind = rng.random()
    if kind < 0.12:
        return (rng.choice("-!~"), random_tree(rng, depth - 1))
    if kind < 0.2:
        return ("?:", *(random_tree(rng, depth - 1) for _ in range(3)))
    return (rng.choice(list(LEVEL)), random_tree(rng, depth - 1), random_tree(rng, depth - 1))


def written(tree, loosest=-1):
    """Text with parentheses only where C's table wants them; and the tree, those marked."""
    if isinstance(tree, str):
        return tree, tree
    op, *parts = tree
    if len(parts) == 1:
        level, bounds, texts = 20, [20], ["{}{{}}".format(op)]
    elif op == "?:":
        level, bounds, texts = -1, [0, -1, -1], ["{} ? {} : {}"]
    else:
        level = LEVEL[op]
        bounds, texts = [level, level + 1], ["{{}} {} {{}}".format(op)]
    done = [written(part, bound) for part, bound in zip(parts, bounds)]
    text = texts[0].format(*(t for t, _ in done))
    marked = level < loosest
    dump = "({}{} {})".format(op, "'" if marked else "", " ".join(d for _, d in done))
    return ("(" + text + ")" if marked else text), dump


def test_precedence(good):
    """Random expressions against C's table of precedences."""
    rng = random.Random(1)
    pairs = [written(random_tree(rng, 5)) for _ in range(400)]
    text = "".join(f"const x{i} = {text};\n" for i, (text, _) in enumerate(pairs))
    want = "".join(f"const x{i} {dump}\n" for i, (_, dump) in enumerate(pairs))
    assert good("parse", text) == want


def test_expression_text_parses_to_itself(good):
    rng = random.Random(2)
    for _ in range(60):
        text, _ = written(random_tree(rng, 5))
        assert good("expr", text) == text + "\n"


@pytest.mark.parametrize("text", ["1e-4", "6.0", "0x1.8p-124", "0x1p0", "0x1.p3", "1E+10", "0.5e3",
                                  "3.4028235e38", "1e308", "1e-320", "0xFFp-1", "0x1.8p124"])
def test_numbers(text, good):
    value = float.fromhex(text) if text.startswith("0x") else float(text)
    dumped = good("parse", f"const x = {text};").split()[2]
    assert float.fromhex(dumped) == value


@pytest.mark.parametrize("text", ["0", "007", "18446744073709551615", "0x1FFFF",
                                  "0xffffffffffffffff", "0xDEADbeef"])
def test_integers(text, good):
    dumped = good("parse", f"const x = {text};").split()[2]
    assert int(dumped, 0) == int(text, 16 if text.startswith("0x") else 10)
    assert dumped.startswith("0x") == text.startswith("0x")


def test_ranges_are_no_numbers(good):
    assert good("expr", "f(t.0.a, 1, 0x10)") == "f(t.0.a, 1, 0x10)\n"
    dump = good("parse", "fn f() { for i in 1..R { } for j in 0x1..2 by 3 { } for k in 1.5..2.5 { } }")
    assert "for (i 1 R)\n" in dump and "for (j 0x1 2 3)\n" in dump
    assert "for (k 0x1.8p+0 0x1.4p+1)\n" in dump


def test_places(good):
    """Where the caret stands, and the text that a node covers."""
    lines = good("places", " f(x[i +: 2, :], k = (a + b)).0.y ? -1 : s // 2").splitlines()
    assert [tuple(line.split("\t")) for line in lines] == [
        ("?:", "?", "f(x[i +: 2, :], k = (a + b)).0.y ? -1 : s // 2"),
        (".", "y", "f(x[i +: 2, :], k = (a + b)).0.y"),
        (".", "0", "f(x[i +: 2, :], k = (a + b)).0"),
        ("()", "f", "f(x[i +: 2, :], k = (a + b))"),
        ("name", "f", "f"),
        ("[]", "x", "x[i +: 2, :]"),
        ("name", "x", "x"),
        ("+:", "+:", "i +: 2"),
        ("name", "i", "i"),
        ("integer", "2", "2"),
        (":", ":", ":"),
        ("=", "k", "k = (a + b)"),
        ("+", "+", "(a + b)"),
        ("name", "a", "a"),
        ("name", "b", "b"),
        ("-", "-", "-1"),
        ("integer", "1", "1"),
        ("//", "//", "s // 2"),
        ("name", "s", "s"),
        ("integer", "2", "2"),
    ]


def test_line_ends_and_marks(good):
    text = programs.ALL_FORMS.read_text()
    dump = good("parse", text)
    assert good("parse", text.replace("\n", "\r\n")) == dump
    assert good("parse", text.rstrip("\n")) == dump
    assert good("parse", "\ufeff" + text) == dump
    tabs = text.replace(" ", "\t").replace("##\t", "## ")
    assert good("parse", tabs).replace("\t", " ") == dump


@pytest.mark.parametrize("text, doc", [
    ("## one\n##two\n##   three\nconst a = 1;", "one\ntwo\n  three"),
    ("## far\n\nconst a = 1;", None),
    ("# plain\nconst a = 1;", None),
    ("## doc\n# plain\nconst a = 1;", None),
    ("# plain\n## doc\nconst a = 1;", "doc"),
    ("const b = 2; ## trailing\nconst a = 1;", None),
    ("## doc\r\nconst a = 1;", "doc"),
    ("##\nconst a = 1;", ""),
    ("## doc\n  \t const a = 1;", "doc"),
])
def test_documentation(text, doc, good):
    last = good("parse", text).split("const a 1", 1)[1]
    assert last == ("\n" if doc is None else f" ## {doc}\n")


def test_comments_may_hold_anything(good):
    assert good("parse", b"const a = 1; # \xff\xfe \x01 \xc3\xa9\nconst b = 2;") == \
        "const a 1\nconst b 2\n"
