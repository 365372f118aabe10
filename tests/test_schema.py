import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from attnbench import schema
from attnbench.errors import UserError
from attnbench.models.config import ModelConfig
from attnbench.ranges import Count, Fraction
from attnbench.schema import build, load_class, trusted_folder, trusting
from attnbench.tasks.base import Task
from attnbench.tasks.symbols import Copy


@dataclass(frozen=True, kw_only=True)
class Oven:
    degrees: Count
    share: Fraction
    kind: Literal["gas", "electric"]
    is_hot: bool
    label: str | None
    racks: list[int] | None
    fan: bool = False


GOOD = {"degrees": 200, "share": 0.5, "kind": "gas", "is_hot": True, "label": None, "racks": [1, 2]}


def test_good_values_build_the_dataclass():
    oven = build(Oven, GOOD, "oven")
    assert oven == Oven(degrees=200, share=0.5, kind="gas", is_hot=True, label=None, racks=[1, 2])


def test_a_whole_number_is_good_for_a_float():
    assert build(Oven, GOOD | {"share": 1}, "oven").share == 1.0


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("degrees", "200", 'oven.degrees: expected an integer, got "200".'),
        ("degrees", 200.0, "oven.degrees: expected an integer, got 200.0."),
        ("degrees", True, "oven.degrees: expected an integer, got true."),
        ("degrees", 0, "oven.degrees: expected greater than or equal to 1, got 0."),
        ("degrees", None, "oven.degrees: expected an integer, got null."),
        ("share", 1.5, "oven.share: expected less than or equal to 1, got 1.5."),
        ("kind", "electrik", 'got "electrik". Did you mean electric?'),
        ("kind", "wood", "oven.kind: expected 'gas' or 'electric', got \"wood\"."),
        ("is_hot", 1, "oven.is_hot: expected true or false, got 1."),
        ("label", 5, "oven.label: expected a string, got 5."),
        ("racks", 5, "oven.racks: expected a list, got 5."),
        ("racks", [1, "two"], 'oven.racks.1: expected an integer, got "two".'),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected_and_what_came(key, value, message):
    with pytest.raises(UserError) as error:
        build(Oven, GOOD | {key: value}, "oven")
    assert str(error.value).endswith(message)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_numbers_must_be_finite(number):
    with pytest.raises(UserError, match="every number must be finite"):
        build(Oven, GOOD | {"share": number}, "oven")


def test_all_wrong_values_are_named_at_once():
    with pytest.raises(UserError) as error:
        build(Oven, GOOD | {"degrees": 0, "share": 2}, "oven")
    assert [line.partition(":")[0] for line in str(error.value).splitlines()] == [
        "oven.degrees",
        "oven.share",
    ]


def test_an_unknown_key_gets_the_known_ones_and_the_nearest():
    with pytest.raises(
        UserError, match=r"Unknown key 'oven.degres'.*oven.degrees, .*Did you mean oven.degrees?"
    ):
        build(Oven, GOOD | {"degres": 1}, "oven")


def test_a_missing_key_is_named_but_one_with_a_default_may_be_left_out():
    with pytest.raises(UserError, match=r"oven\.label is missing"):
        build(Oven, {key: value for key, value in GOOD.items() if key != "label"}, "oven")


def test_keys_at_the_top_have_no_prefix():
    with pytest.raises(UserError, match=r"^degrees: expected"):
        build(Oven, GOOD | {"degrees": 0}, "")


def test_our_classes_load():
    assert load_class("attnbench.tasks.symbols.Copy", Task) is Copy


@pytest.mark.parametrize(
    "target",
    ["os.system", "builtins.eval", "Copy", "", ".attnbench.Copy", "attnbenchx.Copy", "attnbench", "5"],
)
def test_a_foreign_class_is_refused(target):
    with pytest.raises(UserError, match="Refused to load"):
        load_class(target, Task)


def test_a_foreign_module_is_not_even_imported(tmp_path, monkeypatch):
    (tmp_path / "intruder.py").write_text("raise SystemExit('ran')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match="no --config-dir was given"):
        load_class("intruder.ModelConfig", ModelConfig)


@pytest.mark.parametrize("target", ["attnbench.tasks.symbols.Coppy", "attnbench.tasks.nothing.Copy"])
def test_a_class_of_ours_that_is_not_there_cannot_be_loaded(target):
    with pytest.raises(UserError, match="Cannot load"):
        load_class(target, Task)


@pytest.mark.parametrize("target", ["attnbench.tasks.symbols.Copy", "attnbench.tasks.recall.math"])
def test_a_class_of_another_kind_is_refused(target):
    with pytest.raises(UserError, match="is not a kind of ModelConfig"):
        load_class(target, ModelConfig)


@pytest.fixture
def own_folder(tmp_path):
    """A folder that the person named; what was imported from it is forgotten afterwards."""
    known = set(sys.modules)
    with trusting(tmp_path):
        yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def test_a_class_of_a_trusted_folder_loads(own_folder):
    (own_folder / "mine_one.py").write_text(
        "from attnbench.tasks.symbols import Copy\nclass Mine(Copy): pass\n"
    )
    assert issubclass(load_class("mine_one.Mine", Task), Copy)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("def (", "SyntaxError"), ("1 / 0", "ZeroDivisionError"), ("import nowhere_at_all", "nowhere_at_all")],
)
def test_a_module_that_cannot_be_imported_says_why(own_folder, text, reason):
    (own_folder / "mine_two.py").write_text(text)
    with pytest.raises(UserError, match=f"Cannot load 'mine_two.Mine'.*{reason}"):
        load_class("mine_two.Mine", Task)


def test_a_file_called_like_another_module_is_to_be_renamed(own_folder):
    (own_folder / "copy.py").write_text("class Mine: pass\n")
    with pytest.raises(UserError, match=r"'copy' is the name of another module too.*rename"):
        load_class("copy.Mine", Task)


def test_a_trusted_folder_hides_no_module_of_others(own_folder):
    (own_folder / "colorsys.py").write_text("raise SystemExit('hidden')\n")
    sys.modules.pop("colorsys", None)
    import colorsys

    assert colorsys.__file__ != str(own_folder / "colorsys.py")


def test_a_folder_is_trusted_no_longer_than_it_is_said_to_be(tmp_path):
    (tmp_path / "mine_three.py").write_text(
        "from attnbench.tasks.symbols import Copy\nclass Mine(Copy): pass\n"
    )
    before = list(sys.path)
    with trusting(tmp_path):
        with trusting(None), pytest.raises(UserError, match="no --config-dir was given"):
            load_class("mine_three.Mine", Task)
        assert trusted_folder() == tmp_path
    assert (trusted_folder(), sys.path) == (None, before)
    with pytest.raises(UserError, match="Refused to load"):
        load_class("mine_three.Mine", Task)


def test_an_error_of_ours_has_no_place_in_a_folder_that_holds_attnbench():
    with pytest.raises(UserError) as caught:
        schema.load_class("nowhere.Thing", object)
    assert schema.place_in_folder(caught.value, Path(schema.__file__).parent) is None
    own = Path(__file__).parent
    assert str(schema.place_in_folder(caught.value, own)).startswith(f"{__file__}, line ")
