"""BLEU falls with the length of the sentence without attention, and hardly with it."""

import pandas as pd

from tools.reproduction.claims import (
    Claim,
    Found,
    Reproduction,
    below,
    decide,
    in_words,
    interval,
    paired,
    text_sweep,
)

BIBLE = text_sweep("bible_en_eo", "--models blind,fixed_init,fixed,bahdanau,luong_general", steps=6000)
"""The one sweep over real text, which britz2017 reads too."""


def judge(found: Found) -> list[Claim]:
    """Look at what each arm keeps of its best bucket, and at BLEU of all sentences."""
    kept = long_retention(found)
    fixed, attention = (interval(kept[kept["model"] == name]["share"]) for name in ("fixed", "bahdanau"))
    bleu = found.corpus_bleu(BIBLE.name)
    means = bleu.groupby("model")["bleu"].mean()
    gain = interval(paired(bleu, "bleu", "bahdanau", "fixed"))
    return [
        Claim(
            "Without attention less than half of BLEU is left in long sentences.",
            "RNNencdec falls steeply past 20 to 30 words (figure 2)",
            f"fixed keeps {in_words(fixed)} of the BLEU of its best bucket, in the buckets of over 30 words",
            below(fixed, 0.5),
        ),
        Claim(
            "With attention BLEU hardly falls with length.",
            "RNNsearch-50 shows no fall up to 60 words (figure 2)",
            f"bahdanau keeps {in_words(attention)} of it there (asked for: more than 0.70)",
            decide(attention, 0.7),
        ),
        Claim(
            "Attention is better over all sentences.",
            "26.75 against 17.82 BLEU (table 1)",
            f"{means.get('bahdanau', float('nan')):.1f} against {means.get('fixed', float('nan')):.1f} BLEU, "
            f"difference {in_words(gain, 1)}",
            decide(gain),
        ),
    ]


def long_retention(found: Found, shortest: int = 31) -> pd.DataFrame:
    """Return columns model, seed, share: mean BLEU of the long buckets over that of the arm's best bucket."""
    rows = found.metrics(BIBLE.name).dropna(subset=["bleu"])
    means = rows.groupby(["model", "length"])["bleu"].mean()
    longest_min = rows["length_min"].max()
    is_long = rows["length_min"] >= min(shortest, longest_min)
    long = rows[is_long].groupby(["model", "seed"])["bleu"].mean().rename("long").reset_index()
    best = {model: means[model].idxmax() for model in means.index.unique("model")}
    own = rows[rows["length"] == rows["model"].map(best)].set_index(["model", "seed"])["bleu"]
    long["share"] = long["long"] / own.reindex(list(zip(long["model"], long["seed"], strict=True))).to_numpy()
    return long


REPRODUCTION = Reproduction(
    name="bahdanau2015",
    paper="Bahdanau, Cho, Bengio 2015: Neural machine translation by jointly learning to align and translate; "
    "figure 2, table 1",
    sweeps=(BIBLE,),
    judge=judge,
    differs=(
        "28,166 verses, English to Esperanto, in place of 348 million words, English to French.",
        "Hidden size 128 in place of 1,000; 2,000 subwords of each language in place of 30,000 words.",
        "LSTM in place of the gated unit of the paper; the read-out that all arms share in place of the published one.",
        "Three seeds; the paper has one model of each.",
    ),
    minutes=240,
)
