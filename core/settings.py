"""The settings: one TOML file, overridden by environment variables ``BANKASSIST_SECTION__KEY``. Read once, passed on, never changed.

An unknown key is an error in both places; pydantic-settings alone would let an unknown variable pass.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from core.errors import SettingsError
from core.types import DataLevel

PREFIX = "BANKASSIST_"
#: variables with the prefix that are no settings: where the settings file is, and what tests use
_NOT_SETTINGS = ("BANKASSIST_CONFIG", "BANKASSIST_KEY")
_FOR_TESTS = "BANKASSIST_TEST_"

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bank(Section):
    """Whose assistant it is."""

    time_zone: str = Field("UTC", description="the bank's time zone; decides which day 'today' is")


class Models(Section):
    """The models: `bundled:NAME`, a local folder, or a Hugging Face id with `@REVISION`."""

    generation: str = Field("bundled:smollm2-135m-instruct", description="base model that writes the answers")
    embedding: str = Field("bundled:multilingual-e5-small", description="model that turns text into vectors")
    dtype: Literal["auto", "float32", "bfloat16"] = Field("auto", description="number format of the weights; auto takes what is faster here")
    threads: int = Field(0, ge=0, description="CPU threads of the models; 0 takes all cores")


class Catalogue(Section):
    url: SecretStr | None = Field(None, description="database URL; the default is a SQLite file in the home folder")


class Retrieval(Section):
    top_k: Positive = Field(5, le=20, description="passages per answer")
    depth: Positive = Field(50, le=1000, description="hits taken from each leg before fusion")
    rrf_k: Positive = Field(60, description="constant of reciprocal rank fusion")
    vector_weight: float = Field(1.0, ge=0, description="weight of the vector leg in the fusion")
    word_weight: float = Field(1.0, ge=0, description="weight of the word leg in the fusion")


class Generation(Section):
    engine: Literal["local", "remote"] = Field("local", description="where answers are written: in this process, or by the server of section `remote`")
    max_tokens: Positive = Field(192, le=1024, description="longest answer")
    passage_tokens: Positive = Field(700, description="tokens that the passages of a prompt may take together")
    queue: Positive = Field(64, description="requests that may wait for the model")
    queue_seconds: float = Field(30, gt=0, description="longest wait for the model")
    batch: Positive = Field(8, le=64, description="answers that the model writes at once")
    memory_mib: Positive = Field(512, description="memory for what running answers have read (a prompt alone is read whatever its length)")
    prefix_mib: Annotated[int, Field(ge=0)] = Field(192, description="memory for prompts that were read before; 0 reads every prompt anew")
    adapter_mib: Positive = Field(256, description="memory for adapters; those longest unused are dropped and read again when they are needed")


class Remote(Section):
    """A server that speaks the OpenAI wire, for `generation.engine = "remote"`. Its base model is `models.generation`, of which only the tokenizer is read here."""

    url: str | None = Field(None, description="its base URL, such as http://gpu-1:8000/v1")
    model: str | None = Field(None, description="the base model's name on the server")
    server: Literal["vllm", "llama.cpp", "openai"] = Field("vllm", description="what it is, which decides what it is asked for; `openai` is any other")
    prompt: Literal["tokens", "text", "chat"] | None = Field(
        None,
        description="form of the prompt: token ids (the same as in process), text, or chat messages (the server's own template); default: tokens, and chat for `openai`",
    )
    api_key: SecretStr | None = Field(None, description="key that the server wants")
    ca_file: Path | None = Field(None, description="certificates of the authority that signed the server's, in PEM")
    allow_egress: bool = Field(False, description="prompts may go to a host outside the house; without it such a host is refused")
    inside: tuple[str, ...] = Field((), description="hosts or networks (CIDR) with public addresses that are the bank's own")
    data_level: DataLevel | None = Field(
        None, description="highest level of documents whose text may go there; default: all inside the house, `public` for a host outside"
    )
    base_digest: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="digest of the base model's weights, as adapters name it; needed where the weights do not lie here"
    )
    context_tokens: Positive | None = Field(None, description="longest prompt and answer together; default: what the server or the model's configuration says")
    adapters: dict[str, str] = Field(
        {}, description="NAME@VERSION to the name of its model on the server, where that is not the one that `adapters export` gave"
    )
    exports: Path | None = Field(None, description="folder of `adapters export`: by its probes the adapters on the server are checked")
    load_adapters: bool = Field(False, description="have the server load exported adapters when they are first needed (vLLM's /v1/load_lora_adapter)")
    exports_there: str | None = Field(None, description="the folder of exports as the server sees it; default: the same path")
    source_grammar: bool = Field(False, description="it takes llguidance's grammars (vLLM with the backend `guidance`), which tasks with `sources_only` need")
    concurrency: Positive = Field(32, description="requests that it is sent at once; others wait in the queue of `generation`")
    connect_seconds: float = Field(3, gt=0, description="longest time to connect")
    first_token_seconds: float = Field(30, gt=0, description="longest time from the request to its first token")
    token_seconds: float = Field(15, gt=0, description="longest time between two tokens")
    request_seconds: float = Field(300, gt=0, description="longest time that a request may take in all")
    retries: int = Field(2, ge=0, le=10, description="how often a request that failed before its first token is sent again")
    retry_share: Share = Field(0.2, description="most repeats, as a share of the requests of late, so that a server in need is not asked more")
    breaker_failures: Positive = Field(5, description="failures one after another after which the server is left alone")
    breaker_seconds: float = Field(10, gt=0, description="how long it is left alone before one request tries it again")


class Routing(Section):
    threshold: Share = Field(0.6, description="confidence below which no adapter is chosen")
    abstain: Literal["nearest", "base", "hand_off"] = Field(
        "nearest",
        description="what answers then: the adapter of the nearest task where passages are read (the base model where none are), the base model, or a person",
    )


class Ingest(Section):
    max_file_mb: Positive = Field(50, description="largest file")
    max_pages: Positive = Field(2000, description="most pages of a PDF")
    max_text: Positive = Field(10_000_000, description="most characters of extracted text")
    parse_seconds: Positive = Field(60, description="longest parse of one file")
    chunk_characters: Positive = Field(900, description="a chunk's length in English characters; a Chinese one counts as three")


class Service(Section):
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    max_question: Positive = Field(4000, description="longest question in characters")
    answer_seconds: float = Field(60, gt=0, description="longest time that an answer may take; a caller may announce less")
    max_body_kb: Positive = Field(1024, description="largest JSON body")
    worker: bool = Field(True, description="start and watch an ingest worker")
    docs: bool = Field(True, description="serve the OpenAPI pages")


class Settings(BaseSettings):
    """Everything that can be set. `home` holds all state."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    home: Path = Field(Path("var"), description="folder of all state: catalogue, files, index, caches, keys")
    bank: Bank = Bank()
    models: Models = Models()
    catalogue: Catalogue = Catalogue()
    retrieval: Retrieval = Retrieval()
    generation: Generation = Generation()
    remote: Remote = Remote()
    routing: Routing = Routing()
    ingest: Ingest = Ingest()
    service: Service = Service()

    @model_validator(mode="after")
    def _check_remote(self) -> Settings:
        if self.generation.engine == "remote" and not (self.remote.url and self.remote.model):
            raise ValueError("generation.engine is remote, so remote.url and remote.model must say which server and which of its models")
        return self


def make_home(settings: Settings) -> None:
    """Make the home folder if it is not there: for its owner alone, since documents and keys will lie in it."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)


def load_settings(config: Path | None = None, **overrides: Any) -> Settings:
    """The settings of this process: environment over file over defaults.

    Args:
        config: the TOML file; without it ``BANKASSIST_CONFIG``, else ``bankassist.toml`` in the home folder if it is there.

    Raises:
        SettingsError: an unknown key or variable, a value that does not fit, a file that cannot be read.
    """
    file = config or (Path(os.environ["BANKASSIST_CONFIG"]) if os.environ.get("BANKASSIST_CONFIG") else None)
    if file is not None and not file.is_file():
        raise SettingsError(f"settings file {file} does not exist", param="--config")
    if file is None:
        default = Path(os.environ.get("BANKASSIST_HOME", "var")) / "bankassist.toml"
        file = default if default.is_file() else None
    _refuse_unknown_variables()
    try:
        return _reading(file)(**overrides)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}" for problem in error.errors(include_input=False, include_url=False)
        )
        raise SettingsError(f"settings {_place(file)}: {problems}. `bankassist config schema` lists all keys.") from None
    except (ValueError, OSError) as error:  # TOML or a variable's JSON that cannot be parsed, a file that cannot be read
        raise SettingsError(f"settings {_place(file)}: {error}") from None


def _place(file: Path | None) -> str:
    return f"in {file} or the environment" if file else "in the environment"


def _reading(file: Path | None) -> type[Settings]:
    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003, pydantic's names
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)

    return FromFile


def _refuse_unknown_variables() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for section, field in Settings.model_fields.items():
        if isinstance(field.default, Section):
            known |= {f"{PREFIX}{section}__{key}".upper() for key in type(field.default).model_fields}
    for name in os.environ:
        if name.startswith(PREFIX) and not name.startswith(_FOR_TESTS) and name not in (*known, *_NOT_SETTINGS):
            raise SettingsError(
                f"environment variable {name} is no setting. `bankassist config schema` lists all; a key is BANKASSIST_SECTION__KEY.", param=name
            )
