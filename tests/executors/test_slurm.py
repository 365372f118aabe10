import os
import pickle
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from attnbench.config.compose import Configuration
from attnbench.errors import UserError
from attnbench.executors.base import Note, RunEnded, RunProgressed, WorkOrder
from attnbench.executors.slurm import job, queue, records
from attnbench.executors.slurm.job import RunBundle
from attnbench.executors.slurm.records import new_record
from attnbench.executors.slurm.submission import ALONE
from attnbench.runs.folder import RunFolder
from attnbench.schema import trusted_folder, trusting
from attnbench.sweeps.run import run_to_the_end
from tests.commands import ENDLESS
from tests.executors.fake_slurm import Cluster
from tests.runs.tiny_runs import finish, prepared, tiny_spec

ORDER = WorkOrder("cpu")
EXECUTOR = Configuration().executor("slurm")


def submit(folders, executor=EXECUTOR):
    return executor.submit([folder.path for folder in folders], ORDER)


def test_runs_are_packed_into_the_jobs_of_one_array(fake, folders, book):
    submit(folders, replace(EXECUTOR, runs_per_job=2, jobs_at_once=2))
    (record,) = book.records()
    ids = [folder.run_id for folder in folders]
    assert record.packs == [ids[:2], ids[2:4], ids[4:]]
    assert [job[2] for job in fake.queue] == ["0", "1", "2"]
    assert {job[1] for job in fake.queue} == {record.job_id}
    assert "--array=0-2%2" in fake.script


def test_the_branches_of_a_trunk_are_in_one_job_and_it_is_told(fake, folders, book, monkeypatch):
    sent = []
    monkeypatch.setattr(
        "attnbench.executors.slurm.executor.submit_array", lambda jobs, *_: (sent.extend(jobs), "1")[1]
    )
    ids = [folder.run_id for folder in folders]
    order = replace(ORDER, trunks={ids[0]: "trunk", ids[3]: "trunk"})
    replace(EXECUTOR, runs_per_job=1).submit([folder.path for folder in folders], order)
    (record,) = book.records()
    assert record.packs == [[ids[0], ids[3]], [ids[1]], [ids[2]], [ids[4]]]
    assert [job.trunks for job in sent] == [{ids[0]: "trunk", ids[3]: "trunk"}, {}, {}, {}]


def test_a_job_is_told_to_write_events(fake, folders, book, monkeypatch):
    sent = []
    monkeypatch.setattr(
        "attnbench.executors.slurm.executor.submit_array", lambda jobs, *_: (sent.extend(jobs), "1")[1]
    )
    for folder, writes_events in zip(folders, (False, True), strict=False):
        EXECUTOR.submit([folder.path], replace(ORDER, writes_events=writes_events))
    assert [job.writes_events for job in sent] == [False, True]


def test_branches_that_were_lost_have_jobs_of_their_own(fake, folders, book):
    paths, ids = [folder.path for folder in folders[:2]], [folder.run_id for folder in folders[:2]]
    order = replace(ORDER, trunks=dict.fromkeys(ids, "trunk"))
    submission = EXECUTOR.submit(paths, order)
    fake.put([])
    assert submission.hand_over(folders[:2], ALONE).refusal is None
    assert [record.packs for record in book.records()] == [[ids], [[each] for each in ids]]


def test_a_job_makes_a_trunk_and_then_its_branch(tmp_path, submitit_handler):
    specs = [tiny_spec("training.warmup_steps=1", f"training.steps={steps}") for steps in (4, 8)]
    folders = [prepared(tmp_path / "runs", spec) for spec in specs]
    paths = tuple(str(folder.path) for folder in folders)
    trunks = {folder.run_id: "trunk" for folder in folders}
    pickle.loads(pickle.dumps(RunBundle(paths, "cpu", None, trunks=trunks)))()
    assert [RunFolder(folder.path).read_outcome().resumed_from_step for folder in folders] == [None, 3]


def test_a_job_trusts_the_folder_of_own_classes_that_its_sweep_trusts(
    fake, folders, book, tmp_path, monkeypatch
):
    sent = []
    monkeypatch.setattr(
        "attnbench.executors.slurm.executor.submit_array", lambda jobs, *_: (sent.extend(jobs), "1")[1]
    )
    with trusting(tmp_path):
        submit(folders[:1])
    assert trusted_folder() is None
    pickle.loads(pickle.dumps(sent[0]))._execute(lambda: True)
    assert trusted_folder() == tmp_path


def test_the_configuration_reaches_sbatch(fake, folders):
    executor = replace(
        EXECUTOR,
        partition="long",
        account="me",
        time_minutes=30,
        memory_gb=1.5,
        cpus=2,
        gpus=1,
        constraint="a100",
        setup=["module load cuda"],
        save_seconds=45,
        sbatch={"qos": "high", "exclusive": True, "mail_type": "END"},
    )
    submit(folders, executor)
    lines = fake.script.splitlines()
    for option in (
        "partition=long",
        "account=me",
        "time=30",
        "mem=1536M",
        "cpus-per-task=2",
        "gpus-per-node=1",
        "constraint=a100",
        "signal=USR2@45",
        "qos=high",
        "exclusive",
        "mail-type=END",
        "requeue",
    ):
        assert f"#SBATCH --{option}" in lines
    assert "module load cuda" in lines


def test_living_jobs_are_joined_and_only_the_rest_is_submitted(fake, folders, book):
    submit(folders[:3])
    again = submit(folders)
    assert again.first.found == [folder.run_id for folder in folders[:3]]
    assert book.records()[-1].packs == [[folder.run_id for folder in folders[3:]]]
    assert fake.submissions == 2
    assert submit(folders).describe() == "5 runs were in its queue already."
    assert fake.submissions == 2


def test_jobs_are_found_again_where_the_sweep_was_killed_before_it_learnt_their_number(fake, folders, book):
    record = new_record([[folder.run_id for folder in folders]])
    book.write(record)
    fake.put([[record.name, "55", "N/A", "RUNNING"]])
    assert len(submit(folders).first.found) == 5
    assert book.cancel() == 1
    assert fake.calls("scancel") == [["55"]]


def test_two_sweeps_do_not_submit_the_same_runs_at_the_same_moment(fake, folders, book, monkeypatch):
    monkeypatch.setattr(records, "TURN_SECONDS", 0.0)
    with book.held():
        assert "Another attnbench is still submitting" in str(submit(folders).rejection)
    assert fake.submissions == 0
    submit(folders)
    assert fake.submissions == 1


def test_waiting_ends_with_the_runs(fake, folders):
    events = []

    def work():
        fake.put([])
        for folder in folders:
            finish(folder)

    submit(folders).wait(events.append, Cluster(lambda: fake.set_states("RUNNING"), work))
    assert {event.run_id for event in events if isinstance(event, RunEnded)} == {
        each.run_id for each in folders
    }
    assert fake.submissions == 1


def test_a_lost_run_is_submitted_once_more_alone_and_then_has_failed(fake, folders, book):
    events = []

    def end_with_a_log():
        for _, job_id, index, _ in fake.queue:
            (book.logs_folder / f"{job_id}_{index}_0_log.err").touch()
        fake.put([])

    submit(folders[:2]).wait(
        events.append, Cluster(lambda: None, lambda: fake.put([]), lambda: None, end_with_a_log)
    )
    assert [record.packs for record in book.records()] == [
        [[folder.run_id for folder in folders[:2]]],
        [[folder.run_id] for folder in folders[:2]],
    ]
    outcome = folders[0].read_outcome()
    assert outcome is not None
    job_id = book.records()[-1].job_id
    assert outcome.error == (
        f"its job ended before it did, 2 times; what the job said: {book.logs_folder}/{job_id}_0_0_log.err"
    )
    assert any("submitted once more" in event.text for event in events if isinstance(event, Note))


def test_a_cancelled_run_is_left_and_not_submitted_again(fake, folders, book):
    run_to_the_end(folders, EXECUTOR, ORDER, lambda _: None, Cluster(lambda: None, book.cancel))
    assert [folder.state for folder in folders] == ["waiting"] * 5
    assert fake.submissions == 1
    submit(folders)
    assert fake.submissions == 2


def test_who_stops_waiting_leaves_the_jobs_in_the_queue(fake, folders):
    events = []
    submit(folders).wait(events.append, lambda: True)
    assert len(fake.queue) == 2
    assert "go on without this sweep" in events[-1].text


def test_a_silent_slurm_is_waited_for(fake, folders):
    events = []

    def fall_silent():
        fake.refuse("squeue", "slurm_load_jobs error: Unable to contact slurm controller")

    def work():
        for folder in folders:
            finish(folder)

    submit(folders).wait(events.append, Cluster(lambda: None, fall_silent, lambda: None, work))
    notes = [event.text for event in events if isinstance(event, Note)]
    assert sum("Unable to contact slurm controller" in note for note in notes) == 1
    assert fake.submissions == 1


def test_a_refused_submission_is_told_in_the_words_of_sbatch_and_leaves_no_record(fake, folders, book, capfd):
    fake.refuse("sbatch", "sbatch: error: Batch job submission failed: Job violates accounting policy")
    with pytest.raises(UserError, match=r"sbatch refused: .*Job violates accounting policy"):
        submit(folders)
    assert book.records() == []
    assert list(book.logs_folder.iterdir()) == []
    assert capfd.readouterr().err == ""


def test_options_are_tried_before_anything_is_written(fake, tmp_path):
    fake.refuse("sbatch", "sbatch: error: invalid partition specified: nowhere")
    with pytest.raises(UserError, match="invalid partition specified: nowhere"):
        replace(EXECUTOR, partition="nowhere").check(tmp_path / "new")
    assert "--partition=nowhere" in fake.calls("sbatch")[0]


def test_a_machine_without_slurm_is_told_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=r"needs sbatch, .*none on PATH.*--executor processes"):
        EXECUTOR.check(tmp_path)


def test_options_that_would_break_the_array_are_refused(fake, tmp_path):
    with pytest.raises(UserError, match="attnbench itself sets array, job-name"):
        replace(EXECUTOR, sbatch={"job_name": "mine", "array": "0-3"}).check(tmp_path)


@pytest.fixture
def far_nodes(fake, monkeypatch):
    monkeypatch.setattr(queue, "file_system_of", lambda path: "ext4")
    fake.answer("sinfo", "node1\nnode2")
    return fake


def test_a_folder_that_the_nodes_do_not_see_is_refused(far_nodes, tmp_path):
    far_nodes.answer("srun", "did not see")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match=r"do not see the results folder .*lies on ext4.*--results"):
        EXECUTOR.check(tmp_path / "results" / "new")
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_the_nodes_see_is_taken(far_nodes, tmp_path):
    far_nodes.answer("srun", "saw")
    EXECUTOR.check(tmp_path / "new")
    assert len(far_nodes.calls("srun")) == 1


def test_what_asks_a_node_goes_where_the_jobs_go_and_neither_waits_nor_takes_all_they_take(
    far_nodes, tmp_path
):
    far_nodes.answer("srun", "saw")
    further = {"hold": True, "begin": "tomorrow", "exclusive": True, "qos": "high", "exclude": "node7"}
    replace(EXECUTOR, partition="long", cpus=8, sbatch=further).check(tmp_path)
    ((*words, _, _, _, _, _),) = far_nodes.calls("srun")
    mem = f"--mem={round(EXECUTOR.memory_gb * 1024)}M"
    chosen = ["--partition=long", "--qos=high", mem, "--exclude=node7"]
    assert words == [*chosen, "--time=1", "--ntasks=1", "--immediate=120"]


def test_a_node_that_cannot_be_asked_is_no_yes(far_nodes, tmp_path):
    far_nodes.refuse("srun", "srun: error: Unable to allocate resources")
    with pytest.raises(UserError, match="Unable to allocate resources"):
        EXECUTOR.check(tmp_path)
    replace(EXECUTOR, checks_folder=False).check(tmp_path)


def test_no_node_is_asked_about_a_network_file_system(far_nodes, tmp_path, monkeypatch):
    monkeypatch.setattr(queue, "file_system_of", lambda path: "nfs4")
    EXECUTOR.check(tmp_path)
    assert far_nodes.calls("srun") == []


def test_the_file_system_is_that_of_the_nearest_mount(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text("a / ext4 rw 0 0\nb /home nfs4 rw 0 0\nc /home/me/tmp tmpfs rw 0 0\n")
    kinds = [queue.file_system_of(path, mounts) for path in map(Path, ("/x", "/home/me", "/homes"))]
    assert kinds == ["ext4", "nfs4", "ext4"]


def test_the_kernel_writes_blanks_and_backslashes_of_mount_points_in_numbers(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "a / ext4 rw 0 0\nb /big\\040disk nfs4 rw 0 0\nc /back\\134040 zfs rw 0 0\nd /größe xfs rw 0 0\n",
        encoding="utf-8",
    )
    places = ("/big disk/me", "/back\\040/me", "/größe/me")
    kinds = [queue.file_system_of(path, mounts) for path in map(Path, places)]
    assert kinds == ["nfs4", "zfs", "xfs"]


LONG = tiny_spec(*ENDLESS, "training.evaluate_every=5")


@pytest.fixture
def submitit_handler():
    """What submitit would do on SIGUSR2 before a job's function takes the signal over."""
    calls = []
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR2, signal.SIGTERM)}
    signal.signal(signal.SIGUSR2, lambda number, frame: calls.append(number))
    yield calls
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.slow
@pytest.mark.parametrize("side_by_side", [1, 2])
@pytest.mark.parametrize(("number", "requeued"), [(signal.SIGUSR2, [signal.SIGUSR2]), (signal.SIGTERM, [])])
def test_a_warned_job_saves_its_runs_before_it_is_requeued(
    tmp_path, monkeypatch, submitit_handler, number, requeued, side_by_side
):
    running = [prepared(tmp_path / "runs", replace(LONG, seed=seed)) for seed in range(side_by_side)]
    later = prepared(tmp_path / "runs", tiny_spec())
    in_progress: set[str] = set()

    def warn_once_all_are_in_progress(event):
        if isinstance(event, RunProgressed):
            in_progress.add(event.run_id)
            if len(in_progress) == side_by_side:
                os.kill(os.getpid(), number)

    monkeypatch.setattr(job, "_log", warn_once_all_are_in_progress)
    RunBundle(tuple(str(folder.path) for folder in (*running, later)), "cpu", None, side_by_side)()
    assert [folder.state for folder in running] == ["interrupted"] * side_by_side
    assert later.state == "waiting"
    assert submitit_handler == requeued


@pytest.mark.slow
@pytest.mark.parametrize("side_by_side", [1, 2])
def test_a_pack_makes_its_runs_and_outlives_a_pickle(tmp_path, submitit_handler, side_by_side):
    folders = [prepared(tmp_path / "runs", tiny_spec(f"seed={seed}")) for seed in (0, 1)]
    paths = tuple(str(folder.path) for folder in folders)
    pack = pickle.loads(pickle.dumps(RunBundle(paths, "cpu", None, side_by_side)))
    pack()
    assert [RunFolder(folder.path).state for folder in folders] == ["done", "done"]
    assert submitit_handler == []


class TestNodesThatAreDown:
    """`sbatch --test-only` refuses what sbatch itself would let wait for better times."""

    words = "allocation failure: Requested node configuration is not available"

    def test_a_sweep_is_not_refused_for_them(self, fake, tmp_path):
        fake.refuse_trials(self.words)
        EXECUTOR.check(tmp_path)
        assert any("--begin=now+1hour" in call for call in fake.calls("sbatch"))
        assert fake.calls("scancel") == [["99"]]
        assert fake.queue == []

    def test_what_no_node_will_ever_do_is_refused_in_the_words_of_sbatch(self, fake, tmp_path):
        fake.refuse("sbatch", self.words)
        with pytest.raises(UserError, match="sbatch refused: allocation failure: Requested node conf"):
            EXECUTOR.check(tmp_path)

    def test_other_refusals_are_final(self, fake, tmp_path):
        fake.refuse_trials("invalid partition specified: nowhere")
        with pytest.raises(UserError, match="invalid partition specified: nowhere"):
            EXECUTOR.check(tmp_path)
        assert len(fake.calls("sbatch")) == 1


def test_jobs_are_counted_as_they_are_packed():
    for groups, told in (
        ([1] * 9, "3 jobs of at most 4 runs each"),
        ([5, 5, 2], "3 jobs of at most 5 runs each"),
    ):
        assert EXECUTOR.jobs_in_words(groups).startswith(f"{told}, 32 at once; each asks for 1 core and 4 GB")
