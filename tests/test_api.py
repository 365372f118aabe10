import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

import attnbench
from attnbench import api
from attnbench.cli.main import app

TINY = {"training": {"steps": 20}, "model": {"hidden_size": 16}, "device": "cpu"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def swept(folder: Path) -> api.Results:
    return attnbench.sweep(
        task="reverse",
        models=["fixed", "luong_general"],
        lengths=[2, 3],
        seeds=[7],
        name="tiny",
        executor="inline",
        results=folder,
        **TINY,
    )


def test_importing_it_loads_neither_torch_nor_pandas_nor_matplotlib() -> None:
    code = (
        "import attnbench, sys; print(sorted({'torch', 'pandas', 'matplotlib', 'rich'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'sweeep'"):
        _ = attnbench.sweeep


def test_a_sweep_has_the_tables_that_the_command_writes(swept: api.Results) -> None:
    assert sorted(set(swept.metrics["model"])) == ["fixed", "luong_general"]
    assert set(swept.metrics["seed"]) == {7}
    for name in ("curve", "breakdown", "comparison"):
        written = pd.read_csv(swept.folder / f"{name}.csv")
        assert list(getattr(swept, name).columns) == list(written.columns)
        assert len(getattr(swept, name)) == len(written)
    assert swept.verdict == (swept.folder / "verdict.md").read_text()
    assert swept.verdict.rstrip() in repr(swept)
    assert swept.failed == {}


def test_a_sweep_records_the_command_that_repeats_it(swept: api.Results, folder: Path) -> None:
    invocations = yaml.safe_load((swept.folder / "sweep.yaml").read_text())["invocations"]
    words = invocations[0]["command"].split()
    assert words[:2] == ["attnbench", "sweep"]
    found = CliRunner().invoke(app, [*words[1:], "--dry-run"])
    assert found.exit_code == 0
    assert "4 runs, 0 to do" in found.stdout


def test_a_sweep_is_found_by_name_and_by_folder(swept: api.Results, folder: Path) -> None:
    for found in (attnbench.load("tiny", results=folder), attnbench.load(swept.folder)):
        pd.testing.assert_frame_equal(found.curve, swept.curve)


def test_a_sweep_draws_the_figure_that_is_asked_for(swept: api.Results) -> None:
    assert len(swept.plot().axes) >= 1
    with pytest.raises(attnbench.UserError, match="Unknown figure 'memry'"):
        swept.plot("memry")


def test_a_run_has_weights_and_its_training(swept: api.Results) -> None:
    run = swept.run(swept.metrics["run_id"].iloc[0])
    assert all(isinstance(each, np.ndarray) for each in run.weights.values())
    assert run.weights["encoder.embedding.weight"].ndim == 2
    assert run.training["step"].max() == 20
    assert len(run.metrics) == 1


def test_a_run_is_inspected_without_writing(swept: api.Results) -> None:
    fixed, luong = (
        swept.run(swept.metrics.query(f"model == '{model}'")["run_id"].iloc[-1])
        for model in ("fixed", "luong_general")
    )
    found = luong.inspect(examples=1, beside=fixed, device="cpu")
    [example] = found.examples
    assert example.weights is not None
    assert example.weights.shape == (len(example.written), len(example.source))
    assert found.beside[0].weights is None
    assert set(found.attention["run_id"]) <= {fixed.run_id, luong.run_id}
    assert len(found.causal)
    assert len(found.errors)
    assert len(found.plot(0).axes)
    assert not (luong.folder.path / "inspect").exists()
    with pytest.raises(attnbench.UserError, match="no example 1"):
        found.plot(1)


def test_training_makes_one_run_in_a_process(folder: Path) -> None:
    run = attnbench.train(
        "copy",
        "fixed",
        task__length=2,
        training__steps=20,
        model__hidden_size=16,
        device="cpu",
        results=folder,
    )
    assert run.folder.state == "done"
    assert run.metrics["task"].tolist() == ["copy"]


WRONG = [
    (["sweep", "--task", "copi"], lambda: attnbench.sweep(task="copi")),
    (["sweep", "--lengths", "4:2"], lambda: attnbench.sweep(lengths="4:2")),
    (["sweep", "--seeds", "0"], lambda: attnbench.sweep(seeds=0)),
    (["sweep", "model.hiden_size=3"], lambda: attnbench.sweep(model={"hiden_size": 3})),
    (["train", "model=fixd"], lambda: attnbench.train(model="fixd")),
    (["train", "--name", "../x"], lambda: attnbench.train(name="../x")),
    (["plot", "nothing"], lambda: attnbench.load("nothing")),
]


@pytest.mark.parametrize(("words", "call"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_errors_have_the_words_of_the_command(
    words: list[str], call: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(app, words)
    with pytest.raises(attnbench.UserError) as raised:
        call()  # type: ignore[operator]
    assert said.exit_code == 2
    assert said.stderr == f"attnbench: {raised.value}\n"
    assert list(tmp_path.iterdir()) == []


def test_keys_are_written_as_the_command_line_reads_them() -> None:
    keys = {"training": {"steps": [5, 10]}, "task__eos": False, "task.source": Path("a, b.en"), "seed": None}
    assert api._override_words(keys, api._axis) == [
        "training.steps=5,10",
        "task.eos=false",
        "task.source='a, b.en'",
        "seed=null",
    ]
    assert api._override_words({"test_lengths": [4, 8]}, api._value) == ["test_lengths=[4,8]"]


def test_a_sweep_works_beside_the_main_thread(swept: api.Results, folder: Path) -> None:
    found: list[api.Results] = []
    options = {"models": "fixed,luong_general", "lengths": [2, 3], "seeds": "7,", "name": "tiny", **TINY}
    work = threading.Thread(
        target=lambda: found.append(attnbench.sweep("reverse", results=folder, **options))
    )
    work.start()
    work.join()
    assert len(found[0].metrics) == 4


@pytest.mark.slow(20)
def test_a_notebook_shows_a_bar_and_figures_and_no_standard_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.chdir(tmp_path)
    cells = [
        "import attnbench\n"
        "keys = dict(training__steps=40, model__hidden_size=16, device='cpu')\n"
        "found = attnbench.sweep('reverse', ['fixed'], [2], 1, name='n', **keys)",
        "found.plot()",
        "found",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
    updates = []

    class Client(nbclient.NotebookClient):
        def process_message(self, message: dict, cell: dict, cell_index: int) -> object:  # type: ignore[type-arg]
            if message["msg_type"] == "update_display_data":
                updates.append(message["content"]["data"].get("text/plain", ""))
            return super().process_message(message, cell, cell_index)

    Client(notebook, timeout=300, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.outputs]
    assert not [each for each in outputs if each.get("name") == "stderr"]
    assert any("1/1 done" in each for each in updates)
    assert updates[-1] == ""  # the bar is gone when the sweep has ended
    assert any("image/png" in each.get("data", {}) for each in outputs)
    assert "Mean free-running token accuracy" in outputs[-1]["data"]["text/plain"]
    assert "\x1b" not in outputs[-1]["data"]["text/plain"]
