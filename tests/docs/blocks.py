"""The examples of a page of docs/: what they are, and running them.

    ```tile                  a program that `tilec check` takes
    ```tile wrong            one that it does not; the ```text block behind it is what it prints
    ```tile fault ARGUMENTS  one that checks and fails in `tilec run example.tile ARGUMENTS`
    ```tile frame            the kernel around the blocks marked `body`, in the place of its dots
    ```tile body             a part of a kernel that `tilec check` takes
    ```tile body wrong       one that it does not

Messages name lines; those of a body count from its own first line.

    build/venv/bin/python tests/docs/blocks.py docs/language.md

writes what the tool prints into the ```text blocks of the page: to be read before it is kept.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TILEC = pathlib.Path(os.environ.get("TILEC", ROOT / "build" / "tilec"))
BLOCK = re.compile(r"^```(\w+)[ ]?(.*)\n((?:.*\n)*?)```$", re.M)
PLACE = re.compile(r"^(example\.tile):(\d+):", re.M)
NAME = "example.tile"


class Block:
    def __init__(self, page, match):
        self.page, self.match = page, match
        self.language, self.text = match[1], match[3]
        self.words = match[2].split()
        self.line = page.text.count("\n", 0, match.start()) + 2

    def __repr__(self):
        return f"{self.page.path.name}:{self.line}"

    @property
    def kind(self):
        """good, wrong, fault, frame, or file: one that another test writes"""
        first = [w for w in self.words if w != "body"][:1]
        return first[0] if first else "good"

    @property
    def arguments(self):
        return self.words[1:] if self.kind == "fault" else []

    @property
    def expected(self):
        """The block of text behind this one."""
        following = self.page.blocks[self.page.blocks.index(self) + 1:][:1]
        assert following and following[0].language == "text", f"{self!r}: no message behind it"
        return following[0]

    def program(self):
        """The text to compile, and how many lines stand before the block's own."""
        if "body" not in self.words:
            return self.text, 0
        before, after = self.page.frame.split("...\n")
        return before + self.text + after, before.count("\n")

    def run(self):
        """Exit code and what is printed, with lines counted from the block's first."""
        text, skipped = self.program()
        with tempfile.TemporaryDirectory(prefix="tilec-") as folder:
            (pathlib.Path(folder) / NAME).write_text(text)
            verb = ["run", NAME, *self.arguments] if self.kind == "fault" else ["check", NAME]
            done = subprocess.run([TILEC, *verb], cwd=folder, capture_output=True, text=True,
                                  timeout=60)
        shown = PLACE.sub(lambda m: f"{m[1]}:{int(m[2]) - skipped}:", done.stdout + done.stderr)
        return done.returncode, "\n".join(line.rstrip() for line in shown.splitlines()) + "\n"


class Page:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.text = self.path.read_text()
        self.blocks = [Block(self, m) for m in BLOCK.finditer(self.text)]
        self.tiles = [b for b in self.blocks if b.language == "tile"]
        self.frame = next((b.text for b in self.tiles if b.kind == "frame"), None)


def update(path):
    page = Page(path)
    text = page.text
    for block in reversed(page.tiles):
        code, shown = block.run() if block.kind in ("wrong", "fault") else (1, None)
        if code != 1:
            print(f"{block!r}: exit code {code}")
        if shown is not None:
            m = block.expected.match
            text = text[:m.start(3)] + shown + text[m.end(3):]
    page.path.write_text(text)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        update(name)
