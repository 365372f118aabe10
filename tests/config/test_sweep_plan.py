import sys
from collections import Counter

import pytest

from attnbench.config.compose import Configuration
from attnbench.config.run_request import request_run
from attnbench.errors import UserError
from attnbench.executors.local import Inline, Processes
from attnbench.models.sizing import VocabularySizes, count_parameters
from attnbench.sweeps.plan import SweepOptions, plan_sweep
from attnbench.tasks.base import LengthRange
from tests.configuration import CONFIGURATION


def plan(*overrides, **options):
    return plan_sweep(CONFIGURATION, SweepOptions(overrides=overrides, **options))


def small(*overrides, **options):
    return plan(*overrides, **({"models": "fixed", "lengths": "2", "seeds": "1"} | options))


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"w{i} w{i}\tv{i}\n" for i in range(80)))
    return path


def text(source, *overrides, **options):
    words = ["task=text_pairs", f"task.source={source}", "task.units=word", *overrides]
    return small(*words, **({"protocol": "mixed", "lengths": "5,60"} | options))


def test_without_a_word_the_quick_preset_is_planned():
    quick, planned = CONFIGURATION.preset("quick"), plan()
    assert planned.name == "quick-reverse"
    assert planned.models == quick.models
    assert len(planned.runs) == len(quick.models) * len(planned.lengths) * len(planned.seeds)
    # The preset's own overrides differ from the defaults of conf/ too.
    beside_size = [each for each in quick.overrides if not each.startswith("model.hidden_size=")]
    assert {str(run.spec.variant) for run in planned.runs} == {";".join(beside_size)}
    assert isinstance(planned.executor, Processes)


def test_a_preset_of_parts_is_their_union():
    planned = plan(preset="converged")
    assert planned.models == ["fixed", "luong_general"]
    cells = len(planned.lengths) * len(planned.seeds)
    by_arm = Counter(
        (run.spec.model.name, run.spec.model.context_bits, run.spec.training.steps) for run in planned.runs
    )
    assert set(by_arm.values()) == {cells}
    budgets = {
        name: {(bits, steps) for model, bits, steps in by_arm if model == name} for name in planned.models
    }
    assert len(budgets["fixed"]) == 5
    assert {bits for bits, _ in budgets["luong_general"]} == {None, 16, 32}


def test_what_is_typed_goes_for_every_part_and_makes_no_run_twice():
    planned = plan("training.steps=7", preset="converged", models="fixed", lengths="2", seeds="1")
    assert sorted(str(run.spec.model.context_bits) for run in planned.runs) == ["16", "32", "None"]
    assert {run.spec.training.steps for run in planned.runs} == {7}


def test_options_replace_what_the_preset_says():
    planned = plan(task="copy", models="blind, uniform", lengths="2,4", seeds="7,11", executor="inline")
    assert planned.name == "quick-copy"
    assert (planned.models, planned.lengths, planned.seeds) == (["blind", "uniform"], [2, 4], [7, 11])
    assert len(planned.runs) == 8
    assert planned.executor == Inline()


def test_every_planned_run_is_the_one_that_would_be_made_alone():
    shared = ["task=copy", "training.steps=5", "model.hidden_size=16"]
    planned = plan(*shared, models="fixed,luong_general", lengths="2,5", seeds="7,11")
    assert len(planned.runs) == 8
    for run in (each.spec for each in planned.runs):
        own = [f"model={run.model.name}", f"task.length={run.lengths.maximum}", f"seed={run.seed}"]
        alone = request_run(CONFIGURATION, [*shared, *own]).spec
        assert (run, run.run_id) == (alone, alone.run_id)


def test_the_name_is_the_presets_and_the_tasks_however_the_task_was_chosen():
    assert small("task=copy").name == "quick-copy"
    assert small(name="mine").name == "mine"


def test_any_key_may_be_an_axis():
    planned = plan(
        "model.hidden_size=8,16", "training.learning_rate=0.01,0.005", models="fixed", lengths="2", seeds="2"
    )
    arms = [
        (run.spec.model.hidden_size, run.spec.training.learning_rate, run.spec.seed) for run in planned.runs
    ]
    assert sorted(arms) == [
        (size, rate, seed) for size in (8, 16) for rate in (0.005, 0.01) for seed in (0, 1)
    ]
    for run in planned.runs:
        names_the_rate = "training.learning_rate=0.01" in run.spec.variant.parts
        assert names_the_rate == (run.spec.training.learning_rate == 0.01)


def test_tasks_may_be_an_axis():
    planned = small("task=copy,recall", models="fixed,blind")
    assert planned.name == "quick-copy-recall"
    assert [task.name for task in planned.tasks] == ["copy", "recall"]
    assert sorted((run.spec.task.name, run.spec.model.name) for run in planned.runs) == [
        (task, model) for task in ("copy", "recall") for model in ("blind", "fixed")
    ]


def test_matched_arms_have_about_as_many_parameters_at_each_size_of_the_baseline():
    planned = small("match=parameters", "model.hidden_size=32,64", models="luong_general,fixed,bahdanau")
    sizes = VocabularySizes(20, 20)
    counts = {run.spec.model: count_parameters(run.spec.model, sizes) for run in planned.runs}
    for hidden_size in (32, 64):
        wanted = next(n for arm, n in counts.items() if (arm.name, arm.hidden_size) == ("fixed", hidden_size))
        assert sum(abs(count / wanted - 1) <= 0.05 for count in counts.values()) == 3
    assert len(counts) == len(planned.runs) == 6
    assert {str(run.spec.variant) for run in planned.runs} == {"training.steps=1000"}


def test_models_tasks_seeds_and_training_may_be_overrides():
    planned = plan("model=fixed,blind", "seed=4,5", "task=copy", "training=default", lengths="2")
    assert planned.models == ["fixed", "blind"]
    assert planned.seeds == [4, 5]
    assert {run.spec.task.name for run in planned.runs} == {"copy"}
    assert len(planned.runs) == 4


def test_the_same_run_is_planned_once():
    planned = plan("model.hidden_size=8,8", models="fixed,fixed", lengths="2,2", seeds="3,3")
    assert len(planned.runs) == 1
    assert (planned.models, planned.seeds) == (["fixed"], [3])


def test_the_longest_runs_are_started_first():
    lengths = [run.spec.lengths.maximum for run in plan(lengths="2,8,4", seeds="2").runs]
    assert lengths == sorted(lengths, reverse=True)


def test_one_model_per_length():
    ranges = [(run.spec.lengths, run.lengths) for run in small(lengths="2,4").runs]
    assert ranges == [(LengthRange(4, 4), (4,)), (LengthRange(2, 2), (2,))]


@pytest.mark.parametrize(
    ("options", "trained"),
    [
        ({"protocol": "mixed", "lengths": "2,4,8"}, LengthRange(2, 8)),
        ({"protocol": "mixed", "lengths": "2,4,8", "train_range": "1:10"}, LengthRange(1, 10)),
        ({"protocol": "extrapolation", "lengths": "2,4,8", "train_range": "2:4"}, LengthRange(2, 4)),
    ],
)
def test_one_model_for_a_range_is_tested_at_every_length(options, trained):
    (run,) = small(**options).runs
    assert (run.spec.lengths, run.lengths, run.spec.protocol) == (trained, (2, 4, 8), options["protocol"])


def test_text_is_trained_on_whole_and_tested_in_buckets(source):
    (run,) = text(source).runs
    assert (run.spec.lengths, run.lengths) == (LengthRange(1, 60), (5, 60))


def test_workers_are_an_option_and_a_key():
    for planned in (small(workers=3), small("executor.workers=3")):
        assert isinstance(planned.executor, Processes)
        assert planned.executor.workers == 3


def test_the_device_is_no_axis_of_the_runs():
    assert small("device=cpu").device == "cpu"
    assert [run.spec for run in small("device=cpu").runs] == [run.spec for run in small().runs]


PRESET = """# Mine.
task: copy
models: [fixed]
lengths: "2"
seeds: "1"
protocol: per_length
train_range: null
overrides: [training.steps=4, model.hidden_size=8, executor.workers=5, seed=9]
"""


def test_overrides_of_a_preset_count_until_somebody_says_otherwise(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", list(sys.path))
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "mine.yaml").write_text(PRESET)
    configuration = Configuration(tmp_path)
    (run,) = plan_sweep(configuration, SweepOptions(preset="mine")).runs
    assert (run.spec.training.steps, run.spec.model.hidden_size, run.spec.seed) == (4, 8, 9)
    words = SweepOptions(preset="mine", seeds="2", overrides=("training.steps=6",))
    planned = plan_sweep(configuration, words)
    assert isinstance(planned.executor, Processes)
    assert planned.executor.workers == 5
    assert [(run.spec.training.steps, run.spec.seed) for run in planned.runs] == [(6, 0), (6, 1)]


@pytest.mark.parametrize(
    ("overrides", "options", "message"),
    [
        ([], {"task": "copi"}, "Unknown task 'copi'.*Did you mean copy"),
        ([], {"models": "fixd"}, "Unknown model 'fixd'.*Did you mean fixed"),
        ([], {"models": ""}, "Unknown model ''"),
        ([], {"models": "fixed,"}, "Unknown model ''"),
        ([], {"preset": "quik"}, "Unknown preset 'quik'"),
        ([], {"protocol": "mixd"}, "Unknown protocol 'mixd'.*Did you mean mixed"),
        ([], {"executor": "slrm"}, "Unknown executor 'slrm'"),
        ([], {"lengths": "4,,8"}, "a length is missing"),
        ([], {"seeds": "0"}, "--seeds 0"),
        ([], {"workers": 0}, "executor.workers: expected greater than or equal to 1, got 0"),
        ([], {"workers": 2, "executor": "inline"}, "--workers: the executor inline has none"),
        ([], {"protocol": "extrapolation"}, "extrapolation needs --train-range"),
        ([], {"protocol": "extrapolation", "train_range": "4"}, "SHORTEST:LONGEST"),
        ([], {"train_range": "2:4"}, "--train-range is for the protocols mixed and extrapolation"),
        ([], {"protocol": "mixed", "lengths": "4,9", "train_range": "4:8"}, "tests inside the range"),
        ([], {"task": "recall", "lengths": "8,65"}, "every pair needs a key"),
        (
            [],
            {"task": "summary", "lengths": "8", "train_range": "2:9", "protocol": "mixed"},
            "summary cannot make length 2",
        ),
        ([], {"task": "recall", "lengths": "8", "train_range": "2:65", "protocol": "mixed"}, "every pair"),
        (["task.length=3"], {}, "task.length: a sweep takes --lengths"),
        (["train_range=[2,3]"], {}, "train_range: a sweep takes --train-range"),
        (["test_lengths=[2]"], {}, "test_lengths: a sweep takes --lengths"),
        (["sweep=quick"], {}, "sweep: a sweep takes --preset"),
        (["sweep.lengths=2"], {}, "Unknown key 'sweep.lengths'"),
        (["model.hidden_size=8,abc"], {}, "model.hidden_size: expected an integer"),
        (["model.hidden_size=8,7"], {}, "cannot be halved"),
        (["model=fixed,blnd"], {}, "Unknown model 'blnd'"),
        (["model=[fixed]"], {}, "Unknown model"),
        (["task=copy,copi"], {}, "Unknown task 'copi'"),
        ([], {"baseline": "fixd"}, "Unknown baseline 'fixd'. Known: fixed"),
        (["match=hidden,parameters"], {}, "match has several values"),
        (["match=paramters"], {}, "match.*hidden.*parameters"),
        (
            ["match=parameters", "model.hidden_size=8"],
            {"models": "fixed,transformer"},
            "cannot all be brought within 5% of each other: transformer",
        ),
        (["device=cpu,cuda"], {}, "device has several values"),
        (["executor=inline,processes"], {}, "executor has several values"),
        (["executor.workers=1,2"], {}, "executor.workers takes one value"),
        (["executor.wokers=1"], {}, "Unknown key 'executor.wokers'.*Did you mean executor.workers"),
        (
            ["executor.walltime=30"],
            {"executor": "slurm"},
            r"'executor.walltime'\. Did you mean executor.time_minutes=30\?",
        ),
        (["executor.cpus-per-task=2"], {"executor": "slurm"}, r"Did you mean executor.cpus=2\?"),
        (["executor.walltime=30"], {}, "Unknown key 'executor.walltime'. Known: executor.workers."),
        (["seed=abc"], {}, "seeds are whole numbers"),
        (["seed=1,-2"], {}, "seeds are whole numbers"),
        (["seed=true"], {}, "^seed"),
        (["training=defalt"], {}, "Unknown training 'defalt'"),
        (["model=fixed"], {"models": "blind"}, "--models and model= say the same thing twice"),
        (["task=copy"], {"task": "copy"}, "--task and task= say"),
        (["seed=1"], {"seeds": "1"}, "--seeds and seed= say"),
        (["executor=inline"], {"executor": "inline"}, "--executor and executor= say"),
        (["executor.workers=2"], {"workers": 2}, "--workers and executor.workers= say"),
        ([], {"task": "text_pairs"}, "needs task.source=FILE"),
    ],
)
def test_what_does_not_fit_is_explained(overrides, options, message):
    with pytest.raises(UserError, match=message):
        plan(*overrides, **options)


def test_one_model_per_length_cannot_be_trained_on_files(source):
    with pytest.raises(UserError, match=r"reads files.*Use --protocol mixed"):
        text(source, protocol="per_length")


def test_text_beyond_the_longest_trained_on_needs_another_protocol(source):
    with pytest.raises(UserError, match="use --protocol extrapolation"):
        text(source, lengths="5,61")


def test_one_bad_file_among_good_ones_is_found(source):
    with pytest.raises(UserError, match=r"other\.tsv does not exist"):
        small(
            "task=text_pairs",
            f"task.source={source},{source.parent}/other.tsv",
            protocol="mixed",
            lengths="5,60",
        )


@pytest.mark.parametrize("preset", CONFIGURATION.choices("sweep"))
@pytest.mark.parametrize("model", ["luong_local_m", "luong_local_p"])
def test_a_local_window_leaves_out_a_part_of_most_sources_of_a_preset(model, preset):
    planned = plan(preset=preset, models=model, seeds="1")
    seen = {2 * run.spec.model.window + 1 for run in planned.runs}
    narrower = [length for length in planned.lengths if length > max(seen)]
    assert len(narrower) > len(planned.lengths) / 2
