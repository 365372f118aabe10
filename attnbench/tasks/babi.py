"""Questions about little stories, from the files of the bAbI tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from attnbench.errors import UserError
from attnbench.tasks.babi_files import BabiFile
from attnbench.tasks.base import LengthRange
from attnbench.tasks.encoded_numbers import Encoding
from attnbench.tasks.text_notes import ExampleNames
from attnbench.tasks.text_splits import SplitFiles
from attnbench.tasks.text_task import TextTask


@dataclass(frozen=True, kw_only=True)
class Babi(TextTask):
    """Answer a question about the sentences before it. The length counts these sentences.

        source   Mary moved to the bathroom . John went to the hallway .
        target   Where is Mary ? bathroom      (Where is Mary ? are given)

    An answer of several words ("milk,football") has them all scored. The sentences that support an answer hold
    each of its words. Earlier questions of a story are no part of it.

    Source: Weston et al. 2015, version 1.2 of the files: any of the 20 tasks, in any language.
    """

    length_unit = "sentences"
    names = ExampleNames(one="question", measure="sentences before them")

    @property
    def answers(self) -> Sequence[int]:
        """The words that answered a question of the training."""
        return self._text.seen_answers

    @property
    def _split_files(self) -> SplitFiles:
        if not self.source:
            raise UserError(
                f"{self.name} needs task.source=FILE: a file of the bAbI tasks, such as "
                "qa1_single-supporting-fact_train.txt."
            )
        return SplitFiles(
            train=BabiFile(Path(self.source).expanduser()),
            validation=_optional_file(self.validation_source),
            test=_optional_file(self.test_source),
            validation_share=self.validation_share,
            test_share=self.test_share,
            maximum_length=self.maximum_length,
        )

    @property
    def _encoding(self) -> Encoding:
        return Encoding("word", None, None, eos=False, keeps_references=False)

    def default_test_lengths(self, lengths: LengthRange) -> list[int]:
        """Return the upper bounds of equal buckets up to the longest story there is to train on."""
        longest = int(self._text.splits["train"].lengths.max())
        maximum = max(lengths.minimum, min(lengths.maximum, longest))
        return super().default_test_lengths(LengthRange(lengths.minimum, maximum))


def _optional_file(path: str | None) -> BabiFile | None:
    return BabiFile(Path(path).expanduser()) if path else None
