"""Measure an engine's overhead: 1,000 jobs of 50 ms, and 100 jobs, one of them 100 times as long.

    python scripts/bench_engine.py           # local processes, and Ray if it is installed

Workers sleep, so two cores are enough for any number of workers. Prints a Markdown table, as in
docs/scale.md: start = seconds until the first worker begins; wall = seconds from then until all
1,000 jobs are done; efficiency = total length of the jobs / (workers x wall); rest, straggler =
when the 99 short jobs and the long job are done.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence

from avforensics.pool import EngineOptions, in_processes

SECONDS, JOBS, STRAGGLER = 0.05, 1000, 100


def work(jobs: Sequence[float]) -> Iterator[float]:
    """Sleep as long as each job lasts, in seconds."""
    for seconds in jobs:
        time.sleep(seconds)
        yield seconds


def timed(engine: EngineOptions, workers: int, jobs: Sequence[float]) -> tuple[float, list[float]]:
    """Return the seconds until the first worker begins, and from then until each job is done."""
    begun: list[float] = []
    done: dict[int, float] = {}
    asked = time.monotonic()
    for key, _ in in_processes(
        work,
        dict(enumerate(jobs)),
        workers=workers,
        engine=engine,
        begin=lambda key: begun.append(time.monotonic()),
    ):
        done[key] = time.monotonic()
    return begun[0] - asked, [done[key] - begun[0] for key in sorted(done)]


def row(name: str, engine: EngineOptions, workers: int) -> str:
    """Return a row of the table."""
    start, ends = timed(engine, workers, [SECONDS] * JOBS)
    wall = max(ends)
    share = JOBS * SECONDS / (workers * wall)
    rest = [SECONDS] * (STRAGGLER - 1)
    _, found = timed(engine, workers, [STRAGGLER * SECONDS, *rest])
    cells = [name, workers, f"{start:.1f} s", f"{wall:.1f} s", f"{100 * share:.0f} %"]
    cells += [f"{max(found[1:]):.1f} s", f"{max(found):.1f} s"]
    return f"| {' | '.join(map(str, cells))} |"


def on_nodes(count: int, measure: Callable[[str], str]) -> str:
    """Measure on a Ray cluster of ``count`` local nodes with two CPUs each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        for _ in range(count):
            cluster.add_node(num_cpus=2, object_store_memory=80 << 20)
        cluster.wait_for_nodes()
        return measure(cluster.address)
    finally:
        cluster.shutdown()


def main() -> None:
    """Print the table."""
    columns = "engine workers start wall efficiency rest straggler"
    print(f"| {' | '.join(columns.split())} |")
    print("|---|---|---|---|---|---|---|")
    print(row("local", EngineOptions(), 2), flush=True)
    if importlib.util.find_spec("ray") is None:
        return
    for count in (1, 2):

        def measure(address: str, count: int = count) -> str:
            engine = EngineOptions(name="ray", address=address, gpus_per_worker=0)
            return row(f"Ray, {count} node{'s' if count > 1 else ''}", engine, 2 * count)

        print(on_nodes(count, measure), flush=True)


if __name__ == "__main__":
    main()
