"""The planted faults of faults.py on a real GPU, under compute-sanitizer: what does it say?

    python3 tests/machine/gpu_faults.py [-b|-r] [-j JOBS] [-s SECONDS] [-o FILE] [TEXT...]

TEXT: only rows whose description has one of them. -b only builds, into build/machine-gpu/faults (needs nvcc,
a C compiler, numpy and ml_dtypes); -r only runs what is built (needs compute-sanitizer and a GPU of compute
capability 9.0); without either it does both. FILE, tests/machine/sanitizer.json if it is not said, keeps for
each row the tools that found something, "silent", or "hangs", also for the kernels as they are; it is
written after every row. Rows that it lacks come first, and none is begun after SECONDS (150).
tests/machine/table.py puts the answers into docs/machine-model.md. Run from the repository's root.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = pathlib.Path("build") / "machine-gpu" / "faults"
DRIVER = OUT / "driver"
RESULT = ROOT / "tests" / "machine" / "sanitizer.json"
TOOLS = ("memcheck", "racecheck", "synccheck", "initcheck")
SECONDS = 10  # for a kernel under a tool
CUDA = pathlib.Path("/usr/local/cuda")
NVCC = ["nvcc", "-std=c++17", "-fmad=false", "-diag-suppress", "177", "-cubin",
        "-gencode=arch=compute_90a,code=sm_90a", "-I."]


def as_it_is(kernel):
    return f"nothing ({kernel})"


# ---- building ----

def build_driver():
    OUT.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cc", "-std=gnu11", "-O1", "-w", "-I.", f"-I{CUDA}/include", "-o", DRIVER,
                    "tests/machine/gpu_driver.c", "runtime/tensor_map.c", f"-L{CUDA}/lib64/stubs", "-lcuda"],
                   check=True)


def script(planted, kernel, old, new, config):
    """The fault's text as a cubin, and what the driver is told to do with it; None if nvcc refuses it."""
    from machine import KERNELS, script_args
    launches, buffers, args, _, options = config
    folder = OUT / re.sub(r"\W+", "-", planted)
    folder.mkdir(exist_ok=True)
    source = folder / f"{kernel}.cu"
    source.write_text((KERNELS / source.name).read_text().replace(old, new))
    done = subprocess.run([*NVCC, *options, "-o", f"{source}.cubin", source], capture_output=True,
                          text=True)
    if done.returncode:
        return None
    lines = [f"source {source}"]
    for name, array in buffers.items():
        (folder / name).write_bytes(array.tobytes())
        lines.append(f"buffer {name} {array.nbytes} 0 {folder / name}")
    lines += script_args(args)
    launches = launches if isinstance(launches, list) else [launches]
    lines += ["launch " + " ".join(map(str, launch.words)) for launch in launches]
    return "\n".join([*lines, "run 0 0 0"]) + "\n"


def build():
    from faults import CONFIGS, FAULTS
    shutil.rmtree(OUT, ignore_errors=True)
    build_driver()
    rows = [(as_it_is(kernel), kernel, "", "", config()) for kernel, config in CONFIGS.items()]
    rows += [(*row[:4], CONFIGS[row[1]](**(row[6] if len(row) > 6 else {}))) for row in FAULTS]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        scripts = list(pool.map(lambda row: script(*row), rows))
    (OUT / "scripts.json").write_text(json.dumps({row[0]: s for row, s in zip(rows, scripts)}, indent=1))
    print(f"{len(rows)} kernels in {OUT}, {sum(s is None for s in scripts)} that nvcc refuses")


# ---- running ----

def output_of(command, text):
    """(what it printed, whether it ended)"""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, start_new_session=True)
    try:
        return process.communicate(text, timeout=SECONDS)[0], True
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the tool, and the kernel that hangs
        return process.communicate()[0], False


def ask(tool, text):
    """What the tool says: "" for nothing."""
    sanitizer = shutil.which("compute-sanitizer") or CUDA / "bin" / "compute-sanitizer"
    said, ended = output_of([sanitizer, "--tool", tool, DRIVER], text)
    found = re.findall(r"^=+ (?:ERROR SUMMARY|RACECHECK SUMMARY): (\d+)", said, re.M)
    if not ended:
        begun = re.search(r"^=+ (Error: Race|Warning: Race|Invalid|Barrier error|Divergent|Uninitialized)", said, re.M)
        return tool if begun else "hangs"
    if any(int(n) for n in found):
        return tool
    if not found or not re.search(r"^(ok|fault|differs) ", said, re.M):
        raise RuntimeError(f"{tool}: {said[-1000:]}")
    return ""


def judge(text):
    if text is None:
        return "nvcc refuses it"
    answers = [ask(tool, text) for tool in TOOLS]
    found = [a for a in answers if a and a != "hangs"]
    return ", ".join(found) or ("hangs" if "hangs" in answers else "silent")


def run(words, jobs, seconds, result):
    scripts = json.loads((OUT / "scripts.json").read_text())
    known = json.loads(result.read_text()) if result.exists() else {}
    rows = [row for row in scripts if not words or any(word in row for word in words)]
    rows.sort(key=lambda row: row in known)
    begin, lock, failed = time.monotonic(), threading.Lock(), []

    def one(row):
        if time.monotonic() - begin > seconds:
            return
        try:
            answer = judge(scripts[row])
        except RuntimeError as e:
            failed.append(row)
            print(f"FAIL {row}: {e}", flush=True)
            return
        with lock:
            known[row] = answer
            result.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
            print(f"{answer:24} {row}", flush=True)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, rows))
    missing = [row for row in scripts if row not in known]
    print(f"{len(known)} answers in {time.monotonic() - begin:.0f} s, {len(missing)} still to be asked for")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-b", "--build", action="store_true")
    parser.add_argument("-r", "--run", action="store_true")
    parser.add_argument("-j", "--jobs", type=int, default=4)
    parser.add_argument("-s", "--seconds", type=int, default=150)
    parser.add_argument("-o", "--out", type=pathlib.Path, default=RESULT)
    parser.add_argument("words", nargs="*", metavar="TEXT")
    options = parser.parse_args()
    os.chdir(ROOT)
    if options.build or not options.run:
        build()
    if options.run or not options.build:
        return run(options.words, options.jobs, options.seconds, options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
