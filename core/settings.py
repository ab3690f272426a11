"""The settings: one TOML file, overridden by environment variables ``BANKASSIST_SECTION__KEY``. Read once, passed on, never changed.

An unknown key is an error in both places; pydantic-settings alone would let an unknown variable pass. A secret may lie in a file (core/secret_files.py).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from core.errors import SettingsError
from core.secret_files import EnvironmentWithFiles, TomlWithFiles, secret_keys
from core.types import DataLevel

PREFIX = "BANKASSIST_"
#: variables with the prefix that are no settings: where the settings file is, and what tests use
_NOT_SETTINGS = ("BANKASSIST_CONFIG", "BANKASSIST_KEY")
_FOR_TESTS = "BANKASSIST_TEST_"

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
AdapterName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
#: NAME or NAME@VERSION
AdapterId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}(@[0-9]{1,9})?$")]


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
    """Where the truth lies: a SQLite file for one host, PostgreSQL for several."""

    url: SecretStr | None = Field(
        None,
        description="`postgresql://USER:PASSWORD@HOST/DATABASE`, or `url_file` with the path of a file that holds it; the default is a SQLite file in the home folder",
    )
    files: Path | None = Field(
        None, description="folder of the original files, which all hosts of one catalogue mount; the default is `files` in the home folder"
    )
    pool: Positive = Field(10, le=200, description="connections to PostgreSQL that a process keeps at most")
    connect_seconds: Positive = Field(5, description="longest wait for a connection to PostgreSQL")
    lock_seconds: float = Field(15, gt=0, description="longest wait for other writers, and for a connection that is in use")
    statement_seconds: float = Field(60, gt=0, description="longest time that one statement may take in PostgreSQL")


class Index(Section):
    """Where passages are searched. The catalogue is the truth; an index can be made anew from it at any time."""

    engine: Literal["local", "elasticsearch"] = Field("local", description="files in the home folder, or the cluster of section `elasticsearch`")
    when_down: Literal["error", "local"] = Field(
        "error",
        description="what happens while Elasticsearch does not answer: requests fail with 503 `retriever_unavailable`, or the local index, which then takes memory beside it, answers and answers say so",
    )


def _hosts(given: Any) -> Any:
    return tuple(host.strip().rstrip("/") for host in given.split(",")) if isinstance(given, str) else given


class Elasticsearch(Section):
    """The cluster for `index.engine = "elasticsearch"`: Elasticsearch 9.3 or newer of major version 9."""

    hosts: Annotated[tuple[str, ...] | str, BeforeValidator(_hosts)] = Field(
        ("http://127.0.0.1:9200",), description="URLs of its nodes, as a list or separated by commas; one that does not answer is passed over"
    )
    ca_file: Path | None = Field(None, description="certificates of the authority that signed the nodes', in PEM; default: the system's")
    api_key: SecretStr | None = Field(None, description="API key, as Elasticsearch gives it in `encoded`")
    user: str | None = Field(None, description="user name, where there is no API key")
    password: SecretStr | None = Field(None, description="the user's password")
    prefix: str = Field("bankassist", pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="how the names of alias and indexes begin; one for each catalogue")
    vectors: Literal["hnsw", "int8_hnsw", "int4_hnsw", "bbq_hnsw", "flat", "int8_flat", "int4_flat", "bbq_flat"] = Field(
        "int8_hnsw", description="type of the dense_vector index (`index_options`); another one needs `bankassist index rebuild`"
    )
    candidates: Annotated[int, Field(ge=1, le=10_000)] = Field(
        200, description="nearest vectors that each shard looks at (`num_candidates`), never fewer than hits are wanted"
    )
    oversample: float = Field(
        3.0, ge=1, le=10, description="so many times more vectors than wanted are compared again in full precision where the index has them shortened"
    )
    shards: Positive = Field(1, le=64, description="parts of the index; word scores compare within one, and one carries millions of chunks")
    replicas: int = Field(1, ge=0, le=8, description="copies beside the first on other nodes; with 0 a lost node takes the index with it until it is back")
    search_seconds: float = Field(
        3, gt=0, description="longest wait for a search; with several hosts up to four requests share it, so that one that hangs costs no answer"
    )
    write_seconds: float = Field(30, gt=0, description="longest wait for one request that writes")
    follow_seconds: float = Field(
        5,
        gt=0,
        description="longest time that a search spends on bringing the index up to the catalogue, or on one request of it; what is left then is found later",
    )
    breaker_failures: Positive = Field(5, description="failures one after another after which the cluster is left alone")
    breaker_seconds: float = Field(10, gt=0, description="how long it is left alone before one request tries it again")

    @model_validator(mode="after")
    def _fits_together(self) -> Elasticsearch:
        for host in self.hosts:
            if not re.fullmatch(r"https?://[^\s/@]+:\d{1,5}(/[^\s@]*)?", host):
                raise ValueError(
                    f"hosts: expected http(s)://HOST:PORT without user and password, which have keys of their own; got {re.sub('//.*@', '//***@', host)!r}"
                )
            if self.ca_file and not host.startswith("https://"):
                raise ValueError(f"ca_file is for https, but a host is {host!r}")
        if not self.hosts:
            raise ValueError("hosts: at least one is needed")
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        if self.user is not None and self.api_key is not None:
            raise ValueError("give an api_key, or user and password, not both")
        return self


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


class Adapters(Section):
    """Adapters by the names that callers use."""

    aliases: dict[AdapterName, AdapterId] = Field(
        {}, description="other names of adapters in requests, each for NAME, NAME@VERSION or base, so that callers keep the ids they have"
    )


class Policy(Section):
    blocked: tuple[Annotated[str, Field(pattern=r"\S")], ...] = Field(
        (), description="words and phrases, English or Chinese; a question with one of them is refused before anything is looked for"
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
    drain_seconds: float = Field(
        0, ge=0, description="how long a service that is told to stop (SIGTERM) still takes requests while /readyz says so, until a balancer has noticed"
    )
    docs: bool = Field(True, description="serve the OpenAPI pages")


class Settings(BaseSettings):
    """Everything that can be set. `home` holds all state."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    home: Path = Field(Path("var"), description="folder of all state: catalogue, files, index, caches, keys")
    bank: Bank = Bank()
    models: Models = Models()
    catalogue: Catalogue = Catalogue()
    index: Index = Index()
    elasticsearch: Elasticsearch = Elasticsearch()
    retrieval: Retrieval = Retrieval()
    generation: Generation = Generation()
    remote: Remote = Remote()
    routing: Routing = Routing()
    adapters: Adapters = Adapters()
    policy: Policy = Policy()
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
            env_settings: PydanticBaseSettingsSource,  # noqa: ARG003, pydantic's names
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, EnvironmentWithFiles(settings_cls), TomlWithFiles(settings_cls, file)

    return FromFile


def _refuse_unknown_variables() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for section, field in Settings.model_fields.items():
        if isinstance(field.default, Section):
            kind = type(field.default)
            known |= {f"{PREFIX}{section}__{key}".upper() for key in [*kind.model_fields, *(f"{key}_file" for key in secret_keys(kind))]}
    for name in os.environ:
        if name.startswith(PREFIX) and not name.startswith(_FOR_TESTS) and name not in (*known, *_NOT_SETTINGS):
            raise SettingsError(
                f"environment variable {name} is no setting. `bankassist config schema` lists all; a key is BANKASSIST_SECTION__KEY.", param=name
            )
