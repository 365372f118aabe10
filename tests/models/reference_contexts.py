"""The contexts written out from their equations: one query, one source state, one head at a time.

Slow on purpose, with numpy alone and without padding, so that they share no line with what they check. s is the
decoder's state, h_j the encoder's, and W, U, v stand for the matrices that the equations give other names.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.models.arithmetic import Array, mean_of, part_of, sigmoid, softmax, squeezed, weighted_sum


@dataclass
class Read:
    """What a context came to: c_i, and the weights of the source tokens where there are any."""

    context: Array
    weights: list[float] | None = None


@dataclass
class ContextReference:
    """One arm's context.

    Attributes:
        arm: as it is configured.
        weights: of the model's context, by their names within it.
    """

    arm: Any
    weights: dict[str, Array]

    @property
    def reading(self) -> str:
        """Where the context is read: "nowhere", "before" the recurrence, "after" it, "both", or "between" two."""
        return "after"

    @property
    def distils(self) -> bool:
        """Whether no encoder state crosses as it is."""
        return False

    def squeeze(self, x: Array) -> Array:
        """Return a vector that the context made of the states as the decoder gets it."""
        return (
            x
            if self.arm.context_bits is None
            else squeezed(self.weights, "quantiser", x, self.arm.context_bits)
        )

    def matrix(self, name: str) -> Array:
        return self.weights[f"{name}.weight"]

    def read(self, s: Array, h: list[Array], final: Array, step: int) -> Read:
        """Return the context of one target position, counted from 0."""
        raise NotImplementedError


class Distilling(ContextReference):
    @property
    def distils(self) -> bool:
        return True


class Nothing(Distilling):
    @property
    def reading(self) -> str:
        return "nowhere"


class Fixed(Distilling):
    """Cho et al. 2014a: c is the final state."""

    @property
    def reading(self) -> str:
        return self.arm.read

    def read(self, s: Array, h: list[Array], final: Array, step: int) -> Read:
        return Read(final)


class Uniform(Fixed):
    """Wiegreffe & Pinter 2019: every weight is 1 / S."""

    def read(self, s: Array, h: list[Array], final: Array, step: int) -> Read:
        weights = [1 / len(h)] * len(h)
        return Read(self.squeeze(weighted_sum(weights, h)), weights)


class Attention(ContextReference):
    """α_j = softmax_j(score(s, h_j)), c = Σ_j α_j h_j; Luong et al. 2015, equation 7 and the scores below it."""

    def read(self, s: Array, h: list[Array], final: Array, step: int) -> Read:
        weights = softmax([self.score(s, state) for state in h])
        return Read(weighted_sum(weights, h), weights)

    def score(self, s: Array, h: Array) -> float:
        raise NotImplementedError


class Dot(Attention):
    def score(self, s: Array, h: Array) -> float:
        return float(s @ h)


class General(Attention):
    def score(self, s: Array, h: Array) -> float:
        return float(s @ self.matrix("key_projection") @ h)


class Concat(Attention):
    """v · tanh(W [s; h])."""

    def score(self, s: Array, h: Array) -> float:
        W = np.hstack([self.matrix("query_projection"), self.matrix("key_projection")])
        return float(self.matrix("score")[0] @ np.tanh(W @ np.concatenate([s, h])))


class Bahdanau(Attention):
    """Bahdanau et al. 2015, A.1.2: v · tanh(W s_{i-1} + U h_j)."""

    @property
    def reading(self) -> str:
        """Sennrich et al. 2017, section 2: or by the state s' that has read the word, ahead of what reads c."""
        return "before" if self.arm.query == "before" else "between"

    def score(self, s: Array, h: Array) -> float:
        W, U, v = (self.matrix(name) for name in ("query_projection", "key_projection", "score"))
        return float(v[0] @ np.tanh(W @ s + U @ h))


class Location(ContextReference):
    """Luong et al. 2015, equation 8: α = softmax(W s), of as many rows of W as there are source words."""

    def read(self, s: Array, h: list[Array], final: Array, step: int) -> Read:
        reachable = list(self.matrix("position_scores") @ s)[: len(h)]
        weights = softmax(reachable) + [0.0] * (len(h) - len(reachable))
        return Read(weighted_sum(weights, h), weights)


class LocalMonotonic(ContextReference):
    """Luong et al. 2015, section 3.2: α over [p − D, p + D] alone, with p = i; behind the end, p = S − 1."""

    def score(self, s: Array, h: Array) -> float:
        inner = {name.removeprefix("whole."): each for name, each in self.weights.items()}
        kinds: dict[str, type[Attention]] = {"dot": Dot, "general": General, "concat": Concat}
        return kinds[self.arm.score](self.arm, inner).score(s, h)

    def window_around(self, middle: int, s: Array, h: list[Array]) -> list[float]:
        """Return the weights of every source token, which are zero outside the window."""
        first, last = max(0, middle - self.arm.window), min(len(h) - 1, middle + self.arm.window)
        inside = softmax([self.score(s, state) for state in h[first : last + 1]])
        return [0.0] * first + inside + [0.0] * (len(h) - 1 - last)

    def read(self, s: Array, h: list[Array], final: Array, step: int) -> Read:
        weights = self.window_around(min(step, len(h) - 1), s, h)
        return Read(weighted_sum(weights, h), weights)


class LocalPredictive(LocalMonotonic):
    """The same, equations 9 and 10: p = S · sigmoid(v · tanh(W s)), α_j times exp(−(j − p)² / 2σ²), σ = D / 2.

    Counted from 0, the last position is S − 1, which stands for S.
    """

    def read(self, s: Array, h: list[Array], final: Array, step: int) -> Read:
        W, v = self.matrix("position_projection"), self.matrix("position_score")[0]
        p = (len(h) - 1) * float(sigmoid(v @ np.tanh(W @ s)))
        weights = self.window_around(int(np.floor(p + 0.5)), s, h)
        if self.arm.gaussian:
            deviation = self.arm.window / 2
            weights = [a * np.exp(-((j - p) ** 2) / (2 * deviation**2)) for j, a in enumerate(weights)]
        return Read(weighted_sum(weights, h), weights)


class MultiHead(ContextReference):
    """Vaswani et al. 2017, section 3.2: Concat(head_1 … head_n) W, each softmax(q · k_j / √d) over v_j."""

    def read(self, s: Array, h: list[Array], final: Array, step: int) -> Read:
        heads = [self.head(number, s, h) for number in range(self.arm.heads)]
        joined = self.matrix("joint_projection") @ np.concatenate([each.context for each in heads])
        return Read(joined, mean_of([each.weights for each in heads if each.weights]))

    def head(self, number: int, s: Array, h: list[Array]) -> Read:
        q, k, v = self.head_vectors(number, s, h)
        weights = softmax([float(q @ each) / np.sqrt(len(q)) for each in k])
        return Read(weighted_sum(weights, v), weights)

    def head_vectors(self, number: int, s: Array, h: list[Array]) -> tuple[Array, list[Array], list[Array]]:
        """Return the query, and the key and value of every source state, by this head's own three matrices."""
        kinds = ("query_projection", "key_projection", "value_projection")
        Q, K, V = (part_of(self.matrix(kind), number, self.arm.heads) for kind in kinds)
        return Q @ s, [K @ state for state in h], [V @ state for state in h]


class Linear(Distilling, MultiHead):
    """Katharopoulos et al. 2020, equation 4: Σ_j φ(q)·φ(k_j) v_j / Σ_j φ(q)·φ(k_j); 0 where the sum is.

    Squeezed, equations 5 and 6: φ(q) S / φ(q) · softplus(z), of S and z the mean over the source.
    """

    def read(self, s: Array, h: list[Array], final: Array, step: int) -> Read:
        return Read(super().read(s, h, final, step).context)

    def head(self, number: int, s: Array, h: list[Array]) -> Read:
        q, k, v = self.head_vectors(number, s, h)
        if self.arm.context_bits is not None:
            size = len(q)
            S = self.squeeze(
                np.concatenate([self.written(head, s, h).ravel() for head in range(self.arm.heads)])
            )
            rows = S.reshape(self.arm.heads, size, size + 1)[number]
            feature, z = self.feature(q), np.log1p(np.exp(rows[:, size]))
            return Read(
                feature @ rows[:, :size] / float(feature @ z) if feature.any() else np.zeros(size), []
            )
        similarities = [float(self.feature(q) @ self.feature(each)) for each in k]
        total = sum(similarities)
        weights = [similarity / total if total else 0.0 for similarity in similarities]
        return Read(weighted_sum(weights, v), weights)

    def written(self, number: int, s: Array, h: list[Array]) -> Array:
        """Return a head's matrix beside its normaliser, the mean over the source."""
        _, k, v = self.head_vectors(number, s, h)
        products = [np.outer(self.feature(each), [*value, 1.0]) for each, value in zip(k, v, strict=True)]
        return sum(products, np.zeros_like(products[0])) / len(h)

    def feature(self, x: Array) -> Array:
        if self.arm.feature_map == "relu":
            return np.where(x > 0, x, 0.0)
        return np.where(x > 0, x + 1, np.exp(x))


class Slots(Distilling):
    """Lin et al. 2017, equations 5 and 6: A = softmax(Q tanh(W Hᵀ)), M = A H; then "general" over M's rows."""

    def read(self, s: Array, h: list[Array], final: Array, step: int) -> Read:
        W, Q, U = (self.matrix(name) for name in ("state_projection", "slot_queries", "key_projection"))
        slots = [weighted_sum(softmax([float(q @ np.tanh(W @ state)) for state in h]), h) for q in Q]
        slots = [self.squeeze(slot) for slot in slots]
        weights = softmax([float(s @ U @ slot) for slot in slots])
        return Read(weighted_sum(weights, slots))


CONTEXTS: dict[str, type[ContextReference]] = {
    "blind": Nothing,
    "fixed_init": Nothing,
    "fixed": Fixed,
    "uniform": Uniform,
    "bahdanau": Bahdanau,
    "luong_dot": Dot,
    "luong_general": General,
    "luong_concat": Concat,
    "luong_location": Location,
    "luong_local_m": LocalMonotonic,
    "luong_local_p": LocalPredictive,
    "multihead": MultiHead,
    "slots": Slots,
    "linear": Linear,
    "published_sutskever2014": Nothing,
    "published_cho2014": Fixed,
    "published_bahdanau2015": Bahdanau,
    "published_luong2015": General,
}
"""By the name of the yaml."""
