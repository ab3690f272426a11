"""Office files are ZIP archives with the time of writing inside; a fixed time makes the same source give the same bytes."""

from __future__ import annotations

import io
import re
import zipfile

_MOMENT = "2026-01-01T00:00:00Z"
_STAMP = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*")


def with_fixed_times(archive: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in sorted(source.namelist()):
            content = source.read(entry)
            if entry == "docProps/core.xml":
                content = _STAMP.sub(rb"\g<1>" + _MOMENT.encode(), content)
            info = zipfile.ZipInfo(entry, date_time=(2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(info, content)
    return out.getvalue()
