from pathlib import Path

import pytest

from tests.tasks.text.text_examples import numbered_pairs, write_tsv


@pytest.fixture
def three_files(tmp_path: Path) -> dict[str, str]:
    """Return where 50, 20 and 30 different pairs lie, by the key that takes them."""
    return {
        "source": write_tsv(tmp_path / "train.tsv", numbered_pairs(50)),
        "validation_source": write_tsv(tmp_path / "validation.tsv", numbered_pairs(20, first=100)),
        "test_source": write_tsv(tmp_path / "test.tsv", numbered_pairs(30, first=200)),
    }
