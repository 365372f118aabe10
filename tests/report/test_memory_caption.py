from attnbench.report.memory_caption import memory_caption
from tests.plots.test_context_size import AT_8, AT_16, DOWN, NEVER, NOT_LEARNT, arm, memory_of

SPREAD = {4: [1.0] * 3, 8: [0.0, 0.5, 1.0], 16: [0.0] * 3}


def caption_of(*arms):
    return memory_caption([memory_of(*arms)])


def test_threshold_seeds_and_budget_are_stated():
    caption = caption_of(arm(SPREAD))
    assert "mean accuracy of 3 seeds, free-running," in caption
    assert "Bars: 95 % Student t interval of the seeds' own L50." in caption
    assert caption.endswith("All arms: hidden size 16. L50 is what at most 1,500 training steps reached.")
    assert "of 1 to 3 seeds" in caption_of(arm(SPREAD), arm(AT_8, "uniform"))


def test_missing_intervals_are_explained():
    assert "There is no interval of one seed." in caption_of(arm(AT_8))
    assert "where seeds are equal or one is censored." in caption_of(arm({4: [1.0] * 2, 16: [0.0] * 2}))
    assert "(none where a seed is censored" in caption_of(arm(SPREAD), arm(AT_8, "uniform"))
    assert "interval" not in caption_of(arm(NEVER))


def test_a_point_outside_its_interval_is_explained():
    outside = {4: [0.501] * 9 + [0.95], 8: [0.499] * 9 + [0.45]}
    assert "may lie outside" in caption_of(arm(outside))
    assert "may lie outside" not in caption_of(arm(SPREAD))


def test_what_is_not_drawn_is_not_explained():
    plain = caption_of(arm(AT_8))
    for word in ("Arrows", "Hollow", "Lines join", "a little aside", "Not drawn"):
        assert word not in plain
    full = caption_of(
        arm(AT_8, stop_reason="budget"),
        arm(AT_16, hidden_size=32),
        arm(NEVER, "bahdanau", per_symbol=16),
        arm(NOT_LEARNT, "uniform"),
    )
    for word in ("Arrows", "Hollow", "Lines join", "a little aside", "Not drawn"):
        assert word in full


def test_arms_that_are_not_drawn_are_named_with_the_reason():
    caption = caption_of(
        arm(AT_8),
        arm(AT_8, hidden_size=32),
        arm(NOT_LEARNT, "uniform"),
        arm(AT_16, "uniform", hidden_size=32),
        arm(DOWN, "blind", context_size=0),
        arm(NOT_LEARNT, "blind", hidden_size=32, context_size=0),
        arm(AT_8, "slots", context_size=None),
    )
    assert (
        "Not drawn: blind at hidden size 16: no context, which a log axis cannot show (L50 < 4); "
        "blind at hidden size 32: no context, which a log axis cannot show (not learnt); "
        "slots: size of the context unknown (L50 8); uniform at hidden size 16: not learnt."
    ) in caption


def test_arms_with_one_reason_are_named_together_and_without_sizes_where_all_are_missing():
    arms = [arm(NOT_LEARNT, model, size) for model in ("uniform", "slots") for size in (16, 32)]
    assert "Not drawn: uniform and slots: not learnt." in caption_of(arm(AT_8), *arms)


def test_panels_say_where_an_arm_is_missing():
    panels = [memory_of(arm(AT_8), arm(NOT_LEARNT, "uniform")), memory_of(arm(AT_8, task="copy"))]
    caption = memory_caption(panels)
    assert "Not drawn in “reverse: one model per length”: uniform: not learnt." in caption
    assert "copy" not in caption


def test_what_all_arms_share_is_named():
    caption = caption_of(
        arm(AT_8, variant="model.cell=gru", steps=None),
        arm(AT_8, hidden_size=32, variant="model.cell=gru", steps=None),
    )
    assert caption.endswith("All arms: model.cell=gru.")
