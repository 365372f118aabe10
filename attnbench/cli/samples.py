"""Samples of a task as lines of text."""

from collections.abc import Iterator

from torch import Tensor

from attnbench.batch import Batch
from attnbench.runs.spec import RunSpec
from attnbench.vocabulary import PAD, Vocabulary


def describe_samples(spec: RunSpec, examples: int) -> Iterator[str]:
    """Yield the lines that show samples of the first training batch; given words stand in brackets."""
    task = spec.task
    unit = task.length_unit
    span = sorted({spec.lengths.minimum, spec.lengths.maximum})
    yield f"{task.name}: {'–'.join(map(str, span))} {unit}; [given] words are told to the decoder"
    bits = task.information_bits(spec.lengths)
    if bits is not None:
        chance = task.chance_accuracy(spec.lengths)
        yield f"information at length {spec.lengths.maximum}: {bits:.1f} bits; chance {chance:.3f}"
    batch = task.training_batch(spec.seed, 0, examples, spec.lengths)
    for number in range(len(batch)):
        yield ""
        yield f"source  {_words(task.source_vocabulary, batch.source[number])}"
        yield f"target  {_target_words(task.target_vocabulary, batch, number)}"


def _words(vocabulary: Vocabulary, numbers: Tensor) -> str:
    return " ".join(vocabulary.tokens[number] for number in numbers.tolist() if number != PAD)


def _target_words(vocabulary: Vocabulary, batch: Batch, number: int) -> str:
    pairs = zip(batch.target[number].tolist(), batch.scored[number].tolist(), strict=True)
    words = [
        vocabulary.tokens[token] if is_scored else f"[{vocabulary.tokens[token]}]"
        for token, is_scored in pairs
        if token != PAD
    ]
    return " ".join(words)
