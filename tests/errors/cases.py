"""Wrong programs and what is said about them: reading the cases and the messages.

A file of cases holds programs one after the other, each behind a line `# --- case NAME`. What is
expected stands at the end of the line that is wrong, or of another one with a distance:

    y[i] = x[i] * x[i];        # error: no arithmetic on bf16
    y[i] = x[i] * x[i];        # error@17: no arithmetic on bf16      the caret's column
    }                          # error-2: ...                         two lines above
    ...                        # hint: f32(x)                         of the error before it

Programs that are run say with what, and on which lines the accesses of a race stand:

    # args: -s M=4
    # input x f32: [1, 2, 3, 4]
    y[i // 2] = 1.0;           # race

These comments are cut off before the program is compiled, and the lines before the case are left
empty, so that a message's line is the line in the file of cases.
"""
import ast
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent

CASE = re.compile(r"# --- case (\w+)\s*$")
EXPECT = re.compile(r"#\s*(error|hint|race)([+-]\d+)?(?:@(\d+))?(?:$|:\s*)")
SETTING = re.compile(r"# (args|input (\S+) (\S+)): (.*)$")
MESSAGE = re.compile(r"(?P<file>[^\n]*?):(?P<line>\d+):(?P<column>\d+): "
                     r"(?P<kind>error|warning|note): (?P<text>.*)$")
CARET = re.compile(r"( *)(\^~*)(?: (.*))?$")


class Expected:
    def __init__(self, line, column, text):
        self.line, self.column, self.text, self.hint = line, column, text, None

    def __str__(self):
        column = f":{self.column}" if self.column else ""
        return f"line {self.line}{column}: {self.text}" + (f" [{self.hint}]" if self.hint else "")


class Case:
    def __init__(self, path, name, start):
        self.path, self.name, self.start = path, name, start
        self.lines, self.expected, self.race = [], [], []
        self.args, self.inputs = [], []

    def add(self, number, line):
        setting = SETTING.match(line)
        if setting and setting[2]:
            self.inputs.append((setting[2], setting[3], ast.literal_eval(setting[4])))
        elif setting:
            self.args = setting[4].split()
        marks = list(EXPECT.finditer(line))
        for mark, after in zip(marks, marks[1:] + [None]):
            text = line[mark.end():after.start() if after else None].strip()
            if mark[1] == "hint":
                self.expected[-1].hint = text
            elif mark[1] == "race":
                self.race.append(number)
            else:
                self.expected.append(Expected(number + int(mark[2] or 0), int(mark[3] or 0), text))
        self.lines.append(line[:marks[0].start()].rstrip() if marks else line.rstrip("\n"))

    @property
    def text(self):
        """The program with its lines at their places."""
        return "\n" * self.start + "\n".join(self.lines) + "\n"


def read(path):
    cases = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        begin = CASE.match(line)
        if begin:
            cases.append(Case(path, begin[1], number))
        elif cases:
            cases[-1].add(number, line)
    return cases


class Message:
    """One message of the compiler with the source line and the caret below it."""

    def __init__(self, match, rest):
        self.kind, self.text = match["kind"], match["text"]
        self.file, self.line, self.column = match["file"], int(match["line"]), int(match["column"])
        self.source = rest[0] if rest else None
        caret = CARET.match(rest[1]) if len(rest) > 1 else None
        self.caret = len(caret[1]) + 1 if caret else None
        self.hint = caret[3] if caret else None

    def __str__(self):
        return f"line {self.line}:{self.column}: {self.kind}: {self.text}" + (
            f" [{self.hint}]" if self.hint else "")


def messages(text):
    lines = text.splitlines()
    found = [(i, MESSAGE.match(line)) for i, line in enumerate(lines)]
    heads = [(i, match) for i, match in found if match]
    ends = [i for i, _ in heads[1:]] + [len(lines)]
    return [Message(match, lines[i + 1:end]) for (i, match), end in zip(heads, ends)]


def place_wrong(case, told):
    """Messages whose source line is not that of the case, or whose caret is not at their column."""
    source = case.text.split("\n")
    wrong = []
    for m in told:
        if m.source is None or m.caret is None:
            wrong.append(f"no source line or caret: {m}")
        elif "..." not in m.source and (m.source != source[m.line - 1].replace("\t", " ") or
                                        m.caret != m.column):
            wrong.append(f"source line or caret: {m}\n{m.source}\n{' ' * (m.caret - 1)}^")
    return wrong


def compare(case, told):
    """What differs between expectation and messages, one line each."""
    wrong = []
    left = [m for m in told if m.kind == "error"]
    for want in case.expected:
        match = next((m for m in left if m.line == want.line and want.text in m.text and
                      want.column in (0, m.column) and (want.hint or "") in (m.hint or "")), None)
        if match:
            left.remove(match)
        else:
            wrong.append(f"missing: {want}")
    wrong += [f"not expected: {m}" for m in left]
    return wrong + place_wrong(case, told)
