"""`match=parameters`: the arms of a sweep brought to about as many parameters, by their hidden sizes."""

from collections.abc import Sequence
from typing import Any

from attnbench.config.composition import Configuration
from attnbench.config.run_request import build_arm, build_task, root_of, without_length
from attnbench.models.sizing import VocabularySizes, match_parameters

BASELINE = "fixed"


def match_arms(
    configuration: Configuration,
    choices: Sequence[tuple[dict[str, str], dict[str, Any]]],
    baseline: str | None = None,
) -> None:
    """Set the hidden sizes of combinations that differ in the model alone, where `match` asks for it.

    The baseline keeps its own; where nobody named one it is `fixed` if that takes part, or else the first model.

    Args:
        configuration: what the classes come from.
        choices: the chosen names and the values of each combination.
        baseline: a model among them.

    Raises:
        UserError: where the arms cannot be brought near enough.
    """
    first_names, first_values = choices[0]
    if root_of(first_values).match == "hidden":
        return
    arms = {names["model"]: build_arm(values, names, configuration) for names, values in choices}
    task = build_task(without_length(first_values["task"])[0], first_names["task"], configuration)
    kept = baseline or (BASELINE if BASELINE in arms else next(iter(arms)))
    sizes = VocabularySizes(len(task.source_vocabulary.tokens), len(task.target_vocabulary.tokens))
    matched = match_parameters(arms, kept, sizes)
    for names, values in choices:
        values["model"]["hidden_size"] = matched[names["model"]]
