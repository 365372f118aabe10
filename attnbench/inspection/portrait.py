"""One example as people look at it: words, and for every pair of words how much one looked at the other."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from attnbench.batch import Batch
from attnbench.inspection.distributions import as_shares
from attnbench.inspection.gradients import source_gradients
from attnbench.inspection.loading import TrainedRun
from attnbench.inspection.looking import Answers, answer_freely, head_maps
from attnbench.vocabulary import PAD, Vocabulary

Numbers = NDArray[np.float32]
Places = NDArray[np.bool_]


@dataclass(frozen=True)
class Portrait:
    """One example: what was asked, expected and produced, and where the model looked, running freely.

    Attributes:
        index: of the example in the test; None for a person's own text.
        source: its words.
        written: the words of the answer, given ones included.
        is_given: which of these were given to the decoder, one for each.
        expected: the words of the right answer, given ones included; none for a person's own text.
        weights: (written, source); None for an arm without weights over the source.
        gradients: each written word's gradient by source word, in shares of its row (written, source); zeros for
            given words. None for a person's own model without an embedding of the source.
        heads: every layer's and head's weights, (layers, heads, written, source); None where there is but one.
        encoder: source words over source words, (layers, heads, source, source); for Transformers.
        decoder: written words over the words put in, which stand one place later: the start mark first,
            (layers, heads, written, written); for Transformers.
        sure: gold positions of the expected words, (expected, source); None where the task does not know.
        possible: the same for possible ones.
    """

    index: int | None
    source: tuple[str, ...]
    written: tuple[str, ...]
    is_given: tuple[bool, ...]
    expected: tuple[str, ...]
    weights: Numbers | None
    gradients: Numbers | None
    heads: Numbers | None
    encoder: Numbers | None
    decoder: Numbers | None
    sure: Places | None
    possible: Places | None


def portray(run: TrainedRun, batch: Batch, index: int | None = None, has_expected: bool = True) -> Portrait:
    """Let a model answer one example and return all there is to draw of it.

    Args:
        run: opened.
        batch: of one example without padding, as `HeldOut.pick` and `own_text` return it.
        index: of the example in the test.
        has_expected: whether the batch's target is the right answer; not for a person's own text.
    """
    answers = answer_freely(run.model, run.spec.task, batch)
    answers = _without_padding(answers)
    target_vocabulary = run.spec.task.target_vocabulary
    heads = head_maps(run.model, answers.replay)
    gradients = source_gradients(run.model, answers.replay)
    return Portrait(
        index=index,
        source=_words(run.spec.task.source_vocabulary, batch.source),
        written=_words(target_vocabulary, answers.tokens),
        is_given=tuple((~answers.chosen[0]).tolist()),
        expected=_words(target_vocabulary, batch.target) if has_expected else (),
        weights=_numbers(answers.weights),
        gradients=None if gradients is None else _numbers(as_shares(gradients)),
        heads=_numbers(heads.source) if heads else None,
        encoder=_numbers(heads.encoder) if heads else None,
        decoder=_numbers(heads.decoder) if heads else None,
        sure=_places(batch.alignment_sure),
        possible=_places(batch.alignment_possible),
    )


def _without_padding(answers: Answers) -> Answers:
    """Return the answers up to the last word that was given or chosen."""
    is_written = answers.chosen | (answers.tokens != PAD)
    steps = int(is_written[0].sum())
    weights = None if answers.weights is None else answers.weights[:, :steps]
    return replace(
        answers, tokens=answers.tokens[:, :steps], chosen=answers.chosen[:, :steps], weights=weights
    )


def _words(vocabulary: Vocabulary, tokens: Tensor) -> tuple[str, ...]:
    return tuple(vocabulary.tokens[number] for number in tokens[0].tolist())


def _numbers(of_one: Tensor | None) -> Numbers | None:
    return None if of_one is None else of_one[0].float().cpu().numpy()


def _places(of_one: Tensor | None) -> Places | None:
    return None if of_one is None else of_one[0].cpu().numpy()
