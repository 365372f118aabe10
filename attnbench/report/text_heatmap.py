"""The heatmap in characters, for people on a remote machine and for files of text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rich.text import Text

from attnbench.inspection.attention_example import AttentionExample, Mask, Numbers
from attnbench.plots.attention_rows import DrawnArm, WrittenWord, gold_rows, shares_of, written_words
from attnbench.vocabulary import EOS, SPECIAL_TOKENS

END_MARK = SPECIAL_TOKENS[EOS]
# What stands for a share below each bound; the square roots of the bounds are evenly spaced.
_SHADES = ((0.04, "·"), (0.16, "░"), (0.36, "▒"), (0.64, "▓"), (float("inf"), "█"))
_LEGEND = "· under 4 %  ░ under 16 %  ▒ under 36 %  ▓ under 64 %  █ more"
_GOLD, _WRONG, _GIVEN = "yellow", "bold red", "dim"
_NARROW, _WIDE = 1, 3  # characters of a cell; wide ones have room for brackets around gold
_HEADING_LETTERS = 10
_ELSEWHERE = " elsewhere"
_LOOK_ROOM = 31  # characters behind the shades that say where it looked most


@dataclass(frozen=True)
class _Grid:
    """How the shades are laid out.

    Attributes:
        label_width: characters of the words on the left.
        cell: characters of a cell.
        blocks: the source positions that stand beside each other; the next ones follow below.
    """

    label_width: int
    cell: int
    blocks: Sequence[range]


def shaded_lines(arm: DrawnArm, width: int, has_colour: bool = True) -> Iterator[Text]:
    """Yield the lines that show one example under one arm.

    Source words stand above their columns, letter under letter. Where they are more than fit, the rest follows below.

    Args:
        arm: with its example.
        width: of the terminal, in characters.
        has_colour: whether colours are seen, which say in narrow cells where the answer stands; without them no cell
            is narrow where that is known.
    """
    example = arm.example
    shares = shares_of(example, arm.kind)
    if shares is None:
        yield Text(f"{arm.name} has neither weights over the source nor an embedding that we know of")
        return
    yield Text(_headline(arm), style="bold")
    rows, sure = written_words(example), gold_rows(example.sure, example)
    has_narrow = has_colour or sure is None or not sure.any()
    grid = _lay_out(rows, len(example.source), width, has_narrow)
    for block in grid.blocks:
        if len(grid.blocks) > 1:
            yield Text(f"source words {block[0] + 1}–{block[-1] + 1} of {len(example.source)}", style="dim")
        yield from _heading(example, block, grid)
        for number, row in enumerate(rows):
            line = _label(row, grid) + _shades(sure, shares[number], number, block, grid.cell)
            yield line + _look(arm, shares, number) if block is grid.blocks[-1] else line
    yield Text(_legend(arm, grid.cell), style="dim")


def _lay_out(rows: Sequence[WrittenWord], words: int, width: int, has_narrow: bool) -> _Grid:
    labels = max(len(row.label) for row in rows)
    room = max(width - labels - _LOOK_ROOM, _WIDE)
    cell = _NARROW if has_narrow and words * _WIDE > room else _WIDE
    step = room // cell
    return _Grid(labels, cell, [range(words)[start : start + step] for start in range(0, words, step)])


def _headline(arm: DrawnArm) -> str:
    if arm.has_weights:
        return f"{arm.name}: rows are the words it wrote, columns the source words it looked at"
    return f"{arm.name} has no attention weights over the source; shaded: the gradient of each answer"


def _heading(example: AttentionExample, block: range, grid: _Grid) -> Iterator[Text]:
    """Yield the words above the columns, downwards, their last letters on one line."""
    words = [example.source[position][:_HEADING_LETTERS] for position in block]
    for line in range(-max(map(len, words)), 0):
        letters = (word[line] if len(word) >= -line else " " for word in words)
        yield Text(" " * (grid.label_width + 1) + "".join(letter.center(grid.cell) for letter in letters))


def _label(row: WrittenWord, grid: _Grid) -> Text:
    style = _WRONG if row.is_wrong else _GIVEN if row.is_given else ""
    return Text(row.label.rjust(grid.label_width), style=style) + Text(" ")


def _shades(sure: Mask | None, shares: Numbers, row: int, block: range, cell: int) -> Text:
    line = Text()
    for position in block:
        is_gold = _is_at(sure, row, position)
        shade = _shade(float(shares[position]))
        marked = f"[{shade}]" if is_gold and cell == _WIDE else shade.center(cell)
        line.append(marked, style=_GOLD if is_gold else "")
    return line


def _shade(share: float) -> str:
    if np.isnan(share):
        return " "
    return next(character for bound, character in _SHADES if share < bound)


def _look(arm: DrawnArm, shares: Numbers, row: int) -> Text:
    """Return which source word had most, and whether that is no place to look at."""
    if np.isnan(shares[row]).any() or not shares[row].any():
        return Text()
    example, most = arm.example, int(shares[row].argmax())
    words = f" {example.source[most][:_HEADING_LETTERS]} ({most + 1}) {shares[row][most]:.0%}"
    gold = gold_rows(
        example.sure if example.possible is None else example.possible,
        example,
    )
    has_gold = gold is not None and gold[row].any()
    if arm.has_weights and has_gold and not _is_at(gold, row, most):
        words += _ELSEWHERE
    return Text(words, style="dim")


def _is_at(mask: Mask | None, row: int, position: int) -> bool:
    return mask is not None and bool(mask[row, position])


def _legend(arm: DrawnArm, cell: int) -> str:
    rows, example = written_words(arm.example), arm.example
    parts = [_LEGEND]
    if example.sure is not None and example.sure.any():
        parts.append("[ ] holds the answer" if cell == _WIDE else "yellow: holds the answer")
    if arm.has_weights and example.sure is not None:
        parts.append("elsewhere: not where the answer stands, which may be so at right words too")
    if any(row.is_wrong for row in rows):
        parts.append("b (a): wrote b, expected a (– is nothing)")
    if any(each.kind in ("cut_off", "filler") for each in example.aligned):
        parts.append("…: the length was fixed, no room or no word was left")
    if END_MARK in (*example.written, *example.expected):
        parts.append(f"{END_MARK}: the end mark, which closes an answer")
    if any(row.is_given for row in rows):
        parts.append("[k]: told to it")
    return "; ".join(parts)
