import re
import shutil
import sys

import pytest
import yaml

from attnbench.config.composition import (
    GROUPS,
    Assignment,
    Configuration,
    conf_folder,
    leaf_keys,
    parse_overrides,
    set_key,
    single,
)
from attnbench.errors import UserError
from attnbench.sweeps.executors.inline import Inline
from attnbench.sweeps.executors.processes import Processes

CONFIGURATION = Configuration()


@pytest.mark.parametrize(
    ("word", "assignment"),
    [
        ("model=fixed", Assignment("model", ("fixed",))),
        ("model.hidden_size=32,64", Assignment("model.hidden_size", (32, 64))),
        ("training.learning_rate=1e-3", Assignment("training.learning_rate", (0.001,))),
        ("training.steps=range(2,5)", Assignment("training.steps", (2, 3, 4))),
        ("train_range=[4,32]", Assignment("train_range", ([4, 32],))),
        ("task.eos=true", Assignment("task.eos", (True,))),
        ("task.source=null", Assignment("task.source", (None,))),
        ("task.source=/data/a b.txt", Assignment("task.source", ("/data/a b.txt",))),
        ("task.source='a=b,ü~.txt'", Assignment("task.source", ("a=b,ü~.txt",))),
        ('task.source="a,b"', Assignment("task.source", ("a,b",))),
        ("train_range=['4',5]", Assignment("train_range", (["4", 5],))),
    ],
)
def test_overrides_become_plain_values(word, assignment):
    assert parse_overrides([word]) == [assignment]


def test_of_several_overrides_for_one_key_the_last_counts():
    assert parse_overrides(["seed=1", "device=cpu", "seed=2"]) == [
        Assignment("seed", (2,)),
        Assignment("device", ("cpu",)),
    ]


@pytest.mark.parametrize("word", ["+unknown=1", "++unknown=1", "~seed", "~model.hidden_size", "+model.x=1"])
def test_keys_are_neither_added_nor_taken_away(word):
    with pytest.raises(UserError, match="keys can be changed, not added or taken away"):
        parse_overrides([word])


@pytest.mark.parametrize(
    "word",
    [
        "unknown",
        "",
        "model={",
        "seed=1,",
        "seed=,1",
        "a=b=c",
        "task.source=ü.txt",
        "task.source=~/x.txt",
        "model.hidden_size=interval(1,2)",
        "model=glob(*)",
        "training.steps=range(x)",
    ],
)
def test_what_is_no_override_is_quoted_with_how_to_write_one(word):
    expected = rf"^'{re.escape(word)}' is not an override .*Write key=value"
    with pytest.raises(UserError, match=expected) as error:
        parse_overrides([word])
    assert len(str(error.value).splitlines()) == 1


def test_a_key_cannot_be_moved():
    with pytest.raises(UserError, match="cannot be moved"):
        parse_overrides(["model@task=fixed"])


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("model.hiden_size", "model.hidden_size"),
        ("modle.hidden_size", "model.hidden_size"),
        ("modle", "model"),
        ("trainig.steps", "training.steps"),
        ("sead", "seed"),
        ("hidden_size", "model.hidden_size"),
    ],
)
def test_an_unknown_key_gets_the_nearest(key, nearest):
    with pytest.raises(UserError, match=f"Unknown key '{key}'. Known: .* Did you mean {nearest}?"):
        set_key(CONFIGURATION.compose({}), key, 1)


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


def test_several_values_are_refused_where_one_is_wanted():
    assert single(Assignment("seed", (1,))) == 1
    with pytest.raises(UserError, match="seed takes one value here"):
        single(Assignment("seed", (1, 2)))


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
