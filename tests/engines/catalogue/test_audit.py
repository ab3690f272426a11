"""Audit records are appended and read back in order."""

from __future__ import annotations

import pytest

from core.errors import NotFound
from engines.catalogue import Catalogue


def test_the_records_of_one_answer_come_back_in_order(catalogue: Catalogue) -> None:
    catalogue.audit.record("audit-1", "started", "staff (1)", {"question": "年费多少？", "passages": [{"version": 2}]})
    catalogue.audit.record("audit-2", "search", "staff (1)", {})
    catalogue.audit.record("audit-1", "finished", "staff (1)", {"kind": "answered"})
    records = catalogue.audit.show("audit-1")
    assert [(record.kind, record.principal, record.body) for record in records] == [
        ("started", "staff (1)", {"question": "年费多少？", "passages": [{"version": 2}]}),
        ("finished", "staff (1)", {"kind": "answered"}),
    ]
    assert records[0].sequence < records[1].sequence
    assert records[0].at.tzinfo is not None
    with pytest.raises(NotFound, match="no audit record 'audit-3'") as missing:
        catalogue.audit.show("audit-3")
    assert missing.value.code == "audit_not_found"
