import subprocess
import sys
from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.image import imread

from attnbench.report.figure import draw_sweep_figures, save_figure
from tests.metrics_rows import curve_rows
from tests.plots.sweeps import FALLING, sweep_of, text_rows, two_arms


def figures_of(rows):
    return draw_sweep_figures(*sweep_of(rows))


def colour_of(figure, model):
    (entry,) = [line for line in _entries(figure.axes[0]) if line.get_label().startswith(model)]
    return to_hex(entry.get_color()), entry.get_marker()


def _entries(ax):
    lines, texts = ax.get_legend().get_lines(), ax.get_legend().get_texts()
    for line, text in zip(lines, texts, strict=True):
        line.set_label(text.get_text())
    return lines


def test_a_synthetic_sweep_has_accuracy_and_bits():
    figures = figures_of(two_arms())
    assert list(figures) == ["accuracy_vs_length", "bits_vs_length"]
    free, forced = figures["accuracy_vs_length"].axes
    assert (free.get_ylabel(), forced.get_ylabel()) == (
        "free-running token accuracy",
        "teacher-forced token accuracy",
    )
    assert free.get_ylim() == forced.get_ylim()


def test_real_text_has_bleu_and_no_bits():
    figures = figures_of(text_rows())
    assert list(figures) == ["accuracy_vs_length", "bleu_vs_length"]
    assert [ax.get_ylabel() for ax in figures["accuracy_vs_length"].axes] == ["teacher-forced token accuracy"]


def test_tasks_and_protocols_have_columns_of_their_own():
    rows = two_arms() + two_arms(protocol="mixed", train_min_length=4, train_max_length=32) + text_rows()
    figures = figures_of(rows)
    assert len(figures["accuracy_vs_length"].axes) == 2 + 2 + 1
    assert len(figures["bits_vs_length"].axes) == 2
    assert len(figures["bleu_vs_length"].axes) == 1


def test_an_arm_looks_the_same_in_every_figure_whatever_the_other_arms():
    alone = figures_of(curve_rows(FALLING))
    among = figures_of(two_arms(task="copy") + curve_rows(FALLING, model="blind", task="copy"))
    looks = {colour_of(f, "fixed") for figures in (alone, among) for f in figures.values()}
    assert len(looks) == 1


def test_no_rows_have_no_figures():
    assert figures_of([]) == {}


CROWDED = [
    two_arms(),
    text_rows(seeds=2),
    two_arms(protocol="extrapolation", train_min_length=4, train_max_length=16) + two_arms(),
    [
        row
        for size in (16, 32, 64, 128, 256)
        for model in ("fixed", "fixed_init", "uniform")
        for row in curve_rows(FALLING, model=model, hidden_size=size, variant="model.cell=gru")
    ],
]


@pytest.mark.parametrize("rows", CROWDED, ids=["two arms", "text", "two protocols", "fifteen arms"])
def test_nothing_leaves_the_figure_and_no_legend_covers_a_panel(rows):
    for figure in figures_of(rows).values():
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        legends = [ax.get_legend().get_window_extent(renderer) for ax in figure.axes]
        panels = [ax.get_window_extent(renderer) for ax in figure.axes]
        texts = [text.get_window_extent(renderer) for text in figure.texts]
        titles = [ax.title.get_window_extent(renderer) for ax in figure.axes]
        for box in [*legends, *panels, *texts, *titles]:
            assert figure.bbox.x0 <= box.x0
            assert box.x1 <= figure.bbox.x1
            assert figure.bbox.y0 <= box.y0
            assert box.y1 <= figure.bbox.y1
        assert not any(a.overlaps(b) for a, b in combinations([*legends, *panels, *texts], 2))


def test_a_figure_is_saved_as_png_and_svg(tmp_path):
    figure = figures_of(two_arms())["accuracy_vs_length"]
    paths = save_figure(figure, tmp_path / "accuracy_vs_length")
    assert [path.name for path in paths] == ["accuracy_vs_length.png", "accuracy_vs_length.svg"]
    height, width, _ = imread(paths[0]).shape
    assert (width, height) == pytest.approx(figure.get_size_inches() * 150, abs=1)
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_equal_sweeps_give_equal_files(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name, figure in figures_of(two_arms()).items():
            save_figure(figure, tmp_path / folder / name)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 4
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_drawing_needs_neither_pyplot_nor_torch_nor_a_display():
    code = (
        "import sys, attnbench.report.figure, attnbench.report.summary\n"
        "print(sorted({'matplotlib.pyplot', 'torch', 'tkinter'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={})
    assert done.stdout == "[]\n"


def test_dollars_in_names_are_no_formula(tmp_path):
    named = {"task": "cost in $\\frac{", "variant": "task.field=$x$;model.cell=$\\nothing$"}
    for name, figure in figures_of(two_arms(**named)).items():
        assert len(save_figure(figure, tmp_path / name)) == 2
        assert "cost in $" in (tmp_path / f"{name}.svg").read_text()
