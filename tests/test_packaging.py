"""What a wheel holds: its list of contents every day; built, installed and run where slow tests run."""

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from attnbench import __version__
from tests import ROOT
from tests.commands import TINY

SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
LEFT_ALONE = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "results")
BUILD_SDIST = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"


def test_every_package_is_in_the_wheel():
    folders = {path.parent for path in (ROOT / "attnbench").rglob("__init__.py")}
    found = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert found | {"attnbench.conf"} == set(SETUPTOOLS["packages"])


def test_every_folder_with_modules_is_a_package():
    for path in (ROOT / "attnbench").rglob("*.py"):
        assert (path.parent / "__init__.py").exists(), path


def test_the_configuration_is_in_the_wheel_whole():
    assert SETUPTOOLS["package-dir"]["attnbench.conf"] == "conf"
    patterns = SETUPTOOLS["package-data"]["attnbench.conf"]
    packed = {path for pattern in patterns for path in (ROOT / "conf").glob(pattern)}
    others = {
        path for path in (ROOT / "conf").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    assert others - packed == {ROOT / "conf" / "__init__.py"}


def test_types_are_announced():
    assert SETUPTOOLS["package-data"]["attnbench"] == ["py.typed"]
    assert (ROOT / "attnbench" / "py.typed").exists()


def test_everything_beside_the_modules_is_in_the_wheel():
    packed = {
        path
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
        for path in ROOT.joinpath(*package.split(".")).glob(pattern)
    }
    beside = {path for path in (ROOT / "attnbench").rglob("*") if path.is_file() and path.suffix != ".py"}
    assert {path for path in beside if "__pycache__" not in path.parts} <= packed


def run(*words: object, cwd: Path) -> str:
    """Run a program to its end, without what the environment says of other folders, and return what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ATTNBENCH"))}
    env = {**kept, "OMP_NUM_THREADS": "1", "ATTNBENCH_CACHE": str(cwd / "cache")}
    done = subprocess.run([*map(str, words)], cwd=cwd, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wheel_of(source: Path, into: Path) -> Path:
    """Build a wheel from a folder or a packed sdist, with the setuptools that is installed here."""
    pip_wheel = ("pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation")
    run(sys.executable, "-m", *pip_wheel, "--wheel-dir", into, source, cwd=into.parent)
    (wheel,) = into.glob("*.whl")
    return wheel


def contents_of(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as packed:
        return {name: packed.read(name) for name in packed.namelist() if not name.endswith("/RECORD")}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of a copy of this tree: setuptools leaves files in a tree from which it builds."""
    tree = tmp_path_factory.mktemp("tree") / "attnbench"
    shutil.copytree(ROOT, tree, ignore=LEFT_ALONE)
    run(sys.executable, "-c", BUILD_SDIST, tree.parent, cwd=tree)
    (packed,) = tree.parent.glob("*.tar.gz")
    return packed


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> Path:
    """The wheel of the tree itself."""
    return wheel_of(sdist.parent / "attnbench", sdist.parent / "wheel")


@pytest.mark.slow(seconds=10)
def test_an_sdist_holds_what_it_is_built_from_and_no_half_of_the_tests(sdist: Path, wheel: Path) -> None:
    with tarfile.open(sdist) as packed:
        held = {name.partition("/")[2] for name in packed.getnames()}
    assert held >= {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "CITATION.cff",
        "conf/sweep/quick.yaml",
    }
    assert not [name for name in held if name.startswith("tests")]
    assert contents_of(wheel_of(sdist, sdist.parent / "again")) == contents_of(wheel)


@pytest.mark.slow(seconds=10)
def test_a_wheel_holds_every_file_of_the_package_and_of_conf(wheel: Path) -> None:
    tree = wheel.parent.parent / "attnbench"
    expected = {
        str(place / path.relative_to(tree / folder)): path.read_bytes()
        for folder, place in (("attnbench", Path("attnbench")), ("conf", Path("attnbench/conf")))
        for path in (tree / folder).rglob("*")
        if path.is_file()
    }
    assert {name: held for name, held in contents_of(wheel).items() if ".dist-info/" not in name} == expected


@pytest.mark.slow(seconds=25)
def test_a_wheel_runs_in_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    """What it depends on is that of this environment, by a .pth file; the package itself must be the installed one."""
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=tmp_path)
    python = venv / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    (site,) = venv.glob("lib/*/site-packages")
    (site / "shared.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    desk = tmp_path / "desk"
    desk.mkdir()
    assert str(site) in run(python, "-c", "import attnbench; print(attnbench.__file__)", cwd=desk)

    attnbench = venv / "bin" / "attnbench"
    assert run(attnbench, "--version", cwd=desk).split() == ["attnbench", __version__]
    assert "quick" in run(attnbench, "list", "presets", cwd=desk)
    models = ("--lengths", "2,3", "--seeds", "2", "--models", "fixed,luong_general", "--name", "tried")
    run(attnbench, "sweep", *models, "--executor", "inline", *TINY, cwd=desk)
    run(attnbench, "report", "tried", cwd=desk)
    sweep = desk / "results" / "tried"
    (finished, *_) = (sweep / "runs").iterdir()
    run(attnbench, "inspect", finished, cwd=desk)
    assert len(list(desk.rglob("*.html"))) == 2
    assert (sweep / "accuracy_vs_length.png").stat().st_size > 0
