import pickle
import zipfile

import pytest
import torch

from attnbench.errors import DamagedFileError
from attnbench.runs.execute import load_checkpoint, save_checkpoint

STATE = {
    "weights": {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2], dtype=torch.int64)},
    "step": 7,
    "rate": 0.1,
    "rows": [{"step": 1, "reason": None}],
    "stop_reason": "budget",
}


class Intruder:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('code of a checkpoint ran')",))


@pytest.fixture
def path(tmp_path):
    save_checkpoint(tmp_path / "checkpoint.pt", STATE)
    return tmp_path / "checkpoint.pt"


def test_a_state_comes_back_as_it_was(path):
    loaded = load_checkpoint(path)
    assert torch.equal(loaded["weights"].pop("a"), STATE["weights"]["a"])
    assert torch.equal(loaded["weights"].pop("b"), STATE["weights"]["b"])
    assert {**loaded, "weights": {}} == {**STATE, "weights": {}}


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
def test_a_truncated_checkpoint_is_refused(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DamagedFileError, match=r"checkpoint\.pt is damaged"):
        load_checkpoint(path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.02, 0.3, 0.6, 0.999])
def test_one_flipped_bit_is_noticed_wherever_it_is(path, share):
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match="checksum"):
        load_checkpoint(path)


@pytest.mark.parametrize("junk", [b"", b"\n", b"attnbench checkpoint 1 sha256 \n", b"PK\x03\x04"])
def test_what_is_no_checkpoint_is_refused(path, junk):
    path.write_bytes(junk)
    with pytest.raises(DamagedFileError):
        load_checkpoint(path)


def test_code_in_a_checkpoint_with_a_right_checksum_does_not_run(path):
    save_checkpoint(path, {"step": Intruder()})
    with pytest.raises(DamagedFileError, match="cannot be loaded"):
        load_checkpoint(path)


def test_a_pickle_with_code_in_place_of_a_checkpoint_does_not_run(path):
    path.write_bytes(pickle.dumps(Intruder()))
    with pytest.raises(DamagedFileError):
        load_checkpoint(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Intruder()))
    with pytest.raises(DamagedFileError):
        load_checkpoint(path)


def test_a_missing_checkpoint_is_not_a_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "checkpoint.pt")
