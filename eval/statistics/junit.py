"""The checks of a gate as JUnit XML, which pipelines show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from core.verdict import Check

#: characters that XML cannot hold, not even escaped
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def junit(checks: Sequence[Check], name: str = "gate") -> str:
    """One test case per check: failed ones are failures, those that the suite is too small for are errors."""
    failed, undecided = (sum(not check.passed and check.decided is decided for check in checks) for decided in (True, False))
    counts = {"tests": str(len(checks)), "failures": str(failed), "errors": str(undecided)}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, **counts})
    for check in checks:
        case = ElementTree.SubElement(suite, "testcase", {"classname": f"{name}.{check.arm}", "name": check.name})
        if not check.passed:
            ElementTree.SubElement(case, "failure" if check.decided else "error", {"message": check.why}).text = f"wanted: {check.wanted}; {check.why}"
        else:
            ElementTree.SubElement(case, "system-out").text = check.why
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + _FORBIDDEN.sub("\ufffd", ElementTree.tostring(root, encoding="unicode")) + "\n"
