"""What the verdict says of bits: what no code of a channel's bits can do, who lies above that, and what was held."""

from attnbench.formatting import joined
from attnbench.plots.points import ArmRows, Capacity, bits_text, level_words
from attnbench.report.breakdown_words import HALF_WAY
from attnbench.report.settings import FREE_RUNNING, Setting

# A score on its ceiling is not above it, whatever the last bit of a mean says.
_ROUNDING = 1e-9


def bounded(setting: Setting) -> list[str]:
    """Name the arms that no training keeps above half, since the ceiling of their bits falls below it."""
    ends = {setting.named(rows.arm): end_of_any_code(rows) for rows in setting.arms}
    found = [f"{label} from {end} {setting.unit} on" for label, end in ends.items() if end is not None]
    if not found:
        return []
    return [f"Whatever the training, no code of so few bits stays above {HALF_WAY}: {joined(found)}."]


def end_of_any_code(rows: ArmRows) -> int | None:
    """Return the first tested length at which the ceiling lies below half of the way from perfect to chance."""
    points = rows.points(FREE_RUNNING)
    below = points.loc[points["ceiling"] < (1 + points["chance"]) / 2, "length"]
    return None if below.empty else int(below.min())


def ceilings(setting: Setting) -> list[str]:
    """Say of every arm with a ceiling below perfect where it lies."""
    arms = []
    for rows in setting.arms:
        points = rows.points(FREE_RUNNING)
        low = points[points["ceiling"] < 1].sort_values("length")
        cells = [
            f"{ceiling:.2f} at {length}"
            for ceiling, length in zip(low["ceiling"], low["length"], strict=True)
        ]
        arms += [f"{setting.named(rows.arm)} {joined(cells)}"] if cells else []
    if not arms:
        return []
    return [f"Ceilings, which no training exceeds: {joined(arms, comma='; ')} {setting.unit}."]


def leaks(setting: Setting) -> list[str]:
    """Name arms that were measured above what the bits of their context allow: something else crosses."""
    found = [(setting.named(rows.arm), _above_ceiling(rows)) for rows in setting.arms]
    leaks = [f"{label} at {joined(map(str, lengths))} {setting.unit}" for label, lengths in found if lengths]
    if not leaks:
        return []
    words = "A leak: more crosses than the bits of the context, since scores lie above their ceiling"
    return [f"{words}: {joined(leaks)}."]


def _above_ceiling(rows: ArmRows) -> list[int]:
    """Return the lengths at which the interval of some score lies above its ceiling as a whole; one seed has none."""
    points = rows.curve[rows.curve["seeds"] > 1]
    # Seeds that are all equal have no interval, and no spread either.
    low = points["low"].fillna(points["mean"])
    return sorted(set(points.loc[low > points["ceiling"] + _ROUNDING, "length"].tolist()))


def bits_found(setting: Setting) -> list[str]:
    """Say how many bits of the target each arm was seen to recover, and whether they level off."""
    own = setting.capacities
    parts = [_held(setting, each) for each in own if each.is_plateau]
    full: dict[int, list[str]] = {}
    for each in own:
        if each.status == "all_recovered":
            full.setdefault(setting.longest_of(each.arm), []).append(setting.named(each.arm))
    parts += [
        f"{joined(names)} at least 95 % of those at the longest length, {longest}"
        for longest, names in full.items()
    ]
    rest = [each for each in own if each.status not in ("found", "all_recovered")]
    if some := [each for each in rest if each.bits > 0]:
        listed = joined(f"{setting.named(each.arm)} at least {bits_text(each.bits)}" for each in some)
        parts.append(f"{listed}, without a plateau")
    if none := [each for each in rest if each.bits <= 0]:
        listed = joined(f"{setting.named(each.arm)} ({bits_text(each.bits)})" for each in none)
        worse = [each for each in none if each.bits < 0]
        why = "; below zero, predictions cost more bits than knowing nothing would" if worse else ""
        parts.append(f"none by {listed}{why}")
    return [f"Bits of the target recovered: {'; '.join(parts)}."] if parts else []


def _held(setting: Setting, each: Capacity) -> str:
    start = each.lengths[0] if each.lengths else 0
    return (
        f"{setting.named(each.arm)} {level_words(each)}, levelling off from {start} {setting.unit} on: the capacity "
        "learnt at this size and budget"
    )
