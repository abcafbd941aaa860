"""Programs on the machine model against the interpreter, bit for bit; and emitted text that is made
wrong on its way to the compiler, so that a test can see the machine say so.
"""
import io
import os
import re
import stat

import numpy as np


class Program:
    """A .tile text with inputs, run by tilec."""

    def __init__(self, tilec, folder, text, inputs, outputs, settings=None, arch="sm90"):
        self.tilec, self.folder, self.arch = tilec, folder, arch
        self.path = folder / "t.tile"
        self.path.write_text(text)
        self.outputs = outputs
        self.words = [self.path]
        for name, value in (settings or {}).items():
            self.words += ["-s", f"{name}={value}"]
        for name, array in inputs.items():
            np.save(folder / f"{name}.in.npy", array)
            self.words += ["-i", f"{name}={folder / name}.in.npy"]

    def run(self, where, *words, env=None):
        files = {name: self.folder / f"{name}.{where}.npy" for name in self.outputs}
        outs = [word for name, file in files.items() for word in ("-o", f"{name}={file}")]
        for file in files.values():
            file.unlink(missing_ok=True)
        done = self.tilec("run", *self.words, *outs, "--fill", "165", *words, env=os.environ | (env or {}))
        return done, {name: file.read_bytes() for name, file in files.items() if file.exists()}

    def interpret(self):
        done, bits = self.run("cpu", "--plan", self.arch)
        assert done.returncode == 0, done.stderr
        return bits

    def machine(self, seed=0, env=None):
        return self.run("machine", "--machine", self.arch, "--seed", seed, env=env)

    def check(self, seeds=20):
        """The machine gives the interpreter's bits, whatever the order of threads and copies."""
        want = self.interpret()
        for seed in range(seeds):
            done, bits = self.machine(seed)
            assert done.returncode == 0, done.stderr
            for name in self.outputs:
                assert bits[name] == want[name], f"{name} differs, seed {seed}"

    def check_values(self, want, seeds=6):
        """Interpreter and machine give these arrays, bit for bit."""
        bits = self.interpret()
        for name, array in want.items():
            got = np.load(io.BytesIO(bits[name]))
            assert got.dtype == array.dtype and np.array_equal(got, array), f"{name}: {got} for {array}"
        self.check(seeds)

    def fault(self, *changes, seeds=8):
        """What the machine says of text in which each (old, new) was done, in some order of threads."""
        env = {"TILE_CC": str(changing_compiler(self.folder, changes))}
        for seed in range(seeds):
            done, _ = self.machine(seed, env)
            if done.returncode:
                return done.stderr
        return ""

    def emitted(self):
        """The CUDA of the first variant."""
        done = self.tilec("emit", self.path, "--arch", self.arch, "-o", self.folder / "out")
        assert done.returncode == 0, done.stderr
        return sorted((self.folder / "out").glob("*.cu"))[0].read_text()


def changing_compiler(folder, changes):
    """A C compiler that changes emitted kernels first; a change that finds nothing fails."""
    path = folder / f"cc{abs(hash(changes))}"
    path.write_text(f"""#!/usr/bin/env python3
import os, re, sys
for name in sys.argv[1:]:
    if name.endswith(".cu"):
        text = open(name).read()
        for old, new in {list(changes)!r}:
            assert re.search(old, text), old + " is nowhere in " + text
            text = re.sub(old, new, text)
        open(name, "w").write(text)
os.execvp("cc", ["cc", *sys.argv[1:]])
""")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def statements(text, pattern):
    """The lines of a text that match, without their indentation."""
    return [line.strip() for line in text.splitlines() if re.search(pattern, line)]
