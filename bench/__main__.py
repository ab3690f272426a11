"""`python -m bench [NAME ...]`: run benchmarks, show their tables, write `bench/results/NAME.json` and the page that shows them all."""

from __future__ import annotations

import argparse
import importlib
import os
import tempfile
from pathlib import Path

from rich.console import Console

import engines.compute

NAMES = ("start", "answers", "engine", "prefixes", "mixed", "search", "memory", "ingest", "scoring", "evaluation", "overload", "overhead", "cluster", "outside")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"one or more of {', '.join(NAMES)}; all without any, outside and cluster only where there is something for them",
    )
    given = parser.parse_args().names
    names = given or list(NAMES)
    if unknown := sorted(set(names) - set(NAMES)):
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(NAMES)}")
    console = Console()
    engines.compute.prepare(0)  # before torch is imported, as the service does: large pages, threads that do not spin; for both sides
    from bench import cluster, frame, limits, outside, page
    from bench.service import prepare

    if not given and not outside.present():
        names.remove("outside")
        console.print(f"outside: left out, no engine to measure against; set {' or '.join(outside.absent())}", style="dim")
    if not given and not cluster.present():
        names.remove("cluster")
        console.print(f"cluster: left out, {cluster.missing()}", style="dim")

    cache = Path(os.environ.get("BANKASSIST_HOME", "var")).resolve() / "cache"  # converted models are the same in every home
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "cache").symlink_to(cache)
        console.print("taking in the sample bank", style="dim")
        home = prepare(Path(folder))
        machine = limits.measure()
        console.print(
            f"this machine: {machine['memory_gb_per_s']} GB/s of memory, {machine['matrix_gflop_per_s']} GFLOP/s in matrices of {machine['bytes_per_weight']} bytes a number",
            style="dim",
        )
        for name in names:
            rows = importlib.import_module(f"bench.{name}").run(home, machine)
            frame.show(name, rows, console)
            console.print(f"  written to {frame.write(name, rows, machine).relative_to(Path.cwd())}", style="dim")
        page.write()


if __name__ == "__main__":
    main()
