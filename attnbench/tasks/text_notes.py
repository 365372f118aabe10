"""What a person should know about a text task's data: how much there is, what was left out, what is unknown."""

from collections.abc import Iterator
from dataclasses import dataclass

from attnbench.tasks.base import Split
from attnbench.tasks.encoded_numbers import Encoding
from attnbench.tasks.encoded_pairs import TokenLists
from attnbench.tasks.encoded_text import EncodedText
from attnbench.tasks.text_splits import SplitFiles, TextSplits
from attnbench.vocabulary import EOS, UNKNOWN, Vocabulary

MOSTLY = 0.9  # of the lines; a text of words has hardly any line of one word
SPLIT_NAMES: dict[Split, str] = {"train": "training", "validation": "validation", "test": "test"}


@dataclass(frozen=True)
class ExampleNames:
    """How messages speak of a task's examples.

    Attributes:
        one: an example, such as "pair"; more of them take an s.
        measure: what their length counts, such as "source words".
        target_measure: what the length of their targets counts.
    """

    one: str
    measure: str
    target_measure: str = "target words"


def describe(
    splits: TextSplits, files: SplitFiles, text: EncodedText, encoding: Encoding, names: ExampleNames
) -> list[str]:
    """Return the notes, one sentence or two each; nothing that was left out goes unsaid."""
    return [
        _counts(splits, files, names),
        _longest(splits, files, names),
        *splits.remarks,
        *_left_out(splits, files, names),
        *_repeated(splits, names),
        *_single_words(splits, files, names),
        *_aligned(splits, names),
        *_unknown_words(text),
        *_small_vocabularies(text, encoding),
    ]


def _counts(splits: TextSplits, files: SplitFiles, names: ExampleNames) -> str:
    split_off = [name for name in ("validation", "test") if getattr(files, name) is None]
    origin = f" (split off the training files by a hash of the source: {', '.join(split_off)})"
    return (
        f"{names.one.capitalize()}s: {len(splits.train):,} training, {len(splits.validation):,} validation, "
        f"{len(splits.test):,} test{origin if split_off else ''}."
    )


def _left_out(splits: TextSplits, files: SplitFiles, names: ExampleNames) -> Iterator[str]:
    if any(splits.too_long.values()):
        counts = " and ".join(
            f"{count:,} of {SPLIT_NAMES[split]}" for split, count in splits.too_long.items()
        )
        target = files.maximum_target_length
        limit = f"{files.maximum_length} {names.measure}" + (
            f" or {target} {names.target_measure}" if target else ""
        )
        yield f"Left out as too long: {counts} (more than {limit})."
    if splits.empty:
        yield f"Left out because a side is empty: {splits.empty:,} {names.one}s."
    if splits.joined:
        yield (
            f"{splits.joined:,} {names.one}s have a list of several strings on a side, joined with blanks. "
            "If they are alternatives, take one: name.0 instead of name as the field."
        )


def _longest(splits: TextSplits, files: SplitFiles, names: ExampleNames) -> str:
    longest = max(pair.length for pair in splits.train)
    return (
        f"The training keeps {names.one}s of up to {files.maximum_length} {names.measure} (task.maximum_length); "
        f"its longest has {longest}."
    )


def _single_words(splits: TextSplits, files: SplitFiles, names: ExampleNames) -> Iterator[str]:
    """Say where words tell no lengths apart, as in a language that is written without blanks."""
    if files.maximum_target_length is None or files.unit is not None:
        return  # a task that counts something else, or a unit chosen by a person
    for side in ("source", "target"):
        single = sum(" " not in getattr(pair, side) for pair in splits.train)
        if single < MOSTLY * len(splits.train):
            continue
        what = f"Warning: {single:,} of {len(splits.train):,} training {side}s are one word without a blank"
        if side == "source":
            yield f"{what}, so that lengths hardly differ. Count them with task.length_unit=characters or subwords."
        else:
            yield f"{what}: BLEU, which counts words, says little here; see chrF."


def _repeated(splits: TextSplits, names: ExampleNames) -> Iterator[str]:
    counts = {split: splits.repeats(split) for split in SPLIT_NAMES}
    said = ", ".join(
        f"{count:,} of {len(splits.pairs(split)):,} {SPLIT_NAMES[split]}"
        for split, count in counts.items()
        if count
    )
    if said:
        yield f"Duplicates: {said} {names.one}s repeat an earlier one of their split word for word, and are kept."
    for split, count in splits.repeated.items():
        if count:
            total = len(splits.pairs(split))
            yield (
                f"Warning: {count:,} of {total:,} {split} {names.one}s stand word for word in the training too."
            )


def _aligned(splits: TextSplits, names: ExampleNames) -> Iterator[str]:
    if splits.aligned:
        counts = ", ".join(
            f"{sum(bool(pair.possible) for pair in splits.pairs(split)):,} of {len(splits.pairs(split)):,} {name}"
            for split, name in SPLIT_NAMES.items()
        )
        yield f"Where the target stands in the source is known for {counts} {names.one}s."


def _unknown_words(text: EncodedText) -> Iterator[str]:
    for side in ("sources", "targets"):
        if not any(getattr(pairs, side).count(UNKNOWN) for pairs in text.splits.values()):
            yield f"Unknown words of the {side}: none."
            continue
        parts = [
            f"{_share(getattr(text.splits[split], side))} in {SPLIT_NAMES[split]}" for split in text.splits
        ]
        yield f"Unknown words of the {side}: {', '.join(parts)}."


def _share(lists: TokenLists) -> str:
    unknown = lists.count(UNKNOWN)
    tokens = len(lists.tokens) - lists.count(EOS)
    return f"{unknown:,} ({unknown / tokens:.1%})" if tokens else "0"


def _small_vocabularies(text: EncodedText, encoding: Encoding) -> Iterator[str]:
    sides: list[tuple[str, Vocabulary, int | None]] = [
        ("source", text.source_vocabulary, encoding.source_size),
        ("target", text.target_vocabulary, encoding.target_size),
    ]
    for side, vocabulary, size in sides:
        if size is not None and len(vocabulary.tokens) < size:
            yield f"The {side} vocabulary has {len(vocabulary.tokens):,} tokens of {size:,}: the text has no more."
