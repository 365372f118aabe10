"""The arms whose decoder is told nothing of the source after its first state, or nothing at all."""

from dataclasses import dataclass

from torch import Tensor

from attnbench.models.bridge import ZeroBridge
from attnbench.models.contexts.base import Context
from attnbench.models.memory import EncoderOutput, Memory
from attnbench.models.recurrent_arm import RecurrentArm


class Nothing(Context):
    """No context: c_i is empty."""

    size = 0
    reads_before = False
    reads_after = False
    follows_state = False

    def prepare(self, encoded: EncoderOutput) -> Memory:
        return Memory(values=encoded.states[:, :0, :0], mask=encoded.mask[:, :0])

    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, None]:
        return query[:, :, :0], None


@dataclass(frozen=True, kw_only=True)
class FixedInitArm(RecurrentArm):
    """The vector is only the decoder's first state.

    Source: Sutskever et al. 2014, section 2.
    """

    def build_context(self) -> Nothing:
        return Nothing()

    def context_size(self, source_tokens: int) -> int:
        return self.hidden_size


@dataclass(frozen=True, kw_only=True)
class BlindArm(RecurrentArm):
    """The decoder sees no source, and its first state is zero: the floor of every score."""

    def build_context(self) -> Nothing:
        return Nothing()

    def build_bridge(self) -> ZeroBridge:
        return ZeroBridge(self.layers)

    def context_size(self, source_tokens: int) -> int:
        return 0
