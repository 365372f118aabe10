import json
import re
from dataclasses import replace

import pytest
import yaml

from attnbench.errors import UserError
from attnbench.models.contexts.bottleneck import FixedConfig
from attnbench.runs.spec import RunSpec
from attnbench.tasks.base import LengthRange
from attnbench.tasks.symbols import Reverse
from attnbench.training.schedule import TrainingConfig
from tests.runs.tiny_runs import text_spec, tiny_spec

SPEC = tiny_spec()


@pytest.fixture
def files(tmp_path):
    for name in ("one", "other"):
        (tmp_path / f"{name}.tsv").write_text("".join(f"w{i} w{i}\tv{i}\n" for i in range(80)))
    return tmp_path


def test_the_run_id_is_the_contracts():
    assert re.fullmatch(r"reverse-fixed-L3-h8-s0-[0-9a-f]{8}", SPEC.run_id)
    ranged = tiny_spec("train_range=[2,5]", "model=luong_general", "task=copy", "seed=12")
    assert re.fullmatch(r"copy-luong_general-L2-5-h8-s12-[0-9a-f]{8}", ranged.run_id)


def test_a_spec_at_another_length_and_seed_is_as_if_it_had_been_made_there():
    moved = tiny_spec("model=luong_general").at(LengthRange(5, 5), 7)
    made = tiny_spec("model=luong_general", "task.length=5", "seed=7")
    assert (moved, moved.run_id, list(moved.to_values().items())) == (
        made,
        made.run_id,
        list(made.to_values().items()),
    )


def test_the_run_id_of_given_values_never_changes():
    """Another one here would make every person's finished runs strangers to their own sweep."""
    spec = RunSpec(
        task=Reverse(name="reverse", vocabulary_size=16, eos=False),
        model=FixedConfig(
            name="fixed",
            hidden_size=64,
            embedding_size=64,
            cell="lstm",
            layers=1,
            bidirectional=True,
            dropout=0.0,
            read="before",
        ),
        training=TrainingConfig(
            steps=1500,
            batch_size=64,
            learning_rate=5e-3,
            warmup_steps=100,
            final_decay=0.25,
            evaluate_every=100,
            patience=5,
            minimum_improvement=0.005,
            decay_factor=0.3,
            gradient_clip=1.0,
            solved_accuracy=0.999,
            precision="float32",
            validation_examples=256,
            test_examples=1000,
            evaluation_batch_size=128,
        ),
        protocol="per_length",
        lengths=LengthRange(8, 8),
        seed=0,
    )
    assert spec.run_id == "reverse-fixed-L8-h64-s0-90007234"


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "task=copy",
        "task.vocabulary_size=15",
        "model=blind",
        "model.cell=gru",
        "model.embedding_size=16",
        "training.steps=5",
        "training.learning_rate=0.01",
        "training.test_examples=9",
        "train_range=[2,3]",
        "task.length=4",
    ],
)
def test_whatever_changes_the_weights_or_the_rows_changes_the_run_id(override):
    assert tiny_spec(override).run_id != SPEC.run_id


@pytest.mark.parametrize("override", ["device=cpu", "executor.workers=7", "training.learning_rate=5e-3"])
def test_where_it_runs_and_what_is_the_default_do_not(override):
    assert tiny_spec(override).run_id == SPEC.run_id


def test_the_evaluated_lengths_do_not_change_the_run_id():
    few = tiny_spec("train_range=[2,5]", "test_lengths=[2]")
    assert few.run_id == tiny_spec("train_range=[2,5]", "test_lengths=[3,4,5]").run_id


def test_a_spec_comes_back_from_its_yaml():
    text = yaml.safe_dump(SPEC.to_values())
    assert RunSpec.from_values(yaml.safe_load(text)) == SPEC


def test_specs_are_equal_and_hash_alike_when_their_values_are():
    assert {tiny_spec(), tiny_spec()} == {SPEC}


def test_the_paths_of_files_do_not_tell_runs_apart_but_their_content_does(files):
    one, other = (text_spec(files / f"{name}.tsv") for name in ("one", "other"))
    assert one.task != other.task
    assert one.run_id == other.run_id
    with (files / "other.tsv").open("a") as file:
        file.write("more\tof it\n")
    assert text_spec(files / "other.tsv").run_id != one.run_id


def test_the_variant_names_the_content_of_files_and_not_their_paths(files):
    assert re.search(r"(^|;)task\.data=[0-9a-f]{8}(;|$)", str(text_spec(files / "one.tsv").variant))
    assert "source" not in str(text_spec(files / "one.tsv").variant)


def damaged(change):
    values = json.loads(json.dumps(SPEC.to_values()))
    change(values)
    return values


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.update(seed=1),
        lambda values: values["training"].update(steps=5),
        lambda values: values.update(run_id="reverse-fixed-L3-h8-s0-00000000"),
        lambda values: values.pop("run_id"),
        lambda values: values.pop("seed"),
        lambda values: values.pop("task"),
        lambda values: values.update(task="reverse"),
        lambda values: values.update(task=["_target_"]),
        lambda values: values.update(model=None),
        lambda values: values["model"].pop("_target_"),
        lambda values: values["model"].update(_target_=5),
        lambda values: values["model"].update(unknown=1),
        lambda values: values.update(train_min_length=0),
        lambda values: values.update(train_max_length="many"),
        lambda values: values.update(training=[]),
    ],
)
def test_values_that_are_not_a_runs_are_refused(change):
    with pytest.raises(UserError):
        RunSpec.from_values(damaged(change))


@pytest.mark.parametrize("target", ["os.system", "subprocess.Popen", "tests.runs.tiny_runs.tiny_spec"])
def test_a_class_from_elsewhere_is_refused(target):
    with pytest.raises(UserError, match="Refused to load"):
        RunSpec.from_values(damaged(lambda values: values["model"].update(_target_=target)))


def test_a_range_of_lengths_shows_in_the_run_id():
    assert "-L2-9-" in replace(SPEC, lengths=LengthRange(2, 9)).run_id


@pytest.mark.parametrize(
    ("words", "is_told"),
    [
        (["task=recall", "model=bahdanau"], True),
        (["task=recall", "model=published_bahdanau2015"], True),
        (["task=recall", "model=bahdanau", "model.query=after_input"], False),
        (["task=recall", "model=bahdanau", "task.question=before"], False),
        (["task=recall", "model=luong_dot"], False),
        (["task=reverse", "model=bahdanau"], False),
    ],
)
def test_a_query_that_has_not_read_the_key_is_told_in_one_line(words, is_told):
    notes = tiny_spec(*words, "training.warmup_steps=0").notes()
    assert len(notes) == is_told
    assert not is_told or "model.query=after_input can." in notes[0]


@pytest.mark.parametrize(("steps", "is_told"), [(99, True), (100, True), (101, False)])
def test_a_budget_within_the_warm_up_is_told(steps, is_told):
    notes = tiny_spec(f"training.steps={steps}", "training.warmup_steps=100").notes()
    told = (
        f"The budget, training.steps={steps}, lies within the warm-up, training.warmup_steps=100: the learning rate "
        "never reaches 0.005. Use more steps, or a shorter warm-up."
    )
    assert notes == ([told] if is_told else [])
