"""How an arm looks: one model, one colour and one marker in every figure, safe for colour-blind readers.

Many arms of one model are shades of its colour, the last in the order of legends the darkest.
"""

import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase

from attnbench.analysis.larger_budget import family_of
from attnbench.analysis.law import Law
from attnbench.analysis.training_cost import PriceLaw
from attnbench.arm import NO_CHANGES, Arm


@dataclass(frozen=True)
class ModelStyle:
    """The look of one model, and its name as figures write it."""

    name: str
    colour: str
    marker: str

    @property
    def marker_size(self) -> float:
        """Size in points; a star needs more of it to be as visible as the others."""
        return 9.0 if self.marker == "*" else 6.0


# Colours of the first arms: Okabe & Ito 2008; of the others: Paul Tol's "muted". In the order of the legends.
_KNOWN = {
    "blind": ("#777777", "X"),
    "fixed_init": ("#E69F00", "s"),
    "fixed": ("#D55E00", "o"),
    "uniform": ("#CC79A7", "D"),
    "slots": ("#882255", "h"),
    "linear": ("#999933", "8"),
    "bahdanau": ("#0072B2", "^"),
    "luong_dot": ("#56B4E9", ">"),
    "luong_general": ("#009E73", "v"),
    "luong_concat": ("#44AA99", "<"),
    "luong_location": ("#332288", "p"),
    "luong_local_m": ("#AA4499", "d"),
    "luong_local_p": ("#661100", "H"),
    "multihead": ("#117733", "P"),
    "transformer": ("#000000", "*"),
    "transformer_fixed": ("#CC6677", "h"),
    # As published: another colour, and the marker of the arm that is like it in all but the wiring.
    "published_sutskever2014": ("#997700", "s"),
    "published_cho2014": ("#994455", "o"),
    "published_bahdanau2015": ("#004488", "^"),
    "published_luong2015": ("#225522", "v"),
}
_OTHER_COLOURS = ("#6699CC", "#994455", "#997700", "#004488", "#EE99AA", "#225522", "#BB5566")
_OTHER_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
LineStyle = str | tuple[int, tuple[float, ...]]
# Arms of one model share its colour and marker; of more than these, dashes alone are hard to tell apart.
_FEW_DASHES = 3
_LIGHTEST = 0.5
# Of a page on a dark screen, and how far a colour is told from it (WCAG 2).
_DARK_PAPER, _LEAST_CONTRAST = (0x14, 0x17, 0x1B), 4.5
_LINE_STYLES: tuple[LineStyle, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.5, 1.5)),
    (0, (5, 1.5, 1.5, 1.5)),
    (0, (9, 2)),
    (0, (5, 1.5, 1.5, 1.5, 1.5, 1.5)),
)


def _as_number(text: str | None) -> tuple[bool, float, str]:
    """Return what orders written values: numbers ahead of words, and by their size."""
    try:
        return False, float(text or ""), ""
    except ValueError:
        return True, 0.0, text or ""


def model_style(model: str) -> ModelStyle:
    """Return the look of a model; one that we do not know gets a look that depends on its name alone."""
    # Not hash(): Python's changes from one process to the next.
    number = zlib.crc32(model.encode())
    other = (
        _OTHER_COLOURS[number % len(_OTHER_COLOURS)],
        _OTHER_MARKERS[number // len(_OTHER_COLOURS) % len(_OTHER_MARKERS)],
    )
    return ModelStyle(model.replace("_", " "), *_KNOWN.get(model, other))


def order_arms(arms: Iterable[Arm]) -> list[Arm]:
    """Return distinct arms in the order of legends: known models first, smaller before larger."""
    places = {model: place for place, model in enumerate(_KNOWN)}

    def key(arm: Arm) -> tuple[object, ...]:
        changes = [(key, _as_number(value)) for key, value in arm.variant.changes]
        others = arm._replace(variant=NO_CHANGES)
        return (
            places.get(arm.model, len(places)),
            arm.task,
            changes,
            [(value is not None, value) for value in others],
        )

    return sorted(set(arms), key=key)


@dataclass(frozen=True)
class ArmLook:
    """How one of several arms is named and drawn.

    Attributes:
        label: its model and what differs between the arms, for the legend.
        tag: a letter for points that no line joins, where another arm has the same colour and marker; else empty.
    """

    style: ModelStyle
    label: str
    line_style: LineStyle
    tag: str


def arm_looks(arms: Iterable[Arm]) -> dict[Arm, ArmLook]:
    """Return how each of these arms is named and drawn, in the order of legends."""
    ordered = order_arms(arms)
    labels = arm_labels(ordered)
    looks = {}
    for arm in ordered:
        alike = [other for other in ordered if other.model == arm.model]
        place = alike.index(arm)
        tag = ascii_lowercase[place % 26] if len(alike) > 1 else ""
        style = model_style(arm.model)
        if len(alike) > _FEW_DASHES:
            style = replace(style, colour=shades(style.colour, len(alike))[place])
        looks[arm] = ArmLook(style, labels[arm], line_style(place), tag)
    return looks


def shades(colour: str, count: int) -> list[str]:
    """Return so many shades of a colour, written as #rrggbb, the last of them the colour itself."""
    return [_lightened(colour, _LIGHTEST * (1 - place / max(count - 1, 1))) for place in range(count - 1)] + [
        colour
    ] * (count > 0)


def line_style(place: int) -> LineStyle:
    """Return the line of one of several that share a colour, by its place among them."""
    return _LINE_STYLES[place % len(_LINE_STYLES)]


def _lightened(colour: str, share: float) -> str:
    """Return a colour, written as #rrggbb, mixed with a share of white."""
    channels = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(each + (255 - each) * share):02X}" for each in channels)


def arm_labels(arms: Sequence[Arm]) -> dict[Arm, str]:
    """Name each arm by its model and by what differs between the arms given, and by nothing else."""
    changes = {arm: dict(arm.variant.changes) for arm in arms}
    keys = sorted({key for change in changes.values() for key in change})
    differing = [key for key in keys if len({change.get(key) for change in changes.values()}) > 1]
    sizes_differ = len({arm.hidden_size for arm in arms}) > 1
    ranges_differ = len({train_range(arm) for arm in arms}) > 1

    def label(arm: Arm) -> str:
        parts = [model_style(arm.model).name]
        parts += [f"hidden {arm.hidden_size}"] if sizes_differ else []
        parts += [f"{_short(key, keys)}={changes[arm][key]}" for key in differing if key in changes[arm]]
        parts += [f"trained on {train_range(arm)}"] if ranges_differ and train_range(arm) else []
        return ", ".join(parts)

    return {arm: label(arm) for arm in arms}


def in_words(label: str, *facts: str) -> str:
    """Return a label as sentences have it, since lists have commas: `fixed (steps=4000; context of 64 numbers)`."""
    name, _, differing = label.partition(", ")
    inside = "; ".join(filter(None, (differing, *facts)))
    return f"{name} ({inside})" if inside else name


def at_largest_size(laws: Iterable[PriceLaw]) -> list[PriceLaw]:
    """Return of each family of arms the price of length at its largest hidden size."""
    largest: dict[Arm, PriceLaw] = {}
    for law in sorted(laws, key=lambda law: law.arm.hidden_size):
        largest[family_of(law.arm)] = law
    return [largest[family] for family in order_arms(largest)]


def law_name(law: Law, families: Sequence[Arm]) -> str:
    """Return the name of a family among others as sentences have it, with its task where these have several."""
    label = in_words(arm_labels([each for each in families if each.task == law.family.task])[law.family])
    return f"{label} on {law.family.task}" if len({each.task for each in families}) > 1 else label


def price_name(law: PriceLaw, arms: Sequence[Arm]) -> str:
    """Return the name of an arm of the price of length among others as sentences have it, with its budget."""
    alike = {arm: family_of(arm)._replace(hidden_size=arm.hidden_size) for arm in arms}
    return in_words(arm_labels([*alike.values()])[alike[law.arm]], f"{law.training_steps:,} steps")


def train_range(arm: Arm) -> str:
    """Return the lengths an arm was trained on, such as "4–32"; empty where every length has its own."""
    if arm.train_min_length is None or arm.train_max_length is None:
        return ""
    return f"{arm.train_min_length}–{arm.train_max_length}"


def _short(key: str, keys: Sequence[str]) -> str:
    last = key.rpartition(".")[2]
    return key if sum(other.rpartition(".")[2] == last for other in keys) > 1 else last


def on_dark_paper(colour: str) -> str:
    """Return a colour, written as #rrggbb, with as much white as it needs to be told from dark paper (WCAG 2)."""
    channels = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    for share in range(0, 101, 5):
        mixed = [round(each + (255 - each) * share / 100) for each in channels]
        if (_luminance(mixed) + 0.05) / (_luminance(_DARK_PAPER) + 0.05) >= _LEAST_CONTRAST:
            break
    return "#" + "".join(f"{each:02X}" for each in mixed)


def _luminance(channels: Iterable[int]) -> float:
    parts = [each / 255 for each in channels]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _polygon(corners: int, turn: float = 0.0, inner: float = 1.0) -> str:
    """Return the path of a regular polygon; of a star where every second corner lies at `inner` of the radius."""
    points = []
    for place in range(corners):
        radius, angle = (inner if place % 2 else 1.0), 2 * math.pi * place / corners + math.radians(turn)
        points.append(f"{radius * math.sin(angle):.3f},{-radius * math.cos(angle):.3f}")
    return f"M{'L'.join(points)}Z"


_CROSS = "M-1,-.35H-.35V-1H.35V-.35H1V.35H.35V1H-.35V.35H-1Z"
MARKER_PATHS = {
    "o": "M-.9,0A.9,.9,0,1,1,.9,0A.9,.9,0,1,1,-.9,0Z",
    "s": "M-.8,-.8H.8V.8H-.8Z",
    "^": _polygon(3),
    "v": _polygon(3, 180),
    ">": _polygon(3, 90),
    "<": _polygon(3, -90),
    "D": _polygon(4),
    "d": "M0,-1L.6,0L0,1L-.6,0Z",
    "p": _polygon(5),
    "h": _polygon(6),
    "H": _polygon(6, 30),
    "8": _polygon(8, 22.5),
    "*": _polygon(10, inner=0.45),
    "P": _CROSS,
    "X": "M-1,-.55L-.55,-1L0,-.45L.55,-1L1,-.55L.45,0L1,.55L.55,1L0,.45L-.55,1L-1,.55L-.45,0Z",
}
"""The markers of figures, matplotlib's letters, as SVG paths within a square from -1 to 1."""
