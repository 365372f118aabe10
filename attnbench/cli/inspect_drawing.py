"""The figures and the page that `attnbench inspect` writes."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from attnbench.cli.inspect_examples import Drawn
from attnbench.cli.inspect_progress import StageProgress
from attnbench.plots.attention import draw_heads, draw_heatmap, draw_self_attention
from attnbench.plots.attention_page import attention_page
from attnbench.plots.attention_panel import boxes_for_missing_letters, missing_letters
from attnbench.plots.attention_rows import DrawnArm
from attnbench.plots.layout import save_figure
from attnbench.runs.io import write_atomically

# Beside the heatmap, of arms that have them: the names of their files.
_MAPS: dict[str, Callable[[DrawnArm, str], Figure | None]] = {
    "heads": draw_heads,
    "self_attention": draw_self_attention,
}


def draw_examples(drawn: Drawn, out: Path, progress: StageProgress) -> list[Path]:
    """Write every example as PNG and SVG, and all of them as one page; return what was written."""
    if drawn.count == 0:
        return []
    out.mkdir(parents=True, exist_ok=True)
    files = []
    tell = progress.stage("drawing")
    with boxes_for_missing_letters():
        for number in range(drawn.count):
            files += _draw_example(drawn, number, out)
            tell(number + 1, drawn.count)
    page = out / ("page_text.html" if drawn.length is None else "page.html")
    arms = list(zip(drawn.names, drawn.portraits, strict=True))
    write_atomically(page, attention_page(_title(drawn), arms).encode())
    return [*files, page]


def _draw_example(drawn: Drawn, number: int, out: Path) -> list[Path]:
    arms, about, stem = drawn.arms_of(number), drawn.about[number], drawn.stems[number]
    files = save_figure(draw_heatmap(arms, about), out / f"heatmap_{stem}")
    for place, arm in enumerate(arms):
        # Two arms may both have heads.
        of_arm = f"{stem}_{'ab'[place]}" if len(arms) > 1 else stem
        for name, draw in _MAPS.items():
            figure = draw(arm, about)
            files += [] if figure is None else save_figure(figure, out / f"{name}_{of_arm}")
    return files


def letters_note(drawn: Drawn) -> str | None:
    """Return what to say of letters that the figures cannot show; None where there are none."""
    words = (
        word
        for own in drawn.portraits
        for each in own
        for word in (*each.source, *each.written, *each.expected)
    )
    missing = missing_letters(words)
    if not missing:
        return None
    return f"The font of PNG and SVG lacks {missing[:20]}: boxes stand for such letters. The page shows them."


def _title(drawn: Drawn) -> str:
    arms = " beside ".join(drawn.names)
    return f"{arms}: {drawn.about[0]}" if drawn.count == 1 else f"{arms}: {drawn.count} examples"
