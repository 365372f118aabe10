"""Reading the source backwards helps one vector."""

import math
from typing import Literal

import pandas as pd

from tools.reproduction.bahdanau2015 import BIBLE
from tools.reproduction.claims import (
    Claim,
    Found,
    Reproduction,
    SweepWords,
    decide,
    given,
    in_words,
    interval,
    share,
    text_sweep,
)

LEARNT = 0.5  # accuracy
ARM = "--models published_sutskever2014 model.layers=2 model.reverse_source=true,false"
COPY = SweepWords(
    "sutskever_copy",
    f"--task copy --lengths 8,16,24 --seeds 5 {ARM} model.hidden_size=64 training.steps=3000",
    "--lengths 2,4",
)
TEXT = text_sweep("sutskever_text", ARM, steps=8000)


def judge(found: Found) -> list[Claim]:
    """Compare the two ways to read, paired by seed; of text, where the better predicts better than no source does."""
    copied = found.metrics(COPY.name)
    longest = copied[copied["length"] == copied["length"].max()]
    accuracies = by_way(longest, "token_accuracy")
    accuracy = interval(accuracies[True] - accuracies[False])
    text = found.metrics(TEXT.name)
    nats = by_way(text.assign(nats=_weighted(text)), "nats", "sum")
    blind = _blind_nats(found.metrics(BIBLE.name))
    learnt = decide(interval(blind - nats[True]))
    guard = f"`blind`, which sees no source: {_perplexity(blind)} (more than backwards, or nothing is shown)"
    bleu = by_way(found.corpus_bleu(TEXT.name), "bleu")
    long = by_way(text[text["length_min"] >= min(31, text["length_min"].max())], "bleu")
    lower, higher, longer = (
        interval(each)
        for each in (nats[False] - nats[True], bleu[True] - bleu[False], long[True] - long[False])
    )
    return [
        Claim(
            f"`copy`, a task of ours: read backwards, {longest['length'].iloc[0]} tokens are copied better.",
            "short-term dependencies make the work easier (section 3.3)",
            f"token accuracy {accuracies[True].mean():.2f} backwards, {accuracies[False].mean():.2f} forwards; "
            f"gain {in_words(accuracy)} (the better one above {LEARNT}, or nothing is shown)",
            given(decide(share(accuracies[True]), LEARNT), decide(accuracy)),
        ),
        Claim(
            "Text: read backwards, perplexity is lower.",
            "test perplexity 5.8 to 4.7 (section 3.3)",
            f"perplexity {_perplexity(nats[False])} to {_perplexity(nats[True])}; {guard}; "
            f"cross-entropy lower by {in_words(lower, 3)} nats a token",
            given(learnt, decide(lower)),
        ),
        Claim(
            "Text: read backwards, BLEU is higher.",
            "BLEU 25.9 to 30.6 (section 3.3)",
            f"BLEU {bleu[False].mean():.1f} to {bleu[True].mean():.1f}, higher by {in_words(higher, 1)}",
            given(learnt, decide(higher)),
        ),
        Claim(
            "Text: long sentences gain too.",
            "much better on long sentences than without, no number (section 3.3)",
            f"BLEU {long[False].mean():.1f} to {long[True].mean():.1f} over 30 words, higher by {in_words(longer, 1)}",
            given(learnt, decide(longer)),
        ),
    ]


def by_way(rows: pd.DataFrame, column: str, how: Literal["mean", "sum"] = "mean") -> pd.DataFrame:
    """Return a column for each seed read backwards (True) and forwards (False), over the rows of each."""
    backwards = ~rows["variant"].str.contains("model.reverse_source=false")
    return rows.assign(way=backwards).pivot_table(index="seed", columns="way", values=column, aggfunc=how)


def _weighted(text: pd.DataFrame) -> pd.Series:
    """Return by how much each row adds to its run's nats a token."""
    tokens = text.groupby("run_id")["target_tokens"].transform("sum")
    return text["cross_entropy_nats"] * text["target_tokens"] / tokens


def _blind_nats(text: pd.DataFrame) -> pd.Series:
    """Return the nats a token of `blind` for each seed."""
    own = text[text["model"] == "blind"]
    return own.assign(nats=_weighted(own)).groupby("seed")["nats"].sum()


def _perplexity(nats: pd.Series) -> str:
    return f"{math.exp(nats.mean()):.1f}"


REPRODUCTION = Reproduction(
    name="sutskever2014",
    paper="Sutskever, Vinyals, Le 2014: Sequence to sequence learning with neural networks; section 3.3",
    sweeps=(COPY, TEXT, BIBLE),
    judge=judge,
    differs=(
        "Two layers of 64 (copy) and 128 units in place of four of 1,000; 28,166 verses in place of 12 million pairs.",
        "At most 3,000 and 8,000 steps (`blind`, of bahdanau2015: 6,000); perplexity of subwords in place of words.",
        "Adam with warm-up in place of plain gradient descent; greedy decoding in place of a beam.",
    ),
)
