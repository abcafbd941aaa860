"""The planted faults of faults.py on a real GPU, under compute-sanitizer: what does it say?

    python3 tests/machine/gpu_faults.py [-j N] [TEXT...]     (rows whose description has a TEXT)

Run from the repository's root on a machine with a GPU of compute capability 9.0, nvcc, a C compiler and
compute-sanitizer; python3 needs numpy and ml_dtypes. Writes tests/machine/sanitizer.json: for each row
the tools that found something, "silent", or "hangs". tests/machine/table.py puts it into
docs/machine-model.md.
"""
import concurrent.futures
import json
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from faults import CONFIGS, FAULTS  # noqa: E402
from machine import KERNELS, ROOT, script_args  # noqa: E402

OUT = ROOT / "build" / "machine-gpu"
RESULT = ROOT / "tests" / "machine" / "sanitizer.json"
TOOLS = ("memcheck", "racecheck", "synccheck", "initcheck")
SECONDS = 20
NVCC = ["nvcc", "-std=c++17", "-fmad=false", "-diag-suppress", "177", "-lineinfo", "-cubin",
        "-gencode=arch=compute_90a,code=sm_90a", f"-I{ROOT}"]


def build_driver():
    OUT.mkdir(parents=True, exist_ok=True)
    cuda = pathlib.Path("/usr/local/cuda")
    subprocess.run(["cc", "-std=gnu11", "-O1", "-w", f"-I{ROOT}", f"-I{cuda}/include",
                    "-o", OUT / "driver", ROOT / "tests/machine/gpu_driver.c",
                    ROOT / "runtime/tensor_map.c", f"-L{cuda}/lib64/stubs", "-lcuda"], check=True)


def script(row, folder):
    """The fault's text as a cubin, and what the driver is told to do with it."""
    _, kernel, old, new = row[:4]
    launches, buffers, args, _, options = CONFIGS[kernel](**(row[6] if len(row) > 6 else {}))
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


def ask(tool, text):
    """What the tool says: "" for nothing."""
    command = ["compute-sanitizer", "--tool", tool, OUT / "driver"]
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return "hangs"
    found = re.findall(r"=+ (?:ERROR SUMMARY|RACECHECK SUMMARY): (\d+)", done.stdout + done.stderr)
    return tool if any(int(n) for n in found) else ""


def judge(row):
    with tempfile.TemporaryDirectory() as name:
        text = script(row, pathlib.Path(name))
        if text is None:
            return "nvcc refuses it"
        answers = [ask(tool, text) for tool in TOOLS]
    found = [a for a in answers if a and a != "hangs"]
    return ", ".join(found) or ("hangs" if "hangs" in answers else "silent")


def main():
    words = sys.argv[1:]
    jobs = 4
    if words[:1] == ["-j"]:
        jobs, words = int(words[1]), words[2:]
    rows = [row for row in FAULTS if not words or any(word in row[0] for word in words)]
    build_driver()
    known = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for row, answer in zip(rows, pool.map(judge, rows)):
            known[row[0]] = answer
            print(f"{answer:24} {row[0]}", flush=True)
    RESULT.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
