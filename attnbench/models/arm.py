"""One arm of the comparison, as it is configured."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from attnbench.models.initialisation import initialise
from attnbench.models.seq2seq import Seq2SeqModel
from attnbench.ranges import Count


@dataclass(frozen=True, kw_only=True)
class Arm(ABC):
    """A model's configuration, able to build it. Its fields' defaults live in conf/model/.

    Attributes:
        name: the name of the yaml that composed it.
        hidden_size: the decoder's, and the encoder's with its directions concatenated.
    """

    name: str
    hidden_size: Count

    def check(self) -> None:
        """Refuse a combination of options that cannot work.

        Raises:
            UserError: with the reason and what to change.
        """

    @abstractmethod
    def assemble(self, source_vocabulary_size: int, target_vocabulary_size: int) -> Seq2SeqModel:
        """Return the model with whatever weights torch gave it."""

    def build(self, source_vocabulary_size: int, target_vocabulary_size: int, seed: int) -> Seq2SeqModel:
        """Return the model with its first weights, which depend on the seed and their own names alone."""
        model = self.assemble(source_vocabulary_size, target_vocabulary_size)
        initialise(model, seed)
        return model

    @abstractmethod
    def context_size(self, source_tokens: int) -> int:
        """Count the distinct numbers that cross from encoder to decoder, the first state included."""
