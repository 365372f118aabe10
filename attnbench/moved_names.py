"""Names that parts of attnbench had before, for what is written down with them.

The name of a class stands in every run's `spec.yaml` and is hashed into its run_id; it stands in yaml of a person's
own, and in the jobs that wait in a cluster's queue. So a class that moves to another file, or is called otherwise,
gets a line in `MOVED`: it is still found under its old name, and still written down under it.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED: dict[str, str] = {
    "attnbench.models.arm.Arm": "attnbench.models.config.ModelConfig",
    "attnbench.models.bridge.Bridge": "attnbench.models.encoder.Bridge",
    "attnbench.models.bridge.ZeroBridge": "attnbench.models.encoder.ZeroBridge",
    "attnbench.models.contexts.bahdanau.BahdanauArm": "attnbench.models.contexts.bahdanau.BahdanauConfig",
    "attnbench.models.contexts.fixed.Fixed": "attnbench.models.contexts.bottleneck.Fixed",
    "attnbench.models.contexts.fixed.FixedArm": "attnbench.models.contexts.bottleneck.FixedConfig",
    "attnbench.models.contexts.linear.LinearArm": "attnbench.models.contexts.linear.LinearConfig",
    "attnbench.models.contexts.local.LuongLocal": "attnbench.models.contexts.luong.LuongLocal",
    "attnbench.models.contexts.local.LuongLocalMonotonic": "attnbench.models.contexts.luong.LuongLocalMonotonic",
    "attnbench.models.contexts.local.LuongLocalPredictive": "attnbench.models.contexts.luong.LuongLocalPredictive",
    "attnbench.models.contexts.local.LuongLocalArm": "attnbench.models.contexts.luong.LuongLocalConfig",
    "attnbench.models.contexts.local.LuongLocalMonotonicArm": "attnbench.models.contexts.luong.LuongLocalMonotonicConfig",
    "attnbench.models.contexts.local.LuongLocalPredictiveArm": "attnbench.models.contexts.luong.LuongLocalPredictiveConfig",
    "attnbench.models.contexts.location.LuongLocation": "attnbench.models.contexts.luong.LuongLocation",
    "attnbench.models.contexts.location.LuongLocationArm": "attnbench.models.contexts.luong.LuongLocationConfig",
    "attnbench.models.contexts.luong.LuongArm": "attnbench.models.contexts.luong.LuongConfig",
    "attnbench.models.contexts.luong.LuongDotArm": "attnbench.models.contexts.luong.LuongDotConfig",
    "attnbench.models.contexts.luong.LuongGeneralArm": "attnbench.models.contexts.luong.LuongGeneralConfig",
    "attnbench.models.contexts.luong.LuongConcatArm": "attnbench.models.contexts.luong.LuongConcatConfig",
    "attnbench.models.contexts.multihead.MultiHeadArm": "attnbench.models.contexts.multihead.MultiHeadConfig",
    "attnbench.models.contexts.nothing.Nothing": "attnbench.models.contexts.bottleneck.Nothing",
    "attnbench.models.contexts.nothing.FixedInitArm": "attnbench.models.contexts.bottleneck.FixedInitConfig",
    "attnbench.models.contexts.nothing.BlindArm": "attnbench.models.contexts.bottleneck.BlindConfig",
    "attnbench.models.contexts.slots.SlotsArm": "attnbench.models.contexts.slots.SlotsConfig",
    "attnbench.models.contexts.uniform.Uniform": "attnbench.models.contexts.bottleneck.Uniform",
    "attnbench.models.contexts.uniform.UniformArm": "attnbench.models.contexts.bottleneck.UniformConfig",
    "attnbench.models.memory.EncoderOutput": "attnbench.models.encoder.EncoderOutput",
    "attnbench.models.memory.Memory": "attnbench.models.encoder.Memory",
    "attnbench.models.recurrent_arm.RecurrentArm": "attnbench.models.config.RecurrentConfig",
    "attnbench.models.transformer.arm.TransformerArm": "attnbench.models.transformer.TransformerConfig",
    "attnbench.models.transformer.arm.TransformerFixedArm": "attnbench.models.transformer.TransformerFixedConfig",
    "attnbench.tasks.copy.Copy": "attnbench.tasks.symbols.Copy",
    "attnbench.tasks.reverse.Reverse": "attnbench.tasks.symbols.Reverse",
    "attnbench.tasks.repeat.Repeat": "attnbench.tasks.symbols.Repeat",
    "attnbench.tasks.periodic.Periodic": "attnbench.tasks.symbols.Periodic",
    "attnbench.tasks.sort.Sort": "attnbench.tasks.symbols.Sort",
    "attnbench.tasks.sequence.SymbolTask": "attnbench.tasks.symbols.SymbolTask",
    "attnbench.tasks.sequence.RearrangementTask": "attnbench.tasks.symbols.RearrangementTask",
    "attnbench.tasks.translation.Translation": "attnbench.tasks.translation.task.Translation",
    "attnbench.training.config.TrainingConfig": "attnbench.training.schedule.TrainingConfig",
    "attnbench.tasks.babi.Babi": "attnbench.tasks.text.babi.Babi",
    "attnbench.tasks.text_pairs.TextPairs": "attnbench.tasks.text.text_pairs.TextPairs",
    "attnbench.tasks.text_task.TextTask": "attnbench.tasks.text.task.TextTask",
    "attnbench.sweeps.executors.base.Executor": "attnbench.executors.base.Executor",
    "attnbench.sweeps.executors.base.Submission": "attnbench.executors.base.Submission",
    "attnbench.sweeps.executors.base.WorkOrder": "attnbench.executors.base.WorkOrder",
    "attnbench.sweeps.executors.inline.Inline": "attnbench.executors.local.Inline",
    "attnbench.sweeps.executors.processes.Processes": "attnbench.executors.local.Processes",
    "attnbench.sweeps.executors.slurm.Slurm": "attnbench.executors.slurm.executor.Slurm",
    "attnbench.sweeps.executors.slurm_job.Pack": "attnbench.executors.slurm.job.RunBundle",
}
"""From the name under which a thing is written down to its name now: module and class."""


def present_name(name: str) -> str:
    """Return what a written name is called now."""
    return MOVED.get(name, name)


def recorded_name(cls: type) -> str:
    """Return the name under which a class is written down: the first that it had."""
    name = f"{cls.__module__}.{cls.__qualname__}"
    return next((old for old, new in MOVED.items() if new == name), name)


class _MovedModules(MetaPathFinder, Loader):
    """Imports a module that is no more, as long as `MOVED` knows something that was in it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        is_known = any(old.startswith(f"{fullname}.") for old in MOVED)
        return ModuleSpec(fullname, self, is_package=True) if is_known else None

    def exec_module(self, module: ModuleType) -> None:
        def moved(name: str) -> object:
            target, _, last = MOVED.get(f"{module.__name__}.{name}", "").rpartition(".")
            if not target:
                raise AttributeError(f"module '{module.__name__}' has no attribute '{name}'")
            return getattr(importlib.import_module(target), last)

        module.__dict__["__getattr__"] = moved


def find_moved_modules() -> None:
    """Let old modules be imported: a pickled job names one, and so may a person's own classes."""
    # Last: what there is stands before what there was.
    sys.meta_path.append(_MovedModules())
