"""Whatever a person gets wrong: exit 2, a few lines that say what to do, nothing written, no traceback."""

from pathlib import Path

import pytest

from tests.commands import attnbench, contents

LINES = "a b\nc d\n"
BAD_FILES = {
    "two.txt": LINES.encode(),
    "one.txt": b"a b\n",
    "empty.txt": b"",
    "blank.txt": b"\n \n",
    "latin.txt": "a b\nc é\n".encode("latin-1"),
    "broken.jsonl": b'{"source": "a", "target": "b"}\n{"source": "a"\n',
    "fieldless.jsonl": b'{"source": "a"}\n',
    "three.tsv": b"a\tb\na\tb\tc\n",
    "good.tsv": b"".join(b"w%d w%d\tv%d\n" % (i, i, i) for i in range(80)),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder that a person stands in, with files of theirs; results would go below it."""
    for name, content in BAD_FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(here: Path, *words: str) -> str:
    before = contents(here)
    finished = attnbench(*words)
    assert (finished.status, finished.out) == (2, "")
    assert finished.err.startswith("attnbench: ")
    assert len(finished.err.splitlines()) <= 4
    assert "Traceback" not in finished.err
    assert contents(here) == before
    return finished.err


BOTH = [
    ("task=copi", "Did you mean copy?"),
    ("model=fixd", "Did you mean fixed?"),
    ("modle=fixed", "Did you mean model?"),
    ("modle.hidden_size=8", "Did you mean model.hidden_size=8?"),
    ("model.hiden_size=8", "Did you mean model.hidden_size?"),
    ("model.cell=gur", "model.cell: expected 'lstm' or 'gru', got \"gur\". Did you mean gru?"),
    ("model.hidden_size=abc", 'model.hidden_size: expected an integer, got "abc".'),
    ("model.hidden_size=7", "Use an even number, or model.bidirectional=false."),
    ("training.steps=0", "training.steps: expected greater than or equal to 1, got 0."),
    ("training.learning_rate=nan", "finite"),
    ("training.precision=bfloat16", "Use training.precision=float32."),
    ("training.cuda_graphs=true", "training.cuda_graphs=true is for CUDA devices; this run would use cpu."),
    ("unknown=1", "Unknown key 'unknown'."),
    ("+unknown=1", "keys can be changed, not added or taken away"),
    ("~model", "keys can be changed, not added or taken away"),
    ("unknown", "'unknown' is not an override"),
    ("steps=100", "Unknown key 'steps'. Did you mean training.steps=100?"),
    ("reverse", "Did you mean task=reverse?"),
    ("luong_dot", "Did you mean model=luong_dot?"),
    ("model=attention", "The arms with attention: bahdanau, luong_concat"),
    ("lengths=4,8", "not a key. Did you mean --lengths 4,8?"),
    ("seeds=5", "not a key. Did you mean --seeds 5?"),
    ("dry_run=true", "not a key. Did you mean --dry-run?"),
    ("train_range=[4,8", "'[' is not closed"),
    ("device=cuda", "device=cuda: this machine has no such device. There is: cpu"),
    ("device=tpu", "this machine has no such device"),
    ("executor=slrm", "Unknown executor 'slrm'. Known: inline, processes, slurm. Did you mean slurm?"),
    ("seed=-1", "at least 0|greater than or equal to 0"),
    ("seed=abc", "seed"),
    ("seed=9223372036854775808", "at most 9223372036854775807|or equal to 9223372036854775807"),
]


@pytest.mark.parametrize("command", ["train", "sweep"])
@pytest.mark.parametrize(("word", "message"), BOTH, ids=[word for word, _ in BOTH])
def test_a_wrong_key_or_value(here, command, word, message, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    err = refused(here, command, word)
    assert any(part in err for part in message.split("|"))


TRAIN = [
    ("task.length=0", "at least 1"),
    ("train_range=[4,2]", "a range is [shortest, longest]"),
    ("train_range=2:4", "train_range: expected a list"),
    ("test_lengths=[0]", "at least 1"),
    ("task=recall task.length=65", "there are 24. Use lengths up to 24, or task.keys=65."),
    ("task=story_qa task.length=65", "there are 64. Use lengths up to 64."),
    ("task=copy task.vocabulary_size=1", "there is nothing to know. Raise task.vocabulary_size, now 1."),
    ("task=copy task.vocabulary_size=1 task.length=9999999999", "there is nothing to know"),
    ("task=copy task.vocabulary_size=1 train_range=[2,9]", "copy at length 2 (tokens): the answer is known"),
    (
        "task=story_qa task.question=before task.relations=1 task.vocabulary_size=1",
        "there is nothing to know",
    ),
    ("task=translation task.vocabulary_size=1 train_range=[2,12]", "translation at length 2 (words)"),
    ("seed=1,2", "several are for `attnbench sweep`"),
    ("--name .", "expected the name of a folder"),
    ("--name ../elsewhere", "expected the name of a folder"),
    ("--config-dir nowhere", "there is no such folder"),
]


@pytest.mark.parametrize(("words", "message"), TRAIN, ids=[words for words, _ in TRAIN])
def test_a_run_that_cannot_be(here, words, message):
    assert message in refused(here, "train", *words.split())


HOW = "Write lengths as 4,8,16 or as a span: 4:64:4 (steps of 4), 4:64:x2 (doubling)."
SWEEP = [
    (["--lengths", ""], HOW),
    (["--lengths", "0"], HOW),
    (["--lengths", "-4"], HOW),
    (["--lengths=-4"], HOW),
    (["--lengths", "8:4"], HOW),
    (["--lengths", "abc"], HOW),
    (["--lengths", "4,,8"], HOW),
    (["--lengths", "4,8,0"], HOW),
    (["--task", "recall", "--lengths", "8,65"], "or task.keys=65"),
    (["--task", "recall", "task.vocabulary_size=1"], "recall at length 4 (pairs): the answer is known"),
    (["task=copy,reverse", "task.vocabulary_size=1,16"], "there is nothing to know"),
    (["--task", "copi"], "Did you mean copy?"),
    (["--models", "fixed,fixd"], "Did you mean fixed?"),
    (["--models", ""], "Unknown model ''"),
    (["--seeds", "0"], "at least 1"),
    (["--seeds", "-1"], "expected a count such as 5 or a list of seeds such as 7,11"),
    (["--seeds", "abc"], "expected a count such as 5"),
    (["--workers", "0"], "executor.workers: expected greater than or equal to 1, got 0."),
    (["--workers", "2", "--executor", "inline"], "the executor inline has none"),
    (["--protocol", "mixd"], "Known: extrapolation, mixed, per_length. Did you mean mixed?"),
    (["--preset", "quik"], "Did you mean quick?"),
    (["--preset", ""], "Unknown preset ''. Known: converged, hour, law, quick, standard."),
    (["--executor", ""], "Unknown executor ''. Known: inline, processes, slurm."),
    (["--executor", "slrm"], "Known: inline, processes, slurm. Did you mean slurm?"),
    (["--protocol", "extrapolation"], "needs --train-range SHORTEST:LONGEST"),
    (["--protocol", "extrapolation", "--train-range", "8:4"], "expected SHORTEST:LONGEST"),
    (["--train-range", "4:8"], "for the protocols mixed and extrapolation"),
    (["task.length=3"], "a sweep takes --lengths instead"),
    (["--models", "fixed,transformer", "model.read=after"], "These are the keys of model=transformer."),
    (["model.hidden_size=8,abc"], "expected an integer"),
    (["--models", "fixed", "model=blind"], "say the same thing twice"),
    (["--name", ""], "expected the name of a folder"),
    (["--name", "/somewhere"], "expected the name of a folder"),
]


@pytest.mark.parametrize(("words", "message"), SWEEP, ids=[" ".join(words) for words, _ in SWEEP])
def test_a_sweep_that_cannot_be(here, words, message):
    assert message in refused(here, "sweep", *words)


TEXT = [
    ("", "needs task.source=FILE with task.target=FILE"),
    ("task.source=two.txt", "expected task.target=FILE beside it"),
    ("task.source=two.txt task.target=one.txt", "has 2 lines and"),
    ("task.source=two.txt task.target=missing.txt", "missing.txt does not exist"),
    ("task.source=two.txt task.target=thesis", "is a folder"),
    ("task.source=two.txt task.target=empty.txt", "empty.txt is empty"),
    ("task.source=two.txt task.target=blank.txt", "blank.txt is empty"),
    ("task.source=latin.txt task.target=two.txt", "latin.txt, line 2, byte 3: expected UTF-8"),
    ("task.source=broken.jsonl", "broken.jsonl, line 2: "),
    ("task.source=fieldless.jsonl", "fieldless.jsonl, line 1: Unknown field 'target'"),
    ("task.source=~/missing.tsv", "missing.tsv does not exist"),
    ("task.source=~nobody~1.tsv", "~nobody~1.tsv does not exist"),
    ("task.source=three.tsv", "three.tsv, line 2: expected two columns"),
    ("task.source=good.tsv task.target=two.txt", "leave task.target"),
    ("task.source=good.tsv task.length=4", "Unknown key 'task.length'"),
    ("task.source=good.tsv task.test_source=missing.tsv", "missing.tsv does not exist"),
]


@pytest.mark.parametrize("command", [["train"], ["sweep", "--protocol", "mixed"]], ids=["train", "sweep"])
@pytest.mark.parametrize(("words", "message"), TEXT, ids=[words for words, _ in TEXT])
def test_files_that_cannot_be_read(here, command, words, message):
    err = refused(here, *command, "task=text_pairs", *words.split())
    assert message in err or ("task.length" in words and "takes --lengths" in err)


def test_one_model_per_length_on_files(here):
    err = refused(here, "sweep", "--task", "text_pairs", "task.source=good.tsv")
    assert "Use --protocol mixed" in err


@pytest.mark.parametrize("command", [["train"], ["sweep", "--protocol", "mixed"]], ids=["train", "sweep"])
def test_a_path_with_a_comma_is_told_to_be_quoted(here, command):
    (here / "a,b.tsv").write_bytes(BAD_FILES["good.tsv"])
    err = refused(here, *command, "task=text_pairs", "task.source=a,b.tsv")
    assert "needs quotes that reach the program" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sweep", "--steps", "100"], "Did you mean training.steps=100?"),
        (["train", "--steps=100"], "Did you mean training.steps=100?"),
        (["train", "--hidden-size", "32"], "Did you mean model.hidden_size=32?"),
        (["preview", "--length", "5"], "Did you mean task.length=5?"),
        (["train", "--model", "fixed"], "Did you mean model=fixed?"),
        (["train", "--steps"], "Did you mean training.steps=…?"),
        (["sweep", "--seed", "3"], "--seeds"),
        (["train", "--lengths", "4,8"], "`attnbench sweep` has it."),
        (["plot", "--steps", "3"], "No such option: --steps"),
    ],
)
def test_an_unknown_option_is_told_the_key_that_was_meant(here, words, told):
    finished = attnbench(*words)
    assert (finished.status, finished.out) == (2, "")
    assert told in " ".join(finished.err.replace("│", "").split())
    assert "Traceback" not in finished.err


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_results_in_a_file(here, command):
    assert "one.txt is a file, expected a folder" in refused(here, command, "--results", "one.txt")
    assert "one.txt is a file, expected a folder" in refused(here, command, "--results", "one.txt/below")


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_results_that_hold_something_else(here, command):
    err = refused(here, command, "--results", ".", "--name", "thesis")
    assert "thesis holds something else: neither sweep.yaml nor runs/ is in it" in err


@pytest.mark.parametrize("command", ["train", "sweep"])
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc, in which nobody can write")
def test_results_that_cannot_be_written(here, command):
    assert "/proc cannot be written to" in refused(here, command, "--results", "/proc/results")


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_a_dry_look_needs_results_that_can_be_written_too(here, command):
    option = {"train": "--json", "sweep": "--dry-run"}[command]
    assert "one.txt" in refused(here, command, option, "--results", "one.txt")


LONG = "a" * 300


@pytest.mark.parametrize("command", ["train", "sweep"])
@pytest.mark.parametrize(
    "place", [["--name", LONG], ["--results", LONG], ["--results", f"new/{LONG}"]], ids=str
)
def test_results_of_a_name_that_is_too_long(here, command, place):
    assert f"{LONG}: longer than a name may be, 255 bytes." in refused(here, command, *place)


@pytest.mark.parametrize("command", ["plot", "status", "cancel", "inspect"])
def test_a_name_that_is_too_long(here, command):
    err = refused(here, command, LONG)
    assert LONG in err
    assert "longer than a name may be." in err


@pytest.mark.parametrize("words", [["train", "model=fixd"], ["plot", "nowhere"], ["list", "modls"]])
def test_debug_shows_the_traceback_and_exits_2(here, words):
    finished = attnbench(*words, "--debug")
    assert finished.status == 2
    assert "Traceback (most recent call last)" in finished.err
    assert finished.err.splitlines()[-1].startswith("attnbench: ")


def test_json_prints_no_document_about_wrong_use(here):
    for command in ("train", "sweep", "status", "list"):
        words = {"status": ["nowhere"], "list": ["modls"]}.get(command, ["task=copi"])
        assert "attnbench: " in refused(here, command, "--json", *words)


@pytest.mark.parametrize("length", ["9999999999999", "9" * 18, "9" * 24])
def test_a_length_that_no_memory_holds(here, length):
    words = (("sweep", "--lengths", length), ("sweep", "--lengths", length, "--dry-run"))
    for command in (*words, ("preview", "task=copy", f"task.length={length}")):
        assert "does not fit into the memory" in refused(here, *command)
