import re

import pytest

from attnbench.config.overrides import Assignment, parse_overrides, single
from attnbench.errors import UserError


@pytest.mark.parametrize(
    ("word", "assignment"),
    [
        ("model=fixed", Assignment("model", ("fixed",))),
        ("model.hidden_size=32,64", Assignment("model.hidden_size", (32, 64))),
        ("training.learning_rate=1e-3", Assignment("training.learning_rate", (0.001,))),
        ("training.steps=range(2,5)", Assignment("training.steps", (2, 3, 4))),
        ("train_range=[4,32]", Assignment("train_range", ([4, 32],))),
        ("task.eos=true", Assignment("task.eos", (True,))),
        ("task.source=null", Assignment("task.source", (None,))),
        ("task.source=/data/a b.txt", Assignment("task.source", ("/data/a b.txt",))),
        ("task.source='a=b,ü~.txt'", Assignment("task.source", ("a=b,ü~.txt",))),
        ('task.source="a,b"', Assignment("task.source", ("a,b",))),
        ("task.source='a, b',c", Assignment("task.source", ("a, b", "c"))),
        ("task.source=a\\,b", Assignment("task.source", ("a,b",))),
        ("task.source=[a,b] c", Assignment("task.source", ("[a,b] c",))),
        ("train_range=[4,8],[4,16]", Assignment("train_range", ([4, 8], [4, 16]))),
        ("train_range=['4',5]", Assignment("train_range", (["4", 5],))),
    ],
)
def test_overrides_become_plain_values(word, assignment):
    assert parse_overrides([word]) == [assignment]


PATHS = [
    *(
        "~/x.en",
        "2016-dev+test~1.en",
        "a b/c.en",
        "é/ü 中文.en",
        "a#b.en",
        "a&b;c.en",
        "it's.en",
        "'a'b.en",
        'say "hi".en',
    ),
    *(
        "corpus (1).en",
        "x(1)",
        "a=b.en",
        "a:b%c+d@e.en",
        "[a].en",
        "a]b.en",
        "a{b}.en",
        "<x>|`y`!^.en",
        "$HOME/x",
        "a\\b",
        "-x",
        "",
    ),
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_taken_as_it_was_typed(path):
    assert parse_overrides([f"task.source={path}"]) == [Assignment("task.source", (path,))]


def test_paths_without_a_comma_may_be_several_values():
    assert parse_overrides(["task.source=it's~.en, ü (1).en"])[0].values == ("it's~.en", "ü (1).en")


@pytest.mark.parametrize("word", ["", "unknown", "=1", "a b=1", "~/x.en"])
def test_what_has_no_key_is_no_override(word):
    with pytest.raises(UserError, match=f"^'{re.escape(word)}' is not an override. Write key=value"):
        parse_overrides([word])


def test_of_several_overrides_for_one_key_the_last_counts():
    assert parse_overrides(["seed=1", "device=cpu", "seed=2"]) == [
        Assignment("seed", (2,)),
        Assignment("device", ("cpu",)),
    ]


@pytest.mark.parametrize("word", ["+unknown=1", "++unknown=1", "~seed", "~model.hidden_size", "+model.x=1"])
def test_keys_are_neither_added_nor_taken_away(word):
    with pytest.raises(UserError, match="keys can be changed, not added or taken away"):
        parse_overrides([word])


@pytest.mark.parametrize(
    "word",
    [
        "model={",
        "train_range=[4,8",
        "train_range=[4;8]",
        "seed=1,",
        "seed=,1",
        "model.hidden_size=interval(1,2)",
        "model=glob(*)",
        "training.steps=range(x)",
    ],
)
def test_what_is_no_override_is_quoted_with_how_to_write_one(word):
    expected = rf"^'{re.escape(word)}' is not an override .*Write key=value"
    with pytest.raises(UserError, match=expected) as error:
        parse_overrides([word])
    assert len(str(error.value).splitlines()) == 1


def test_a_key_cannot_be_moved():
    with pytest.raises(UserError, match="cannot be moved"):
        parse_overrides(["model@task=fixed"])


def test_several_values_are_refused_where_one_is_wanted():
    assert single(Assignment("seed", (1,))) == 1
    with pytest.raises(UserError, match="seed takes one value here"):
        single(Assignment("seed", (1, 2)))
