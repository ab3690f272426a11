"""Write the sample bank of a seed as files: ``python -m examples.samplebank --seed 1 --out examples/bank``."""

from __future__ import annotations

import argparse
from pathlib import Path

from examples.samplebank.build import write_bank

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="another seed gives another bank (default: 1)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write; files already there are replaced")
    arguments = parser.parse_args()
    print(f"{write_bank(arguments.seed, arguments.out)} documents in {arguments.out}")
