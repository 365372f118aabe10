import math

import numpy as np
import pytest

from attnbench.analysis.plateau import find_plateau

LENGTHS = [4, 8, 16, 32, 64]
CEILING = [16, 32, 64, 128, 256]


def plateau_of(*seeds, lengths=LENGTHS, ceiling=CEILING):
    return find_plateau(lengths, np.array(seeds, dtype=float), ceiling)


def test_a_curve_that_levels_off_has_its_level_with_an_interval():
    # From 16 on 50, 52 and 54 bits by seed, without a rise but for a bit of noise about each.
    found = plateau_of([16, 31, 50, 50.5, 50.2], [16, 31, 52, 51.5, 52], [16, 31, 54, 54.5, 53.8])
    assert (found.status, found.shortest, found.longest, found.seeds) == ("found", 16, 64, 3)
    assert found.level == pytest.approx(52, abs=0.1)
    assert found.high - found.level == pytest.approx(4.30265 * 2.0 / math.sqrt(3), rel=0.1)


def test_it_starts_after_the_rise():
    found = plateau_of([16, 28, 40, 60, 60.5], [16, 28, 41, 61, 60.5], [16, 28, 40, 60, 60])
    assert (found.status, found.shortest) == ("found", 32)


def test_a_curve_that_rises_to_its_end_has_none():
    found = plateau_of([16, 30, 50, 70, 90], [16, 30, 51, 70, 91], [16, 30, 50, 71, 90])
    assert found.status == "none"
    assert math.isnan(found.level)


def test_a_curve_that_falls_has_none():
    assert plateau_of([16, 30, 50, 40, 30], [16, 30, 51, 40, 31], [16, 30, 50, 41, 30]).status == "none"


def test_noise_that_would_hide_a_rise_is_no_plateau():
    # Slopes of -30, 10 and 50 bits a doubling: their interval includes 0 and the ceiling's slope as well.
    assert plateau_of([16, 31, 60, 50, 20], [16, 31, 60, 70, 80], [16, 31, 40, 80, 140]).status == "none"


def test_what_recovers_everything_has_no_plateau():
    assert plateau_of([16, 32, 63, 127, 250], [16, 32, 64, 126, 251]).status == "all_recovered"


def test_one_length_beyond_the_ceiling_is_too_few():
    assert plateau_of(*[[16, 32, 64, 127, 130], [16, 32, 64, 128, 131]] * 2).status == "too_few"


def test_two_seeds_are_too_few():
    seeds = [16, 31, 50, 50.5, 50.2], [16, 31, 52, 51.5, 52], [16, 31, 54, math.nan, math.nan]
    assert plateau_of(*seeds[:2]).status == "too_few"
    assert plateau_of(*seeds).status == "too_few"


def test_what_knows_nothing_levels_off_at_about_zero_unclipped():
    found = plateau_of([-0.1, -0.2, -0.1, -0.2, -0.1], [-0.1, 0.1, -0.1, 0.0, -0.1], [0.1, -0.2, 0, -0.1, 0])
    assert (found.status, found.shortest) == ("found", 4)
    assert found.level < 0


def test_under_a_ceiling_that_does_not_rise_nothing_can_level_off():
    seeds = [4, 4.1, 4, 4.1, 4], [4.1, 4, 4.1, 4, 4.1], [4, 4, 4.1, 4, 4]
    assert plateau_of(*seeds, ceiling=[8] * 5).status == "none"


def test_what_was_held_before_and_is_held_no_more_is_no_capacity():
    seeds = [16, 30, 0.1, 0.2, 0.1], [16, 31, 0.2, 0.1, 0.1], [16, 30, 0.1, 0, 0.1]
    assert plateau_of(*seeds).status == "none"
