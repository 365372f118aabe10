"""How fast real text is trained on, and with how much memory; the text is made here where no files are given."""

import os
import random
import tempfile
import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate, cycle, islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated

import typer

from tools.benchmarks.memory import peak_mb
from tools.benchmarks.timing import (
    Findings,
    Json,
    Spread,
    Turns,
    bare_steps,
    by_turns,
    ratio,
    seconds_of,
    show,
    tell,
    trainer_steps,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attnbench.training.trainer import Trainer

# Of the training text of results/reference/bible_en_eo: pairs, words of a sentence, different words of each side.
PAIRS = 28_166
MEAN_WORDS, DEVIATION_WORDS, LONGEST_WORDS = 27.2, 11.6, 87
SOURCE_WORDS, TARGET_WORDS = 14_061, 25_758
SYLLABLES = [
    first + vowel
    for first in ("b", "d", "k", "l", "m", "n", "p", "r", "s", "t", "v", "st")
    for vowel in "aeiou"
]


def time_text(
    source: Annotated[
        Path | None, typer.Option(help="Training sources, one a line; made by default.")
    ] = None,
    target: Annotated[Path | None, typer.Option(help="Their targets.")] = None,
    models: Annotated[str, typer.Option(metavar="A,B")] = "luong_general",
    hidden: int = 256,
    steps: Annotated[int, typer.Option(min=1, help="Training steps of a turn.")] = 4,
    pairs: Annotated[int, typer.Option(min=200, help="How many are made.")] = PAIRS,
    turns: Turns = 5,
    json: Json = None,
) -> None:
    """Time training on text: reading it, steps beside bare steps, a validation, a test with BLEU; and its memory.

    The made text has as many pairs, words of a sentence and different words as that of results/reference/bible_en_eo,
    words by Zipf's law. Steps and bare steps take turns. The aim: at least 90 % of the tokens a second of bare steps.
    """
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary, _own_cache(Path(temporary) / "cache"):
        if source is None or target is None:
            source, target = make_text(Path(temporary), pairs)
        speed = Findings(
            f"Training on text, hidden {hidden}, one thread, medians of {turns} turns of {steps} steps"
        )
        parts = Findings("What else a run of text does, in seconds, once each")
        memory = Findings("Largest memory of one worker on this text, two steps and the evaluation")
        for arm in models.split(","):
            words = [
                f"model={arm}",
                f"model.hidden_size={hidden}",
                f"task.source={source}",
                f"task.target={target}",
            ]
            _time_arm(arm, words, steps, turns, (speed, parts))
            memory.add(arm=arm, hidden=hidden, MB=_peak(words))
        show([speed, parts, memory], json)


@contextmanager
def _own_cache(folder: Path) -> "Iterator[None]":
    """Let nothing that was encoded at another time shorten this."""
    before = os.environ.get("ATTNBENCH_CACHE")
    os.environ["ATTNBENCH_CACHE"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("ATTNBENCH_CACHE")
        if before is not None:
            os.environ["ATTNBENCH_CACHE"] = before


def make_text(folder: Path, pairs: int) -> tuple[Path, Path]:
    """Write sources and targets, and return where; a target says the words of its source, a few of them moved.

    Lengths are log-normal, the r-th most frequent word comes with weight 1 / (r + 2), and the most frequent are short.
    """
    random_numbers = random.Random(0)
    sides = [_words(count, random_numbers) for count in (SOURCE_WORDS, TARGET_WORDS)]
    weights = list(accumulate(1 / (rank + 2) for rank in range(SOURCE_WORDS)))
    # Of a log-normal length: sigma² = log(1 + (deviation / mean)²), mu = log(mean) − sigma² / 2.
    sigma, mu = 0.41, 3.22
    texts: tuple[list[str], list[str]] = ([], [])
    for _ in range(pairs):
        length = min(LONGEST_WORDS, max(1, round(random_numbers.lognormvariate(mu, sigma))))
        ranks = random_numbers.choices(range(SOURCE_WORDS), cum_weights=weights, k=length)
        moved = sorted(range(length), key=lambda place: place + random_numbers.gauss(0, 1))
        texts[0].append(" ".join(sides[0][rank] for rank in ranks))
        # Endings double the words of the other side, about as its inflection does.
        texts[1].append(
            " ".join(
                sides[1][min(2 * ranks[place] + random_numbers.randrange(2), TARGET_WORDS - 1)]
                for place in moved
            )
        )
    paths = folder / "made.source", folder / "made.target"
    for path, lines in zip(paths, texts, strict=True):
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return paths


def _words(count: int, random_numbers: random.Random) -> list[str]:
    """Return different words, short ones first."""
    found: dict[str, None] = {}
    while len(found) < count:
        syllables = 1 + int(3 * (len(found) / count) ** 0.3) + random_numbers.randrange(2)
        found["".join(random_numbers.choices(SYLLABLES, k=syllables))] = None
    return list(found)


def _time_arm(
    arm: str, words: Sequence[str], steps: int, turns: int, tables: tuple[Findings, Findings]
) -> None:
    speed, parts = tables
    began = time.perf_counter()
    trainer = _trainer(words)
    size = trainer.config.batch_size
    batches = [trainer.task.training_batch(0, step, size, trainer.lengths) for step in range(steps)]
    reading = time.perf_counter() - began
    # The same batches in every turn and in both works, as sentences differ in length.
    whole = trainer_steps(trainer, steps)

    def ours() -> None:
        trainer.step = 0
        whole()

    seconds = by_turns({"ours": ours, "bare": bare_steps(trainer, batches)}, turns)
    tokens = sum(int(batch.target_mask.sum()) for batch in batches)
    places = sum(batch.target.numel() for batch in batches)
    for name, mine in seconds.items():
        rates = [tokens / each for each in mine]
        share = ratio(seconds["bare"], mine)
        label = "as a run takes them" if name == "ours" else "bare, on ready batches"
        speed.add(arm=arm, steps=label, target_tokens_a_second=Spread.of(rates), share=share)
    speed.notes.append(
        f"{arm}: {100 * (1 - tokens / places):.0f} % of the places of its target batches are padding."
    )
    one_step = median(seconds["ours"]) / steps
    for name, took in {
        "reading, vocabularies, first batches": reading,
        "the same again, from the cache": seconds_of(
            lambda: _trainer(words).task.training_batch(0, 0, size, trainer.lengths)
        ),
        "a validation": seconds_of(trainer.validate),
        "BLEU and chrF of 3,000 sentences": _scoring_seconds(trainer),
    }.items():
        parts.add(arm=arm, part=name, seconds=took, x_step=took / one_step)
        tell(f"{arm}: {name}: {took:.1f} s")


def _trainer(words: Sequence[str]) -> "Trainer":
    from attnbench.config.compose import Configuration
    from attnbench.config.run_request import request_run
    from attnbench.runs.execute import make_trainer
    from attnbench.training.device import resolve_device

    own = ["task=text_pairs", f"model.embedding_size={words[1].split('=')[1]}"]
    spec = request_run(Configuration(), [*own, *words]).spec
    return make_trainer(spec, resolve_device("cpu"))


def _scoring_seconds(trainer: "Trainer") -> float:
    """Return what scores take of sentences of the task, the words of each moved by one."""
    from attnbench.batch import Batch
    from attnbench.training.evaluation import bleu_and_chrf, sentence_counts

    batches: list[Batch] = list(trainer._held_out("test", trainer.lengths, 1000))
    references = [text for batch in batches for text in batch.references or ()]
    references = list(islice(cycle(references), 3000))
    hypotheses = [" ".join(text.split()[1:]) for text in references]
    return seconds_of(
        lambda: (bleu_and_chrf(hypotheses, references), sentence_counts(hypotheses, references))
    )


def _peak(words: Sequence[str]) -> int:
    from attnbench.config.compose import Configuration
    from attnbench.config.run_request import request_run

    own = ["task=text_pairs", f"model.embedding_size={words[1].split('=')[1]}"]
    request = request_run(
        Configuration(), [*own, *words, "training.validation_examples=64", "training.test_examples=64"]
    )
    training = replace(request.spec.training, steps=2, evaluate_every=2, warmup_steps=0)
    return peak_mb(replace(request.spec, training=training), request.lengths)
