"""`make gpu-test`: every kernel on the GPU against the interpreter, bit for bit, over the cases of kernel_cases.py.

    python3 tests/gpu/compare.py [--tilec build/tilec] [WORD...]     cases whose name has a WORD; all
    python3 tests/gpu/compare.py --sanitize                          a part of them under compute-sanitizer
    python3 tests/gpu/compare.py --machine sm90 --seeds 21           on the machine model: needs no GPU
    python3 tests/gpu/compare.py --cpu                               the interpreter alone: are the cases sound?

Needs numpy, and on a GPU the driver and NVRTC. Each case runs twice on the GPU, and the second time
must give the bits of the first; the interpreter adds up default sums in the target's order (R8).
Prints a line for each case that differs, then one a kernel. Exit code 1 if any differs.
"""
import argparse
import collections
import multiprocessing
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

import kernel_cases
import huge
import nvrtc

TOOLS = ["memcheck", "racecheck", "synccheck", "initcheck"]
MARK = re.compile(r"^batch: line (\d+), code (\d+), ([\d.]+) s$")
FILL = ["--fill", "165"]
TIMEOUT = 300                        # of one batch on a GPU; the machine model does not hang
OPTIONS = None                       # of the command line; workers inherit it
ALL = []                             # the cases; workers inherit them


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("words", nargs="*", metavar="WORD")
    p.add_argument("--tilec", default="build/tilec")
    p.add_argument("--sanitize", action="store_true")
    p.add_argument("--machine", choices=["sm90", "sm100"])
    p.add_argument("--seeds", type=int, default=2, metavar="N", help="runs of each case")
    p.add_argument("--cpu", action="store_true")
    p.add_argument("--few", action="store_true", help="only the cases that --sanitize takes")
    p.add_argument("--no-huge", action="store_true", help="without the tensor of 2^31 elements")
    p.add_argument("--jobs", type=int, default=min(16, os.cpu_count() or 1))
    p.add_argument("-v", action="store_true", help="a line a case")
    return p.parse_args()


# ---- one case as lines of a batch ----

def file_of(folder, where, name):
    return folder / f"{where}.{re.sub(r'[^A-Za-z0-9_]', '.', name)}.npy"


def words(case, folder, number, where, extra):
    line = [case.file, case.kernel, *FILL, *extra]
    for key, value in case.settings.items():
        line += ["-s", f"{key}={value}"]
    for key in case.inputs():
        line += ["-i", f"{key}={file_of(folder, f'{number}.in', key)}"]
    for key in case.outputs:
        line += ["-o", f"{key}={file_of(folder, f'{number}.{where}', key)}"]
    return line


def device_words(case, options):
    line = ["--machine", options.machine] if options.machine else ["--device", "cuda"]
    for option, numbers in (("--pitch", case.pitch), ("--offset", case.offset)):
        for key, value in numbers.items():
            line += [option, f"{key}={value}"]
    return line


def places(options):
    """Where a case runs, and with which words."""
    plan = ["--plan", options.machine or "sm90", "--threads", "1"]
    yield "cpu", lambda case: plan
    if not options.cpu:
        for seed in range(options.seeds):
            yield f"gpu{seed}", lambda case, seed=seed: [*device_words(case, options), "--seed", str(seed)]


def save_inputs(case, folder, number):
    for key, value in case.inputs().items():
        np.save(file_of(folder, f"{number}.in", key), value)


# ---- running lines ----

def run_process(command):
    """Exit code and text; a process that hangs is ended."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=None if OPTIONS.machine else TIMEOUT)
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as late:
        return 124, (late.stdout or b"").decode(errors="replace") + f"\nno end after {TIMEOUT} s\n"


def run_batch(command, lines, folder):
    """Runs the lines; gives (code, seconds, text) for each. One that ends the process is failed, and
    the others go on in a new one."""
    results = []
    while len(results) < len(lines):
        rest = lines[len(results):]
        path = folder / "batch"
        path.write_text("".join(" ".join(map(str, line)) + "\n" for line in rest))
        code, said = run_process([*command, "run", "--batch", path])
        text, before = [], len(results)
        for line in said.splitlines():
            mark = MARK.match(line)
            if mark:
                results.append((int(mark[2]), float(mark[3]), "\n".join(text)))
                text = []
            else:
                text.append(line)
        if len(results) == before:
            results.append((code or 1, 0.0, "\n".join(text) or f"exit code {code}"))
    return results


def describe(cpu, gpu, where):
    if cpu.shape != gpu.shape or cpu.dtype != gpu.dtype:
        return f"{cpu.dtype}{cpu.shape} in the interpreter, {gpu.dtype}{gpu.shape} on the {where}"
    wrong = np.argwhere(cpu.view(f"u{cpu.itemsize}") != gpu.view(f"u{gpu.itemsize}"))
    at = tuple(map(int, wrong[0]))
    return (f"{len(wrong)} of {cpu.size} elements differ, first {list(at)}: {cpu[at]!r} in the interpreter, "
            f"{gpu[at]!r} on the {where}")


def same(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def difference(case, folder, number, results, options):
    """None, or what is wrong. `results`: of the places in order."""
    for (where, _), (code, _, text) in zip(places(options), results):
        if code:
            return f"{where}: {text.strip() or f'exit code {code}'}"
    for key in case.outputs:
        got = [np.load(file_of(folder, f"{number}.{where}", key)) for where, _ in places(options)]
        for again in got[2:]:
            if not same(got[1], again):
                return f"{key}: another run differs: {describe(got[1], again, 'other run')}"
        if len(got) > 1 and not same(got[0], got[1]):
            return f"{key}: {describe(got[0], got[1], 'machine' if options.machine else 'GPU')}"
    return None


def run_chunk(chunk):
    """The cases with these numbers, in one process of tilec; (number, what is wrong, seconds)."""
    here = list(places(OPTIONS))
    with tempfile.TemporaryDirectory(prefix="tilec-gpu-") as name:
        folder, lines = pathlib.Path(name), []
        for number in chunk:
            save_inputs(ALL[number], folder, number)
            lines += [words(ALL[number], folder, number, where, extra(ALL[number])) for where, extra in here]
        results = run_batch([OPTIONS.tilec], lines, folder)
        out = []
        for i, number in enumerate(chunk):
            own = results[i * len(here):(i + 1) * len(here)]
            out.append((number, difference(ALL[number], folder, number, own, OPTIONS),
                        [seconds for _, seconds, _ in own]))
        return out


def chunks(numbers, most):
    """Cases of one variant are neighbours, so that its code is compiled once."""
    numbers = sorted(numbers, key=lambda n: ALL[n].variant)
    return [numbers[i:i + most] for i in range(0, len(numbers), most)]


def report(results, options):
    groups = collections.defaultdict(lambda: [0, 0, 0.0])
    for number, wrong, seconds in results:
        case, group = ALL[number], groups[ALL[number].group]
        group[0] += 1
        group[1] += wrong is not None
        group[2] += sum(seconds[1:])
        if wrong or options.v:
            print(f"{'FAILED' if wrong else 'equal '} {case.name}{': ' + wrong if wrong else ''}", flush=True)
    return groups


def compare(options):
    start = time.monotonic()
    numbers = range(len(ALL))
    groups = collections.defaultdict(lambda: [0, 0, 0.0])
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        for results in pool.imap_unordered(run_chunk, chunks(numbers, 8), chunksize=1):
            for name, counts in report(results, options).items():
                groups[name] = [a + b for a, b in zip(groups[name], counts)]
    where = "interpreter alone" if options.cpu else options.machine or "GPU"
    for name in sorted(groups):
        count, bad, seconds = groups[name]
        print(f"{name:18} {count:4} cases, {bad} differ; {seconds:.1f} s on the {where}")
    print(f"{len(ALL)} cases in {time.monotonic() - start:.0f} s")
    return sum(bad for _, bad, _ in groups.values())


# ---- compute-sanitizer ----

def sanitize_chunk(task):
    """One tool over some cases: (tool, cases, how many errors, what it said)."""
    tool, chunk = task
    with tempfile.TemporaryDirectory(prefix="tilec-gpu-") as name:
        folder, lines = pathlib.Path(name), []
        for number in chunk:
            save_inputs(ALL[number], folder, number)
            lines.append(words(ALL[number], folder, number, "gpu0", device_words(ALL[number], OPTIONS)))
        batch = folder / "batch"
        batch.write_text("".join(" ".join(map(str, line)) + "\n" for line in lines))
        code, text = run_process(["compute-sanitizer", "--tool", tool, "--print-limit", "20", OPTIONS.tilec,
                                  "run", "--batch", batch])
    said, at, clean = [], 0, False
    for line in text.splitlines():
        mark = MARK.match(line)
        if mark:
            at += 1
            if mark[2] != "0":
                said.append(f"{ALL[chunk[at - 1]].name}: exit code {mark[2]}")
        elif re.match(r"========= (ERROR|RACECHECK) SUMMARY: 0 ", line):
            clean = True
        elif not re.match(r"========= COMPUTE-SANITIZER|=+\s*$", line):
            said.append(f"{ALL[chunk[min(at, len(chunk) - 1)]].name}: {line}")
    if clean and at == len(chunk) and code == 0:
        return tool, len(chunk), []
    return tool, len(chunk), said + [f"{at} of {len(chunk)} cases ran, exit code {code}"]


def sanitize(options):
    if not shutil.which("compute-sanitizer"):
        print("compute-sanitizer is not on the path")
        return 1
    start, bad = time.monotonic(), 0
    parts = chunks(range(len(ALL)), -(-len(ALL) // max(1, options.jobs // len(TOOLS))))
    counts = collections.Counter()
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        tasks = [(tool, part) for part in parts for tool in TOOLS]
        for tool, count, said in pool.imap_unordered(sanitize_chunk, tasks, chunksize=1):
            counts[tool] += count
            bad += bool(said)
            for line in said[:40]:
                print(f"{tool}: {line}", flush=True)
    for tool in TOOLS:
        print(f"{tool:10} {counts[tool]} cases")
    print(f"{'clean' if not bad else 'NOT CLEAN'}, {time.monotonic() - start:.0f} s")
    return bad


def main():
    global OPTIONS
    OPTIONS = arguments()
    ALL.extend(kernel_cases.all_cases(OPTIONS.words, OPTIONS.sanitize or OPTIONS.few))
    with tempfile.TemporaryDirectory(prefix="tilec-cache-") as cache:
        os.environ.setdefault("TILE_CACHE_DIR", cache)
        nvrtc.find()
        if OPTIONS.sanitize:
            return 1 if sanitize(OPTIONS) else 0
        bad = compare(OPTIONS)
        if not (OPTIONS.no_huge or OPTIONS.words or OPTIONS.cpu or OPTIONS.machine or OPTIONS.few):
            bad += huge.compare(OPTIONS.tilec)
    print(f"{bad} differ" if bad else "all equal")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
