import json
import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from attnbench.runs.folder import RunFolder
from attnbench.runs.store import RunStore
from tests.commands import TINY_SWEEP, attnbench
from tools.fault_injection.__main__ import Circumstances, dealt, page
from tools.fault_injection.files import DAMAGE_FAULTS, FILES_OF_RUNS, cut, flip, link_to_nowhere
from tools.fault_injection.findings import Findings, Ledger, judge
from tools.fault_injection.processes import PROCESS_FAULTS
from tools.fault_injection.round import Fault, Round, RoundReport, play
from tools.fault_injection.sweep import COMPARED, NAME, TIMES, Reference, compared_rows

LINUX = pytest.mark.skipif(not Path("/proc/locks").exists(), reason="processes and locks are read from /proc")
pytestmark = LINUX


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("undisturbed")
    assert attnbench(*TINY_SWEEP, "--results", results, "--name", NAME).status == 0
    return results / NAME


@pytest.fixture
def sweep(undisturbed: Path, tmp_path: Path) -> "Sweep":
    shutil.copytree(undisturbed, tmp_path / NAME)
    return Sweep(tmp_path / NAME, Reference(compared_rows(undisturbed / "metrics.csv")))


class Sweep:
    """A finished sweep with a ledger that has seen it, for something to go wrong in."""

    def __init__(self, folder: Path, reference: Reference) -> None:
        self.store, self.reference = RunStore(folder), reference
        self.ledger = Ledger([self.store.folder(run_id) for run_id in reference.run_ids])
        self.ledger.look_for_finishes()

    @property
    def run(self) -> RunFolder:
        return self.ledger.runs[0]

    def judged(self) -> dict[str, int]:
        self.ledger.check_tables()
        findings = Findings()
        judge(findings, self.store, self.reference, self.ledger)
        return {name: findings.count(name) for name in vars(findings) if findings.count(name)}


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_nothing_is_found_in_an_undisturbed_sweep(sweep):
    assert len(sweep.reference.rows) == 4
    assert sweep.judged() == {}


def test_a_run_without_status_is_lost(sweep):
    sweep.ledger.finishes.clear()
    sweep.run.status_file.unlink()
    assert sweep.judged() == {"lost": 1}


def test_a_run_without_a_row_in_the_merged_table_is_lost(sweep):
    lines = sweep.store.metrics_file.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(sweep.run.run_id)]
    sweep.store.metrics_file.write_text("".join(kept), encoding="utf-8")
    assert sweep.judged() == {"lost": 1}


def test_a_run_whose_checkpoint_is_not_what_it_wrote_is_lost(sweep):
    sweep.run.checkpoint_file.write_bytes(b"something else")
    assert sweep.judged() == {"lost": 1}


def test_a_run_that_is_finished_once_more_is_done_twice(sweep):
    os.utime(sweep.run.status_file, ns=(1, 1))
    assert sweep.judged() == {"twice": 1}


def test_a_run_whose_status_vanished_for_a_moment_is_done_twice(sweep):
    status = sweep.run.status_file.read_bytes()
    sweep.run.status_file.unlink()
    sweep.ledger.look_for_finishes()
    sweep.run.status_file.write_bytes(status)
    assert sweep.judged() == {"twice": 1}


def test_a_table_that_was_written_once_more_is_done_twice(sweep):
    os.utime(sweep.run.metrics_file, ns=(1, 1))
    assert sweep.judged() == {"twice": 1}


@pytest.mark.parametrize(("resumed_from_step", "is_twice"), [(None, True), (2, True), (4, False)])
def test_a_run_that_began_below_its_whole_checkpoint_is_done_twice(sweep, resumed_from_step, is_twice):
    status = json.loads(sweep.run.status_file.read_bytes())
    sweep.run.status_file.unlink()
    ledger = Ledger(sweep.ledger.runs)
    ledger.look_at_checkpoints()
    assert ledger.saved_steps == {sweep.run.run_id: 4}
    status["resumed_from_step"] = resumed_from_step
    sweep.run.status_file.write_text(json.dumps(status), encoding="utf-8")
    ledger.look_for_finishes()
    assert (sweep.run.run_id in ledger.twice) is is_twice


def test_a_checkpoint_that_vanishes_is_work_done_twice(sweep):
    sweep.run.status_file.unlink()
    ledger = Ledger(sweep.ledger.runs)
    ledger.look_at_checkpoints()
    sweep.run.checkpoint_file.unlink()
    ledger.look_at_checkpoints()
    assert list(ledger.twice) == [sweep.run.run_id]


def test_a_run_that_was_damaged_on_purpose_may_be_done_again_once(sweep):
    with sweep.ledger.forgiving(sweep.run):
        sweep.run.spec_file.write_bytes(cut(sweep.run.spec_file.read_bytes(), 0.5))
    assert attnbench(*TINY_SWEEP, "--results", sweep.store.path.parent, "--name", NAME).status == 0
    assert sweep.judged() == {}
    os.utime(sweep.run.status_file, ns=(1, 1))
    assert sweep.judged() == {"twice": 1}


@pytest.mark.parametrize("name", FILES_OF_RUNS)
def test_a_run_is_made_whole_where_a_link_to_nowhere_took_the_place_of_a_file(sweep, name):
    with sweep.ledger.forgiving(sweep.run):
        link_to_nowhere(sweep.run.path / name)
    assert (sweep.run.path / name).is_symlink()
    assert not (sweep.run.path / name).exists()
    assert attnbench(*TINY_SWEEP, "--results", sweep.store.path.parent, "--name", NAME).status == 0
    assert sweep.judged() == {}


def test_a_link_to_nowhere_that_nobody_mended_is_found(sweep):
    link_to_nowhere(sweep.run.metrics_file)
    assert sweep.judged() == {"lost": 1, "twice": 1}


def test_a_row_of_the_merged_table_that_differs_is_wrong(sweep):
    rewrite(sweep.store.metrics_file, f"{sweep.run.run_id},reverse", f"{sweep.run.run_id},copy")
    assert sweep.judged() == {"wrong": 1}


def test_a_row_that_the_undisturbed_sweep_does_not_have_is_wrong(sweep):
    with sweep.store.metrics_file.open("a", encoding="utf-8") as file:
        row = sweep.store.metrics_file.read_text(encoding="utf-8").splitlines()[1]
        file.write(row.replace("-s0-", "-s1-") + "\n")
    assert sweep.judged() == {"wrong": 1}


def test_times_may_differ_and_nothing_else():
    assert set(TIMES) == {"train_seconds", "tokens_per_second"}
    assert not set(TIMES) & set(COMPARED)
    assert "cross_entropy_nats" in COMPARED


def test_half_a_file_is_a_leftover(sweep):
    (sweep.run.path / ".checkpoint.pt.0123.tmp").write_bytes(b"half")
    (sweep.store.path / ".metrics.csv.0123.tmp").write_bytes(b"half")
    assert sweep.judged() == {"leftovers": 2}


def test_one_bit_is_flipped_and_at_least_one_byte_is_cut_off():
    choice = random.Random(0)
    for _ in range(100):
        flipped = flip(b"abc", choice.random())
        assert sum((a ^ b).bit_count() for a, b in zip(b"abc", flipped, strict=True)) == 1
        assert b"abc".startswith(cut(b"abc", choice.random()))
        assert len(cut(b"abc", choice.random())) < 3


def test_every_kind_has_its_turn_before_any_comes_again():
    deck = [*PROCESS_FAULTS, *DAMAGE_FAULTS]
    kinds = [fault.kind for place in range(len(deck)) for fault in dealt(deck, 7, place, 3)]
    for first in range(0, len(kinds), len(deck)):
        assert sorted(kinds[first : first + len(deck)]) == sorted(fault.kind for fault in deck)
    assert dealt(deck, 7, 2, 3) == dealt(deck, 7, 2, 3)
    assert dealt(deck, 7, 2, 3) != dealt(deck, 8, 2, 3)


def test_the_table_counts_a_finding_in_every_row_of_its_round_and_once_in_all():
    clean = RoundReport(0, [("one", 2), ("one", 1)], Findings(), Counter({0: 2}), [None, 20, 0])
    found = RoundReport(
        1, [("one", 0), ("other", 1)], Findings(lost=["a"], leftovers=["b", "c"]), Counter({0: 1, 1: 1})
    )
    text = page(
        ["one", "other", "never"], [clean, found], Circumstances(3, 10, ["processes"], {"full": "no root"})
    )
    assert "| one | 3 | 3 | 1 | 0 | 0 | 2 |" in text
    assert "| other | 1 | 1 | 1 | 0 | 0 | 2 |" in text
    assert "| never | 0 | 0 | 0 | 0 | 0 | 0 |" in text
    assert "| **all** | **4** | **4** | **1** | **0** | **0** | **2** |" in text
    assert "(0: 3, 1: 1)" in text
    assert "full (no root)" in text
    assert "Of the 3 finished runs 1 went on from a checkpoint, from steps 20 to 20" in text


@pytest.mark.slow
def test_a_round_with_a_kill_ends_with_the_rows_of_the_undisturbed_sweep(undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr("tools.fault_injection.sweep.WORDS", TINY_SWEEP)
    monkeypatch.setattr(
        "tools.fault_injection.sweep.EXECUTORS", {"processes": ("--executor", "processes", "--workers", "2")}
    )
    reference = Reference(compared_rows(undisturbed / "metrics.csv"))
    kill = next(fault for fault in PROCESS_FAULTS if fault.kind == "SIGKILL of all processes")
    round_ = Round(tmp_path / "round", "processes", reference, random.Random(1))
    report = play(round_, 0, [kill])
    assert [kind for kind, _ in report.strikes] == ["SIGKILL of all processes"]
    assert report.findings.lines() == []
    assert report.statuses[0] == 1
    assert report.statuses[-9] == 1


@pytest.mark.slow
def test_a_status_that_nobody_promised_is_a_leftover(undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr("tools.fault_injection.sweep.WORDS", TINY_SWEEP)
    monkeypatch.setattr("tools.fault_injection.sweep.EXECUTORS", {"processes": ("--executor", "nowhere")})
    monkeypatch.setattr("tools.fault_injection.round.MOST_COMMANDS_TO_FINISH", 1)
    reference = Reference(compared_rows(undisturbed / "metrics.csv"))
    report = play(Round(tmp_path / "round", "processes", reference, random.Random(1)), 0, [])
    assert report.findings.count("lost") == len(reference.run_ids)
    assert "command_1.log: exit status 2" in report.findings.leftovers


def test_a_fault_that_finds_nothing_does_not_count(undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(Round, "finish", lambda self: None)
    reference = Reference(compared_rows(undisturbed / "metrics.csv"))
    nothing = Fault("nothing", lambda _: None)
    report = play(Round(tmp_path / "round", "processes", reference, random.Random(1)), 0, [nothing])
    assert report.strikes == []
