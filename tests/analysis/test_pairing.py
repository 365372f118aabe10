import math

from attnbench.analysis.pairing import pair_with_baseline
from attnbench.arm import Arm, Variant


def arm(model="fixed", hidden_size=64, variant="", task="reverse", protocol="per_length", trained=None):
    return Arm(task, model, Variant.parse(variant), protocol, hidden_size, trained, trained)


def paired(*arms, parameters=None, model="fixed"):
    return pair_with_baseline(arms, {each: (parameters or {}).get(each, math.nan) for each in arms}, model)


def test_arms_are_paired_within_task_protocol_range_and_size():
    attention = arm("bahdanau")
    others = [arm(task="copy"), arm(protocol="mixed"), arm(trained=8), arm(hidden_size=32)]
    assert paired(attention, arm(), *others) == {attention: arm()}
    assert paired(attention, *others) == {}


def test_arms_of_the_baseline_itself_are_not_compared():
    assert paired(arm(), arm(variant="model.read=after"), arm(hidden_size=32)) == {}


def test_another_baseline_may_be_named():
    assert paired(arm(), arm("uniform"), model="uniform") == {arm(): arm("uniform")}
    assert paired(arm(), arm("bahdanau"), model="uniform") == {}


def test_keys_of_the_model_may_differ_and_no_others():
    fed, trained_longer = (
        arm("luong_dot", variant="model.input_feeding=True"),
        arm("luong_dot", variant="training.steps=6000"),
    )
    assert paired(fed, trained_longer, arm()) == {fed: arm()}
    longer = arm(variant="training.steps=6000")
    assert paired(fed, trained_longer, arm(), longer) == {fed: arm(), trained_longer: longer}


def test_of_several_baselines_the_most_alike_is_taken():
    gru = arm("luong_dot", variant="model.cell=gru;model.layers=2")
    candidates = [arm(), arm(variant="model.cell=gru"), arm(variant="model.cell=gru;model.read=after")]
    assert paired(gru, *candidates)[gru] == candidates[1]
    assert paired(arm("luong_dot"), *candidates)[arm("luong_dot")] == candidates[0]


def test_arms_matched_by_parameters_take_the_nearest_within_five_percent():
    attention, small, large, far = (
        arm("bahdanau", 70),
        arm(hidden_size=78),
        arm(hidden_size=80),
        arm(hidden_size=99),
    )
    counts = {attention: 100_000, small: 96_000, large: 101_000, far: 106_000}
    assert paired(attention, small, large, far, parameters=counts) == {attention: large}
    assert paired(attention, far, parameters=counts) == {}
    assert paired(attention, small) == {}


def test_the_same_hidden_size_comes_before_nearer_parameters():
    attention, same, near = arm("bahdanau"), arm(), arm(hidden_size=66)
    counts = {attention: 100_000, same: 80_000, near: 100_000}
    assert paired(attention, same, near, parameters=counts) == {attention: same}
