"""Sentences of real text with planted counts, and the rows of metrics.csv that belong to them."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from attnbench.analysis.bootstrap import corpus_bleu, corpus_chrf, counts_of
from attnbench.runs.sentences import CHARACTER_MATCHES, SENTENCE_COLUMNS, WORD_MATCHES
from tests.metrics_rows import metrics_row

WORDS, CHARACTERS, TOKENS = 20, 80, 25
Run = tuple[dict[str, object], pd.DataFrame]


def planted_run(
    right: np.ndarray, nats: np.ndarray | float = 50.0, length: int = 10, generator=None, **values: object
) -> Run:
    """Return a run's row of one bucket of ten lengths, and its sentences, each of 20 words and 25 tokens.

    Args:
        right: the share of n-grams that match in each sentence, of every order; (sentences,).
        nats: summed cross-entropy of each sentence.
        length: upper bound of the bucket.
        generator: draws how many n-grams match; by default as many as their share, rounded.
        values: of the row.
    """
    table = pd.DataFrame({"length_min": length - 9, "length": length, "sentence": np.arange(len(right)) + 1})
    table["tokens"], table["nats"] = TOKENS, np.round(np.broadcast_to(nats, len(right)), 4)
    # Lengths that differ, so that another order of the sentences is noticed.
    table["reference_words"] = WORDS + np.arange(len(right)) % 3 - 3
    table["hypothesis_words"] = WORDS
    table["reference_characters"] = table["hypothesis_characters"] = CHARACTERS
    for names, total in ((WORD_MATCHES, WORDS), (CHARACTER_MATCHES, CHARACTERS)):
        for n, name in enumerate(names, start=1):
            wanted = right * (total - n + 1)
            table[name] = (
                np.rint(wanted).astype(int) if generator is None else generator.binomial(total - n + 1, right)
            )
    total = counts_of(table).sum(axis=0)
    row = metrics_row(
        **{
            "task": "text_pairs",
            "protocol": "mixed",
            "length": length,
            "length_min": length - 9,
            "train_min_length": 1,
            "train_max_length": 60,
            "bits_available": None,
            "bits_recovered": None,
            "bleu": float(corpus_bleu(total)),
            "chrf": float(corpus_chrf(total)),
            "cross_entropy_nats": table["nats"].sum() / table["tokens"].sum(),
            "examples": len(table),
        }
        | values
    )
    return row, table[list(SENTENCE_COLUMNS)].assign(run_id=row["run_id"])


def joined_runs(runs: Iterable[Run]) -> tuple[list[Mapping[str, object]], pd.DataFrame]:
    """Return the rows and the sentences of several runs."""
    rows, tables = zip(*runs, strict=True)
    return [*rows], pd.concat(tables, ignore_index=True)
