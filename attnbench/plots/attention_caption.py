"""What stands under a heatmap: whose it is, what rows and columns are, what outlines and red words mean."""

from collections.abc import Sequence

from attnbench.plots.attention_panel import cell_side, label_step
from attnbench.plots.attention_rows import DrawnArm, Kind, possible_alone, written_words

_AXES = (
    "Rows: the words it wrote, running freely (each after its own words before), from top to bottom. "
    "Columns: the words of the source."
)
_KINDS = {
    "weights": "Weights: how a written word shared its look among the source words.",
    "gradient": "Gradient: how strongly each source word moves the answer, |∂ log p / ∂ embedding| in shares of the "
    "row; defined for arms without attention too.",
}
_REACH = "The first {} words alone have their gradient: those of all would take too long."
_SCALE = "One scale in all figures, drawn by its square root, so that small shares show."
_GIVEN = "[Grey]: told to the decoder, no answer."
_WRONG = "Red: wrong, and in brackets what was expected (– is nothing: a word too many, or one left out)."
_OPEN = "…: the length of the answer was fixed, and no room or no word was left."
_SURE = "Outlined: source words that hold the answer."
_POSSIBLE = "Dashed: source words that may hold it."
_THINNED = "There are too many words to write all of them."


def heatmap_caption(arms: Sequence[DrawnArm], kinds: Sequence[Kind], about: str) -> str:
    """Explain what a heatmap draws, and nothing that it does not.

    Args:
        arms: drawn.
        kinds: what is drawn of them.
        about: which example this is.
    """
    reached = [arm.portrait.with_gradient for arm in arms if arm.portrait.with_gradient is not None]
    limit = [_REACH.format(min(reached))] if reached and "gradient" in kinds else []
    return maps_caption(arms, [_AXES, *(_KINDS[kind] for kind in kinds), *limit], about)


def maps_caption(arms: Sequence[DrawnArm], what: Sequence[str], about: str, has_answers: bool = True) -> str:
    """Explain a figure that shows other maps.

    Args:
        arms: drawn.
        what: rows, columns and panels.
        about: which example this is.
        has_answers: whether its rows are the words written.
    """
    runs = "; ".join(f"{arm.name}: run {arm.run_id}" for arm in arms)
    marks = _marks(arms) if has_answers else []
    return " ".join(
        [f"{about}.", f"{runs}.", *what, *marks, _SCALE, *([_THINNED] if _is_thinned(arms) else [])]
    )


def _marks(arms: Sequence[DrawnArm]) -> list[str]:
    """Explain outlines and colours, of those that are there."""
    rows = [row for arm in arms for row in written_words(arm.portrait)]
    sure = [arm.portrait.sure for arm in arms]
    possible = [possible_alone(arm.portrait) for arm in arms]
    is_there = {
        _SURE: any(each is not None and each.any() for each in sure),
        _POSSIBLE: any(each is not None and each.any() for each in possible),
        _WRONG: any(row.is_wrong for row in rows),
        _OPEN: any(each.kind in ("cut_off", "filler") for arm in arms for each in arm.portrait.aligned),
        _GIVEN: any(row.is_given for row in rows),
    }
    return [words for words, is_said in is_there.items() if is_said]


def _is_thinned(arms: Sequence[DrawnArm]) -> bool:
    return label_step(cell_side(most_words(arms))) > 1


def most_words(arms: Sequence[DrawnArm]) -> int:
    """Return how many words the longest side of any panel has."""
    return max(max(len(arm.portrait.source), len(written_words(arm.portrait)), 1) for arm in arms)
