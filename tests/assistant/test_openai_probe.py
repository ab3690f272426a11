"""The real Java client, openai-java, against the service as a process with the real models: every check of OpenAiProbe.java, none left out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engines.catalogue import Catalogue
from tests.servers import java
from tests.servers.process import ends_with_parent

pytestmark = pytest.mark.models

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "BANKASSIST_POLICY__BLOCKED": '["insider trading"]',
    "BANKASSIST_SERVICE__WORKER": "false",
    # little room, so that few requests at once are too many, and short texts
    "BANKASSIST_GENERATION__QUEUE": "4",
    "BANKASSIST_GENERATION__BATCH": "4",
    "BANKASSIST_GENERATION__MAX_TOKENS": "96",
}
PROBE = {
    "PROBE_QUESTION": "How much does the Compass Everyday Account cost per month?",
    "PROBE_QUESTION_POLICY": "Is insider trading allowed?",
    "PROBE_BROKEN_STREAM_MODEL": "broken",
    "PROBE_OVERLOAD": "14",
    "PROBE_ADAPTER": "customer-service",
}


@contextmanager
def serving(home: Path) -> Iterator[str]:
    environment = {**os.environ, **SETTINGS, "BANKASSIST_HOME": str(home)}
    command = [sys.executable, "-m", "tests.assistant.probe_service", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=ends_with_parent()) as process:
        try:
            assert process.stderr is not None
            lines: list[str] = []
            for line in process.stderr:
                lines.append(line)
                if match := re.fullmatch(r"serving on (http://\S+)\n", line):
                    reading = threading.Thread(target=lines.extend, args=(process.stderr,))  # a full pipe would hold the service up
                    reading.start()
                    yield match[1]
                    break
            else:
                pytest.fail(f"the service ended with code {process.wait()} before it was ready: {''.join(lines)}")
        finally:
            process.terminate()
            process.wait(60)
        reading.join()
        # nothing that clients may do is worth a line: neither the JDK's offers of HTTP/2, nor the stream that must break off
        assert "uvicorn" not in "".join(lines)


def test_openai_java_finds_nothing_wrong_and_leaves_nothing_out(tmp_path: Path, model_cache: Path) -> None:
    jdk, libraries = java.jdk(), java.libraries()
    home = tmp_path / "home"
    home.mkdir()
    (home / "cache").symlink_to(model_cache)
    catalogue = Catalogue.open(home)
    key = catalogue.keys.create("probe", ["staff", "risk"], ["ask", "generate", "documents"])
    catalogue.close()
    with serving(home) as url:
        command = [jdk, "-cp", f"{libraries}/*", str(libraries.parent / "OpenAiProbe.java"), f"{url}/v1", key, "auto"]
        done = subprocess.run(command, env={**os.environ, **PROBE}, capture_output=True, text=True, check=False)
    failed = [line for line in done.stdout.splitlines() if not line.startswith("PASS")]
    assert re.fullmatch(r"(\d+) passed, 0 failed, 0 skipped", failed[-1]), "\n".join(failed) + done.stderr
    assert int(failed[-1].split()[0]) >= 79
