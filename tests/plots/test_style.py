import subprocess
import sys

import pytest
from matplotlib.colors import to_rgb
from matplotlib.markers import MarkerStyle

from attnbench.arm import NO_CHANGES, Arm, Variant
from attnbench.plots.style import arm_labels, arm_looks, in_words, model_style, order_arms, train_range

MODELS = [
    "blind",
    "fixed",
    "fixed_init",
    "uniform",
    "bahdanau",
    "luong_dot",
    "luong_general",
    "luong_concat",
    "luong_location",
    "luong_local_m",
    "luong_local_p",
    "slots",
    "linear",
    "multihead",
    "transformer",
    "transformer_fixed",
]
ARM = Arm("copy", "fixed", NO_CHANGES, "per_length", 64, None, None)


def test_no_two_known_models_look_alike():
    looks = [model_style(model) for model in MODELS]
    assert len({look.colour for look in looks}) == len(MODELS)
    assert len({(look.colour, look.marker) for look in looks}) == len(MODELS)


@pytest.mark.parametrize("model", [*MODELS, "mine", "another_one"])
def test_colours_are_visible_on_white_and_markers_can_be_hollow(model):
    look = model_style(model)
    assert max(abs(1 - channel) for channel in to_rgb(look.colour)) > 0.3
    assert MarkerStyle(look.marker).is_filled()


def test_an_unknown_model_looks_the_same_in_every_process():
    code = "from attnbench.plots.style import model_style; print(model_style('my_own'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(model_style("my_own"))
    assert model_style("my_own") != model_style("my_other")


def test_names_are_the_models_names_in_plain_words():
    assert model_style("luong_general").name == "luong general"


def test_legends_have_known_models_first_in_a_fixed_order():
    arms = [ARM._replace(model=model) for model in ("mine", "luong_general", "fixed", "blind")]
    assert [arm.model for arm in order_arms(arms)] == ["blind", "fixed", "luong_general", "mine"]


def test_sizes_follow_each_other_within_a_model():
    arms = [ARM._replace(hidden_size=size) for size in (128, 32, 64)]
    assert [arm.hidden_size for arm in order_arms(arms)] == [32, 64, 128]


def test_a_label_says_what_differs_and_nothing_else():
    small, large = ARM._replace(hidden_size=32), ARM._replace(model="bahdanau")
    assert arm_labels([ARM, ARM._replace(model="bahdanau")])[ARM] == "fixed"
    assert list(arm_labels([small, large]).values()) == ["fixed, hidden 32", "bahdanau, hidden 64"]


def test_a_variant_that_all_share_is_not_repeated():
    texts = ("model.cell=gru;model.layers=1", "model.cell=gru")
    arms = [ARM._replace(variant=Variant.parse(text)) for text in texts]
    assert list(arm_labels(arms).values()) == ["fixed, layers=1", "fixed"]


def test_keys_with_the_same_last_word_are_written_whole():
    arms = [ARM._replace(variant=Variant.parse("model.dropout=0.1;training.dropout=0.2")), ARM]
    assert arm_labels(arms)[arms[0]] == "fixed, model.dropout=0.1, training.dropout=0.2"


def test_train_ranges_are_named_where_they_differ():
    arms = [ARM._replace(protocol="mixed", train_min_length=4, train_max_length=n) for n in (16, 32)]
    assert list(arm_labels(arms).values()) == ["fixed, trained on 4–16", "fixed, trained on 4–32"]
    assert list(arm_labels(arms[:1]).values()) == ["fixed"]
    assert (train_range(arms[0]), train_range(ARM)) == ("4–16", "")


def test_arms_of_one_model_have_different_lines_and_letters():
    arms = [
        ARM._replace(model=model, hidden_size=size) for model in ("fixed", "blind") for size in (32, 64, 128)
    ]
    looks = arm_looks(arms)
    lines = [looks[arm].line_style for arm in arms]
    assert len(set(lines[:3])) == 3
    assert lines[:3] == lines[3:]
    assert lines[0] == "-"
    assert [looks[arm].tag for arm in arms] == ["a", "b", "c"] * 2


def test_an_arm_that_is_alone_with_its_model_has_no_letter():
    looks = arm_looks([ARM, ARM._replace(model="bahdanau")])
    assert [(look.label, look.tag) for look in looks.values()] == [("fixed", ""), ("bahdanau", "")]


def test_a_label_in_a_sentence_has_no_comma_of_its_own_beside_its_name():
    assert in_words("fixed") == "fixed"
    assert in_words("fixed, steps=4000") == "fixed (steps=4000)"
    assert in_words("fixed", "context of 64 numbers") == "fixed (context of 64 numbers)"
    assert in_words("fixed, hidden 8, layers=2", "one") == "fixed (hidden 8, layers=2; one)"


def test_legends_go_by_size_and_many_arms_of_one_model_get_darker():
    arms = [ARM._replace(variant=Variant.of({"training.steps": n})) for n in (16000, 1000, 4000, 2000)]
    looks = arm_looks(arms)
    assert [look.label for look in looks.values()] == [f"fixed, steps={n}" for n in (1000, 2000, 4000, 16000)]
    light = [sum(to_rgb(look.style.colour)) for look in looks.values()]
    assert light == sorted(light, reverse=True)
    assert len(set(light)) == 4
    assert looks[arms[0]].style == model_style("fixed")
    assert {look.style.colour for look in arm_looks(arms[:3]).values()} == {model_style("fixed").colour}
