"""Whether permuted weights change the answer: Jain & Wallace 2019, and Wiegreffe & Pinter 2019 on when they have to."""

from collections.abc import Callable

from attnbench.analysis.statistics import MeanInterval
from tools.reproduction.claims import (
    Claim,
    Found,
    Outcome,
    Reproduction,
    SweepWords,
    all_of,
    below,
    decide,
    given,
    in_words,
    interval,
    share,
)

WORDS = "--task story_qa --models fixed,luong_general --lengths 4 --seeds 5 model.hidden_size=64"
TINY = "--lengths 2 training.test_examples=8"
ATTENTION = "luong_general"
LEARNT, SHARP = 0.9, 1.0  # accuracy and bits below uniform weights, without which permuting says nothing
SMALL, LARGE = 0.1, 0.5  # of total variation
NEEDED = SweepWords("jain_after", f"{WORDS} training.steps=4000", TINY)
NOT_NEEDED = SweepWords(
    "jain_before",
    f"{WORDS} task.question=before task.relations=1 task.people=8 task.vocabulary_size=4 "
    "training.steps=8000 training.learning_rate=2e-3 training.patience=100",
    TINY,
)
"""Few words and time enough, so that one vector learns it too."""


def judge(found: Found) -> list[Claim]:
    """Compare how far answers vary where weights are permuted, given accuracy and sharp weights.

    One vector says whether attention is needed: it is not where `fixed` has learnt the same work.
    """
    return [
        _claim(
            found,
            NOT_NEEDED,
            "Tested in our way: where one vector suffices, permuted weights hardly change the answer.",
            "no claim under this condition; median total variation near 0 on many sets (figure 6, Jain & Wallace)",
            lambda alone, variation: given(decide(alone, LEARNT), below(variation, SMALL)),
            f"question ahead of a small story; asked for, by us: less than {SMALL:.2f}",
        ),
        _claim(
            found,
            NEEDED,
            "Tested in our way: where one vector does not suffice, they do.",
            "no number; the argument of Wiegreffe & Pinter 2019 (sections 3 and 4)",
            lambda alone, variation: given(below(alone, LEARNT), decide(variation, LARGE)),
            f"question behind the story; asked for, by us: more than {LARGE:.2f}",
        ),
    ]


def _claim(
    found: Found,
    sweep: SweepWords,
    claim: str,
    published: str,
    outcome: Callable[[MeanInterval, MeanInterval], Outcome],
    asked: str,
) -> Claim:
    causes, scores = (
        found.inspected(sweep.name, ATTENTION, name) for name in ("causal.csv", "attention.csv")
    )
    permuted = causes[causes["change"].str.startswith("permuted")]
    variation = share(permuted.groupby("seed")["median_variation"].mean())
    rows = found.metrics(sweep.name)
    alone, accuracy = (
        share(rows["token_accuracy"][rows["model"] == model]) for model in ("fixed", ATTENTION)
    )
    entropy = scores.pivot_table(index="seed", columns="weights", values="entropy_bits")
    sharper = interval(entropy["uniform"] - entropy["model"])
    here = (
        f"story_qa, {asked}: median total variation {in_words(variation)}, at an accuracy of {in_words(accuracy)} "
        f"and weights of {entropy['model'].mean():.1f} bits of entropy, uniform ones {entropy['uniform'].mean():.1f} "
        f"(at least {LEARNT:.2f} and {SHARP:.0f} bit less, or nothing is shown); fixed alone: accuracy "
        f"{in_words(alone)}"
    )
    learnt = all_of(decide(accuracy, LEARNT), decide(sharper, SHARP))
    return Claim(claim, published, here, given(learnt, outcome(alone, variation)))


REPRODUCTION = Reproduction(
    name="jain2019",
    also="wiegreffe2019",
    paper="Jain, Wallace 2019: Attention is not explanation; section 4.2.1. "
    "Wiegreffe, Pinter 2019: Attention is not not explanation",
    sweeps=(NEEDED, NOT_NEEDED),
    judge=judge,
    differs=(
        "Generated stories; the paper has reviews, medical notes, news and bAbI.",
        "Where one vector is to suffice, more than the question's place differs, or it does not learn: one relation, 8"
        " people, fewer words, twice the steps, another rate and patience.",
        "That one vector suffices is seen of another model, `fixed`; attention may lean on its weights all the same.",
        "A decoder that writes the answer in place of a classifier.",
        "25 permutations an answer in place of 100.",
    ),
)
