import math

import pytest

from attnbench.training.text_scores import bleu_and_chrf

SENTENCES = ["en la komenco dio kreis la cxielon kaj la teron", "kaj dio diris estu lumo"]


def test_identical_text_scores_a_hundred() -> None:
    assert bleu_and_chrf(SENTENCES, SENTENCES) == pytest.approx((100.0, 100.0))


def test_nothing_in_common_scores_nothing() -> None:
    bleu, chrf = bleu_and_chrf(["1111 2222 3333 4444 5555"] * 2, SENTENCES)
    assert bleu < 5  # sacrebleu smooths counts of zero
    assert chrf == 0.0


def test_writing_nothing_scores_nothing() -> None:
    assert bleu_and_chrf(["", ""], SENTENCES) == (0.0, 0.0)


def test_bleu_worked_by_hand() -> None:
    # n-gram precisions 4/5, 3/4, 2/3, 1/2; no brevity penalty.
    bleu, _ = bleu_and_chrf(["a b c d e"], ["a b c d f"])
    assert bleu == pytest.approx(100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)


def test_what_is_too_short_is_penalised() -> None:
    bleu, _ = bleu_and_chrf(["a b c d"], ["a b c d e"])
    assert bleu == pytest.approx(100 * math.exp(1 - 5 / 4))


def test_the_corpus_is_scored_as_one_and_not_sentence_by_sentence() -> None:
    together, _ = bleu_and_chrf(["a b c d e", "a b c d"], ["a b c d f", "a b c d e"])
    precisions = [(4 + 4) / 9, (3 + 3) / 7, (2 + 2) / 5, (1 + 1) / 3]
    assert together == pytest.approx(100 * math.prod(precisions) ** 0.25 * math.exp(1 - 10 / 9))
