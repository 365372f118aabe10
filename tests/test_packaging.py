"""What a wheel holds: building one is too slow for every day, so its list of contents is compared."""

import tomllib

from tests import ROOT

SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


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
