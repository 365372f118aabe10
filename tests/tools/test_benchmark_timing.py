"""What the benchmarks count and print: turns, ratios, tables, made text, and the work of a step."""

import json

import pytest
import torch
from torch import nn

from tools.benchmarks.cost import count_work
from tools.benchmarks.gpu import time_gpu
from tools.benchmarks.text import LONGEST_WORDS, MEAN_WORDS, make_text
from tools.benchmarks.timing import Findings, Spread, by_turns, ratio, show


def test_works_take_turns_after_warming_up():
    said: list[str] = []
    seconds = by_turns({"a": lambda: said.append("a"), "b": lambda: said.append("b")}, turns=2, warm_ups=1)
    assert said == ["a", "b"] * 3
    assert [len(each) for each in seconds.values()] == [2, 2]


def test_a_ratio_is_taken_turn_by_turn():
    assert ratio([2.0, 40.0, 9.0], [1.0, 10.0, 3.0]) == Spread(3.0, 2.0, 4.0)


def test_what_is_found_is_printed_and_written(tmp_path, capsys):
    found = Findings("Steps", notes=["The aim: 1."])
    found.add(arm="fixed", x_floor=Spread(1.0, 0.9, 1.234), MB=1200)
    show([found], tmp_path / "found.json")
    printed = capsys.readouterr().out
    assert all(words in printed for words in ("x floor", "1.00 [0.90, 1.23]", "1,200", "The aim: 1."))
    [table] = json.loads((tmp_path / "found.json").read_text())["tables"]
    assert table["rows"] == [
        {"arm": "fixed", "x floor": {"median": 1.0, "low": 0.9, "high": 1.234}, "MB": 1200}
    ]


def test_the_work_of_a_step_is_that_of_its_products():
    lstm, source = nn.LSTM(3, 5), torch.ones(7, 2, 3)  # T B E
    work = count_work(lambda: lstm(source))
    # Four gates of 5, for every word 3 products of the input and 5 of the state; 2 operations for each.
    assert work.operations == 2 * (7 * 2) * (3 + 5) * 4 * 5
    assert work.calls > 7
    assert work.bytes > 4 * source.numel()


def test_made_text_is_as_long_as_the_real_one(tmp_path):
    sources, targets = (path.read_text().splitlines() for path in make_text(tmp_path, 500))
    lengths = [len(line.split()) for line in sources]
    assert [len(line.split()) for line in targets] == lengths
    assert sum(lengths) / 500 == pytest.approx(MEAN_WORDS, rel=0.1)
    assert 1 <= min(lengths) <= max(lengths) <= LONGEST_WORDS
    assert len({word for line in sources for word in line.split()}) > 1000


@pytest.mark.skipif(torch.cuda.is_available(), reason="says so only where there is no CUDA device")
def test_without_cuda_nothing_is_measured(capsys):
    time_gpu()
    assert capsys.readouterr().out.startswith("This machine has no CUDA device")
