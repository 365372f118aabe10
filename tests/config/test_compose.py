import re
import shutil
import sys

import pytest
import yaml

from attnbench.config.compose import (
    GROUPS,
    Configuration,
    conf_folder,
    leaf_keys,
    set_key,
)
from attnbench.config.overrides import Assignment, parse_overrides
from attnbench.errors import UserError
from attnbench.executors.local import Inline, Processes
from tests.configuration import CONFIGURATION, compose_by_hydra, composed_alone


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("model.hiden_size", "model.hidden_size"),
        ("modle", "model"),
        ("sead", "seed"),
    ],
)
def test_an_unknown_key_gets_the_nearest(key, nearest):
    with pytest.raises(UserError, match=f"Unknown key '{key}'. Known: .* Did you mean {nearest}?"):
        set_key(CONFIGURATION.compose({}), key, 1)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("hidden_size=32", "model.hidden_size=32"),
        ("hidden-size=32,64", "model.hidden_size=32"),
        ("model.hidden-size=32", "model.hidden_size=32"),
        ("modle.hidden_size=32", "model.hidden_size=32"),
        ("train.steps=100", "training.steps=100"),
        ("steps=1e2", "training.steps=1e2"),
        ("lr=1e-3", "training.learning_rate=1e-3"),
        ("length=4", "task.length=4"),
    ],
)
def test_a_key_without_its_group_is_told_whole_with_the_value_as_typed(word, meant):
    [assignment, *_] = parse_overrides([word])[0].apart()
    with pytest.raises(UserError, match=f"Did you mean {re.escape(meant)}\\?$"):
        CONFIGURATION.assign(CONFIGURATION.compose({}), assignment)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["reverse"], "task=reverse"),
        (["revrese"], "task=reverse"),
        (["copy,reverse"], "task=copy,reverse"),
        (["luong_dot"], "model=luong_dot"),
        (["fixed,bahdanau"], "model=fixed,bahdanau"),
        (["quick"], "attnbench sweep --preset quick"),
        (["slurm"], "attnbench sweep --executor slurm"),
        (["training.steps", "100"], "training.steps=100"),
        (["steps", "=100"], "training.steps=100"),
        (["task.length=", "4"], "task.length=4"),
    ],
)
def test_a_word_without_an_equals_sign_is_told_how_to_be_typed(words, meant):
    with pytest.raises(UserError, match=rf"not an override\. .* Did you mean {re.escape(meant)}\?"):
        CONFIGURATION.read(words)


def test_a_word_that_nobody_knows_is_told_the_form_alone():
    with pytest.raises(UserError, match=r"^'xyzzy' is not an override\. Write key=value, or key=a,b\.$"):
        CONFIGURATION.read(["xyzzy"])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("attention", "The arms with attention: bahdanau, luong_concat, luong_dot"),
        ("luong", "There are several luong arms: luong_concat, luong_dot"),
        ("lstm", "model.cell=lstm"),
        ("GRU", "model.cell=gru"),
        ("no-attention", "Did you mean fixed, one vector without attention?"),
    ],
)
def test_a_kind_of_model_is_told_the_arms_of_that_kind(name, told):
    with pytest.raises(UserError, match=f"Unknown model '{name}'.*{re.escape(told)}"):
        CONFIGURATION.check_choice("model", name)


def given(*words):
    """Return a configuration with these words set."""
    assignments = CONFIGURATION.read(words)
    values = CONFIGURATION.compose({each.key: each.names[0] for each in assignments if each.key in GROUPS})
    for each in assignments:
        if each.key not in GROUPS:
            CONFIGURATION.assign(values, each)
    return values


@pytest.mark.parametrize(
    "text",
    [
        "1e3",
        "true",
        "007",
        "1_000",
        "nan",
        " x.en ",
        "a\\ b",
        "a\\\\b",
        "2024-11-01",
        "~/x~1.en",
        "it's.en",
        "3",
    ],
)
def test_a_key_for_text_takes_it_as_it_was_typed(text):
    values = given("task=text_pairs", f"task.source={text}", "executor=slurm", f"executor.account={text}")
    assert values["task"]["source"] == text
    assert values["executor"]["account"] == text


def test_of_a_key_for_text_null_takes_the_value_away_and_in_quotes_is_text():
    assert given("task=text_pairs", "task.source=null")["task"]["source"] is None
    assert given("task=text_pairs", "task.source='null'")["task"]["source"] == "null"
    # This one has to have a value.
    assert given("task=text_pairs", "task.source_field=null")["task"]["source_field"] == "null"


def test_other_keys_take_what_hydra_reads():
    values = given("training.learning_rate=1e-3", "training.steps= 1_000 ", "model.cell= gru ")
    assert values["training"]["learning_rate"] == 0.001
    assert values["training"]["steps"] == 1000


def test_a_value_may_refer_to_another_key_typed_before_or_after():
    values = given("model.embedding_size=${model.hidden_size}", "model.hidden_size=32")
    assert values["model"]["embedding_size"] == 32
    with pytest.raises(UserError, match=r"model\.embedding_size: .*nothing"):
        given("model.embedding_size=${nothing}")


@pytest.mark.parametrize(
    "key", ["unknown", "model", "model.hidden_size.more", "sweep.lengths", "model._target_", ""]
)
def test_what_is_no_leaf_cannot_be_set(key):
    with pytest.raises(UserError, match="Unknown key"):
        set_key(CONFIGURATION.compose({}), key, 1)


def test_a_key_is_set_and_the_next_composition_does_not_know_of_it():
    values = CONFIGURATION.compose({})
    set_key(values, "model.hidden_size", 8)
    assert values["model"]["hidden_size"] == 8
    assert CONFIGURATION.compose({})["model"]["hidden_size"] != 8


@pytest.mark.parametrize(
    ("group", "name", "message"),
    [
        ("task", "copi", "Unknown task 'copi'. Known: .*copy, .*Did you mean copy?"),
        ("model", "", "Unknown model ''. Known: "),
        ("model", "_recurrent", "Unknown model '_recurrent'"),
        ("sweep", "quik", "Unknown preset 'quik'.*Did you mean quick?"),
        ("executor", "proceses", "Unknown executor 'proceses'.*Did you mean processes?"),
        ("training", "defalt", "Unknown training 'defalt'.*Did you mean default?"),
    ],
)
def test_an_unknown_choice_gets_the_known_ones_and_the_nearest(group, name, message):
    with pytest.raises(UserError, match=message):
        CONFIGURATION.check_choice(group, name)


def test_every_choice_composes_and_says_what_it_is():
    for group in GROUPS:
        for name, description in CONFIGURATION.described(group).items():
            assert CONFIGURATION.compose({group: name})[group]
            assert description.endswith("."), f"{group}/{name} does not begin with a sentence about it"


def test_a_choice_of_one_group_says_nothing_about_another():
    for group in GROUPS:
        for name in CONFIGURATION.choices(group):
            composed = composed_alone(f"{group}='{name}'")
            assert {**composed, group: None} == {**composed_alone(None), group: None}, f"{group}/{name}"


def test_compositions_that_tests_put_together_are_those_of_hydra():
    chosen = {"task": "story_qa", "model": "bahdanau", "sweep": "standard", "executor": "slurm"}
    by_hydra = compose_by_hydra([f"{group}='{name}'" for group, name in chosen.items()], None)
    assert CONFIGURATION.compose(chosen) == by_hydra


def test_every_key_of_every_yaml_has_a_comment():
    for path in conf_folder().rglob("*.yaml"):
        lines = path.read_text().splitlines()
        assert lines[0].startswith("# "), path
        for line in lines:
            key = line.split("#")[0].strip()
            is_explained = "#" in line or not key or key.startswith(("-", "_target_", "defaults"))
            # What the preset's own options are called is explained by `attnbench sweep --help`.
            assert is_explained or path.parent.name == "sweep", f"{path.name}: {line}"


def test_no_default_stands_in_two_places():
    for path in conf_folder().rglob("*.yaml"):
        values = yaml.safe_load(path.read_text())
        bases = [each for each in values.get("defaults", []) if isinstance(each, str) and each != "_self_"]
        inherited = [yaml.safe_load((path.parent / f"{base}.yaml").read_text()) for base in bases]
        for key, value in values.items():
            if key != "defaults":
                assert all(base.get(key, not value) != value for base in inherited), f"{path}: {key}"


def test_executors_are_built_with_their_keys():
    assert CONFIGURATION.executor("inline") == Inline()
    executor = CONFIGURATION.executor("processes", [Assignment("executor.workers", (3,))])
    assert isinstance(executor, Processes)
    assert executor.workers == 3


@pytest.mark.parametrize("workers", [0, -1, "x", 1.5])
def test_a_wrong_number_of_workers_is_refused(workers):
    with pytest.raises(UserError, match=r"executor\.workers: expected"):
        CONFIGURATION.executor("processes", [Assignment("executor.workers", (workers,))])


def test_the_quick_preset_is_complete():
    assert CONFIGURATION.preset("quick").protocol == "per_length"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A person's folder of yaml, at a place whose name Hydra would stumble over."""
    monkeypatch.setattr("sys.path", list(sys.path))
    folder = tmp_path / "it's mine, (all) = [of] it"
    for group in GROUPS:
        (folder / group).mkdir(parents=True)
    return folder


def test_own_yaml_is_found_beside_ours(own):
    shutil.copy(conf_folder() / "model" / "fixed.yaml", own / "model" / "mine.yaml")
    configuration = Configuration(own)
    assert {"mine", "fixed"} <= set(configuration.choices("model"))
    assert (
        configuration.compose({"model": "mine"})["model"]
        == CONFIGURATION.compose({"model": "fixed"})["model"]
    )
    assert configuration.described("model")["mine"] == CONFIGURATION.described("model")["fixed"]


@pytest.mark.parametrize("name", ["größe", "it's mine", "1e3", "a (b) ~ c"])
def test_own_yaml_may_have_any_name(own, name):
    shutil.copy(conf_folder() / "model" / "fixed.yaml", own / "model" / f"{name}.yaml")
    configuration = Configuration(own)
    [assignment] = configuration.read([f"model={name}"])
    assert configuration.compose({"model": assignment.names[0]})["model"]["read"] == "before"


def test_the_overrides_of_a_preset_are_read_as_those_that_are_typed(own):
    (own / "sweep" / "mine.yaml").write_text('overrides: ["task.source=~/x y~1.en", reverse]\n')
    values = Configuration(own).compose({"sweep": "mine"})["sweep"]["overrides"]
    assert Configuration(own).read(values[:1]) == [Assignment("task.source", ("~/x y~1.en",))]
    with pytest.raises(UserError, match="Did you mean task=reverse"):
        Configuration(own).read(values)


def test_own_yaml_called_like_one_of_ours_is_refused(own):
    shutil.copy(conf_folder() / "model" / "fixed.yaml", own / "model")
    with pytest.raises(UserError, match=r"model/fixed\.yaml: attnbench has .* Rename yours"):
        Configuration(own)


def test_a_config_dir_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="there is no such folder"):
        Configuration(tmp_path / "none")


@pytest.mark.parametrize(
    "content",
    [b"a: [1\n", b"- 1\n", b"\xff\xfe\x00", b"defaults: [nowhere]\n", b"a: ${nothing}\n", b"\ta: 1\n"],
)
def test_own_yaml_that_cannot_be_read_is_explained(own, content):
    (own / "model" / "broken.yaml").write_bytes(content)
    configuration = Configuration(own)
    configuration.described("model")
    with pytest.raises(UserError):
        configuration.compose({"model": "broken"})


@pytest.mark.parametrize("text", ["workers: 1\n", "_target_: os.system\n", "_target_: 5\n", ""])
def test_an_own_executor_needs_a_class_that_may_be_loaded(own, text):
    (own / "executor" / "mine.yaml").write_text(text)
    with pytest.raises(UserError):
        Configuration(own).executor("mine")


def test_a_preset_with_wrong_values_is_explained(own):
    (own / "sweep" / "mine.yaml").write_text("task: copy\nmodels: fixed\nlengths: 4\n")
    with pytest.raises(UserError, match=r"sweep\."):
        Configuration(own).preset("mine")


def test_leaf_keys_are_dotted_and_leave_out_the_class():
    assert leaf_keys({"a": 1, "b": {"c": [1], "_target_": "x", "d": {"e": None}}}) == ["a", "b.c", "b.d.e"]
