"""Writes docs/openapi.json, the reviewed description of the REST interface: ``python -m tests.assistant.write_openapi``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from assistant.api.app import create_app
from assistant.bootstrap import open_application
from core.settings import load_settings
from tests.fakes import fake_models, hashed_routes

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        models, _ = fake_models(lambda prompt, adapter: "", hashed_routes(Path(folder)))
        with open_application(load_settings(home=Path(folder)), models=models) as application:
            document = create_app(application).openapi()
    target = Path(__file__).parents[2] / "docs" / "openapi.json"
    target.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf8")
