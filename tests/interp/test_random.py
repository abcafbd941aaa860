"""Random programs of nested loops, branches, carried values and reshapes against Python: values
share memory in the interpreter, and none may be overwritten while it is needed."""
import itertools
import random

import numpy as np
import pytest

from ir import Builder, Out, Value, run

OPS = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "xor": np.bitwise_xor,
       "max": np.maximum}
SIZES = [(4,), (2, 2), (40,), (8, 5)]
WIDTH = {(4,): 4, (2, 2): 4, (40,): 40, (8, 5): 40}


class Program:
    """Statements over i64 tiles of four shapes; `shapes` knows every name."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.counter = itertools.count()
        self.shapes = {}

    def statements(self, names, depth, count):
        """[(kind, ..)], with `names` {name: shape} growing by what is defined."""
        out = []
        for _ in range(count):
            kind = self.random.choice(["op"] * 5 + ["reshape", "const"] +
                                      (["for", "for", "if"] if depth else []))
            out.append(getattr(self, "make_" + kind)(names, depth))
        return out

    def name(self, names, shape):
        new = f"v{next(self.counter)}"
        names[new] = self.shapes[new] = shape
        return new

    def pick(self, names, shape=None):
        fitting = [n for n, s in names.items() if shape is None or s == shape]
        return self.random.choice(fitting)

    def make_op(self, names, depth):
        a = self.pick(names)
        b = self.pick(names, names[a])
        return ("op", self.name(names, names[a]), self.random.choice(list(OPS)), a, b)

    def make_reshape(self, names, depth):
        a = self.pick(names)
        shape = self.random.choice([s for s in SIZES if WIDTH[s] == WIDTH[names[a]]])
        return ("reshape", self.name(names, shape), a)

    def make_const(self, names, depth):
        shape = self.random.choice(SIZES)
        return ("const", self.name(names, shape), self.random.randrange(9))

    def carried(self, names):
        shape = names[self.pick(names)]
        return [self.pick(names, self.random.choice([shape, shape, None])) for _ in
                range(self.random.randrange(5))]

    def make_for(self, names, depth):
        start = self.carried(names)
        inner = dict(names)
        index = self.name(inner, (4,))
        args = [self.name(inner, names[s]) for s in start]
        body = self.statements(inner, depth - 1, self.random.randrange(2, 9))
        # Carried values often go round, so that they must be copied as if at once.
        early = [self.pick(inner, names[s]) for s in start] if self.random.random() < .4 else None
        more = self.statements(inner, 0, self.random.randrange(3)) if early else []
        ends = [self.pick(inner if self.random.random() < .5 else dict(zip(args, [names[s] for s in
                start])), names[s]) for s in start]
        results = [self.name(names, names[s]) for s in start]
        count = self.random.randrange(5)
        return ("for", results, count, start, index, args, body, early, more, ends)

    def make_if(self, names, depth):
        condition = self.pick(names)
        sides, shapes = [], [self.random.choice(SIZES) for _ in range(self.random.randrange(5))]
        shapes = [s for s in shapes if s in names.values()]
        for _ in range(2):
            inner = dict(names)
            body = self.statements(inner, depth - 1, self.random.randrange(6))
            sides.append((body, [self.pick(inner, s) for s in shapes]))
        return ("if", [self.name(names, s) for s in shapes], condition, sides)

    def build(self):
        names = {}
        first = [("const", self.name(names, s), k) for k, s in enumerate(SIZES)]
        body = first + self.statements(names, 2, 24)
        return body, names


def compute(body, env):
    for s in body:
        if s[0] == "op":
            env[s[1]] = OPS[s[2]](env[s[3]], env[s[4]])
        elif s[0] == "reshape":
            env[s[1]] = env[s[2]].reshape(env["shapes"][s[1]])
        elif s[0] == "const":
            env[s[1]] = np.full(env["shapes"][s[1]], s[2], np.int64)
        elif s[0] == "if":
            inner, ends = s[3][int(env[s[2]].flat[0] % 2 == 0) ^ 1]
            there = dict(env)
            compute(inner, there)
            env.update(zip(s[1], [there[e] for e in ends]))
        else:
            _, results, n, start, index, args, inner, early, more, ends = s
            values = [env[v] for v in start]
            for i in range(n):
                there = dict(env) | dict(zip(args, values))
                there[index] = np.full(4, i, np.int64)
                compute(inner, there)
                if early is not None and i % 2:
                    values = [there[e] for e in early]
                    continue
                compute(more, there)
                values = [there[e] for e in ends]
            env.update(zip(results, values))


def write(b, body, at, shapes):
    kind = lambda name: f"i64[{', '.join(map(str, shapes[name]))}]"

    def define(name):
        at[name] = b.new(kind(name))
        return at[name]

    for s in body:
        if s[0] == "op":
            at[s[1]] = b.op(s[2], kind(s[1]), at[s[3]], at[s[4]])
        elif s[0] == "reshape":
            at[s[1]] = b.op("reshape", kind(s[1]), at[s[2]])
        elif s[0] == "const":
            at[s[1]] = b.const(s[2], kind(s[1]))
        elif s[0] == "if":
            zeros = [str(b.int(0)) for _ in shapes[s[2]]]
            first = b.load(at[s[2]], zeros, "i64", name="extract")
            even = b.op("eq", "bool", b.op("mod", "i64", first, b.int(2)), b.int(0))
            left = ", ".join(define(r) for r in s[1])
            types = " : " + ", ".join(kind(r) for r in s[1]) if s[1] else ""
            b.emit(f"{left + ' = ' if left else ''}if {even}{types} then {{")
            for side, (inner, ends) in enumerate(s[3]):
                there = dict(at)
                write(b, inner, there, shapes)
                b.emit(f"yield {', '.join(there[e] for e in ends)}")
                b.emit("} else {" if side == 0 else "}")
        else:
            _, results, n, start, index, args, inner, early, more, ends = s
            zero, one, two = b.int(0), b.int(1), b.int(2)
            carried = []
            for v in start:
                carried.append(Value(at[v]))
                carried[-1].type = kind(v)
            with b.loop(zero, b.int(n), one, *carried) as (i, *rest):
                there = dict(at) | dict(zip(args, rest[:len(args)]))
                there[index] = b.op("broadcast", "i64[4]", i)
                write(b, inner, there, shapes)
                if early is not None:
                    odd = b.op("eq", "bool", b.op("mod", "i64", i, two), one)
                    b.emit(f"if {odd} then {{ continue {', '.join(there[e] for e in early)} }} "
                           "else { yield }")
                write(b, more, there, shapes)
                b.emit(f"yield {', '.join(there[e] for e in ends)}")
            at.update(zip(results, rest[len(args):]))


@pytest.mark.parametrize("seed", range(150))
def test_random_program(seed):
    program = Program(seed)
    body, names = program.build()
    shapes = program.shapes
    names = program.random.sample(list(names), 4)      # the others end where they are last used
    env = {"shapes": shapes}
    with np.errstate(over="ignore"):
        compute(body, env)
    b = Builder()
    outs = {n: b.tensor(n, "i64", shapes[n], "out") for n in names}
    zero, one = b.int(0), b.int(1)
    with b.par((zero, one, one)):
        at = {}
        write(b, body, at, shapes)
        for n in names:
            b.store(outs[n], [f":{e}" for e in shapes[n]], at[n])
    got = run(b, {n: Out("i64", *shapes[n]) for n in names})
    for n in names:
        assert np.array_equal(got[n], env[n]), n
