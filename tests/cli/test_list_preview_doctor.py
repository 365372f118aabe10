"""What there is, what a model will see, and what this machine offers."""

from shutil import disk_usage as usage

import pytest

from attnbench.cli.preview import sample_lines
from attnbench.config.compose import Configuration
from attnbench.config.run_request import request_run
from attnbench.executors.slurm.queue import COMMANDS
from tests.commands import attnbench


def test_samples_of_recall_show_what_is_given():
    finished = attnbench("preview", "task=recall", "task.length=3", "--examples", "2")
    assert (finished.status, finished.err) == (0, "")
    lines = finished.out.splitlines()
    assert lines[0] == "recall: 3 pairs; [given] words are told to the decoder"
    assert lines[1] == "information at length 3: 12.0 bits; chance 0.062"
    sources = [line.split()[1:] for line in lines if line.startswith("source")]
    targets = [line.split()[1:] for line in lines if line.startswith("target")]
    assert (len(sources), len(targets)) == (2, 2)
    for source, target in zip(sources, targets, strict=True):
        pairs = dict(zip(source[::2], source[1::2], strict=True))
        asked = dict(zip(target[::2], target[1::2], strict=True))
        assert {key.strip("[]"): value for key, value in asked.items()} == pairs
        assert all(key.startswith("[") for key in asked)


def test_the_task_may_be_an_option():
    by_key = attnbench("preview", "task=copy", "task.length=2")
    assert attnbench("preview", "--task", "copy", "task.length=2") == by_key
    assert by_key.status == 0
    assert "twice" in attnbench("preview", "--task", "copy", "task=copy").err


def test_samples_of_reverse_are_backwards():
    lines = attnbench("preview", "task=reverse", "task.length=5").out.splitlines()
    sources = [line.split()[1:] for line in lines if line.startswith("source")]
    targets = [line.split()[1:] for line in lines if line.startswith("target")]
    assert len(sources) == 3
    assert [source[::-1] for source in sources] == targets


def test_the_places_that_hold_the_answers_are_named():
    lines = attnbench("preview", "task=recall", "task.length=3", "--examples", "1").out.splitlines()
    source, target, gold = (line.split()[1:] for line in lines if line[:4] in ("sour", "targ", "gold"))
    answers = " ".join(gold).split(", ")
    assert len(answers) == 3
    for (key, value), answer in zip(zip(target[::2], target[1::2], strict=True), answers, strict=True):
        word, _, place = answer.split()
        assert word == value == source[int(place) - 1]
        assert source[int(place) - 2] == key.strip("[]")


def test_an_answer_and_its_place_share_a_colour():
    spec = request_run(Configuration(), ["task=copy", "task.length=2"]).spec
    batch = spec.task.training_batch(0, 0, 1, spec.lengths)
    source, target, gold = sample_lines(spec.task, batch, 0)
    colours = [
        [str(span.style) for span in line.spans if "bold" in str(span.style)]
        for line in (source, target, gold)
    ]
    assert colours == [["bold red", "bold blue"]] * 3
    assert [str(span.style) for span in source.spans].count("underline") == 2


def test_samples_of_text_come_with_what_was_counted(tmp_path):
    (tmp_path / "pairs.tsv").write_text("".join(f"w{i} w{i}\tv{i}\n" for i in range(80)))
    finished = attnbench(
        "preview",
        "task=text_pairs",
        f"task.source={tmp_path}/pairs.tsv",
        "task.units=word",
        "--examples",
        "1",
    )
    assert finished.status == 0
    assert "source  " in finished.out
    assert "Pairs: " in finished.err


@pytest.mark.parametrize("words", [["task=copi"], ["--examples", "0"], ["task=text_pairs"], ["seed=-1"]])
def test_bad_input_exits_2(words):
    finished = attnbench("preview", *words)
    assert (finished.status, finished.out) == (2, "")


@pytest.mark.parametrize(("kind", "group"), [("tasks", "task"), ("models", "model")])
def test_every_choice_is_on_a_line_of_its_own_with_what_it_is(kind, group):
    finished = attnbench("list", kind)
    assert (finished.status, finished.err) == (0, "")
    described = Configuration().described(group)
    lines = [line.split(maxsplit=1) for line in finished.out.splitlines() if not line.startswith(" ")]
    assert [tuple(line) for line in lines] == list(described.items())


def test_json_says_the_same():
    found = attnbench("list", "models", "--json").json
    assert [each["name"] for each in found] == Configuration().choices("model")
    assert all(each["description"] for each in found)


def test_a_task_comes_with_its_unit_chance_bits_and_an_example():
    lines = attnbench("list", "tasks").out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("recall "))
    unit, source, target = (line.strip() for line in lines[at + 1 : at + 4])
    assert unit == "length in pairs, at 8: chance 0.062, 32.0 bits"
    assert len(source.split()) == 1 + 16
    assert target.startswith("target  [k")
    at = next(number for number, line in enumerate(lines) if line.startswith("text_pairs "))
    assert lines[at + 1].strip() == "length in words; reads your files: task.source=FILE"


def test_arms_is_another_word_for_models():
    assert attnbench("list", "arms").out == attnbench("list", "models").out


def test_anything_else_exits_2_with_what_there_is():
    finished = attnbench("list", "model")
    assert (finished.status, finished.out) == (2, "")
    assert "Known: models, presets, tasks. Did you mean models?" in finished.err


def test_versions_device_cores_and_results_are_looked_at(results):
    finished = attnbench("doctor", "--results", results)
    assert (finished.status, finished.err) == (0, "")
    for what in ("attnbench", "python", "torch", "device: auto", "cores", "results"):
        assert f"ok   {what} " in finished.out
    assert "   slurm " in finished.out
    assert not results.exists()


@pytest.mark.parametrize(
    ("commands", "sinfo", "line"),
    [
        ((), "", "no   slurm            not on PATH (needed for a cluster only)"),
        (COMMANDS, "echo main; echo long", "ok   slurm            BIN/sbatch; partitions: main, long"),
        (
            COMMANDS,
            "echo DNS SRV lookup failed >&2; exit 1",
            "no   slurm            BIN/sbatch, but no cluster answers (needed for a cluster only). "
            "sinfo refused: DNS SRV lookup failed",
        ),
        (("sbatch",), "", "no   slurm            BIN/sbatch, but no cluster answers"),
    ],
)
def test_a_cluster_is_asked_whether_it_answers(tmp_path, monkeypatch, commands, sinfo, line):
    for name in commands:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{sinfo}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    finished = attnbench("doctor", "--results", tmp_path / "results")
    assert finished.status == 0  # a sweep on this machine needs none
    assert line.replace("BIN", str(tmp_path)) in finished.out


def test_json_of_doctor_says_the_same(results):
    findings = attnbench("doctor", "--results", results, "--json").json
    assert all(each["is_good"] for each in findings)
    assert {"attnbench", "python", "torch", "cores"} <= {each["what"] for each in findings}


def test_results_that_cannot_be_written_are_bad(tmp_path):
    (tmp_path / "file").touch()
    finished = attnbench("doctor", "--results", tmp_path / "file")
    assert finished.status == 1
    assert "BAD  results" in finished.out


def test_a_folder_of_results_that_is_full_of_sweeps_is_good(swept):
    assert attnbench("doctor", "--results", swept.parent).status == 0


def test_the_room_is_that_of_the_disk_on_which_the_results_lie(results, monkeypatch):
    asked = []
    monkeypatch.setattr("shutil.disk_usage", lambda path: asked.append(path) or usage(path))
    for is_there in (False, True):
        if is_there:
            results.mkdir()  # or mounted, or a link to where there is room
        assert attnbench("doctor", "--results", results).status == 0
    assert asked == [results.parent, results]
