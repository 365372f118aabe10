"""What a sweep says before it begins: what its arms are made of, and with --dry-run how far its runs are."""

import re

import pytest
from rich.console import Console

from attnbench.cli.dry_run import arm_table
from attnbench.config.compose import Configuration
from attnbench.runs.folder import RunFolder
from attnbench.runs.status import RunStatus
from attnbench.sweeps.measuring import Estimate
from attnbench.sweeps.plan import SweepOptions, plan_sweep
from tests.commands import (
    MIXED_SWEEP,
    TINY,
    TINY_SWEEP,
    attnbench,
    contents,
    run_folders,
)


def rows(*overrides: str, models: str, lengths: str = "2,8") -> list[list[str]]:
    plan = plan_sweep(Configuration(), SweepOptions(models=models, lengths=lengths, overrides=overrides))
    console = Console(width=160)
    with console.capture() as capture:
        console.print(arm_table([run.spec for run in plan.runs], plan.lengths))
    return [line.split() for line in capture.get().splitlines() if line.strip() and "─" not in line]


def test_every_arm_has_its_size_its_parameters_and_what_crosses_over_the_lengths() -> None:
    header, fixed, luong, *_ = rows("model.hidden_size=64", "training=default", models="fixed,luong_dot")
    assert header == ["task", "arm", "hidden", "parameters", "context"]
    assert fixed == ["reverse", "fixed", "64", "86,932", "128"]
    assert [luong[1], luong[-1]] == ["luong_dot", "192–576"]


def test_lengths_are_turned_into_source_tokens() -> None:
    _, pairs, *_ = rows("task=recall", models="luong_dot", lengths="3")
    assert pairs[-1] == str((6 + 1) * 32)


@pytest.mark.parametrize(
    ("task", "lengths"),
    [
        (["--task", "story_qa", "task.wording=varied"], "2,6"),
        (["--task", "text_pairs", "task.source=pairs.tsv"], "3,9"),
    ],
)
def test_before_the_sweep_and_after_it_the_same_is_said_of_contexts(
    tmp_path, monkeypatch, task, lengths
) -> None:
    """Where sources of one length differ in tokens, both take the mean of the same test examples."""
    monkeypatch.chdir(tmp_path)
    texts = [" ".join(f"w{i * k % 17 * 10 ** (i % 5)}" for k in range(1, 2 + i % 9)) for i in range(150)]
    (tmp_path / "pairs.tsv").write_text("".join(f"{text} {i}\tv{i}\n" for i, text in enumerate(texts)))
    words = [*TINY, "training.test_examples=40", "--protocol", "mixed", "--no-plot", "--seeds", "2"]
    done = attnbench(
        "sweep", "--executor", "inline", "--models", "fixed,luong_dot", "--lengths", lengths, *task, *words
    )
    assert done.status == 0, done.err
    (before,) = [line.split()[-1] for line in done.err.splitlines() if " luong_dot " in line and "–" in line][
        :1
    ]
    (after,) = [line.split()[-2] for line in done.out.splitlines() if line.startswith(" luong dot")]
    assert before == after
    assert "–" in before


def test_matched_arms_are_listed_with_the_sizes_they_were_given() -> None:
    _, fixed, bahdanau, *_ = rows("match=parameters", models="fixed,bahdanau")
    assert (fixed[2], bahdanau[2]) == ("32", "30")


def test_only_that_of_a_variant_is_shown_in_which_arms_differ() -> None:
    header, one, two, *_ = rows("model.layers=1,2", "training.steps=7", models="fixed")
    assert "variant" in header
    assert one[2] == "32"  # one layer is the default
    assert two[2] == "model.layers=2"


def again(swept, *words):
    """Sweep into the folder of a finished sweep."""
    return attnbench(*TINY_SWEEP, "--results", swept.parent, *words)


def test_a_dry_run_lists_the_runs_and_writes_nothing(results):
    finished = attnbench(*TINY_SWEEP, "--results", results, "--dry-run")
    assert finished.status == 0
    assert (
        len(
            re.findall(
                r"^waiting +reverse-\S+-s0-[0-9a-f]{8}  up to 4 steps, tested at [23]$", finished.out, re.M
            )
        )
        == 4
    )
    assert "4 runs, 4 to do: at most 16 steps" in finished.out
    assert re.search(
        r"At most about [0-9.]+ (second|minute)s? on this machine, 1 run at a time: an estimate", finished.out
    )
    assert "nothing written" in finished.err
    assert not results.exists()


def test_a_dry_run_over_a_folder_changes_nothing_in_it(swept):
    before = contents(swept)
    finished = again(swept, "--dry-run", "--lengths", "2,3,4")
    assert "6 runs, 2 to do" in finished.out
    assert re.search(r"By the finished runs here, at most about [0-9.]+ (second|minute)", finished.out)
    assert contents(swept) == before


def test_a_dry_run_as_json_has_the_minutes_and_the_least_p(results):
    found = attnbench(*TINY_SWEEP, "--seeds", "3", "--results", results, "--dry-run", "--json").json
    assert 0 < found["minutes"] * 60 == pytest.approx(found["seconds_on_one_worker"])
    assert (found["workers"], found["least_p"]) == (1, 0.125)
    assert not results.exists()


@pytest.mark.parametrize(
    ("words", "jobs"),
    [
        (
            (),
            "1 job of at most 4 runs each, 32 at once; each asks for 1 core and 4 GB, for at most 60 minutes.",
        ),
        (
            ("executor.runs_per_job=3", "executor.gpus=1", "executor.partition=main"),
            "2 jobs of at most 3 runs each, 32 at once; each asks for 1 core, 4 GB and 1 GPU, for at most 60 minutes "
            "in the partition main.",
        ),
    ],
)
def test_a_dry_run_on_a_cluster_counts_jobs_and_estimates_by_a_core_of_this_machine(results, words, jobs):
    finished = attnbench(*TINY_SWEEP, "--executor", "slurm", *words, "--results", results, "--dry-run")
    assert finished.status == 0
    lines = finished.out.splitlines()
    assert re.match(
        r"On one core like those of this machine at most about .*, the longest run .*: an est", lines[1]
    )
    assert lines[2] == jobs


def test_a_dry_run_for_gpus_of_a_cluster_measures_nothing_here(results, monkeypatch):
    monkeypatch.setattr("attnbench.sweeps.measuring.estimate", None)
    words = ("--executor", "slurm", "device=cuda", "--results", results, "--dry-run")
    assert "could not be measured here" in attnbench(*TINY_SWEEP, *words).out


LONG = ("training.steps=60", "training.evaluate_every=30")  # the words of TINY before it give way
TIME = (
    r"At most about [0-9.]+ (?:second|minute)s? on this machine, 1 run at a time: "
    r"an estimate, from [0-9.]+ s of training"
)


def lines_of(finished):
    assert finished.status == 0, finished.err
    return finished.err.splitlines()


def place_of(lines, pattern):
    (found,) = [number for number, line in enumerate(lines) if re.match(pattern, line)]
    return found


def test_a_sweep_says_how_long_it_takes_before_its_first_run(results):
    lines = lines_of(attnbench(*TINY_SWEEP, *LONG, "--models", "fixed", "--results", results))
    assert "Runs that are solved early end sooner." in lines[place_of(lines, TIME)]
    assert place_of(lines, TIME) < place_of(lines, r"\[1/2 done\]")
    again = lines_of(attnbench(*TINY_SWEEP, *LONG, "--models", "fixed", "--results", results))
    assert not any("At most" in line or "at most about" in line for line in again)
    longer = ("--lengths", "2,3,4,5", "--models", "fixed", "--results", results)
    lines = lines_of(attnbench(*TINY_SWEEP, *LONG, *longer))
    assert place_of(lines, "By the finished runs here, at most about") < place_of(lines, r"\[4/4 done\]")


def test_runs_of_a_moment_are_not_measured(results, monkeypatch):
    monkeypatch.setattr("attnbench.sweeps.measuring.estimate", None)
    assert not any(
        "At most" in line or "at most about" in line
        for line in lines_of(attnbench(*TINY_SWEEP, "--results", results))
    )


def test_the_time_of_a_tuned_sweep_has_the_runs_with_the_chosen_rates(results, monkeypatch):
    counts = []

    def estimate(runs, *_):
        counts.append(len(runs))
        return Estimate(60.0 * len(runs), 60.0, 0.1)

    monkeypatch.setattr("attnbench.sweeps.measuring.estimate", estimate)
    words = ("--models", "fixed", "--lengths", "2", "--tune-rates", "1e-9,2e-9,3e-9", "--longer", "2")
    lines = lines_of(attnbench(*TINY_SWEEP, *LONG, *words, "--seeds", "2", "--results", results))
    first = place_of(lines, "At most about 5 minutes on this machine")
    assert lines[first + 1] == (
        "The runs with the chosen rates are counted in, rates beyond the edge of the grid are not."
    )
    assert lines[first + 2] == (
        "Not counted in: the lengths around each breakdown once more with 2 times the budget."
    )
    # Three rates and two seeds; then the rates beyond the edge with the two seeds; then those alone.
    assert counts[0] == 3 + 2
    assert counts[-1] == 2
    assert f"At most about {counts[-1]} minutes" in "".join(lines)


@pytest.mark.parametrize("fault", [RuntimeError("broken"), None])
def test_what_cannot_be_measured_keeps_no_sweep_from_its_runs(results, monkeypatch, fault):
    def estimate(*_):
        if fault is not None:
            raise fault

    monkeypatch.setattr("attnbench.sweeps.measuring.estimate", estimate)
    lines = lines_of(attnbench(*TINY_SWEEP, *LONG, "--models", "fixed", "--results", results))
    told = place_of(lines, "How long this takes is known once some runs have ended: attnbench status")
    assert told < place_of(lines, r"\[1/2 done\]")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("--seeds", "3"),
            "3 seeds cannot reach p < 0.05 when two arms are compared: the least p is 1/2^3 = 0.125.",
        ),
        (("--seeds", "4"), "4 seeds cannot reach p < 0.05"),
        (("--seeds", "5"), ""),
        (("--seeds", "3", "--models", "fixed"), ""),
    ],
)
def test_a_dry_run_says_where_seeds_are_too_few_for_a_test(results, words, told):
    out = attnbench(*TINY_SWEEP, *words, "--results", results, "--dry-run").out
    assert told in out
    assert ("cannot reach" in out) == bool(told)


def test_a_dry_run_names_what_is_damaged_failed_or_to_be_evaluated(swept):
    damaged, failed, *_ = run_folders(swept)
    (damaged / "metrics.csv").write_text("")
    RunFolder(failed).write_outcome(RunStatus(failed.name, "failed", error="why"))
    found = again(swept, "--dry-run", "--json").json
    states = {run["run_id"]: run["state"] for run in found["runs"]}
    assert (states[damaged.name], states[failed.name]) == ("damaged", "failed")
    assert found["steps"] == 4
    assert again(swept, "--dry-run", "--json", "--retry-failed").json["steps"] == 8


def test_a_dry_run_shows_finished_runs_that_are_to_be_evaluated_at_more_lengths(results):
    words = (*MIXED_SWEEP, "--results", results)
    attnbench(*words, "--lengths", "2,5")
    states = [
        re.findall(r"^(\w+) +reverse-", attnbench(*words, "--lengths", length, "--dry-run").out, re.M)
        for length in ("3", "2")
    ]
    assert states == [["unevaluated"], ["done"]]


STAGES = ("--models", "fixed", "--tune-rates", "1e-3,1e-2", "--longer", "3")


def test_a_dry_run_says_the_total_of_all_stages_first_and_names_what_it_leaves_out(results, monkeypatch):
    hour = Estimate(work_seconds=7200.0, longest_seconds=60.0, measured_seconds=0.5)
    counts = []
    monkeypatch.setattr(
        "attnbench.sweeps.measuring.estimate", lambda runs, *_, **__: (counts.append(len(runs)), hour)[1]
    )
    words = (*TINY_SWEEP, *STAGES, "--lengths", "2,3,4,5", "--seeds", "2", "--results", results, "--dry-run")
    lines = attnbench(*words).out.splitlines()
    # 4 lengths at 2 rates, then 4 lengths of 2 seeds; 4 steps each.
    assert counts == [8 + 8]
    assert lines[0].startswith("16 runs, 16 to do: at most 64 steps")
    assert lines[1].startswith("At most about 2 hours on this machine, 1 run at a time: an estimate")
    assert lines[2] == (
        "First 8 runs that choose learning rates, at most 32 steps; then 8 runs with the chosen rates and all seeds, "
        "at most 32 steps."
    )
    assert lines[3].endswith("at its edge: at most 12 runs, 48 steps.")
    assert lines[4].endswith("once more with 3 times the budget: at most 6 runs, 72 steps.")
    assert sum(line.startswith("waiting ") for line in lines[5:]) == 8
    found = attnbench(*words, "--json").json
    assert (found["steps"], found["minutes"], len(found["runs"]), found["later_runs"]) == (64, 120.0, 8, 8)


def test_a_dry_run_counts_the_runs_with_chosen_rates_once_the_rates_are_chosen(results):
    words = (*TINY_SWEEP, *STAGES[:4], "--lengths", "2", "--seeds", "2", "--results", results)
    assert attnbench(*words).status == 0
    lines = attnbench(*words, "--dry-run").out.splitlines()
    made = len(run_folders(results / "quick-reverse"))
    assert lines[0].startswith(f"{made} runs, 0 to do: at most 0 steps")
    assert "choose learning rates" not in lines[1]
    lines = attnbench(*words, "--dry-run", "--seeds", "3").out.splitlines()
    assert lines[0].startswith(f"{made + 1} runs, 1 to do: at most 4 steps")


def test_a_long_list_of_runs_is_cut_and_begins_with_what_is_wrong(swept, monkeypatch):
    monkeypatch.setattr("attnbench.cli.dry_run.LISTED", 2)
    damaged = run_folders(swept)[-1]
    (damaged / "metrics.csv").write_text("")
    lines = again(swept, "--dry-run", "--lengths", "2,3,4").out.splitlines()
    assert [line.split()[0] for line in lines[-3:]] == ["damaged", "waiting", "…"]
    assert lines[-1] == "… and 4 more runs: --json lists all of them."
