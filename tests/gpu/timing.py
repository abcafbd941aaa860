"""How bench.py times a call on the GPU, ours or another library's: the same way for all.

`time_call` gives microseconds between two events around the call, of many runs. Each begins with a cold
L2: 256 MB are written ahead of it, behind which the launch is long queued. Flush, events and call are in
one CUDA graph, so that no launch from the host stands between them. `kernels_of` gives what CUPTI says
the kernels take, without the gaps around them.
"""
import statistics
import time

import torch

FLUSH_BYTES, INNER = 256 << 20, 10
FLUSH = None


def flush():
    global FLUSH
    if FLUSH is None:
        FLUSH = torch.empty(FLUSH_BYTES // 4, dtype=torch.int32, device="cuda")
    FLUSH.zero_()


def event():
    """An event that a graph records each time it runs."""
    return torch.cuda.Event(enable_timing=True, external=True)


def by_graph(call, repeats):
    graph = torch.cuda.CUDAGraph()
    pairs = [(event(), event()) for _ in range(INNER)]
    with torch.cuda.graph(graph):
        for first, last in pairs:
            flush()
            first.record()
            call()
            last.record()
    times = []
    for i in range(-(-repeats // INNER) + 1):
        graph.replay()
        torch.cuda.synchronize()
        if i:
            times += [first.elapsed_time(last) * 1e3 for first, last in pairs]
    return times


def by_stream(call, repeats):
    """For calls that cannot be captured."""
    times = []
    for i in range(repeats + 3):
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        flush()
        first.record()
        call()
        last.record()
        torch.cuda.synchronize()
        if i >= 3:
            times.append(first.elapsed_time(last) * 1e3)
    return times


def time_call(call, repeats=50):
    """Median and least microseconds, and how they were taken."""
    flush()
    for _ in range(3):
        call()
    torch.cuda.synchronize()
    try:
        times, method = by_graph(call, repeats), "graph"
    except (RuntimeError, TypeError) as why:
        torch.cuda.synchronize()
        times, method = by_stream(call, repeats), f"stream: {str(why).splitlines()[0][:60]}"
    return {"us": statistics.median(times), "least": min(times), "method": method}


def kernels_of(call, repeats=10):
    """Microseconds that the call's kernels take together, by CUPTI; None without it."""
    from torch.profiler import ProfilerActivity, profile
    try:
        flush()
        call()
        torch.cuda.synchronize()
        with profile(activities=[ProfilerActivity.CUDA]) as seen:
            for _ in range(repeats):
                call()
                flush()
            torch.cuda.synchronize()
    except RuntimeError:
        return None
    total = 0.0
    for e in seen.events():
        if e.device_type == torch.autograd.DeviceType.CUDA and "Memset" not in e.name and \
                "FillFunctor" not in e.name:
            total += e.time_range.elapsed_us()
    return total / repeats or None


def warm_up(seconds=0.5):
    """The clocks of an idle GPU are low."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        flush()
        torch.cuda.synchronize()
