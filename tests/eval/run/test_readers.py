"""Who may read what a run retrieved, as the catalogue has it."""

from __future__ import annotations

import threading

from assistant.bootstrap import Application
from eval.run.answering import answered
from eval.run.arms import Arms
from eval.run.corpus import readers
from eval.run.record import Cited, Record
from eval.scoring.registry import with_groups
from tests.eval.run.conftest import ITEMS, TODAY

_FOREIGN = Record(item="fee", arm="rag", kind="answered", cited=(Cited(n=1, document_id="of another bank", version=1, start=0, end=1, quote="x"),))


def test_groups_of_what_was_retrieved_and_cited(application: Application) -> None:
    arms = Arms(application.assistant, application.parts.catalogue.documents, TODAY, top_k=5)
    records = [answered(arms.asked(item, "rag"), item.id, "rag", 0, threading.Event()) for item in ITEMS if item.id in ("cash", "fee", "cash-customer")]
    found = readers(application.parts.catalogue, [*records, _FOREIGN])
    assert {"card-fees@1": ("public",), "card-fees@2": ("public",), "kyc@1": ("staff",)}.items() <= found.items()
    assert not any("of another bank" in name for name in found)
    leak = with_groups(found)["acl_leak"]
    items = {item.id: item for item in ITEMS}
    assert [leak.score(items[record.item], record).value for record in (*records, _FOREIGN)] == [0, 0, 0, 1]
    # what a member of staff was shown is a leak where a customer had asked
    shown = next(record for record in records if record.item == "cash")
    assert leak.score(items["cash-customer"], shown).detail == {"documents": ["kyc@1"]}
    assert shown.retrieved[0].heading == "KYC policy > Fees"
