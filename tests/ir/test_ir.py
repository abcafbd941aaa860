"""The IR's text form: what is printed reads back the same, what is no IR text is said to be none."""
import random
import re

import pytest

from ir_texts import HERE, kernel


@pytest.fixture
def write(tmp_path):
    def write(text, name="k.ir"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path
    return write


@pytest.fixture
def same(unit, write):
    """Reads a text, prints it, reads that; gives the printed text."""
    def same(text):
        path = write(text)
        done = unit("ir_driver", "round", path)
        assert (done.stdout, done.stderr) == ("same\n", "")
        return unit("ir_driver", "print", path).stdout
    return same


@pytest.fixture
def refused(unit, write):
    def refused(text):
        done = unit("ir_driver", "print", write(text))
        assert done.returncode == 1
        return done.stderr
    return refused


def test_every_operation_stands_in_all_ops(unit):
    text = (HERE / "all_ops.ir").read_text()
    used = set(re.findall(r"^ +(?:%[^=]*= )?([a-z_.0-9]+)", text, re.M))
    used |= set(re.findall(r"\{ (?:%[^=]*= )?([a-z_.]+)", text))
    names = set(unit("ir_driver", "ops").stdout.split())
    assert len(names) > 80 and names <= used, names - used


def test_all_ops_is_the_printed_form(unit):
    path = HERE / "all_ops.ir"
    done = unit("ir_driver", "print", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == path.read_text().splitlines()[1:]
    assert unit("ir_driver", "round", path).stdout == "same\n"


@pytest.mark.parametrize("written, printed", [
    ("0x3f800000 : f32", "1 : f32"), ("1.0 : f32", "1 : f32"), ("-0 : f32", "-0 : f32"),
    ("0x80000000 : f32", "-0 : f32"), ("0.1 : f32", "0.1 : f32"), ("0x1 : f32", "1e-45 : f32"),
    ("3.4028235e38 : f32", "3.4028235e+38 : f32"), ("0x7f800000 : f32", "0x7f800000 : f32"),
    ("0xffc12345 : f32", "0xffc12345 : f32"), ("0x7f800001 : f32", "0x7f800001 : f32"),
    ("0.1 : f64", "0.1 : f64"), ("0x3ff0000000000001 : f64", "1.0000000000000002 : f64"),
    ("0x7ff8000000000001 : f64", "0x7ff8000000000001 : f64"), ("-1 : i64", "-1 : i64"),
    ("-9223372036854775808 : i64", "-9223372036854775808 : i64"), ("0xff : i8", "-1 : i8"),
    ("18446744073709551615 : u64", "18446744073709551615 : u64"), ("-128 : i8", "-128 : i8"),
    ("0xffffffff : i32[2]", "-1 : i32[2]"), ("0x3f80 : bf16", "0x3f80 : bf16"),
    ("0x7e : e4m3", "0x7e : e4m3"), ("0xf : e2m1[2, 3]", "0xf : e2m1[2, 3]"),
    ("true : bool", "true : bool"), ("0x0 : bool[0, 1]", "false : bool[0, 1]"),
    ("255 : u8", "255 : u8"), ("5 : i64[1, 2, 3, 4, 5, 6, 7, 8]", "5 : i64[1, 2, 3, 4, 5, 6, 7, 8]"),
])
def test_constants(same, written, printed):
    assert f"  %0 = const {printed}\n" in same(f"kernel k {{ %0 = const {written} }}")


@pytest.mark.parametrize("code", ["256 : u8", "-1 : u8", "128 : i8", "1.5 : i32", "1 : bf16",
                                  "1e39 : f32", "1e400 : f64", "true : i32", "2 : bool",
                                  "9223372036854775808 : i64", "0x10000000000000000 : u64",
                                  "0x : i32", "1.2.3 : f32", "0x1p3 : f32", "00x1 : i32",
                                  "1" * 70 + " : i64"])
def test_constants_that_are_none(refused, code):
    assert "error: no number of type " in refused(f"kernel k {{ %0 = const {code} }}")


def test_bits_above_the_type_are_kept_and_caught(unit, write):
    path = write("kernel k { %0 = const 0x1ff : u8 }")
    assert unit("ir_driver", "verify", path).stdout == "k: const %0: 0x1ff is no code of u8\n"
    assert unit("ir_driver", "round", path).stdout == "same\n"


def test_names_and_places(same):
    text = r'''kernel "a kernel" "s=\"x\\y\"" at "dir/a b.tile":1048575:4095 {
  %"1 a\n\x01.".7 = dim "\xc3\xa9 µ" : i64 @1:1
  %a.b.c.5 = dim "b" : i64 @"other.tile":9:4095
  %"".3 = dim "" : i64 @"dir/a b.tile":2:3
  bind %a.b.c.5 "c" @"other.tile":10:1
}
'''
    out = same(text)
    assert out == text.replace(r"\xc3\xa9", "é").replace('@"dir/a b.tile":2:3', "@2:3")


def test_comments_and_space_do_not_matter(same):
    a = same(kernel("%100 = add %f.11, %f.11 : f32[8, 4] @1:2"))
    b = same(kernel("%100\n=add # + \r\n%f.11,%f.11:f32 [8,4]@1:\t2"))
    assert a == b and "%100 = add %f.11, %f.11 : f32[8, 4] @1:2" in a


def test_numbers_of_values_are_kept(same):
    assert "%1073741823 = iota : i64[3]" in same("kernel k { %1073741823 = iota : i64[3] }")


@pytest.mark.parametrize("text, message", [
    ("", "k.ir:1:1: error: expected kernel"),
    ("# nothing", "k.ir:1:10: error: expected kernel"),
    ("kernel", "1:7: error: expected the kernel's name"),
    ("kernel k", "1:9: error: expected {"),
    ("kernel k {", "1:11: error: expected an operation or }"),
    ("kernel k { } }", "1:14: error: expected the end of the text"),
    ("kernel k {\n  frob }", "2:3: error: expected an operation"),
    ("kernel k { %1 dim }", "1:15: error: expected = or a comma"),
    ("kernel k { %1 = add %2, %3 : i64 }", "1:21: error: %2 is used before it is defined"),
    ("kernel k { %1 = add %1, %1 : i64 }", "%1 is used before it is defined"),
    ('kernel k { %1 = dim "a" : i64\n%1 = dim "b" : i64 }', "2:1: error: %1 is defined twice"),
    ('kernel k { %1 = dim "a }', "a quoted text does not end"),
    (r'kernel k { %1 = dim "a\q" : i64 }', "no such character or escape"),
    (r'kernel k { %1 = dim "a\x00" : i64 }', "no such character or escape"),
    ("kernel k { %01 = iota : i64[1] }", "a value is written %12 or %name.12"),
    ("kernel k { %1073741824 = iota : i64[1] }", "a value is written"),
    ("kernel k { %a = iota : i64[1] }", "a value is written"),
    ("kernel k { %1a.2 = iota : i64[1] }", "a value is written"),
    ("kernel k { %1 = iota : i64[-1] }", "expected an extent"),
    ("kernel k { %1 = iota : i64[1099511627777] }", "expected an extent"),
    ("kernel k { %1 = iota : i64[?] }", "expected an extent"),
    ("kernel k { %1 = const 0 : i64[65536, 65536] }", "more than 2^31 elements"),
    ("kernel k { %1 = const 0 : i64[1, 1, 1, 1, 1, 1, 1, 1, 1] }", "more axes than 8"),
    ("kernel k { %1 = iota : i65[1] }", "1:24: error: expected a type"),
    ("kernel k { %1 = iota : none }", "expected a type"),
    ("kernel k { %1 = iota }", "1 results and 0 types"),
    ("kernel k { %1, %2 = iota : i64[2] }", "2 results and 1 types"),
    ('kernel k { %1 = dim "M" : i64 @3:4 }', "a place without a file"),
    ('kernel k at "f":1:1 { %1 = dim "M" : i64 @3 }', "expected a colon"),
    ('kernel k at "f":1:1 { %1 = dim "M" : i64 @0:1 }', "expected a line"),
    ('kernel k at "f":1:1 { %1 = dim "M" : i64 @1:4096 }', "expected a column"),
    ("kernel k { %1 = iota axis 9 : i64[1] }", "expected an axis"),
    ("kernel k { %1 = iota order up : i64[1] }", "expected seq or tree"),
    ("kernel k { %1 = iota plan 3", "expected ("),
    ("kernel k { %1 = iota plan (", "expected reg, lane or warp"),
    ("kernel k { %1 = iota plan (thread 2@1", "expected reg, lane or warp"),
    ("kernel k { %1 = iota plan (reg -2@1", "expected an extent"),
    ("kernel k { %1 = iota plan (reg 2:1", "expected @ and a stride"),
    ("kernel k { %1 = iota plan (reg 2@?", "expected a stride"),
    ("kernel k { %1 = iota plan (reg 2@1 lane 2@2", "expected ) or a comma"),
    ("kernel k { %1 = iota plan (reg 2@1,)", "expected reg, lane or warp"),
    ("kernel k { %1 = iota plan (reg 2@1) fuse : i64[2] }", "1 results and 0 types"),
    ("kernel k { %1 = iota round up : i64[1] }", "expected nearest or zero"),
    ("kernel k { %1 = iota format up : i64[1] }", "expected a format"),
    ('kernel k { %1 = pipe "p" stages 2 { a f32 } : pipe }', "expected a colon"),
    ("kernel k { par body { yield } ", "expected an operation or }"),
    ("kernel k { par body (%1 i64) { yield } }", "expected a colon"),
    ("kernel k { ; }", "no such character in IR text"),
    ("kernel k { \0 }", "no such character in IR text"),
    ("kernel k { %1 = dim \"a\" : i64 \xff }", "no such character in IR text"),
    ("kernel k { print %0 + 3 }", "error: "),
])
def test_texts_that_are_none(refused, text, message):
    assert message in refused(text)


def test_nesting_is_limited(refused, same):
    def nested(n):
        return 'kernel k { %1 = const true : bool ' + "if %1 then { " * n + "yield" + " }" * n + " }"
    same(nested(1).replace("yield }", "yield } else { yield }"))
    assert "regions are nested deeper than 200" in refused(nested(201))
    assert "nested deeper" not in refused(nested(200)).replace("regions where", "")


def test_damaged_texts_never_crash(unit, tmp_path, level):
    """Bytes of a good text changed, cut and doubled: an error or a kernel, and no signal."""
    good = (HERE / "all_ops.ir").read_bytes()
    dice = random.Random(7)
    paths = []
    for n in range(300 * level):
        text = bytearray(good)
        for _ in range(dice.randrange(1, 4)):
            at = dice.randrange(len(text))
            size = dice.randrange(1, 30)
            match dice.randrange(4):
                case 0: text[at] = dice.randrange(256)
                case 1: del text[at:at + size]
                case 2: text[at:at] = text[dice.randrange(len(text)):][:size]
                case 3: text[at:at + 1] = dice.choice(b"0123456789%:,[]{}").to_bytes(1, "big")
        paths.append(tmp_path / f"{n}.ir")
        paths[-1].write_bytes(text)
    said = unit("ir_driver", "verify", *paths).stdout.splitlines()
    assert len(said) == len(paths) and all(said)
    assert len(set(said)) > len(said) // 4


def test_the_corpus_and_damaged_copies_of_it(unit, repository, level):
    """Read, print, read and verify, by the fuzzing harness without its fuzzer."""
    corpus = sorted((repository / "tests/fuzz/corpus/ir").iterdir())
    done = unit("fuzz_ir", "-n", 20000 * level, *corpus)
    assert done.stdout.startswith(f"{len(corpus)} files, ")


@pytest.mark.parametrize("family", ["gemm", "mhc", "quant", "routing", "gating", "engram"])
def test_elaborated_kernels(tilec, unit, repository, tmp_path, family):
    """The first variants of each kernel of the library verify and read back as printed."""
    count = 0
    for path in sorted((repository / "kernels.tile" / family).glob("*.tile")):
        text = tilec("check", "-d", "ir", path).stdout
        for variant in re.split(r"^(?=kernel )", text, flags=re.M)[1:][:4]:
            (tmp_path / "k.ir").write_text(variant)
            assert unit("ir_driver", "round", tmp_path / "k.ir").stdout == "same\n"
            done = unit("ir_driver", "print", tmp_path / "k.ir")
            assert (done.returncode, done.stdout) == (0, variant)
            count += 1
    assert count > 0
