"""The page of a sweep: one HTML file that needs nothing from outside, to be opened from disk and sent to somebody.

Vega draws the charts; its runtime is laid into the file, and interprets expressions, so that the page's security policy
forbids whatever the page did not bring along, `eval` too. The parts that it is put together from are in `page/`.
"""

import base64
import functools
import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

import attnbench
from attnbench.analysis.curves import missing_scores
from attnbench.formatting import counted, joined
from attnbench.plots.charts import MEASURES, ChartArm, Spec, chart_arms, learning_chart, length_chart, thinned
from attnbench.plots.length import DRAWN_SCORES, SCORE_NAMES, draw_length_figures, length_caption
from attnbench.plots.points import Panel
from attnbench.report.law_words import all_verdicts
from attnbench.report.page_runs import (
    Picture,
    environment_facts,
    failure_table,
    inspected_runs,
    learning_curves,
    picture_of,
    states_sentence,
    stop_table,
)
from attnbench.report.page_tables import PageTable, curve_matrix, page_tables
from attnbench.report.settings import SweepTables
from attnbench.runs.sweep_records import SweepRecords

Tell = Callable[[str], None]
# Still pictures: dots an inch, fewer where a figure of many arms is large.
_PICTURE_DPI, _MOST_DOTS = 110, 1_200_000
_SECTIONS = {
    "verdict": "Verdict",
    "charts": "Charts",
    "tables": "Tables",
    "learning": "Learning curves",
    "attention": "Attention",
    "runs": "Runs",
    "environment": "Environment",
    "again": "The same again",
}


@dataclass(frozen=True)
class PagePanel:
    """The arms of one task and protocol on a page, with their charts: number, caption and table of each."""

    panel: Panel
    arms: Sequence[ChartArm]
    charts: Sequence[Mapping[str, Any]]


@dataclass
class SweepPage:
    """What a page is made of.

    Attributes:
        title: of the page, any text.
        tables: of the sweep; None where no run has a row yet.
        records: of its folder.
        own_command: that makes the page.
        notes: what else a reader should know, a sentence each.
    """

    title: str
    tables: SweepTables | None
    records: SweepRecords
    own_command: str
    notes: Sequence[str] = ()
    _charts: list[dict[str, Any]] = field(default_factory=list, init=False)

    def html(self, tell: Tell = lambda _: None) -> str:
        """Return the page; `tell` is told what takes a while."""
        self._charts = []
        panels = self._panels()
        learning = [*self._learning(panels)]
        inspections = [*inspected_runs(self.records)]
        tables, stops, failures = self._tables(), self._stops(), failure_table(self.records)
        shown = [*tables, *filter(None, (stops, failures))]
        shown += [chart["table"] for panel in panels for chart in panel.charts]
        shown += [table for each in inspections for table in each.tables]
        absent = {name for name, found in (("charts", panels), ("tables", tables)) if not found}
        invocations = self.records.invocations
        tell("Adding the chart library to the page")
        # What follows is ours alone, and written as it is: no text of the data is in it.
        style = Markup(
            "\n".join([_part("page.css"), *(_arm_rules(arm) for each in panels for arm in each.arms)])
        )
        library, script = Markup(chart_library()), Markup(_part("page.js"))
        return _template().render(
            policy=_policy([library, script], style),
            style=style,
            library=library,
            script=script,
            title=self.title,
            lead=self._lead(),
            sections=[(key, name) for key, name in _SECTIONS.items() if key not in absent],
            verdicts=[] if self.tables is None else all_verdicts(self.tables),
            missing=[*self.notes, *self._missing()],
            panels=panels,
            pictures=self._pictures(),
            tables=tables,
            learning=learning,
            has_folder=self.records.store is not None,
            measures=MEASURES,
            inspections=inspections,
            states=states_sentence(self.records),
            failures=failures,
            stops=stops,
            environment=environment_facts(self.records),
            commands=_distinct(invocations, "command"),
            versions=", ".join(_distinct(invocations, "version")),
            own_command=self.own_command,
            values={"charts": self._charts, "csv": {table.key: table.csv for table in shown}},
        )

    def _lead(self) -> str:
        made = f"Made by attnbench {attnbench.__version__}."
        if self.tables is None:
            return f"No run has finished yet. {made}"
        frame = self.tables.metrics.frame
        counts = {"arm": len(self.tables.metrics.arms), "length": frame["length"].nunique()}
        counts |= {"seed": frame["seed"].nunique(), "run": frame["run_id"].nunique()}
        return f"{', '.join(counted(count, what) for what, count in counts.items())}. {made}"

    def _missing(self) -> list[str]:
        """Say what a reader might look for and does not find."""
        states = Counter(state for state in self.records.states.values() if state != "done")
        notes = []
        if states:
            told = joined(f"{count:,} {state}" for state, count in sorted(states.items()))
            notes.append(f"Runs that are not done: {told}. The same command carries on.")
        notes += [
            f"{counted(count, 'file')} {name} could not be read."
            for name, count in self.records.unread.items()
        ]
        if self.tables is None:
            return notes
        frame = self.tables.metrics.frame
        if len(self.tables.metrics.arms) == 1:
            notes.append("One arm alone: there is nothing to compare it with.")
        elif self.tables.comparison.empty:
            notes.append("No comparison: no arm is the baseline, or none shares seeds and lengths with it.")
        if frame["seed"].nunique() == 1:
            notes.append("One seed: there are no intervals, and chance is not told from a real difference.")
        for score, (lacking, of) in missing_scores(frame).items():
            notes.append(f"{score} is empty in {lacking:,} of {counted(of, 'row')}.")
        return notes

    def _panels(self) -> list[PagePanel]:
        """Return each panel with its arms, its charts and their tables; the charts go to the script as well."""
        found: list[PagePanel] = []
        for panel in self.tables.panels if self.tables else ():
            arms = chart_arms(panel, sum(len(each.arms) for each in found))
            scores = [score for score in DRAWN_SCORES if panel.arms_with(score)]
            found.append(PagePanel(panel, arms, [self._chart(panel, arms, score) for score in scores]))
        return found

    def _chart(self, panel: Panel, arms: Sequence[ChartArm], score: str) -> dict[str, Any]:
        assert self.tables is not None
        about = f"{panel.heading}: {SCORE_NAMES[score]} of {counted(len(panel.arms_with(score)), 'arm')}"
        spec = length_chart(panel, arms, score, f"{about} against input length. A table of the same follows.")
        return {
            "number": self._add_chart(spec, arms),
            "caption": length_caption([panel], [score]),
            "table": curve_matrix(panel, score, self.tables.curve),
        }

    def _add_chart(self, spec: Spec, arms: Sequence[ChartArm]) -> int:
        self._charts.append({"spec": spec, "arms": [arm.key for arm in arms]})
        return len(self._charts) - 1

    def _pictures(self) -> list[Picture]:
        """Draw the figures against length once more, still, for readers without scripts."""
        pictures = []
        for name, figure in draw_length_figures(self.tables.drawn_panels if self.tables else ()).items():
            data = io.BytesIO()
            width, height = figure.get_size_inches()
            dpi = min(_PICTURE_DPI, (_MOST_DOTS / (width * height)) ** 0.5)
            figure.savefig(data, format="png", dpi=dpi)
            about = f"{name.replace('_', ' ')}; the tables below hold its numbers"
            pictures.append(picture_of(data.getvalue(), about))
        return pictures

    def _tables(self) -> list[PageTable]:
        return [] if self.tables is None else page_tables(self.tables, self.records.tables())

    def _stops(self) -> PageTable | None:
        return None if self.tables is None else stop_table(self.tables)

    def _learning(self, panels: Sequence[PagePanel]) -> Iterable[dict[str, Any]]:
        """Yield the learning curves of each panel that has any; their charts go to the script."""
        for panel in panels:
            keys = {arm.arm: arm.key for arm in panel.arms}
            curves = learning_curves({keys[rows.arm]: rows for rows in panel.panel.arms}, self.records)
            kept = thinned(curves.points)
            if kept:
                about = f"{panel.panel.heading}: learning curves of {counted(curves.runs, 'run')}."
                some = f"{len(kept):,} of {len(curves.points):,} evaluations are drawn; a run's train.csv has them all."
                yield {
                    "panel": panel,
                    "number": self._add_chart(
                        learning_chart(panel.arms, kept, curves.lengths, about), panel.arms
                    ),
                    "lengths": [(length, curves.names[length]) for length in curves.lengths],
                    "runs": curves.runs,
                    "note": some if len(kept) < len(curves.points) else "",
                }


def _distinct(invocations: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    return list(dict.fromkeys(str(each[key]) for each in invocations if each.get(key)))


def _arm_rules(arm: ChartArm) -> str:
    """Return the style of one arm: its colour on light and on dark paper, and of its entry in legends."""
    return (
        f":root {{ {arm.variable}: {arm.colour}; }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {arm.variable}: {arm.dark_colour}; }} }}\n"
        f".arm-{arm.key} svg {{ stroke: var({arm.variable}); fill: var({arm.variable}); }}"
    )


@functools.cache
def chart_library() -> str:
    """Return Vega, Vega-Lite and vega-embed as one script that sets `vegaEmbed`."""
    import vl_convert

    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    # Either would end the element that holds it, or keep it from ending; both stand in strings alone.
    return script.replace("</script", "<\\/script").replace("<!--", "\\x3c!--")


def _policy(scripts: Iterable[str], style: str) -> str:
    """Return a Content-Security-Policy that allows these scripts, this style, pictures within, and fetching nothing.

    Vega sets the size of a chart by a style attribute, which cannot be named by a hash.
    """
    return (
        f"default-src 'none'; script-src {' '.join(map(_digest, scripts))}; style-src-elem {_digest(style)}; "
        "style-src-attr 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("attnbench.report", "page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    compact = {"separators": (",", ":"), "ensure_ascii": False, "allow_nan": False}
    environment.policies["json.dumps_kwargs"] = compact
    return environment.get_template("page.html")


def _part(name: str) -> str:
    return files("attnbench.report").joinpath("page", name).read_text(encoding="utf-8")
