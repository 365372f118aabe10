"""What a trained model makes of one example: its words, where it looked, and what they hang on by gradients."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from attnbench.batch import Batch
from attnbench.inspection.attention_example import AttentionExample, Mask, Numbers
from attnbench.inspection.attention_scores import as_shares
from attnbench.inspection.decode import (
    Decoded,
    answers_within_reach,
    greedy_decode,
    head_maps,
    source_gradients,
)
from attnbench.inspection.load import TrainedRun
from attnbench.vocabulary import PAD, Vocabulary


def capture_attention(
    run: TrainedRun,
    batch: Batch,
    index: int | None = None,
    has_expected: bool = True,
    on_progress: Callable[[int, int], None] | None = None,
) -> AttentionExample:
    """Let a model answer one example and return all there is to draw of it.

    Args:
        run: opened.
        batch: of one example without padding, as `HeldOut.pick` and `custom_text` return it.
        index: of the example in the test.
        has_expected: whether the batch's target is the right answer; not for a person's own text.
        on_progress: told of words whose gradient is known, and of all that get one.
    """
    answers = greedy_decode(run.model, run.spec.task, batch)
    answers = _without_padding(answers)
    target_vocabulary = run.spec.task.target_vocabulary
    heads = head_maps(run.model, answers.replay)
    replay = answers.replay
    reach = answers_within_reach(run.model, replay)
    is_within = torch.arange(replay.target.shape[1], device=replay.target.device) < reach  # T
    within = replace(replay, scored=replay.scored & is_within)
    gradients = source_gradients(run.model, within, *([on_progress] if on_progress else []))
    return AttentionExample(
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
        sure=_mask(batch.alignment_sure),
        possible=_mask(batch.alignment_possible),
        with_gradient=None if reach == replay.target.shape[1] else reach,
    )


def _without_padding(answers: Decoded) -> Decoded:
    """Return the answers up to the last word that was given or chosen."""
    is_written = answers.chosen | (answers.tokens != PAD)  # B T, with B = 1
    steps = int(is_written[0].sum())
    weights = None if answers.weights is None else answers.weights[:, :steps]
    return replace(
        answers, tokens=answers.tokens[:, :steps], chosen=answers.chosen[:, :steps], weights=weights
    )


def _words(vocabulary: Vocabulary, tokens: Tensor) -> tuple[str, ...]:
    return tuple(vocabulary.tokens[number] for number in tokens[0].tolist())


def _numbers(of_one: Tensor | None) -> Numbers | None:
    return None if of_one is None else of_one[0].float().cpu().numpy()


def _mask(of_one: Tensor | None) -> Mask | None:
    return None if of_one is None else of_one[0].cpu().numpy()
