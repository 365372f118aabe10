"""Both Transformers written out from their equations: one example, one position, one head at a time.

Slow on purpose, in float64, with numpy alone and without padding or masks, so that they share no line with what they
check. Post-norm became pre-norm as in Xiong et al. 2020, figure 1 (b); embeddings begin normal(0, 1), which is what
Vaswani et al. 2017, section 3.4 come to by their factor √d.
"""

from dataclasses import dataclass, field

import numpy as np

from attnbench.models.seq2seq import Seq2SeqModel
from attnbench.models.transformer import TransformerConfig
from attnbench.vocabulary import BOS
from tests.models.arithmetic import Array, part_of, softmax, squeezed, weighted_sum

TRANSFORMERS = ("transformer", "transformer_fixed")
"""The names of the yamls."""
Map = list[list[list[float]]]
"""Weights by head, reading position and position read; ragged where a position reads only those up to it."""


@dataclass
class Maps:
    """The weights of every layer."""

    encoder: list[Map] = field(default_factory=list)
    decoder: list[Map] = field(default_factory=list)
    source: list[Map] = field(default_factory=list)


def sinusoid(position: int, size: int) -> Array:
    """Vaswani et al. 2017, section 3.5, all sines before all cosines."""
    angles = [position / 10_000 ** (2 * i / size) for i in range(size // 2)]
    return np.array([np.sin(angle) for angle in angles] + [np.cos(angle) for angle in angles])


def turned(x: Array, position: int) -> Array:
    """Su et al. 2021, equation 12: numbers k and k + d/2 make one complex number, turned by position · θ_k."""
    half = len(x) // 2
    z = [complex(x[k], x[k + half]) * np.exp(1j * position * 10_000 ** (-k / half)) for k in range(half)]
    return np.array([each.real for each in z] + [each.imag for each in z])


class TransformerReference:
    """Encoder and decoder with the weights of a model of ours."""

    def __init__(self, arm: TransformerConfig, model: Seq2SeqModel) -> None:
        self.arm = arm
        self.is_rotary = arm.positions == "rotary"
        self.is_learnt = arm.positions == "learnt"
        self.weights: dict[str, Array] = {
            name: parameter.detach().numpy() for name, parameter in model.named_parameters()
        }

    def linear(self, name: str, x: Array) -> Array:
        return self.weights[f"{name}.weight"] @ x + self.weights[f"{name}.bias"]

    def norm(self, name: str, x: Array) -> Array:
        """Ba et al. 2016, equation 4; 1e-5 keeps the root from zero."""
        deviation = np.sqrt(np.mean((x - np.mean(x)) ** 2) + 1e-5)
        return self.weights[f"{name}.weight"] * (x - np.mean(x)) / deviation + self.weights[f"{name}.bias"]

    def embed(self, side: str, tokens: list[int]) -> list[Array]:
        vectors = [self.weights[f"{side}.embedding.weight"][token] for token in tokens]
        if self.is_rotary:
            return vectors
        if self.is_learnt:
            rows = self.weights[f"{side}.positions.rows.weight"]
            return [vector + rows[i] if i < len(rows) else vector for i, vector in enumerate(vectors)]
        return [vector + sinusoid(i, len(vector)) for i, vector in enumerate(vectors)]

    def attend(
        self, name: str, x: Array, read: list[Array], position: int | None = None
    ) -> tuple[Array, list[list[float]]]:
        """Let x read; with a position, x stands there and what is read stands at 0, 1 and so on.

        Returns:
            what was read, and each head's weights.
        """
        heads, all_weights = [], []
        for head in range(self.arm.heads):
            q = self.head_part(f"{name}.query_projection", x, head)
            keys = [self.head_part(f"{name}.key_projection", each, head) for each in read]
            values = [self.head_part(f"{name}.value_projection", each, head) for each in read]
            if position is not None and self.is_rotary:
                q, keys = turned(q, position), [turned(key, j) for j, key in enumerate(keys)]
            weights = softmax([float(q @ key) / np.sqrt(len(q)) for key in keys])
            heads.append(weighted_sum(weights, values))
            all_weights.append(weights)
        return self.linear(f"{name}.joint_projection", np.concatenate(heads)), all_weights

    def head_part(self, name: str, x: Array, head: int) -> Array:
        matrix, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return part_of(matrix, head, self.arm.heads) @ x + part_of(bias, head, self.arm.heads)

    def feed_forward(self, layer: str, x: Array) -> Array:
        inner = self.linear(f"{layer}.feedforward.0", self.norm(f"{layer}.feedforward_norm", x))
        return x + self.linear(f"{layer}.feedforward.2", np.where(inner > 0, inner, 0.0))

    def encode(self, source: list[int], maps: Maps) -> list[Array]:
        """Return the state of every source token."""
        states = self.embed("encoder", source[::-1] if self.arm.reverse_source else source)
        for number in range(self.arm.layers):
            name = f"encoder.layers.{number}"
            normed = [self.norm(f"{name}.attention_norm", x) for x in states]
            read = [self.attend(f"{name}.attention", x, normed, i) for i, x in enumerate(normed)]
            states = [
                self.feed_forward(name, x + update) for x, (update, _) in zip(states, read, strict=True)
            ]
            maps.encoder.append(by_head([weights for _, weights in read]))
        states = [self.norm("encoder.norm", x) for x in states]
        return states[::-1] if self.arm.reverse_source else states

    def answer(self, source: list[int], target: list[int]) -> tuple[Array, Maps]:
        """Return the logits (target_len, vocab) given the right tokens, and every weight."""
        maps = Maps()
        states = self.encode(source, maps)
        if self.arm.name == "transformer_fixed":
            states = [weighted_sum([1 / len(states)] * len(states), states)]
        if self.arm.context_bits is not None:
            states = [squeezed(self.weights, "quantiser", state, self.arm.context_bits) for state in states]
        x = self.embed("decoder", [BOS, *target[:-1]])
        for number in range(self.arm.layers):
            x = self.decode_layer(f"decoder.layers.{number}", x, states, maps)
        return np.stack([self.linear("decoder.output", self.norm("decoder.norm", each)) for each in x]), maps

    def decode_layer(self, name: str, states: list[Array], source: list[Array], maps: Maps) -> list[Array]:
        """Let each position read those up to itself, then the source; then the feed-forward network."""
        normed = [self.norm(f"{name}.self_norm", x) for x in states]
        over_target, over_source, after = [], [], []
        for t, x in enumerate(states):
            update, weights = self.attend(f"{name}.self_attention", normed[t], normed[: t + 1], t)
            over_target.append(weights)
            x = x + update
            update, weights = self.attend(
                f"{name}.source_attention", self.norm(f"{name}.source_norm", x), source
            )
            over_source.append(weights)
            after.append(self.feed_forward(name, x + update))
        maps.decoder.append(by_head(over_target))
        maps.source.append(by_head(over_source))
        return after


def by_head(by_position: list[list[list[float]]]) -> Map:
    """Turn weights by position and head into weights by head and position."""
    return [list(rows) for rows in zip(*by_position, strict=True)]
