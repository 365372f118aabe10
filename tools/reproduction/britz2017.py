"""A vector given once is worse than one given at every step, and both are far below attention."""

from tools.reproduction.bahdanau2015 import BIBLE
from tools.reproduction.claims import Claim, Found, Reproduction, decide, in_words, interval, paired

FACTOR = 2
"""By which a gain is much more than another."""


def judge(found: Found) -> list[Claim]:
    """Compare BLEU of all test sentences, paired by seed."""
    bleu = found.corpus_bleu(BIBLE.name)
    means = bleu.groupby("model")["bleu"].mean()
    here = ", ".join(
        f"{name} {means.get(name, float('nan')):.1f}" for name in ("fixed_init", "fixed", "bahdanau")
    )
    fed = interval(paired(bleu, "bleu", "fixed", "fixed_init"))
    more = [
        gained - FACTOR * fed_gain
        for gained, fed_gain in zip(
            paired(bleu, "bleu", "bahdanau", "fixed"),
            paired(bleu, "bleu", "fixed", "fixed_init"),
            strict=True,
        )
    ]
    attention = interval(paired(bleu, "bleu", "bahdanau", "fixed"))
    return [
        Claim(
            "The vector fed at every step is better than the vector as first state alone.",
            "11.57 against 9.98 BLEU (table 5)",
            f"{here}; difference {in_words(fed, 1)}",
            decide(fed),
        ),
        Claim(
            "Additive attention gains much more than feeding the vector at every step does.",
            "22.47 against 11.57 BLEU (table 5)",
            f"difference {in_words(attention, 1)}; beyond {FACTOR} times the other gain, a factor of ours: "
            f"{in_words(interval(more), 1)}",
            decide(interval(more)),
        ),
    ]


REPRODUCTION = Reproduction(
    name="britz2017",
    paper="Britz, Goldie, Luong, Le 2017: Massive exploration of neural machine translation architectures; table 5",
    sweeps=(BIBLE,),
    judge=judge,
    differs=(
        "The runs of bahdanau2015: 28,166 verses, hidden size 128, one layer; the paper has WMT15 and 512 units.",
        "At most 6,000 steps, which ended every run; greedy decoding, no beam; as many units, not parameters.",
        "Three seeds; the paper has four.",
    ),
)
