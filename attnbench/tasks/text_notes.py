"""What a person should know about a text task's data: how much there is, what was left out, what is unknown."""

from collections.abc import Iterator

from attnbench.tasks.encoded_pairs import TokenLists
from attnbench.tasks.encoded_text import EncodedText, Encoding
from attnbench.tasks.text_splits import SplitFiles, TextSplits
from attnbench.vocabulary import EOS, UNKNOWN, Vocabulary

SPLIT_NAMES = {"train": "training", "validation": "validation", "test": "test"}


def describe(splits: TextSplits, files: SplitFiles, text: EncodedText, encoding: Encoding) -> list[str]:
    """Return the notes, one sentence or two each; nothing that was left out goes unsaid."""
    return [
        _pairs(splits, files),
        *_left_out(splits, files),
        *_repeated(splits),
        *_unknown_words(text),
        *_small_vocabularies(text, encoding),
    ]


def _pairs(splits: TextSplits, files: SplitFiles) -> str:
    split_off = [name for name in ("validation", "test") if getattr(files, name) is None]
    origin = f" (split off the training files by a hash of the source: {', '.join(split_off)})"
    return (
        f"Pairs: {len(splits.train):,} training, {len(splits.validation):,} validation, "
        f"{len(splits.test):,} test{origin if split_off else ''}."
    )


def _left_out(splits: TextSplits, files: SplitFiles) -> Iterator[str]:
    if any(splits.too_long.values()):
        counts = " and ".join(
            f"{count:,} of {SPLIT_NAMES[split]}" for split, count in splits.too_long.items()
        )
        yield (
            f"Left out as too long: {counts} (more than {files.maximum_length} source words or "
            f"{files.maximum_target_length} target words)."
        )
    if splits.empty:
        yield f"Left out because a side is empty: {splits.empty:,} pairs."
    if splits.joined:
        yield (
            f"{splits.joined:,} pairs have a list of several strings on a side, joined with blanks. "
            "If they are alternatives, take one: name.0 instead of name as the field."
        )


def _repeated(splits: TextSplits) -> Iterator[str]:
    for split, count in splits.repeated.items():
        if count:
            pairs = len(getattr(splits, split))
            yield f"Warning: {count:,} of {pairs:,} {split} pairs stand word for word in the training too."


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
    sides: list[tuple[str, Vocabulary, int]] = [
        ("source", text.source_vocabulary, encoding.source_size),
        ("target", text.target_vocabulary, encoding.target_size),
    ]
    for side, vocabulary, size in sides:
        if len(vocabulary.tokens) < size:
            yield f"The {side} vocabulary has {len(vocabulary.tokens):,} tokens of {size:,}: the text has no more."
