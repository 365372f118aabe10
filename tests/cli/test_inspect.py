import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from attnbench.cli.inspect import Choice, InspectRequest
from attnbench.cli.inspect_examples import Drawn
from attnbench.cli.inspect_scores import Scores, in_words, print_scores
from attnbench.cli.stopping import heard_at_once
from attnbench.errors import UserError
from attnbench.inspection.errors import ExampleErrors
from attnbench.inspection.word_edits import align
from attnbench.runs.folder import RunFolder
from attnbench.vocabulary import EOS
from tests.commands import TINY, attnbench, contents, rows_of, run_folders
from tests.inspection.small_runs import small_spec, untrained

FILES = ["attention.csv", "causal.csv", "errors.csv", "worst.csv"]


def trained(results, *words):
    """Train a tiny run and return its folder."""
    sizes = [word for word in TINY if "model=transformer" not in words or "embedding" not in word]
    finished = attnbench("train", *sizes, "task.length=3", *words, "--results", results, "--json")
    assert finished.status == 0, finished.err
    return results / "train" / "runs" / finished.json["run_id"]


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory):
    results = tmp_path_factory.mktemp("trained") / "results"
    for words in (
        ["model=luong_general"],
        ["model=fixed"],
        ["model=luong_general", "task=story_qa", "task.people=3"],
    ):
        trained(results, *words)
    return results


@pytest.fixture
def here(trained_once, tmp_path, monkeypatch):
    """A folder with finished runs under results/."""
    shutil.copytree(trained_once, tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_id(here, start):
    (found,) = [path.name for path in run_folders(here / "results" / "train") if path.name.startswith(start)]
    return found


@pytest.fixture
def luong(here):
    return run_id(here, "reverse-luong_general")


@pytest.fixture
def fixed(here):
    return run_id(here, "reverse-fixed")


@pytest.fixture
def story(here):
    return run_id(here, "story_qa")


def files_of(here, run, *below):
    return sorted(
        path.name for path in (here / "results/train/runs" / run).joinpath("inspect", *below).iterdir()
    )


def heatmaps(*numbers):
    return [f"heatmap_{number}.{suffix}" for number in numbers for suffix in ("png", "svg")]


def refused(here, *words):
    before = contents(here)
    finished = attnbench("inspect", *words)
    assert (finished.status, finished.out) == (2, "")
    assert finished.err.startswith("attnbench: ")
    assert len(finished.err.splitlines()) <= 4
    assert contents(here) == before
    return finished.err


def test_by_default_three_examples_and_the_whole_test_set(here, luong):
    finished = attnbench("inspect", luong)
    assert finished.status == 0, finished.err
    assert files_of(here, luong) == sorted([*heatmaps(0, 1, 2), "page.html", *FILES])
    for name in files_of(here, luong):
        assert f"inspect/{name}" in finished.err
    assert "Next: `attnbench inspect" in finished.err
    assert finished.out.count("Test example ") == 3
    printed = " ".join(finished.out.split())
    for words in (
        "Gold position: a source word where the answer stands",
        "if permuted",
        "Shift if permuted:",
        "AER: alignment error rate, 0 at best",
        "on a gold position",
        "most attended",
        "looked wrong:",
        "left out",
        "exchanged at position",
    ):
        assert words in printed


def test_under_each_table_stands_one_plain_conclusion(here, luong):
    printed = " ".join(attnbench("inspect", luong, "--examples", "1").out.split())
    folder = here / "results/train/runs" / luong / "inspect"

    def cell(name, column, **values):
        rows = [
            row for row in rows_of(folder / name) if all(row[key] == each for key, each in values.items())
        ]
        return f"{float(rows[0][column]):.0%}".replace("%", " %")

    model, uniform = (
        cell("attention.csv", "alignment_accuracy", weights=each) for each in ("model", "uniform")
    )
    most, other = (
        cell("causal.csv", "flip_rate", change=f"erased_{each}") for each in ("most_attended", "random")
    )
    right = cell("errors.csv", "accuracy", position="")
    where = "luong general, length 3"
    assert (
        f"{where}: {model} of the words attend most to a gold position, {uniform} under uniform weights."
        in printed
    )
    assert (
        f"{where}: erasing the most attended word changes {most} of the answers, a random one {other}."
        in printed
    )
    assert f"{where}: {right} of the words are right place by place; aligned with the reference, " in printed


def test_the_tables_have_rows_for_every_length_and_kind(here, luong):
    attnbench("inspect", luong)
    folder = here / "results/train/runs" / luong / "inspect"
    assert [row["weights"] for row in rows_of(folder / "attention.csv")] == ["model", "uniform", "permuted"]
    assert [row["change"] for row in rows_of(folder / "causal.csv")] == [
        "erased_most_attended",
        "erased_random",
        "erased_largest_gradient",
        "permuted",
    ]
    assert [row["position"] for row in rows_of(folder / "errors.csv")] == ["", "1", "2", "3"]
    (overall,) = [row for row in rows_of(folder / "errors.csv") if not row["position"]]
    edits = ("inserted", "left_out", "exchanged", "swapped", "cut_off")
    assert all(row[kind].isdigit() for row in rows_of(folder / "errors.csv") for kind in edits)
    (trained_row,) = rows_of(folder.parent / "metrics.csv")
    assert float(overall["accuracy"]) == pytest.approx(float(trained_row["token_accuracy"]))


@pytest.mark.parametrize(("written", "lines"), [((4, 6, 7), 1), ((7, 5, 6), 0)])
def test_dots_in_the_list_of_the_worst_are_explained(capsys, written, lines):
    errors = ExampleErrors(
        index=0,
        source=(4, 5, 6),
        expected=(4, 5, 6),
        written=written,
        is_chosen=(True,) * 3,
        aligned=align((4, 5, 6), written, (), EOS),
        looked_at=(),
        wrong=1,
        scored=3,
    )
    run = untrained(small_spec())
    scores = Scores(worst=[in_words(run, 3, errors)])
    drawn = Drawn(["luong"], [run.spec.run_id], [[]], [], [], length=3)
    print_scores(scores, InspectRequest((), Choice(), True, None, "cpu", Path("results"), None), drawn)
    printed = capsys.readouterr().out
    assert "luong, example 0: 1 word" in printed
    assert printed.count("…: the length was fixed, no room or no word was left") == lines


def test_the_command_beside_a_bad_example_draws_it(here, luong):
    attnbench("inspect", luong)
    worst = rows_of(here / "results/train/runs" / luong / "inspect" / "worst.csv")[0]
    (name, command, *words) = worst["command"].split()
    assert (name, command) == ("attnbench", "inspect")
    finished = attnbench("inspect", *words)
    assert finished.status == 0
    assert f"heatmap_{worst['index']}.png" in files_of(here, luong)
    assert f"Test example {worst['index']} of reverse, 3 tokens" in finished.out


def test_an_arm_without_attention_says_so(here, fixed):
    finished = attnbench("inspect", fixed, "--examples", "1")
    assert finished.status == 0
    assert "fixed has no attention weights over the source; shaded: the gradient" in finished.out
    assert "there is nothing to score or to change" in " ".join(finished.out.split())
    (row, *_) = rows_of(here / "results/train/runs" / fixed / "inspect" / "attention.csv")
    assert (row["weights"], row["alignment_accuracy"]) == ("model", "")


def test_two_runs_answer_the_same_examples_in_one_place(here, luong, fixed):
    finished = attnbench("inspect", luong, fixed, "--index", "5", "--index", "2", "--json", "--no-scores")
    assert finished.status == 0
    assert finished.json["examples"][0]["index"] == 5
    assert set(finished.json["examples"][0]["written"]) == {luong, fixed}
    assert files_of(here, luong, f"beside_{fixed}") == sorted([*heatmaps(5, 2), "page_index.html"])


def test_runs_of_one_model_are_told_apart_by_their_names(here, luong):
    other = trained(here / "results", "model=luong_general", "seed=1").name
    runs = attnbench("inspect", luong, other, "--examples", "1", "--no-scores", "--json").json["runs"]
    assert [run["name"] for run in runs] == [luong, other]


def test_several_heads_and_self_attention_have_figures_of_their_own(here):
    run = trained(here / "results", "model=transformer").name
    assert attnbench("inspect", run, "--examples", "1").status == 0
    assert {"heads_0.png", "heads_0.svg", "self_attention_0.png"} < set(files_of(here, run))
    rows = rows_of(here / "results/train/runs" / run / "inspect" / "attention.csv")
    assert {(row["layer"], row["head"]) for row in rows if row["head"]} >= {("1", "1"), ("2", "1")}


def test_wrong_examples_alone_are_drawn_on_request(here, luong):
    finished = attnbench("inspect", luong, "--wrong", "--examples", "2", "--no-scores", "--json")
    assert finished.status == 0
    assert [example["wrong"][luong] > 0 for example in finished.json["examples"]] == [True, True]


def test_the_worst_come_first_three_of_them_and_the_page_comes_last(here, luong):
    finished = attnbench("inspect", luong, "--wrong")
    assert finished.status == 0
    folder = here / "results/train/runs" / luong / "inspect"
    worst = [row["index"] for row in rows_of(folder / "worst.csv")]
    assert f"Examples of reverse, 3 tokens: {', '.join(worst[:3])}\n" in finished.err
    assert (
        finished.err.splitlines()[-1] == f"The page to click through: {(folder / 'page_wrong.html').as_uri()}"
    )
    assert "--no-scores leaves that out" in finished.err
    assert finished.out.count("words it wrote") == 3
    (of_all,) = [row for row in rows_of(folder / "errors.csv") if not row["position"]]
    right = [int(of_all[f"right_looked_{look}"]) for look in ("wrong", "right")]
    told = f"at {right[0] / sum(right):.0%} of the right words".replace("%", "\u00a0%")
    assert told in finished.err
    assert told.replace("\u00a0", " ") in " ".join(finished.out.split())
    slips = [row["slips"] for row in rows_of(folder / "worst.csv")[:3]]
    assert all(f"luong general: {each}" in finished.out for each in slips)


def test_what_is_asked_in_another_way_leaves_the_page_with_the_worst_answers_alone(here, luong):
    first = attnbench("inspect", luong)
    (hint,) = [line for line in first.err.splitlines() if line.startswith("Next: ")]
    assert hint.startswith(f"Next: `attnbench inspect {luong} --wrong --no-scores` draws the worst examples")
    folder = here / "results/train/runs" / luong / "inspect"
    page, worst = (folder / "page.html").read_text(), rows_of(folder / "worst.csv")
    for words in (hint.split("`")[1].split()[1:], worst[0]["command"].split()[1:]):
        assert attnbench(*words).status == 0
    assert (folder / "page.html").read_text() == page
    assert sorted(path.name for path in folder.glob("*.html")) == [
        "page.html",
        "page_index.html",
        "page_wrong.html",
    ]


def test_by_default_three_of_the_worst_are_printed(here, luong):
    out = attnbench("inspect", luong).out
    assert out.count("luong general, example ") == 3
    assert len(rows_of(here / "results/train/runs" / luong / "inspect" / "worst.csv")) > 3


def test_ones_own_long_text_says_at_once_what_is_done_and_where_gradients_end(here, fixed, monkeypatch):
    monkeypatch.setattr("attnbench.inspection.decode.MOST_WORK", 7 * 7 * 20 * 9)
    finished = attnbench("inspect", fixed, "--text", "a b " * 10)
    assert finished.err.startswith("fixed answers 20 words; then come the gradients")
    assert "Gradients are drawn of the first 7 words of an answer alone" in finished.err


def test_work_beside_the_main_thread_returns_and_raises():
    assert heard_at_once(lambda: 3) == 3
    with pytest.raises(UserError, match="wrong"):
        heard_at_once(refuse)


def refuse() -> None:
    raise UserError("wrong")


# One call of torch's that takes minutes: no handler of a signal runs in its thread before it returns.
LONG_CALL = """
import signal, torch
from attnbench.__main__ import _leave
from attnbench.cli.stopping import heard_at_once
signal.signal(signal.SIGTERM, _leave)
numbers = torch.randn(4000, 4000)
print("begun", flush=True)
heard_at_once(lambda: torch.linalg.svd(numbers))
"""


def test_a_signal_ends_the_work_amid_a_long_call():
    begun = subprocess.Popen([sys.executable, "-c", LONG_CALL], stdout=subprocess.PIPE, text=True)
    assert begun.stdout is not None
    with begun:
        assert begun.stdout.readline() == "begun\n"
        time.sleep(0.5)
        begun.terminate()
        assert begun.wait(timeout=4) == 143


def test_json_is_one_document_of_scores_errors_and_files(here, luong):
    finished = attnbench("inspect", luong, "--examples", "1", "--json")
    document = finished.json
    assert (document["length"], document["runs"][0]["run_id"]) == (3, luong)
    assert document["attention"][0]["weights"] == "model"
    assert document["errors"][0]["words"] == 24
    assert {"asked", "expected", "produced", "looked_at", "command"} < set(document["worst"][0])
    assert all((here / path).is_file() for path in document["files"])
    assert len(document["examples"][0]["source"]) == 3


def test_a_length_has_a_folder_of_its_own(here, luong):
    assert attnbench("inspect", luong, "--length", "5", "--examples", "1").status == 0
    assert files_of(here, luong) == ["length_5"]
    folder = here / "results/train/runs" / luong / "inspect" / "length_5"
    assert {row["length"] for row in rows_of(folder / "attention.csv")} == {"5"}
    assert "--length 5 --index" in rows_of(folder / "worst.csv")[0]["command"]


def test_out_takes_the_files(here, luong):
    assert attnbench("inspect", luong, "--no-scores", "--examples", "1", "--out", "figures").status == 0
    assert sorted(path.name for path in (here / "figures").iterdir()) == [*heatmaps(0), "page.html"]
    assert not (here / "results/train/runs" / luong / "inspect").exists()


def test_a_run_may_be_named_by_its_folder(here, luong):
    path = here / "results" / "train" / "runs" / luong
    found = attnbench("inspect", path, "--no-scores", "--examples", "1", "--results", "nowhere", "--json")
    assert found.json["runs"][0]["run_id"] == luong


def test_a_run_of_a_sweep_in_a_deeper_folder_is_found_by_its_name(here, luong):
    (here / "results" / "thesis").mkdir()
    (here / "results" / "train").rename(here / "results" / "thesis" / "train")
    found = attnbench("inspect", luong, "--no-scores", "--examples", "1", "--json")
    assert found.json["runs"][0]["folder"] == f"results/thesis/train/runs/{luong}"


def test_a_persons_custom_text_is_answered_and_words_outside_the_vocabulary_are_named(here, luong):
    finished = attnbench("inspect", luong, "--text", "a zebra b")
    assert finished.status == 0
    assert "read and drawn as <unk>: zebra" in finished.err
    assert files_of(here, luong) == [*heatmaps("text"), "page_text.html"]
    assert "gold" not in finished.out
    assert attnbench("inspect", luong, "--text", "a zebra b", "--json").json["unknown_words"] == ["zebra"]


def test_a_question_is_answered_about_ones_custom_text(here, story):
    words = ("--text", "Alice lives in Paris .", "--question", "Where does Alice live ?")
    example = attnbench("inspect", story, *words, "--json").json["examples"][0]
    (written,) = example["written"].values()
    assert written[:5] == ["Where", "does", "Alice", "live", "?"]
    assert len(written) == 6
    assert example["expected"] is None


def test_examples_come_from_the_longest_length_that_has_any(here):
    (here / "pairs.tsv").write_text("".join(f"a{i} b c\tx{i} y z\n" for i in range(90)))
    task = ("task=text_pairs", "task.source=pairs.tsv", "task.units=word", "task.test_share=0.3")
    finished = attnbench(
        "train", *TINY, *task, "test_lengths=[5,20]", "--results", here / "results", "--json"
    )
    assert finished.status == 0, finished.err
    document = attnbench("inspect", finished.json["run_id"], "--json").json
    assert document["length"] == 5
    assert {row["length"] for row in document["attention"]} == {5, 20}
    assert len(document["examples"]) == 3
    printed = attnbench("inspect", finished.json["run_id"], "--examples", "1")
    assert "fixed, length 1–5: " in printed.out
    assert "length 6–20: " not in printed.out  # a bucket without any example
    assert "subword" not in printed.err


def test_pieces_of_words_are_explained_and_counted_as_such(here):
    (here / "pairs.tsv").write_text("".join(f"alpha{i} beta\tuno{i} due\n" for i in range(60)))
    finished = attnbench(
        "train", *TINY, "task=text_pairs", "task.source=pairs.tsv", "task.test_share=0.3", "test_lengths=[5]"
    )
    assert finished.status == 0, finished.err
    assert (
        finished.err.count("rare words are read in pieces (subwords). task.units=word keeps them whole") == 1
    )
    (run,) = [path.name for path in run_folders(here / "results/train") if path.name.startswith("text_pairs")]
    inspected = attnbench("inspect", run, "--no-scores", "--examples", "1")
    explained = "Words stand in pieces (subwords): ▁ marks the beginning of a word."
    assert explained in inspected.err
    page = here / "results/train/runs" / run / "inspect/page.html"
    assert explained in page.read_text()
    own = attnbench("inspect", run, "--text", "alpha7 beta")
    assert re.search(r"answers \d+ subwords; then", own.err)
    assert explained in own.err


def test_in_the_worst_examples_a_dash_stands_where_the_other_answer_has_a_word():
    expected, written = (6, 5, 4, 5), (6, 7, 5, 4)
    errors = ExampleErrors(
        index=4,
        source=(4, 5, 6),
        expected=expected,
        written=written,
        is_chosen=(False, True, True, True),
        aligned=align(expected, written, (True,), EOS),
        looked_at=(0, 1, 2, 0),
        wrong=3,
        scored=3,
    )
    shown = in_words(untrained(small_spec()), 3, errors)
    assert (shown.asked, shown.expected) == ("a b c", "[c] – b a b")
    assert (shown.produced, shown.looked_at) == ("[c] d b a …", "b c a …")


def test_in_the_worst_examples_dots_stand_where_the_fixed_length_left_no_room_or_no_word():
    def answers(expected, written):
        errors = ExampleErrors(
            index=0,
            source=(4, 5, 6),
            expected=expected,
            written=written,
            is_chosen=(True,) * len(written),
            aligned=align(expected, written, (), EOS),
            looked_at=(0, 1, 2),
            wrong=1,
            scored=3,
        )
        shown = in_words(untrained(small_spec()), 3, errors)
        return shown.expected, shown.produced, shown.looked_at

    assert answers((4, 5, 6), (4, 6, 7)) == ("a b c …", "a – c d", "a – b c")
    assert answers((4, 5, 6), (4, 7, 5)) == ("a – b c", "a d b …", "a b c …")


def test_the_page_needs_nothing_from_outside(here, luong):
    attnbench("inspect", luong, "--no-scores")
    page = (here / "results/train/runs" / luong / "inspect" / "page.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_a_finished_run_stays_finished(here, luong):
    folder = here / "results/train/runs" / luong
    attnbench("inspect", luong)
    assert RunFolder(folder).find_damage() is None
    assert attnbench("plot", "train", "--results", here / "results").status == 0


WRONG_USE = [
    (["--text", ""], "The text is empty"),
    (["--text", " "], "The text is empty"),
    (["--index", "8"], "No example 8: the test at 3 tokens has 8 examples, counted from 0 to 7."),
    (["--length", "0"], "length 0: expected a whole number of at least 1."),
    (["--text", "a", "--question", "why ?"], "reverse asks no questions"),
    (["--question", "why ?"], "--question belongs to --text"),
    (["--text", "a", "--index", "0"], "--index chooses test examples, --text takes their place"),
    (["--wrong", "--index", "0"], "--index names the examples, --wrong searches for some"),
    (["--device", "tpu"], "tpu"),
    (["--out", "results/train/sweep.txt"], "is a file, expected a folder"),
]


@pytest.mark.parametrize(("words", "message"), WRONG_USE, ids=[" ".join(words) for words, _ in WRONG_USE])
def test_what_cannot_be_asked_is_refused(here, luong, words, message):
    (here / "results" / "train" / "sweep.txt").touch()
    assert message in refused(here, luong, *words)


def test_a_length_that_no_memory_holds_is_refused(here, luong):
    assert "does not fit into the memory" in refused(here, luong, "--length", "9999999999999")


def test_runs_that_are_not_there_are_refused_with_those_that_are(here, luong, fixed):
    assert f"Did you mean {fixed}?" in refused(here, fixed[:-1])
    assert "results/train is a sweep, expected one of its runs: " in refused(here, "train")
    assert f"{here}/nowhere holds no runs" in refused(here, luong, "--results", "nowhere")
    assert "3 runs: expected one, or two" in refused(here, luong, luong, luong)


def test_runs_are_named_newest_first_and_ahead_of_all_those_that_begin_as_was_typed(
    here, luong, fixed, story
):
    for age, name in enumerate([luong, story, fixed]):
        file = here / "results/train/runs" / name / "status.json"
        os.utime(file, (2e9 - age, 2e9 - age))
    assert f"newest first, {luong}, {story}, {fixed}." in refused(here, "nothing")
    said = refused(here, "reverse")
    assert f"newest first, {luong}, {fixed}, {story}. Did you mean {luong}?" in said
    assert f"newest first, {fixed}, {luong}, {story}. Did you mean {fixed}?" in refused(here, "reverse-fixed")


def test_different_tasks_do_not_stand_side_by_side(here, luong, story):
    assert "trained on different tasks" in refused(here, luong, story)


def test_a_missing_question_is_asked_for(here, story):
    assert "expected one beside the text, such as" in refused(here, story, "--text", "Alice lives in Paris .")


class Exploit:
    def __reduce__(self):
        return (print, ("code ran",))


def test_damaged_unfinished_and_hostile_runs_are_refused(here, luong):
    folder = RunFolder(here / "results/train/runs" / luong)
    whole = folder.checkpoint_file.read_bytes()
    folder.checkpoint_file.write_bytes(whole[:-1])
    assert "checkpoint.pt is damaged" in refused(here, luong)
    folder.checkpoint_file.write_bytes(pickle.dumps(Exploit()))
    assert "code ran" not in refused(here, luong)
    folder.checkpoint_file.unlink()
    assert "has no checkpoint" in refused(here, luong)
    folder.checkpoint_file.write_bytes(whole)
    folder.status_file.unlink()
    assert "is not finished" in refused(here, luong)
    with folder.claim():
        assert "still running" in refused(here, luong)


def test_progress_and_messages_stay_off_standard_output(here, luong):
    finished = attnbench("inspect", luong, "--json")
    assert json.loads(finished.out)
    assert "Inspecting luong general" in finished.err


def test_the_tables_fit_into_eighty_columns(here, luong):
    lines = attnbench("inspect", luong, "--examples", "1").out.splitlines()
    (heading,) = [line for line in lines if line.split()[:2] == ["arm", "length"] and "words" in line]
    assert heading.split()[-2:] == ["wrong", "right"]


def test_the_page_names_task_length_run_and_accuracy_and_lists_the_worst_answers(here, luong):
    attnbench("inspect", luong, "--examples", "1")
    folder = here / "results/train/runs" / luong
    page = (folder / "inspect" / "page.html").read_text()
    (row,) = rows_of(folder / "metrics.csv")
    assert "<h1>reverse, 3 tokens: luong general</h1>" in page
    values = json.loads(page.partition('id="values">')[2].partition("</script>")[0])
    accuracy = float(row["token_accuracy"])
    assert values["facts"] == [f"Run {luong}: free-running token accuracy {accuracy:.3f} at this length"]
    worst = rows_of(folder / "inspect" / "worst.csv")[:5]
    examples = [each["index"] for each in values["arms"][0]["examples"]]
    assert [examples[place] for place, _ in values["worst"]] == [int(each["index"]) for each in worst]
    assert values["worst"][0][1] == f"test example {worst[0]['index']}: {worst[0]['slips']}"
    # The worst are of the page alone: one example was asked for.
    assert files_of(here, luong) == sorted([*heatmaps(0), "page.html", *FILES])
