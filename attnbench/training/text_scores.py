"""BLEU and chrF of what a model wrote, by sacrebleu."""

from collections.abc import Sequence


def bleu_and_chrf(hypotheses: Sequence[str], references: Sequence[str]) -> tuple[float, float]:
    """Return corpus BLEU and chrF2, both 0–100, of one hypothesis and one reference per example.

    Source: Post 2018 (sacrebleu), with its standard tokenisation "13a".
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    # `force` only silences the warning about text that is already tokenised: both sides are alike.
    bleu = BLEU(force=True).corpus_score(hypotheses, [references])
    return bleu.score, CHRF().corpus_score(hypotheses, [references]).score
