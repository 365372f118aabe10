"""Every arm of conf/model/ in every wiring, small, and batches for them."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import torch
from torch import Tensor, nn

from attnbench.batch import Batch
from attnbench.models.config import ModelConfig
from attnbench.models.seq2seq import Seq2SeqModel
from attnbench.schema import build_named
from attnbench.vocabulary import PAD
from tests.configuration import CONFIGURATION

SOURCE_SIZE, TARGET_SIZE = 11, 9
# The window leaves some of five source tokens out, however the rest is chosen.
SMALL = {"hidden_size": 8, "embedding_size": 5, "feedforward_size": 12, "window": 1, "learnt_positions": 7}
OTHER_COUNTS: dict[str, tuple[int, ...]] = {
    "window": (2, 10),
    "positions": (3,),
    "slots": (1, 7),
    "heads": (1, 2),
    "context_bits": (6,),
}
# What is of the shared decoder is tried where the context is read nowhere, before the recurrence, after it, and where
# the query goes through time.
OF_THE_DECODER = dict.fromkeys(
    ("output_reads", "first_state"), ("fixed_init", "fixed", "bahdanau", "luong_general")
)
PUBLISHED = "published_"
PLAIN = {"reverse_source": False, "input_feeding": False}
WIRINGS: tuple[dict[str, Any], ...] = (
    {"cell": "lstm", "layers": 1, "bidirectional": True} | PLAIN,
    {"cell": "gru", "layers": 2, "bidirectional": False, "reverse_source": True, "input_feeding": True},
    {"cell": "lstm", "layers": 2, "bidirectional": False} | PLAIN,
    {"cell": "gru", "layers": 2, "bidirectional": True} | PLAIN,
    {"cell": "lstm", "layers": 2, "bidirectional": True, "reverse_source": True, "input_feeding": True},
    {"cell": "gru", "layers": 1, "bidirectional": False} | PLAIN,
)


def arm_names() -> list[str]:
    return CONFIGURATION.choices("model")


@cache
def arm(name: str, **wanted: object) -> ModelConfig:
    """Return the arm of that yaml, small, with the wanted values for those keys that it has."""
    values = CONFIGURATION.compose({"model": name})["model"]
    values |= {key: value for key, value in (SMALL | wanted).items() if key in values}
    return build_named({**values, "name": name}, ModelConfig, "model")


@cache
def every_arm() -> list[Any]:
    """Return every arm with every choice of each of its options, and in another wiring, as parameters."""
    return [*arms_wired(WIRINGS[0]), *arms_wired(WIRINGS[1], with_options=False), *published_arms()]


def published_arms() -> list[Any]:
    """Return the arms that are wired as published, which their yaml says, as parameters."""
    return [pytest.param(arm(name), id=name) for name in arm_names() if name.startswith(PUBLISHED)]


def arms_wired(wiring: dict[str, Any], with_options: bool = True) -> list[Any]:
    """Return every arm in this wiring, as far as it has its keys, as parameters that carry the arm's name."""
    found: dict[ModelConfig, str] = {}
    for name in (name for name in arm_names() if not name.startswith(PUBLISHED)):
        for option in _other_options(type(arm(name))) if with_options else ({},):
            if name not in OF_THE_DECODER.get(next(iter(option), ""), (name,)):
                continue
            if option.get("first_state") == "backward" and not wiring["bidirectional"]:
                continue  # there is none
            changes = {key: value for key, value in (wiring | option).items() if hasattr(arm(name), key)}
            found.setdefault(arm(name, **changes), f"{name}-{in_words(changes)}")
    return [pytest.param(made, id=words) for made, words in found.items()]


def in_words(options: dict[str, Any]) -> str:
    """Return a name for a wiring; what is switched off is not named."""
    chosen = {key: value for key, value in options.items() if value is not False}
    return "-".join(key if value is True else f"{key}={value}" for key, value in chosen.items())


def _other_options(cls: type) -> Iterator[dict[str, Any]]:
    """Yield no change, then every choice of one option beyond the wiring at a time."""
    yield {}
    for name, hint in get_type_hints(cls).items():
        if name not in WIRINGS[0]:
            literals = get_args(hint) if get_origin(hint) is Literal else OTHER_COUNTS.get(name, ())
            yield from ({name: value} for value in ((False, True) if hint is bool else literals))


def build(configured: ModelConfig, seed: int = 0) -> Seq2SeqModel:
    """Return the model in float64, with weights large enough that every part of it is felt."""
    model = configured.build(SOURCE_SIZE, TARGET_SIZE, seed).double().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
        for norm in (part for part in model.modules() if isinstance(part, nn.LayerNorm)):
            # They begin as the identity, in which scale and shift could be mistaken or left out.
            norm.weight.add_(torch.rand(norm.weight.shape, generator=generator))
            norm.bias.add_(torch.rand(norm.bias.shape, generator=generator) - 0.5)
    return model


def uneven_batch(
    source_lengths: tuple[int, ...] = (5, 1, 3), target_lengths: tuple[int, ...] = (4, 6, 1), seed: int = 0
) -> Batch:
    """Return rows of different lengths, about a third of whose target tokens are given."""
    generator = torch.Generator().manual_seed(seed)
    source = _tokens(source_lengths, SOURCE_SIZE, generator)
    target = _tokens(target_lengths, TARGET_SIZE, generator)
    is_scored = torch.rand(target.shape, generator=generator) < 0.7
    is_scored[:, 0] = True
    return Batch(source, torch.tensor(source_lengths), target, scored=is_scored & (target != PAD))


def _tokens(lengths: tuple[int, ...], size: int, generator: torch.Generator) -> Tensor:
    tokens = torch.randint(4, size, (len(lengths), max(lengths)), generator=generator)
    return tokens.masked_fill(torch.arange(max(lengths)) >= torch.tensor(lengths).unsqueeze(1), PAD)


def with_padding(batch: Batch, source_columns: int, target_columns: int) -> Batch:
    def wider(tokens: Tensor, columns: int) -> Tensor:
        return torch.nn.functional.pad(tokens, (0, columns))

    return replace(
        batch,
        source=wider(batch.source, source_columns),
        target=wider(batch.target, target_columns),
        scored=wider(batch.scored, target_columns),
    )


def row_alone(batch: Batch, row: int) -> Batch:
    source_len, target_len = int(batch.source_lengths[row]), int(batch.target_mask[row].sum())
    return Batch(
        source=batch.source[row : row + 1, :source_len],
        source_lengths=batch.source_lengths[row : row + 1],
        target=batch.target[row : row + 1, :target_len],
        scored=batch.scored[row : row + 1, :target_len],
    )
