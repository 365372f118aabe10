from attnbench.analysis.interval_caveats import may_cover_less


def test_fewer_than_five_seeds_may_cover_less():
    assert may_cover_less(4, 0.5)
    assert not may_cover_less(5, 0.5)
    assert not may_cover_less(5)


def test_accuracies_near_perfect_may_cover_less_where_seeds_differ():
    assert may_cover_less(10, 0.985)
    assert not may_cover_less(10, 0.97)
    assert not may_cover_less(10, 1.0, has_spread=False)
