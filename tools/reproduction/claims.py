"""What a paper claims, what to run for it, and what is found here: the parts of every reproduction."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from attnbench.analysis.bootstrap import corpus_bleu, counts_of
from attnbench.analysis.statistics import MeanInterval, mean_interval
from attnbench.runs.metrics_table import read_metrics
from attnbench.runs.sentences import SENTENCES_FILE

TINY = "--seeds 2 model.hidden_size=8 training.steps=4 training.warmup_steps=1"
"""What makes a sweep a matter of seconds, to try its form; each sweep adds lengths of its own."""
Outcome = Literal["holds", "does not hold", "not shown"]
"""`not shown`: the interval holds both what was claimed and what was not, or there is none."""
BIBLE_FILES = ("train", "dev", "test")


@dataclass(frozen=True)
class Claim:
    """One claim, as published and as found.

    Attributes:
        claim: in one short sentence.
        published: the numbers of the paper.
        here: the numbers of our runs, with intervals over seeds.
        outcome: whether it holds here.
    """

    claim: str
    published: str
    here: str
    outcome: Outcome


@dataclass(frozen=True)
class SweepWords:
    """A sweep that a reproduction needs.

    Attributes:
        name: its folder under the results.
        words: what follows `attnbench sweep --name NAME`, for the sizes of the stored result.
        tiny: words that come behind `TINY`, its lengths above all.
        reads_text: whether it needs the parallel text that `--text` names.
    """

    name: str
    words: str
    tiny: str
    reads_text: bool = False

    def command(self, results: Path, text: Path | None, *, is_tiny: bool = False) -> list[str]:
        """Return what follows `attnbench`."""
        files = [] if text is None or not self.reads_text else text_words(text)
        words = ["sweep", "--name", self.name, "--results", str(results), *self.words.split(), *files]
        return [*words, *(f"--executor inline {TINY} {self.tiny}".split() if is_tiny else ())]


@dataclass(frozen=True)
class Found:
    """The results of a reproduction's sweeps.

    Attributes:
        results: the folder of sweeps.
        inspect: runs `attnbench inspect` on a run's folder and returns the folder of its tables.
    """

    results: Path
    inspect: Callable[[Path], Path]

    def metrics(self, sweep: str) -> pd.DataFrame:
        """Return the rows of a sweep's metrics.csv."""
        return read_metrics(self.results / sweep / "metrics.csv")

    def table(self, sweep: str, name: str) -> pd.DataFrame:
        """Return another table of a sweep; empty where it was not written."""
        path = self.results / sweep / name
        return pd.read_csv(path) if path.exists() else pd.DataFrame()

    def corpus_bleu(self, sweep: str) -> pd.DataFrame:
        """Return columns model, variant, seed, bleu: of all test sentences of each run at once."""
        sentences = self.table(sweep, SENTENCES_FILE)
        runs = self.metrics(sweep).drop_duplicates("run_id")[["run_id", "model", "variant", "seed"]]
        scores = {
            run_id: float(corpus_bleu(counts_of(own).sum(axis=0)))
            for run_id, own in sentences.groupby("run_id")
        }
        return runs.assign(bleu=runs["run_id"].map(scores)).dropna(subset=["bleu"])

    def inspected(self, sweep: str, model: str, name: str) -> pd.DataFrame:
        """Return a table of `attnbench inspect`, of all runs of an arm of a sweep."""
        rows = self.metrics(sweep)
        run_ids = rows["run_id"][rows["model"] == model].drop_duplicates()
        folders = [self.inspect(self.results / sweep / "runs" / run_id) for run_id in run_ids]
        return pd.concat([pd.read_csv(folder / name) for folder in folders], ignore_index=True)


@dataclass(frozen=True)
class Reproduction:
    """A published result to be made again.

    Attributes:
        name: first author and year.
        paper: title, and the figure or table.
        sweeps: what has to be run.
        judge: from the results to the claims.
        differs: what is not as in the paper, a sentence each.
        also: another name that it goes by.
    """

    name: str
    paper: str
    sweeps: tuple[SweepWords, ...]
    judge: Callable[[Found], list[Claim]]
    differs: tuple[str, ...]
    also: str = ""

    @property
    def reads_text(self) -> bool:
        """Whether any of its sweeps does."""
        return any(sweep.reads_text for sweep in self.sweeps)


def text_sweep(name: str, arms: str, steps: int) -> SweepWords:
    """Return a sweep over the parallel text: one model of each arm and seed, tested by source length.

    Args:
        name: of its folder.
        arms: the words that name them.
        steps: of training, at most.
    """
    return SweepWords(
        name,
        f"--task text_pairs --protocol mixed --lengths 15,30,45,60 --seeds 3 {arms} "
        "task.source_vocabulary_size=2000 task.target_vocabulary_size=2000 "
        "model.hidden_size=128 model.embedding_size=128 model.dropout=0.2 training.learning_rate=2e-3 "
        f"training.steps={steps} training.evaluate_every=250 training.patience=3",
        "--lengths 4,8 model.embedding_size=8 training.evaluate_every=2 training.validation_examples=4 "
        "training.test_examples=8 task.source_vocabulary_size=300 task.target_vocabulary_size=300",
        reads_text=True,
    )


def text_words(folder: Path) -> list[str]:
    """Return the words that name the files train, dev and test `.en` and `.eo` of a folder."""
    keys = ("task.{}source", "task.{}target")
    splits = dict(zip(BIBLE_FILES, ("", "validation_", "test_"), strict=True))
    return [
        f"{key.format(prefix)}={folder / f'{split}.{language}'}"
        for split, prefix in splits.items()
        for key, language in zip(keys, ("en", "eo"), strict=True)
    ]


def interval(values: Sequence[float] | pd.Series, bounds: tuple[float, float] | None = None) -> MeanInterval:
    """Return the mean over seeds with its interval, cut off at the bounds; of nothing, NaN."""
    known = [float(value) for value in values if not math.isnan(value)]
    return mean_interval(known, bounds) if known else MeanInterval(math.nan, math.nan, math.nan, 0)


def share(values: Sequence[float] | pd.Series) -> MeanInterval:
    """Return the mean of accuracies, or of other numbers from 0 to 1, with its interval."""
    return interval(values, (0.0, 1.0))


def decide(found: MeanInterval, above: float = 0.0) -> Outcome:
    """Say whether a mean is shown to lie above a bound, by its interval; equal values stand for themselves."""
    if found.count < 2 or math.isnan(found.mean):
        return "not shown"
    low, high = (found.mean, found.mean) if math.isnan(found.low) else (found.low, found.high)
    if low > above:
        return "holds"
    return "does not hold" if high < above else "not shown"


def below(found: MeanInterval, bound: float) -> Outcome:
    """Say whether a mean is shown to lie below a bound."""
    return decide(MeanInterval(-found.mean, -found.high, -found.low, found.count), -bound)


def all_of(*outcomes: Outcome) -> Outcome:
    """Return the outcome of a claim of several parts."""
    if all(outcome == "holds" for outcome in outcomes):
        return "holds"
    return "does not hold" if "does not hold" in outcomes else "not shown"


def given(learnt: Outcome, *outcomes: Outcome) -> Outcome:
    """Return the outcome of all where an arm has learnt its work; what was not learnt shows nothing, either way."""
    return all_of(*outcomes) if learnt == "holds" else "not shown"


def paired(table: pd.DataFrame, column: str, model: str, other: str) -> list[float]:
    """Return the difference of two arms for each seed that both have, `model` less `other`."""
    by_seed = table.pivot_table(index="seed", columns="model", values=column)
    if model not in by_seed or other not in by_seed:
        return []
    return list((by_seed[model] - by_seed[other]).dropna())


def in_words(found: MeanInterval, digits: int = 2, counts: bool = True) -> str:
    """Write a mean with its interval and, unless that is said elsewhere, seeds: `.52 [.48, .56], n = 3`."""
    if math.isnan(found.mean):
        return "no run"
    ends = "" if math.isnan(found.low) else f" [{found.low:.{digits}f}, {found.high:.{digits}f}]"
    return f"{found.mean:.{digits}f}{ends}{f', n = {found.count}' if counts else ''}"


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the slope of log2 y against log2 x by least squares; NaN below two distinct x."""
    if len(set(x)) < 2:
        return math.nan
    return float(np.polyfit(np.log2(x), np.log2(y), 1)[0])
