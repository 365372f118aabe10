"""Which arm is the baseline of which: the one that shares all but the model."""

from collections.abc import Iterable, Mapping, Sequence

from attnbench.arm import Arm

DEFAULT_BASELINE = "fixed"
# How far apart, as a share, the parameters of arms may lie that are matched by them.
_NEAR = 0.05


def pair_with_baseline(arms: Sequence[Arm], parameters: Mapping[Arm, float], model: str) -> dict[Arm, Arm]:
    """Return for each arm of another model its baseline arm, without those that have none.

    A baseline arm shares the task, the protocol, the train range, and the variant but for keys of the model.
    Of those it is the one of the same hidden size, and where none is, as when arms are matched by parameters,
    the one with the nearest number of parameters within 5 %. Of several, the one whose model's keys differ least.
    Arms of the baseline's own model are not compared with one another.

    Args:
        arms: distinct arms.
        parameters: how many each arm has, NaN where that is not known.
        model: the name of the baseline.
    """
    candidates: dict[Arm, list[Arm]] = {}
    for arm in arms:
        if arm.model == model:
            candidates.setdefault(setting_of(arm), []).append(arm)
    pairs = {}
    for arm in arms:
        found = _baseline(arm, candidates.get(setting_of(arm), []), parameters)
        if arm.model != model and found is not None:
            pairs[arm] = found
    return pairs


def setting_of(arm: Arm) -> Arm:
    """Return what arms that may be compared have in common: all but the model, its keys and its size."""
    of_the_model = [key for key, _ in arm.variant.changes if key.startswith("model.")]
    return arm._replace(model="", variant=arm.variant.without(of_the_model), hidden_size=0)


def _baseline(arm: Arm, candidates: Iterable[Arm], parameters: Mapping[Arm, float]) -> Arm | None:
    of_the_size = [each for each in candidates if each.hidden_size == arm.hidden_size]
    if of_the_size:
        return min(of_the_size, key=lambda each: (_differing_keys(arm, each), each.variant))

    def distance(each: Arm) -> float:
        return abs(parameters[each] / parameters[arm] - 1)

    near = [each for each in candidates if parameters[arm] > 0 and distance(each) <= _NEAR]
    return min(near, key=lambda each: (distance(each), _differing_keys(arm, each)), default=None)


def _differing_keys(one: Arm, other: Arm) -> int:
    return len(set(one.variant.changes) ^ set(other.variant.changes))
