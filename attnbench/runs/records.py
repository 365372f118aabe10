"""What a run writes down of itself: its rows, and the versions and the machine that made them."""

import importlib.metadata
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attnbench
from attnbench.runs.sentences import CHARACTER_MATCHES, WORD_MATCHES

if TYPE_CHECKING:  # they load torch, which who wants to know the command or a version needs not
    from attnbench.runs.spec import RunSpec
    from attnbench.tasks.base import LengthRange
    from attnbench.training.evaluation import Scores
    from attnbench.training.trainer import Trainer


def metrics_row(
    spec: "RunSpec", trainer: "Trainer", lengths: "LengthRange", scores: "Scores"
) -> dict[str, Any]:
    """Return the row of one evaluated length; what is not defined for it is None."""
    return {
        **_about_the_run(spec, trainer),
        **_about_the_length(spec, lengths, scores),
        "token_accuracy": scores.token_accuracy,
        "sequence_accuracy": scores.sequence_accuracy,
        "teacher_forced_accuracy": scores.teacher_forced_accuracy,
        "cross_entropy_nats": scores.cross_entropy_nats,
        "alignment_accuracy": scores.alignment_accuracy,
        "examples": scores.examples,
        "target_tokens": scores.tokens,
    }


def _about_the_run(spec: "RunSpec", trainer: "Trainer") -> dict[str, Any]:
    last = trainer.rows[-1]
    return {
        "run_id": spec.run_id,
        "task": spec.task.name,
        "model": spec.model.name,
        "variant": str(spec.variant),
        "protocol": spec.protocol,
        "train_min_length": spec.lengths.minimum,
        "train_max_length": spec.lengths.maximum,
        "seed": spec.seed,
        "hidden_size": spec.model.hidden_size,
        "parameters": sum(parameter.numel() for parameter in trainer.model.parameters()),
        "learning_rate": spec.training.learning_rate,
        "steps": trainer.step,
        "steps_to_90": steps_to_90(spec, trainer),
        "stop_reason": trainer.stop_reason,
        "train_seconds": round(last.train_seconds, 3),
        "tokens_per_second": round(last.target_tokens / last.train_seconds, 1),
        "device": trainer.device.type,
        "version": attnbench.__version__,
    }


def _about_the_length(spec: "RunSpec", lengths: "LengthRange", scores: "Scores") -> dict[str, Any]:
    from attnbench.training.evaluation import bleu_and_chrf

    bits = spec.task.information_bits(lengths)
    answers, channel = spec.task.uniform_answers(lengths), spec.model.channel_bits(scores.mean_source_tokens)
    bleu, chrf = bleu_and_chrf(scores.hypotheses, scores.references) if scores.references else (None, None)
    return {
        "length": lengths.maximum,
        "length_min": lengths.minimum,
        "length_unit": spec.task.length_unit,
        "context_size": spec.model.context_size(scores.mean_source_tokens),
        "chance_accuracy": spec.task.chance_accuracy(lengths),
        "bits_available": bits,
        "bits_recovered": None if bits is None else scores.bits_recovered(bits),
        "bleu": bleu,
        "chrf": chrf,
        "channel_bits": channel,
        "accuracy_ceiling": None if answers is None or channel is None else answers.accuracy_ceiling(channel),
    }


def sentence_rows(lengths: "LengthRange", scores: "Scores") -> list[dict[str, object]]:
    """Return a row of sentences.csv.gz for each sentence of a bucket."""
    from attnbench.training.evaluation import sentence_counts

    return [
        {
            "length_min": lengths.minimum,
            "length": lengths.maximum,
            "sentence": number,
            "tokens": tokens,
            "nats": round(nats, 4),
            "reference_words": counts.reference_words,
            "hypothesis_words": counts.hypothesis_words,
            **dict(zip(WORD_MATCHES, counts.word_matches, strict=True)),
            "reference_characters": counts.reference_characters,
            "hypothesis_characters": counts.hypothesis_characters,
            **dict(zip(CHARACTER_MATCHES, counts.character_matches, strict=True)),
        }
        for number, (counts, nats, tokens) in enumerate(
            zip(
                sentence_counts(scores.hypotheses, scores.references),
                scores.example_nats,
                scores.example_tokens,
                strict=True,
            ),
            start=1,
        )
    ]


def steps_to_90(spec: "RunSpec", trainer: "Trainer") -> int | None:
    """Return the first evaluated step that was 0.9 of the way from chance to perfect on validation."""
    ranges = spec.task.validation_ranges(spec.lengths)
    chance = sum(spec.task.chance_accuracy(each) for each in ranges) / len(ranges)
    threshold = chance + 0.9 * (1 - chance)
    return next((row.step for row in trainer.rows if row.validation_token_accuracy >= threshold), None)


PACKAGES = ("torch", "numpy", "hydra-core", "tokenizers", "sacrebleu")


def typed_command() -> str:
    """Return the command that a person gave, as a shell takes it; for a call from Python the one that does the same."""
    return _recorded.get() or shlex.join(["attnbench", *sys.argv[1:]])


_recorded: ContextVar[str | None] = ContextVar("recorded", default=None)


@contextmanager
def recorded_as(command: str | None) -> Iterator[None]:
    """Let records within the block name this command, where there is one, in place of the words of the process."""
    token = _recorded.set(command)
    try:
        yield
    finally:
        _recorded.reset(token)


def describe_environment(device: str, precision: str, command: str) -> dict[str, Any]:
    """Return what somebody would need to know to repeat a run elsewhere.

    The command is that of a person; a worker or a job has been started with another.
    """
    return {
        "attnbench": attnbench.__version__,
        "python": platform.python_version(),
        "packages": {name: package_version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "device": device,
        "device_name": _device_name(device),
        "precision": precision,
        "git_commit": _git_commit(),
        "command": command,
    }


def package_version(package: str) -> str | None:
    """Return the installed version of a package; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device_name(device: str) -> str:
    if not device.startswith("cuda"):
        return device
    import torch

    return torch.cuda.get_device_name(device)


def _git_commit() -> str | None:
    """Return the commit of the checkout that attnbench runs from; None for an installed copy."""
    folder = Path(attnbench.__file__).parent
    if not (folder.parent / ".git").exists():
        return None  # a copy installed below somebody's own checkout is not of its commits
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None
