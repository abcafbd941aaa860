"""`make bench`: times kernels on the GPU beside a copy of the same bytes and beside TileKernels, cold L2.

    python3 tests/gpu/bench.py [--json FILE] [WORD...]       benchmarks whose name has a WORD, or that part; all
    python3 tests/gpu/bench.py --peers [WORD...]             TileKernels too, where it can be imported
    python3 tests/gpu/bench.py --sweep NAME P=V,V .. 'unit=unit warp pack(2)|unit warp pack(4)'
                                                             one benchmark under other schedules, best first

Needs torch with CUDA and NVRTC; the compiler is build/tests/libbench.so (`make units`). timing.py says
how a time is taken. Columns:

    us       median of 50 runs between events; an empty kernel, timed likewise, stands in the first line
    kernel   what CUPTI says the kernels take
    copy     a copy of half the bytes, by the device's memcpy or a kernel, whichever is faster, timed
             likewise; `of copy` is copy / us
    theirs   TileKernels' us and kernel; `x` is ours / theirs, of kernel where both have it
"""
import argparse
import datetime
import itertools
import json
import os
import pathlib
import sys

import torch

import benchmarks
import device
import peers
import timing

EMPTY = 'extern "C" __global__ void empty(void *p) { }'


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("words", nargs="*", metavar="WORD")
    p.add_argument("--json", metavar="FILE")
    p.add_argument("--peers", action="store_true")
    p.add_argument("--sweep", metavar="NAME")
    p.add_argument("--repeats", type=int, default=50)
    p.add_argument("--no-cupti", action="store_true")
    p.add_argument("--check", action="store_true", help="launch everything once, time nothing")
    return p.parse_args()


def first_line(why):
    text = str(why).strip() or type(why).__name__
    return text.splitlines()[0][:120]


def measured(call, options):
    call()
    if options.check:
        return {}
    times = timing.time_call(call, options.repeats)
    if not options.no_cupti:
        times["kernel"] = timing.kernels_of(call)
    return times


COPY = """extern "C" __global__ void copy(const uint4 *x, uint4 *y, long long n)
{
    long long i = (long long)blockIdx.x * 1024 + threadIdx.x;
    uint4 v[4];
    for (int k = 0; k < 4; k++)
        if (i + k * 256 < n) v[k] = __ldcs(x + i + k * 256);
    for (int k = 0; k < 4; k++)
        if (i + k * 256 < n) __stcs(y + i + k * 256, v[k]);
}"""


def copy_times(size, options, held={}):
    """Of a copy of half the bytes, by the device's memcpy or by a kernel, whichever is faster; copies
    of about one size are timed once."""
    half = max(size // 2 // 65536 * 65536, 1024)
    if half not in held and not options.check:
        source = torch.empty(half // 4, dtype=torch.int32, device=device.DEVICE)
        target = torch.empty_like(source)
        launch = device.cuda_function(COPY, "copy")
        calls = [lambda: target.copy_(source),
                 lambda: launch(-(-half // 16384), 256, source.data_ptr(), target.data_ptr(), half // 16)]
        held[half] = min(timing.time_call(call, options.repeats)["us"] for call in calls)
    return held.get(half)


def empty_time(options):
    if options.check:
        return {}
    launch = device.cuda_function(EMPTY, "empty")
    return measured(lambda: launch(1, 32, 0), options)


def theirs(b, tensors, options):
    if not options.peers:
        return None
    try:
        call = peers.call(b, tensors)
        return measured(call, options) if call else None
    except Exception as why:                                       # whatever it throws on these shapes
        return {"wrong": first_line(why)}


def run(b, options):
    """All that is known of one benchmark, as a row of the JSON."""
    settings, tensors = b.make()
    row = {"part": b.part, "name": b.name, "bytes": benchmarks.bytes_of(b, tensors), "small": b.small}
    try:
        row["ours"] = measured(device.Kernel(b.file, b.kernel).bind(settings, tensors), options)
    except RuntimeError as why:
        row["ours"] = {"wrong": first_line(why)}
    row["copy"] = copy_times(row["bytes"], options)
    row["theirs"] = theirs(b, tensors, options)
    return row


# ---- the table ----

HEAD = (f"{'':40} {'us':>8} {'least':>8} {'kernel':>8} {'MB':>7} {'TB/s':>5} {'copy':>8} {'of copy':>7}"
        f" {'theirs':>8} {'kernel':>8} {'x':>5}")


def number(value, digits=1, width=8):
    return f"{'-' if value is None else format(value, f'.{digits}f'):>{width}}"


def ratio(ours, other):
    for key in "kernel", "us":
        if ours.get(key) and other.get(key):
            return ours[key] / other[key]
    return None


def show(row):
    ours, other = row["ours"], row["theirs"] or {}
    us, copy = ours.get("us"), row["copy"]
    line = (f"{row['part'] + ' ' + row['name']:40} {number(us)} {number(ours.get('least'))} "
            f"{number(ours.get('kernel'))} {number(row['bytes'] / 1e6, 1, 7)} "
            f"{number(us and row['bytes'] / us / 1e6, 2, 5)} {number(copy)} "
            f"{number(us and copy and copy / us, 2, 7)} {number(other.get('us'))} {number(other.get('kernel'))} "
            f"{number(ratio(ours, other), 2, 5)}")
    for who, times in ("ours", ours), ("theirs", other):
        if times.get("wrong"):
            line += f"  {who}: {times['wrong']}"
        elif not times.get("method", "graph") == "graph":
            line += f"  {who} {times['method']}"
    print(line, flush=True)


def name_of_gpu():
    return torch.cuda.get_device_name() if device.DEVICE == "cuda" else "no GPU"


def save(options, empty, rows):
    """After every row: a run that is ended has what it has measured."""
    if options.json:
        result = {"gpu": name_of_gpu(), "torch": torch.__version__, "date": str(datetime.date.today()),
                  "empty": empty, "rows": rows}
        pathlib.Path(options.json).write_text(json.dumps(result, indent=1) + "\n")


def table(options):
    chosen = benchmarks.all_benchmarks(options.words)
    if not chosen:
        print("no such benchmark")
        return 1
    if options.peers and peers.tk is None:
        print(f"without TileKernels: {peers.WHY}")
    empty = empty_time(options)
    print(f"{name_of_gpu()}, torch {torch.__version__}, {datetime.date.today()}: an empty kernel "
          f"{number(empty.get('us'), 2, 0)} us, by CUPTI {number(empty.get('kernel'), 2, 0)} us\n{HEAD}")
    rows, bad = [], 0
    for b in chosen:
        row = run(b, options)
        rows.append(row)
        show(row)
        bad += "wrong" in row["ours"]
        save(options, empty, rows)
        if device.DEVICE == "cuda":
            torch.cuda.empty_cache()
    return 1 if bad else 0


# ---- other schedules ----

def choices(words):
    """{"BM": ["1", "2"], "unit": ["unit warp", ..]}: values between commas, directives between bars."""
    named = [word.split("=", 1) for word in words]
    return {key: text.split("|" if not key[0].isupper() else ",") for key, text in named}


def sweep(options):
    found = [b for b in benchmarks.all_benchmarks() if b.name == options.sweep]
    if not found:
        print(f"no benchmark {options.sweep}; the names are those of the table")
        return 1
    b, each = found[0], choices(options.words)
    settings, tensors = b.make()
    results = []
    for values in itertools.product(*each.values()):
        parameters = dict(zip(each, values))
        text = " ".join(v if not k[0].isupper() else f"{k}={v}" for k, v in parameters.items())
        try:
            kernel = device.Kernel(b.file, b.kernel, parameters)
            times = measured(kernel.bind(settings | {k: v for k, v in parameters.items() if k in kernel.statics},
                                         tensors), options)
            results.append((times.get("kernel") or times.get("us") or 0.0, times.get("us"), text))
        except RuntimeError as why:
            print(f"{text}: {first_line(why)}", flush=True)
    copy = copy_times(benchmarks.bytes_of(b, tensors), options)
    print(f"{b.name}, a copy of the same bytes {number(copy, 1, 0)} us\n{'kernel':>8} {'us':>8}")
    for kernel, us, text in sorted(results):
        print(f"{kernel:8.1f} {number(us)}  {text}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"name": b.name, "copy": copy, "results": results}))
    return 0 if results else 1


def main():
    options = arguments()
    if device.DEVICE == "cpu" and not options.check:
        sys.exit("TILE_BENCH_DEVICE=cpu is for --check")
    os.environ.setdefault("TILE_CACHE_DIR", "build/bench-cache")
    if not options.check:
        timing.warm_up()
    return sweep(options) if options.sweep else table(options)


if __name__ == "__main__":
    sys.exit(main())
