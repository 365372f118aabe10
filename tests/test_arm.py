"""A variant writes and reads itself, whatever its values hold."""

import random

import pytest

from attnbench.arm import NO_CHANGES, Variant, shared_changes

VALUES = {
    "a plain one": "gru",
    "a semicolon": "s;t",
    "an equals sign": "a=b",
    "another key": "s;model.cell=gru",
    "quotes": "the \"best\" 'one'",
    "a semicolon in quotes": '";"',
    "a comma": "x, y",
    "line breaks": "one\ntwo\r\nthree\ttabs",
    "blanks at the ends": " x ",
    "nothing": "",
    "a backslash": "\\",
    "letters beyond ASCII": "ĉu ne, 不",
    "a list": [1, "a;b", None, 'c"d'],
    "a mapping": {"a;b": [True, 0.5]},
    "a list that is none": "[red]",
    "a boolean": True,
    "no value": None,
    "the word null": "null",
    "a whole number": 6000,
    "a number that :g would round": 0.0012345678,
    "a hash that looks like a number": "1e456789",
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_variant_reads_what_it_writes(value):
    for values in ({"task.field": value}, {"a.a": "x;y", "task.field": value, "z.z": value}):
        variant = Variant.of(values)
        assert Variant.parse(str(variant)) == variant
        assert [key for key, _ in Variant.parse(str(variant)).changes] == sorted(values)


def test_every_two_values_have_texts_of_their_own():
    texts = {str(Variant.of({"task.field": value})) for value in VALUES.values()}
    assert len(texts) == len(VALUES)


def test_texts_of_any_letters_come_back():
    draw = random.Random(0)
    for _ in range(2000):
        values = {
            f"k.{place}": "".join(draw.choices(';="\\,\n[]{}nul1 ', k=draw.randrange(9)))
            for place in range(3)
        }
        assert Variant.parse(str(Variant.of(values))) == Variant.of(values)


def test_ordinary_values_are_written_bare_and_sorted():
    variant = Variant.of({"training.learning_rate": 0.002, "model.input_feeding": True, "model.cell": "gru"})
    assert str(variant) == "model.cell=gru;model.input_feeding=true;training.learning_rate=0.002"
    assert str(NO_CHANGES) == ""


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("task.source_field=s;t", {"task.source_field": "s;t"}),
        ("task.field=s;t;u;training.steps=6", {"task.field": "s;t;u", "training.steps": 6}),
        ('task.field="s', {"task.field": '"s'}),
    ],
)
def test_a_table_of_before_the_quotes_is_read(text, values):
    assert Variant.parse(text) == Variant.of(values)


def test_a_key_is_set_and_taken_away():
    variant = Variant.of({"task.field": "s;t", "training.steps": 600})
    assert variant.replaced({"training.steps": 2400}) == Variant.of(
        {"task.field": "s;t", "training.steps": 2400}
    )
    assert variant.without(["training.steps"]) == Variant.of({"task.field": "s;t"})
    assert (variant.get("training.steps"), variant.get("model.cell")) == ("600", None)


def test_only_equal_changes_are_shared():
    one, other = Variant.of({"a.a": "x;y", "b.b": 1}), Variant.of({"a.a": "x;y", "b.b": 2})
    assert shared_changes([one, other]) == Variant.of({"a.a": "x;y"})
    assert shared_changes([]) == NO_CHANGES
