"""Scores of a model on held-out batches. Counts are added up; ratios are taken once, at the end."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Protocol

import torch
from torch import Tensor

from attnbench.batch import Batch
from attnbench.models.seq2seq import Generated, Seq2SeqOutput
from attnbench.tasks.base import Task
from attnbench.vocabulary import EOS, PAD

IGNORED = -100
# Source positions × target positions × examples whose weights are looked at together. Several heads have so many each:
# eight took 4 GB for each tensor at 128 examples of 1,000 tokens. Nothing is split up to 128 examples of 180 tokens.
PAIRS_AT_ONCE = 2**22


class Answerer(Protocol):
    """Whatever answers batches: a model, or an oracle or a guesser in a test."""

    def __call__(self, batch: Batch) -> Seq2SeqOutput:
        """Answer under teacher forcing."""

    def generate(
        self,
        source: Tensor,
        source_lengths: Tensor,
        given: Tensor,
        steps: int | None = None,
        ends_with_mark: bool = False,
    ) -> Generated:
        """Answer running freely."""


@dataclass
class Scores:
    """What was counted over the examples of one length.

    Attributes:
        tokens: scored target tokens.
        nats: summed cross-entropy of the scored tokens under teacher forcing.
        aligned: scored tokens that look at a gold position, a sure or a possible one; see `looks`.
        alignable: scored tokens for which the task knows where the answer stands.
        source_tokens: real source tokens of all examples.
        hypotheses: what was written freely, as people read it; for tasks with references only.
        example_nats: summed cross-entropy of each example, beside its reference.
        example_tokens: its scored tokens.
    """

    examples: int = 0
    tokens: int = 0
    correct_free: int = 0
    correct_forced: int = 0
    correct_sequences: int = 0
    nats: float = 0.0
    aligned: float = 0.0
    alignable: int = 0
    source_tokens: int = 0
    hypotheses: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    example_nats: list[float] = field(default_factory=list)
    example_tokens: list[int] = field(default_factory=list)

    def __add__(self, other: "Scores") -> "Scores":
        """Return what was counted over the examples of both."""
        return Scores(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def token_accuracy(self) -> float:
        """Free-running, 0–1."""
        return self.correct_free / self.tokens

    @property
    def sequence_accuracy(self) -> float:
        """Share of examples whose every scored token is right, free-running, 0–1."""
        return self.correct_sequences / self.examples

    @property
    def teacher_forced_accuracy(self) -> float:
        """Given the right tokens before, 0–1."""
        return self.correct_forced / self.tokens

    @property
    def cross_entropy_nats(self) -> float:
        """Mean per scored token, teacher-forced."""
        return self.nats / self.tokens

    @property
    def alignment_accuracy(self) -> float | None:
        """Share of scored tokens that looked at the answer most, teacher-forced; None without attention."""
        return self.aligned / self.alignable if self.alignable else None

    @property
    def mean_source_tokens(self) -> int:
        """Source tokens per example, rounded."""
        return round(self.source_tokens / self.examples)

    def bits_recovered(self, bits_available: float) -> float:
        """Return the lower bound H − CE on what was learnt of the target, in bits per example.

        It may be negative. Source: Barber & Agakov 2003.
        """
        return bits_available - self.nats / self.examples / math.log(2)


@torch.no_grad()
def evaluate(answerer: Answerer, task: Task, batches: Iterable[Batch], device: torch.device) -> Scores:
    """Score an answerer on batches, under teacher forcing and running freely."""
    scores = Scores()
    for batch in batches:
        moved = batch.to(device)
        scores.examples += len(batch)
        scores.tokens += int(batch.scored.sum())
        scores.source_tokens += int(batch.source_lengths.sum())
        for part in moved.split(_parts(moved)):
            _score_forced(answerer(part), part, scores)
        _score_free(answerer, task, moved, scores)
    return scores


def _parts(batch: Batch) -> int:
    """Return in how many parts a batch is read under teacher forcing, so that its weights fit."""
    pairs = batch.source.numel() * batch.target.shape[1]
    return min(len(batch), -(-pairs // PAIRS_AT_ONCE))


def scored_nats(logits: Tensor, batch: Batch) -> Tensor:
    """Return the summed cross-entropy of the scored tokens, in nats; a scalar."""
    wanted = batch.target.masked_fill(~batch.scored, IGNORED)
    # B·T V and B·T
    return torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), wanted.flatten(), ignore_index=IGNORED, reduction="sum"
    )


def example_nats(logits: Tensor, batch: Batch) -> Tensor:
    """Return the cross-entropy of each example, summed over its scored tokens, in nats; (batch,)."""
    wanted = batch.target.masked_fill(~batch.scored, IGNORED)
    # B V T, since classes stand second where there are more axes
    return torch.nn.functional.cross_entropy(
        logits.float().transpose(1, 2), wanted, ignore_index=IGNORED, reduction="none"
    ).sum(dim=1)


def most_tokens(batch: Batch, task: Task) -> Tensor:
    """Return how many tokens each example may write, whatever else stands in its batch; (batch,)."""
    return 2 * batch.source_lengths + 10 if task.ends_with_mark else batch.target_mask.sum(dim=1)


def write_freely(answerer: Answerer, task: Task, batch: Batch) -> Generated:
    """Let a model write until its end mark, or as much as the target has; what lies beyond its limit is padding."""
    limits = most_tokens(batch, task)
    generated = answerer.generate(
        batch.source,
        batch.source_lengths,
        batch.given,
        steps=int(limits.max()),
        ends_with_mark=task.ends_with_mark,
    )
    positions = torch.arange(generated.tokens.shape[1], device=limits.device)
    return replace(generated, tokens=generated.tokens.masked_fill(positions >= limits.unsqueeze(1), PAD))


def _score_forced(output: Seq2SeqOutput, batch: Batch, scores: Scores) -> None:
    scores.nats += float(scored_nats(output.logits, batch))
    is_right = (output.logits.argmax(dim=2) == batch.target) & batch.scored  # B T
    scores.correct_forced += int(is_right.sum())
    if batch.references is not None:
        scores.example_nats += example_nats(output.logits, batch).tolist()
        scores.example_tokens += batch.scored.sum(dim=1).tolist()
    if output.attention is not None and batch.gold is not None:
        is_known = batch.gold.any(dim=2) & batch.scored
        on_gold = (looks(output.attention) * batch.gold).sum(dim=2)  # B T
        scores.aligned += float(on_gold.masked_fill(~is_known, 0.0).sum())
        scores.alignable += int(is_known.sum())


def looks(weights: Tensor) -> Tensor:
    """Return where each row of weights looks, as shares that sum to 1; both (batch, target_len, source_len).

    A row looks at the source position with the most weight; where several have as much, at each of them in part, so
    that equal weights score what a guesser would.
    """
    is_most = weights == weights.amax(dim=2, keepdim=True)
    return is_most.float() / is_most.sum(dim=2, keepdim=True)


def _score_free(answerer: Answerer, task: Task, batch: Batch, scores: Scores) -> None:
    tokens = write_freely(answerer, task, batch).tokens
    written = _fit_width(tokens, batch.target.shape[1])
    is_right = (written == batch.target) & batch.scored
    scores.correct_free += int(is_right.sum())
    scores.correct_sequences += int((is_right == batch.scored).all(dim=1).sum())
    if batch.references is not None:
        scores.references += batch.references
        scores.hypotheses += (task.target_vocabulary.decode(_until_mark(row)) for row in tokens.tolist())


def _fit_width(tokens: Tensor, width: int) -> Tensor:
    """Cut or pad (batch, steps) to (batch, width): what was never written is wrong."""
    return torch.nn.functional.pad(tokens, (0, max(0, width - tokens.shape[1])), value=PAD)[:, :width]


def _until_mark(tokens: list[int]) -> list[int]:
    return tokens[: tokens.index(EOS)] if EOS in tokens else tokens


def bleu_and_chrf(hypotheses: Sequence[str], references: Sequence[str]) -> tuple[float, float]:
    """Return corpus BLEU and chrF2, both 0–100, of one hypothesis and one reference per example.

    Source: Post 2018 (sacrebleu), with its standard tokenisation "13a".
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    # `force` only silences the warning about text that is already tokenised: both sides are alike.
    bleu = BLEU(force=True).corpus_score(hypotheses, [references])
    return bleu.score, CHRF().corpus_score(hypotheses, [references]).score


@dataclass(frozen=True)
class SentenceCounts:
    """What one sentence adds to the counts of corpus BLEU and chrF.

    Words are those of the tokenisation "13a", characters those that are no blanks. n-grams in all follow from these
    lengths; `word_matches` are those of 1 to 4 words in common, `character_matches` those of 1 to 6 characters.
    """

    reference_words: int
    hypothesis_words: int
    word_matches: Sequence[int]
    reference_characters: int
    hypothesis_characters: int
    character_matches: Sequence[int]


def sentence_counts(hypotheses: Sequence[str], references: Sequence[str]) -> list[SentenceCounts]:
    """Return the counts of each sentence, as sacrebleu takes them."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.helpers import extract_all_char_ngrams

    bleu = BLEU(effective_order=True)  # of no effect on counts; without it a score of one sentence warns
    counts = []
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        words = bleu.sentence_score(hypothesis, [reference])
        written, wanted = (extract_all_char_ngrams(text, CHRF.CHAR_ORDER) for text in (hypothesis, reference))
        counts.append(
            SentenceCounts(
                reference_words=words.ref_len,
                hypothesis_words=words.sys_len,
                word_matches=words.counts,
                reference_characters=wanted[0].total(),
                hypothesis_characters=written[0].total(),
                character_matches=[(own & other).total() for own, other in zip(written, wanted, strict=True)],
            )
        )
    return counts
