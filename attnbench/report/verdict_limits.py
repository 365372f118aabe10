"""The last sentences of a verdict: what was not shown, and how far its intervals can be trusted."""

from attnbench.analysis.statistics import FEW_SEEDS, may_cover_less
from attnbench.report.settings import FREE_RUNNING, Setting, joined
from attnbench.report.verdict_breakdowns import is_memory_shown
from attnbench.report.verdict_comparison import LEAST_PAIRS, contrasts

# The usual level of a test; we only say where so few pairs cannot reach it.
_USUAL_LEVEL = 0.05


def limit_sentences(setting: Setting) -> list[str]:
    """Name what a reader might take as shown and is not."""
    points = [*_breakdown_limits(setting), *_test_limits(setting), *_protocol_limits(setting)]
    points.append("what holds for other tasks, sizes or budgets")
    return [f"Not shown: {'; '.join(points)}.", *_coverage(setting)]


def _breakdown_limits(setting: Setting) -> list[str]:
    own = setting.breakdowns[FREE_RUNNING]
    known = [rows for rows in setting.arms if rows.arm in own]
    fallen = [rows for rows in known if not own[rows.arm].censored]
    untested = [rows for rows in fallen if not is_memory_shown(setting, rows)]
    beyond = [rows for rows in known if own[rows.arm].censored == "above"]
    limits = []
    if untested:
        arms = joined(setting.labels[rows.arm] for rows in untested)
        limits.append(
            f"that memory, and not training, limits {arms} (no rerun with several times the budget says so)"
        )
    if beyond:
        arms = joined(setting.labels[rows.arm] for rows in beyond)
        limits.append(f"whether {arms} would fall beyond {setting.longest} {setting.unit}")
    return limits


def _test_limits(setting: Setting) -> list[str]:
    rows = [row for _, row in contrasts(setting) if row.pairs >= LEAST_PAIRS]
    limits = []
    weak = sorted({int(row.pairs) for row in rows if row.p_floor > _USUAL_LEVEL})
    if weak:
        limits.append(f"a p below {_USUAL_LEVEL}, which {joined(map(str, weak))} pairs cannot reach")
    if len(rows) > 1:
        limits.append(f"a correction for {len(rows)} comparisons, each of which stands by itself")
    return limits


def _protocol_limits(setting: Setting) -> list[str]:
    limits = []
    if setting.panel.protocol == "extrapolation":
        limits.append("capacity apart from length generalisation, which this protocol mixes")
    if setting.has_bleu:
        limits.append("a verdict on BLEU, which curve.csv describes")
    return limits


def _coverage(setting: Setting) -> list[str]:
    """Say where intervals may hold less often than their name says."""
    numbers = [rows.metrics["seed"].nunique() for rows in setting.arms]
    if max(numbers) == 1:
        return ["One seed gives no interval."]
    if may_cover_less(min(numbers)):
        return [
            f"Brackets are 95 % Student t intervals by name; fewer than {FEW_SEEDS} seeds cannot show whether they "
            "spread normally, and where they do not, intervals hold less often (docs/coverage.md)."
        ]
    if any(may_cover_less(point.seeds, point.mean, point.low < point.high) for _, point in setting.points):
        return [
            "Brackets are 95 % Student t intervals by name; of accuracies within 0.02 of perfect they hold less "
            "often (docs/coverage.md)."
        ]
    return ["Brackets are 95 % Student t intervals over seeds."]
