import dataclasses

import pytest

from attnbench.arm import NO_CHANGES, Variant
from attnbench.config.run_request import request_run
from attnbench.errors import UserError
from attnbench.tasks.base import LengthRange
from tests.configuration import CONFIGURATION


def request(*overrides):
    return request_run(CONFIGURATION, overrides)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"w{i} w{i}\tv{i}\n" for i in range(80)))
    return path


def test_without_a_word_the_defaults_of_conf_are_taken():
    wanted = request()
    values = CONFIGURATION.compose({})
    assert dataclasses.asdict(wanted.spec.training) == values["training"]
    assert wanted.spec.seed == 0
    assert wanted.device == "auto"
    assert not wanted.spec.variant
    assert wanted.lengths == [values["task"]["length"]]


@pytest.mark.parametrize(
    ("overrides", "lengths", "tested", "protocol"),
    [
        (["task.length=5"], (5, 5), [5], "per_length"),
        (["train_range=[5,5]"], (5, 5), [5], "per_length"),
        (["train_range=[4,16]"], (4, 16), [4, 8, 16], "mixed"),
        (["train_range=[4,16]", "test_lengths=[5]"], (4, 16), [5], "mixed"),
        (["train_range=[4,16]", "test_lengths=[32,5,5]"], (4, 16), [5, 32], "extrapolation"),
        (["train_range=[4,16]", "test_lengths=[2]"], (4, 16), [2], "extrapolation"),
        (["task.length=4", "test_lengths=[4,8]"], (4, 4), [4, 8], "extrapolation"),
    ],
)
def test_what_is_trained_on_and_tested_at_makes_the_protocol(overrides, lengths, tested, protocol):
    wanted = request(*overrides)
    assert wanted.spec.lengths == LengthRange(*lengths)
    assert (wanted.lengths, wanted.spec.protocol) == (tested, protocol)


@pytest.mark.parametrize(
    ("overrides", "variant"),
    [
        ([], ""),
        (["model.hidden_size=32", "seed=3", "task.length=4", "device=cpu"], ""),
        (["training.steps=9"], "training.steps=9"),
        (["training.learning_rate=1e-3"], "training.learning_rate=0.001"),
        (["training.learning_rate=5e-3"], ""),
        (
            ["training.steps=9", "model.cell=gru", "task.eos=true"],
            "model.cell=gru;task.eos=true;training.steps=9",
        ),
        (["task=recall", "task.question=before"], "task.question=before"),
        (["task=recall", "model=uniform"], ""),
        (["model=uniform", "model.read=both"], "model.read=both"),
        (["training.final_decay=0"], "training.final_decay=0"),
        (["train_range=[2,4]"], ""),
    ],
)
def test_the_variant_names_what_differs_from_the_defaults_and_has_no_column(overrides, variant):
    assert request(*overrides).spec.variant == Variant.parse(variant)


def test_the_value_of_a_default_written_otherwise_is_no_difference():
    assert request("training.gradient_clip=1").spec.variant == NO_CHANGES
    assert request("training.gradient_clip=1").spec.run_id == request().spec.run_id


def test_paths_become_absolute_so_that_they_hold_from_any_folder(source, monkeypatch):
    monkeypatch.chdir(source.parent)
    wanted = request("task=text_pairs", "task.source=pairs.tsv", "task.units=word")
    assert wanted.spec.task.source == str(source)
    assert wanted.spec.protocol == "mixed"


def test_a_home_folder_is_found(source, monkeypatch):
    monkeypatch.setenv("HOME", str(source.parent))
    wanted = request("task=text_pairs", "task.source='~/pairs.tsv'", "task.units=word")
    assert wanted.spec.task.source == str(source)


@pytest.mark.parametrize(
    "name",
    [
        "a b.tsv",
        "2016-dev+test~1.tsv",
        "~x.tsv",
        "it's (1) #&.tsv",
        "ü=%.tsv",
        " x.tsv",
        "a\\b.tsv",
        "[a].tsv",
    ],
)
def test_a_file_is_found_by_the_name_that_was_typed(source, monkeypatch, name):
    monkeypatch.chdir(source.parent)
    source.rename(name)
    wanted = request("task=text_pairs", f"task.source={name}", "task.units=word")
    assert wanted.spec.task.source == str(source.parent / name)


def test_a_home_folder_is_found_without_quotes(source, monkeypatch):
    monkeypatch.setenv("HOME", str(source.parent))
    assert request("task=text_pairs", "task.source=~/pairs.tsv", "task.units=word").spec.task.source == str(
        source
    )


def test_the_task_may_be_named_beside_the_overrides():
    assert request_run(CONFIGURATION, [], "copy").spec == request("task=copy").spec
    with pytest.raises(UserError, match="--task and task= say the same thing twice"):
        request_run(CONFIGURATION, ["task=copy"], "reverse")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["task=copi"], "Unknown task 'copi'"),
        (["task=3"], "Unknown task '3'"),
        (["model=[fixed]"], "Unknown model"),
        (["model={a:1}"], "Unknown model"),
        (["model="], "Unknown model ''"),
        (["model=fixed,blind"], "model takes one value here"),
        (["seed=1,2"], "seed takes one value here"),
        (["unknown=1"], "Unknown key 'unknown'"),
        (["model.hidden_size=7"], "model.hidden_size=7 cannot be halved"),
        (["model.hidden_size=abc"], "model.hidden_size: expected an integer"),
        (["model.cell=gur"], "Did you mean gru"),
        (["training.learning_rate=nan"], "every number must be finite"),
        (["training.learning_rate=0"], "training.learning_rate: expected greater than 0"),
        (["seed=-1"], "^seed: expected greater than or equal to 0, got -1"),
        (["seed=abc"], "^seed: expected an integer"),
        (["seed=null"], "^seed: expected an integer"),
        (["task.length=0"], "task.length=0: lengths are whole numbers of at least 1"),
        (["task.length=abc"], "task.length=abc"),
        (["task.length=null"], "task.length=None"),
        (["task=translation", "train_range=[1,5]"], "translation cannot make length 1"),
        (["train_range=[4,2]"], r"train_range=\[4, 2\]"),
        (["train_range=[2]"], r"train_range=\[2\]"),
        (["train_range=2:4"], "^train_range: expected a list"),
        (["train_range=[a,b]"], r"train_range\.0: expected an integer"),
        (["test_lengths=5"], "^test_lengths: expected a list, got 5"),
        (["test_lengths=[0]"], "a length is at least 1"),
        (["task=recall", "task.length=65"], "every pair needs a key"),
        (["task=recall", "test_lengths=[8,65]"], "every pair needs a key"),
        (["task=text_pairs"], "needs task.source=FILE"),
        (["task=text_pairs", "task.source=/nowhere/x.tsv"], "/nowhere/x.tsv does not exist"),
    ],
)
def test_what_does_not_fit_is_explained(overrides, message):
    with pytest.raises(UserError, match=message):
        request(*overrides)
