"""The .tile files of the repository, and a second, independent reader of tokens."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALL_FORMS = ROOT / "tests/frontend/all_forms.tile"
FILES = [ALL_FORMS, *sorted(ROOT.glob("kernels.tile/*/*.tile")), *sorted(ROOT.glob("examples/*.tile"))]
NAMES = [str(path.relative_to(ROOT)) for path in FILES]

TOKEN = re.compile(r"""
    (?P<comment>\#[^\n]*) | (?P<string>"[^"\n]*") |
    (?P<number>0x[0-9a-fA-F]+(?:\.[0-9a-fA-F]*)?p[+-]?[0-9]+ | 0x[0-9a-fA-F]+ |
               [0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)? | [0-9]+[eE][+-]?[0-9]+ | [0-9]+) |
    (?P<word>[A-Za-z_]\w*) |
    (?P<sign>\|\||&&|==|!=|<=|>=|<<|>>|//|\+:|\.\.|[-+*/%|^&<>=!~?:;,.@(){}\[\]])""", re.X)


def tokens(text):
    """Texts of all tokens and comments."""
    return [m.group().rstrip() for m in TOKEN.finditer(text)]


def comments(text):
    return [t for t in tokens(text) if t.startswith("#")]
