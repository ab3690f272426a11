"""An adapter version passes its gate by the verdict of an evaluation: one that was passed, and that is of this very adapter over this base."""

from __future__ import annotations

from core.errors import Conflict
from core.verdict import Verdict
from engines.catalogue.adapters import AdapterInfo, AdapterRegistry

_SHOWN = 12  # digits of a digest


def pass_gate(registry: AdapterRegistry, info: AdapterInfo, verdict: Verdict, digest: str) -> AdapterInfo:
    """Record that a version passed its gate: a candidate is gated from then on.

    Args:
        digest: SHA-256 of the verdict's file.

    Raises:
        Conflict: with everything that does not fit; nothing was changed (code ``gate_refused``).
    """
    if wrong := misfits(info, verdict):
        raise Conflict(f"{info.ref} does not pass by this verdict: {'; '.join(wrong)}. Nothing was changed.", code="gate_refused")
    return registry.gate(info.ref.name, info.ref.version, verdict.model_dump(mode="json"), digest)


def misfits(info: AdapterInfo, verdict: Verdict) -> list[str]:
    """Why a verdict lets a version not pass; empty when it does."""
    found = []
    judged, base = f"{verdict.adapter}@{verdict.version}", str(info.manifest["base"]["digest"])
    if judged != str(info.ref):
        found.append(f"it is of {judged}")
    if verdict.digest != info.ref.digest:
        found.append(f"it is of an adapter with the digest {verdict.digest[:_SHOWN]}, and the registered one has {info.ref.digest[:_SHOWN]}")
    if verdict.base_digest != base:
        found.append(f"it was measured over the base {verdict.base_digest[:_SHOWN]}, and the adapter belongs to {base[:_SHOWN]}")
    failed = [check for check in verdict.checks if not check.passed]
    found += [f"{check.name} {'failed' if check.decided else 'was not decided'} ({check.why})" for check in failed]
    return found
