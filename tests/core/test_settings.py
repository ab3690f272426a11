"""Settings from a file and the environment; what is unknown is an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from core.errors import SettingsError
from core.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings file lies where the default one is looked for."""
    monkeypatch.chdir(tmp_path)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf8")
    return path


def test_defaults() -> None:
    settings = load_settings()
    assert settings.home == Path("var")
    assert (settings.retrieval.top_k, settings.service.host, settings.models.embedding) == (5, "127.0.0.1", "bundled:multilingual-e5-small")


def test_the_environment_wins_over_the_file_and_an_argument_over_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = _write(tmp_path / "bank.toml", "home = '分行'\n[retrieval]\ntop_k = 7\ndepth = 10\n")
    monkeypatch.setenv("BANKASSIST_RETRIEVAL__TOP_K", "9")
    settings = load_settings(file)
    assert (settings.home, settings.retrieval.top_k, settings.retrieval.depth, settings.retrieval.rrf_k) == (Path("分行"), 9, 10, 60)
    assert load_settings(file, home=tmp_path).home == tmp_path


def test_a_whole_section_may_stand_in_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANKASSIST_RETRIEVAL", '{"top_k": 3, "depth": 4}')
    monkeypatch.setenv("BANKASSIST_RETRIEVAL__DEPTH", "6")
    assert (load_settings().retrieval.top_k, load_settings().retrieval.depth) == (3, 6)


def test_the_file_is_named_or_lies_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path / "var" / "bankassist.toml", "[service]\nport = 1\n")
    assert load_settings().service.port == 1
    _write(tmp_path / "home" / "bankassist.toml", "[service]\nport = 2\n")
    monkeypatch.setenv("BANKASSIST_HOME", str(tmp_path / "home"))
    assert load_settings().service.port == 2
    monkeypatch.setenv("BANKASSIST_CONFIG", str(_write(tmp_path / "named.toml", "[service]\nport = 3\n")))
    assert load_settings().service.port == 3
    assert load_settings(_write(tmp_path / "given.toml", "[service]\nport = 4\n")).service.port == 4


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[retrieval]\ntop_k = 0", "retrieval.top_k: Input should be greater than 0"),
        ("[retrieval]\ntop_k = 21", "retrieval.top_k: Input should be less than or equal to 20"),
        ("[retrieval]\ntop_q = 1", "retrieval.top_q: Extra inputs are not permitted"),
        ("[retrievel]\ntop_k = 1", "retrievel: Extra inputs are not permitted"),
        ("[routing]\nthreshold = 1.5", "routing.threshold: Input should be less than or equal to 1"),
        ("[models]\ndtype = 'int4'", "models.dtype: Input should be 'auto', 'float32' or 'bfloat16'"),
        ("[routing]\nabstain = '转人工'", "routing.abstain: Input should be 'nearest', 'base' or 'hand_off'"),
        ("x = = 1", "Invalid value (at line 1, column 5)"),
    ],
    ids=["too small", "too large", "unknown key", "unknown section", "share", "choice", "Chinese value", "no TOML"],
)
def test_a_file_that_does_not_fit_is_named_with_its_key(tmp_path: Path, toml: str, says: str) -> None:
    file = _write(tmp_path / "bank.toml", toml)
    with pytest.raises(SettingsError) as refused:
        load_settings(file)
    assert refused.value.code == "invalid_settings"
    assert f"settings in {file} or the environment: {says}" in refused.value.message


def test_a_file_that_is_not_utf8_or_not_there_or_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"binary\.toml"):
        load_settings(binary)
    with pytest.raises(SettingsError, match=r"missing\.toml does not exist") as refused:
        load_settings(tmp_path / "missing.toml")
    assert refused.value.param == "--config"

    def locked(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(binary))

    monkeypatch.setattr(Path, "open", locked)
    with pytest.raises(SettingsError, match=r"binary\.toml.*Permission denied"):
        load_settings(binary)


@pytest.mark.parametrize(
    "name",
    [
        "BANKASSIST_TOPK",
        "BANKASSIST_RETRIEVAL__TOPK",
        "BANKASSIST_RETRIEVAL_TOP_K",
        "BANKASSIST_CONFIGURATION",
        "BANKASSIST_KEYS",
        "BANKASSIST_retrieval__top_k",
    ],
)
def test_a_variable_that_fits_nothing_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match=f"{name} is no setting") as refused:
        load_settings()
    assert (refused.value.code, refused.value.param) == ("invalid_settings", name)


@pytest.mark.parametrize("name", ["BANKASSIST_KEY", "BANKASSIST_TEST_POSTGRES", "OTHER_TOPK", "BANKASSISTANT"])
def test_variables_of_others_are_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert load_settings().retrieval.top_k == 5


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("BANKASSIST_RETRIEVAL__TOP_K", "many", "settings in the environment: retrieval.top_k: Input should be a valid integer"),
        ("BANKASSIST_RETRIEVAL", "many", 'settings in the environment: error parsing value for field "retrieval"'),
        ("BANKASSIST_RETRIEVAL", '{"top_q": 1}', "settings in the environment: retrieval.top_q: Extra inputs are not permitted"),
    ],
)
def test_a_variable_that_does_not_fit(name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert says in refused.value.message


def test_settings_never_change() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.retrieval.top_k = 6  # type: ignore[misc]  # what is forbidden
    with pytest.raises(ValidationError, match="frozen"):
        settings.home = Path("elsewhere")  # type: ignore[misc]  # what is forbidden


def test_a_database_password_is_never_shown(tmp_path: Path) -> None:
    settings = load_settings(_write(tmp_path / "bank.toml", "[catalogue]\nurl = 'postgresql://bank:geheim@db/bank'\n"))
    assert settings.catalogue.url is not None
    assert settings.catalogue.url.get_secret_value().endswith("geheim@db/bank")
    assert "geheim" not in repr(settings) + settings.model_dump_json()
    with pytest.raises(SettingsError) as refused:
        load_settings(_write(tmp_path / "bank.toml", "[catalogue]\nurl = ['geheim']\n"))
    assert "geheim" not in refused.value.message


URL = "postgresql://bank:geheim@db/银行"


@pytest.mark.parametrize("content", [URL, f"{URL}\n", f"{URL}\r\n"], ids=["bare", "line", "CRLF"])
def test_a_secret_may_lie_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    (tmp_path / "url").write_bytes(content.encode())
    monkeypatch.setenv("BANKASSIST_CATALOGUE__URL_FILE", str(tmp_path / "url"))
    from_environment = load_settings().catalogue.url
    monkeypatch.delenv("BANKASSIST_CATALOGUE__URL_FILE")
    from_file = load_settings(_write(tmp_path / "bank.toml", f"[catalogue]\nurl_file = '{tmp_path / 'url'}'\n")).catalogue.url
    assert from_environment is not None
    assert from_environment == from_file
    assert from_environment.get_secret_value() == URL


def test_a_file_that_the_environment_names_wins_over_a_secret_in_the_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANKASSIST_CATALOGUE__URL_FILE", str(_write(tmp_path / "url", URL)))
    settings = load_settings(_write(tmp_path / "bank.toml", "[catalogue]\nurl = 'sqlite://'\n"))
    assert settings.catalogue.url is not None
    assert settings.catalogue.url.get_secret_value() == URL


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"geheim\xff", "cannot be read: it is not UTF-8"),
    ],
    ids=["missing", "empty", "blank", "binary"],
)
def test_a_secret_file_that_cannot_be_used_is_named_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, says: str) -> None:
    file = tmp_path / "密钥"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("BANKASSIST_CATALOGUE__URL_FILE", str(file))
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert refused.value.message == f"settings in the environment: catalogue.url_file: {file} {says}"


def test_a_secret_and_its_file_are_not_both_set_and_only_secrets_lie_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = _write(tmp_path / "bank.toml", f"[catalogue]\nurl = 'sqlite://'\nurl_file = '{_write(tmp_path / 'url', URL)}'\n")
    with pytest.raises(SettingsError, match=r"catalogue\.url and catalogue\.url_file are both set"):
        load_settings(file)
    with pytest.raises(SettingsError, match=r"retrieval\.top_k_file: Extra inputs"):
        load_settings(_write(tmp_path / "bank.toml", "[retrieval]\ntop_k_file = 'x'\n"))
    monkeypatch.setenv("BANKASSIST_RETRIEVAL__TOP_K_FILE", "x")
    with pytest.raises(SettingsError, match="BANKASSIST_RETRIEVAL__TOP_K_FILE is no setting"):
        load_settings()


def test_aliases_of_adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(_write(tmp_path / "bank.toml", "[adapters.aliases]\nloan_risk_v1 = 'loan-risk@3'\n'kyc.v2' = 'compliance'\n"))
    assert settings.adapters.aliases == {"loan_risk_v1": "loan-risk@3", "kyc.v2": "compliance"}
    monkeypatch.setenv("BANKASSIST_ADAPTERS__ALIASES", '{"loan_risk_v1": "base"}')
    assert load_settings().adapters.aliases == {"loan_risk_v1": "base"}
    for name, target in (("loan_risk@1", "base"), ("../loan", "base"), ("x", "Loan"), ("x", "loan@latest"), ("贷款", "base")):
        monkeypatch.setenv("BANKASSIST_ADAPTERS__ALIASES", f'{{"{name}": "{target}"}}')
        with pytest.raises(SettingsError, match=r"adapters\.aliases\..*: String should match pattern"):
            load_settings()


def test_every_setting_says_what_it_is() -> None:
    for section, field in Settings.model_fields.items():
        keys = type(field.default).model_fields if isinstance(field.default, BaseModel) else {section: field}
        assert [name for name, key in keys.items() if not key.description] == [], section
