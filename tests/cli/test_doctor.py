from shutil import disk_usage as usage

from tests.commands import attnbench


def test_versions_device_cores_and_results_are_looked_at(results):
    finished = attnbench("doctor", "--results", results)
    assert (finished.status, finished.err) == (0, "")
    for what in ("attnbench", "python", "torch", "device: auto", "cores", "slurm", "results"):
        assert f"ok   {what} " in finished.out
    assert not results.exists()


def test_json_says_the_same(results):
    findings = attnbench("doctor", "--results", results, "--json").json
    assert all(each["is_good"] for each in findings)
    assert {"attnbench", "python", "torch", "cores"} <= {each["what"] for each in findings}


def test_results_that_cannot_be_written_are_bad(tmp_path):
    (tmp_path / "file").touch()
    finished = attnbench("doctor", "--results", tmp_path / "file")
    assert finished.status == 1
    assert "BAD  results" in finished.out


def test_a_folder_of_results_that_is_full_of_sweeps_is_good(swept):
    assert attnbench("doctor", "--results", swept.parent).status == 0


def test_the_room_is_that_of_the_disk_on_which_the_results_lie(results, monkeypatch):
    asked = []
    monkeypatch.setattr("shutil.disk_usage", lambda path: asked.append(path) or usage(path))
    for is_there in (False, True):
        if is_there:
            results.mkdir()  # or mounted, or a link to where there is room
        assert attnbench("doctor", "--results", results).status == 0
    assert asked == [results.parent, results]
