"""Letters that the font of the figures lacks: drawn as boxes, and said so once, not warned of at each."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from matplotlib.font_manager import FontProperties, findfont, get_font


def missing_letters(words: Iterable[str]) -> str:
    """Return the letters of the words that the font of the figures lacks, each once, in their order."""
    font = get_font(findfont(FontProperties()))
    letters = dict.fromkeys("".join(words))
    return "".join(letter for letter in letters if not font.get_char_index(ord(letter)))


@contextmanager
def boxes_for_missing_letters() -> Iterator[None]:
    """Draw without a warning for each letter that the font lacks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
        yield
