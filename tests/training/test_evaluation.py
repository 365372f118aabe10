import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from attnbench.batch import NOT_GIVEN, Batch
from attnbench.models.seq2seq import Generated, Seq2SeqOutput
from attnbench.tasks.base import LengthRange, SyntheticTask
from attnbench.tasks.symbols import Copy
from attnbench.training.evaluation import Scores, bleu_and_chrf, evaluate, example_nats, scored_nats
from attnbench.vocabulary import BOS, EOS, PAD
from tests.answerers import MajorityAnswerer, Oracle, Speaker, UniformGuesser
from tests.tasks.synthetic import every_synthetic_task_at
from tests.tasks.text.text_examples import text_pairs, write_tsv

CPU = torch.device("cpu")
A, B, C = 4, 5, 6
LETTERS = Copy(name="copy", vocabulary_size=3, eos=False)
MARKED = Copy(name="copy", vocabulary_size=3, eos=True)


class Script:
    """Decoded what a test wrote down for it."""

    def __init__(
        self, written: list[list[int]], logits: Tensor | None = None, attention: Tensor | None = None
    ):
        self.written, self.logits, self.attention = torch.tensor(written), logits, attention
        self.heard: list[dict[str, object]] = []

    def __call__(self, batch: Batch) -> Seq2SeqOutput:
        logits = torch.zeros(*batch.target.shape, 7) if self.logits is None else self.logits
        return Seq2SeqOutput(logits, self.attention)

    def generate(
        self,
        source: Tensor,
        source_lengths: Tensor,
        given: Tensor,
        steps: int | None = None,
        ends_with_mark: bool = False,
    ) -> Generated:
        self.heard.append({"given": given, "steps": steps, "ends_with_mark": ends_with_mark})
        return Generated(self.written, None)


def two_examples() -> Batch:
    """One example with a given token between its answers, one that is shorter."""
    target = torch.tensor([[A, B, C], [B, PAD, PAD]])
    sure = torch.zeros(2, 3, 3, dtype=torch.bool)
    sure[0, 0, 0] = sure[0, 1, 1] = sure[1, 0, 2] = True
    return Batch(
        source=torch.tensor([[A, B, C], [B, A, B]]),
        source_lengths=torch.tensor([3, 3]),
        target=target,
        scored=torch.tensor([[True, False, True], [True, False, False]]),
        alignment_sure=sure,
        alignment_possible=sure,
    )


def logits_with(probabilities: dict[tuple[int, int, int], float]) -> Tensor:
    """Return logits (2, 3, 7) with these probabilities of tokens, the rest spread evenly over the others."""
    chances = torch.full((2, 3, 7), 1 / 7)
    for (row, position, token), probability in probabilities.items():
        chances[row, position] = (1 - probability) / 6
        chances[row, position, token] = probability
    return chances.log()


class TestCounts:
    def test_a_case_worked_by_hand(self) -> None:
        # Free: right, given, wrong | right. Forced: right (1/2), given, right (1/4) | wrong (1/8).
        logits = logits_with({(0, 0, A): 1 / 2, (0, 2, C): 1 / 4, (1, 0, B): 1 / 8, (0, 1, A): 0.99})
        attention = torch.zeros(2, 3, 3)
        attention[0, 0, 0] = attention[0, 1, 1] = attention[0, 2, 0] = attention[1, 0, 1] = 1.0
        answerer = Script([[A, B, A], [B, A, A]], logits, attention)
        scores = evaluate(answerer, LETTERS, [two_examples()], CPU)
        assert (scores.examples, scores.tokens, scores.source_tokens) == (2, 3, 6)
        assert scores.token_accuracy == 2 / 3
        assert scores.sequence_accuracy == 1 / 2
        assert scores.teacher_forced_accuracy == 2 / 3
        assert scores.nats == pytest.approx(math.log(2 * 4 * 8))
        assert scores.cross_entropy_nats == pytest.approx(math.log(4))
        # (0, 0) looked right; (0, 1) is given; (0, 2) has no known answer; (1, 0) looked beside.
        assert (scores.aligned, scores.alignable) == (1, 2)
        assert scores.alignment_accuracy == 1 / 2
        assert scores.bits_recovered(5.0) == pytest.approx(5 - 6 / 2)

    def test_batches_add_up_before_anything_is_divided(self) -> None:
        answerer = Script([[A, B, C], [A, A, A]])
        small = replace(two_examples(), target=torch.tensor([[A, B, A], [B, PAD, PAD]]))
        scores = evaluate(answerer, LETTERS, [two_examples(), small, two_examples()], CPU)
        assert (scores.examples, scores.tokens, scores.correct_free) == (6, 9, 5)
        assert (scores.correct_sequences, scores.sequence_accuracy) == (2, 1 / 3)

    def test_nothing_evaluated_counts_nothing(self) -> None:
        assert evaluate(Script([[]]), LETTERS, [], CPU) == Scores()

    def test_without_attention_there_is_no_alignment_accuracy(self) -> None:
        assert (
            evaluate(Script([[A, B, C], [B, A, A]]), LETTERS, [two_examples()], CPU).alignment_accuracy
            is None
        )

    def test_without_known_alignments_there_is_no_alignment_accuracy(self) -> None:
        batch = replace(two_examples(), alignment_sure=None, alignment_possible=None)
        answerer = Script([[A, B, C], [B, A, A]], attention=torch.full((2, 3, 3), 1 / 3))
        assert evaluate(answerer, LETTERS, [batch], CPU).alignment_accuracy is None

    def test_a_look_at_a_possible_position_is_right(self) -> None:
        attention = torch.zeros(2, 3, 3)
        attention[:, :, 1] = 1.0
        answerer = Script([[A, B, C], [B, A, A]], attention=attention)
        batch = two_examples()
        assert batch.alignment_sure is not None
        assert evaluate(answerer, LETTERS, [batch], CPU).alignment_accuracy == 0
        possible = batch.alignment_sure.clone()
        possible[0, 0, 1] = True
        assert evaluate(answerer, LETTERS, [replace(batch, alignment_possible=possible)], CPU).aligned == 1

    def test_a_tie_is_shared_between_its_positions(self) -> None:
        # The gold position of the first word is one of two with as much weight, and the second's one of three.
        attention = torch.zeros(2, 3, 3)
        attention[0, :, :2] = 0.5
        attention[1, :, :] = 1 / 3
        scores = evaluate(Script([[A, B, C], [B, A, A]], attention=attention), LETTERS, [two_examples()], CPU)
        assert scores.alignable == 2
        assert scores.aligned == pytest.approx(1 / 2 + 1 / 3)

    def test_mean_source_tokens_are_rounded(self) -> None:
        assert Scores(examples=3, source_tokens=8).mean_source_tokens == 3

    def test_cross_entropy_is_of_scored_tokens_alone(self) -> None:
        batch = two_examples()
        logits = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        expected = -sum(
            float(logits[i, t].log_softmax(0)[batch.target[i, t]]) for i, t in batch.scored.nonzero().tolist()
        )
        assert float(scored_nats(logits, batch)) == pytest.approx(expected, rel=1e-6)

    def test_cross_entropy_is_taken_in_float32_at_least(self) -> None:
        assert scored_nats(torch.zeros(2, 3, 7, dtype=torch.bfloat16), two_examples()).dtype == torch.float32


class TestFreeRunning:
    def test_the_answerer_hears_what_is_given_and_nothing_else_of_the_target(self) -> None:
        answerer = Script([[A, B, C], [B, A, A]])
        evaluate(answerer, LETTERS, [two_examples()], CPU)
        given = answerer.heard[0]["given"]
        assert isinstance(given, Tensor)
        assert given.tolist() == [[NOT_GIVEN, B, NOT_GIVEN], [NOT_GIVEN] * 3]

    def test_without_end_mark_as_many_tokens_are_asked_as_the_target_has(self) -> None:
        answerer = Script([[A, B, C], [B, A, A]])
        evaluate(answerer, LETTERS, [two_examples()], CPU)
        assert (answerer.heard[0]["steps"], answerer.heard[0]["ends_with_mark"]) == (3, False)

    def test_with_end_mark_twice_the_longest_source_and_ten_are_allowed(self) -> None:
        answerer = Script([[A, B, C], [B, A, A]])
        evaluate(answerer, MARKED, [two_examples()], CPU)
        assert (answerer.heard[0]["steps"], answerer.heard[0]["ends_with_mark"]) == (16, True)

    def test_what_was_never_written_is_wrong(self) -> None:
        scores = evaluate(Script([[A], [B]]), LETTERS, [two_examples()], CPU)
        assert (scores.correct_free, scores.correct_sequences) == (2, 1)

    def test_what_stands_behind_the_target_counts_for_nothing(self) -> None:
        scores = evaluate(Script([[A, B, C, A, A], [B, C, C, C, C]]), MARKED, [two_examples()], CPU)
        assert (scores.correct_free, scores.tokens) == (3, 3)


class TestEndMark:
    """Target of both examples: b a <eos>."""

    @pytest.mark.parametrize(
        ("written", "right"),
        [
            ([B, A, EOS, PAD, PAD], 3),
            ([B, A, B, EOS, PAD], 2),
            ([B, EOS, PAD, PAD, PAD], 1),
            ([EOS, PAD, PAD, PAD, PAD], 0),
            ([B, A, A, A, A], 2),
        ],
    )
    def test_every_position_up_to_the_mark_counts(self, written: list[int], right: int) -> None:
        target = torch.tensor([[B, A, EOS]])
        batch = Batch(torch.tensor([[B, A]]), torch.tensor([2]), target, torch.ones_like(target).bool())
        scores = evaluate(Script([written]), MARKED, [batch], CPU)
        assert (scores.correct_free, scores.tokens, scores.correct_sequences) == (right, 3, int(right == 3))


class TestText:
    def batch(self, source_lengths: list[int]) -> Batch:
        target = torch.tensor([[A, EOS, PAD], [A, B, EOS]])
        source = torch.full((2, max(source_lengths)), A)
        return Batch(source, torch.tensor(source_lengths), target, target != PAD, references=("a", "a b"))

    def test_hypotheses_end_at_the_mark_and_are_text(self) -> None:
        answerer = Script([[A, EOS, B, B], [B, BOS, EOS, PAD]])
        scores = evaluate(answerer, MARKED, [self.batch([1, 1])], CPU)
        assert scores.hypotheses == ["a", "b"]
        assert scores.references == ["a", "a b"]

    def test_the_length_of_a_hypothesis_does_not_depend_on_its_neighbours(self) -> None:
        endless = [[A] * 40] * 2
        alone = evaluate(Script(endless), MARKED, [self.batch([1, 1])], CPU).hypotheses
        beside_longer = evaluate(Script(endless), MARKED, [self.batch([1, 9])], CPU).hypotheses
        assert [len(text.split()) for text in alone] == [12, 12]
        assert [len(text.split()) for text in beside_longer] == [12, 28]

    def test_without_end_mark_a_hypothesis_is_as_long_as_its_target(self) -> None:
        scores = evaluate(Script([[A, B, C], [A, B, C]]), LETTERS, [self.batch([1, 1])], CPU)
        assert scores.hypotheses == ["a b", "a b c"]

    def test_tasks_that_are_no_text_have_no_hypotheses(self) -> None:
        assert evaluate(Script([[A, B, C], [B, A, A]]), LETTERS, [two_examples()], CPU).hypotheses == []


LENGTHS = (1, 2, 5, 17)
FILES = {"source": 0, "test_source": 200}


def score(answerer: Speaker, task: SyntheticTask, length: int, examples: int = 1000) -> Scores:
    batches = task.evaluation_batches("test", 0, LengthRange(length, length), examples, 400)
    return evaluate(answerer, task, batches, CPU)


def independent_answers(task: SyntheticTask, length: int, scores: Scores) -> int:
    """Return how many of the answers were drawn, not repeated: as many go into the error of an accuracy."""
    drawn = {"repeat": 1, "periodic": min(length, getattr(task, "period", 0))}
    return scores.examples * drawn[task.name] if task.name in drawn else scores.tokens


@pytest.mark.parametrize(("task", "length"), every_synthetic_task_at(LENGTHS))
class TestEverySyntheticTask:
    def test_the_oracle_scores_one(self, task: SyntheticTask, length: int) -> None:
        scores = score(Oracle(task), task, length, examples=50)
        assert scores.examples == 50
        assert scores.token_accuracy == 1.0
        assert scores.sequence_accuracy == 1.0
        assert scores.teacher_forced_accuracy == 1.0
        assert scores.cross_entropy_nats == 0.0

    def test_the_better_of_guesser_and_majority_scores_chance(self, task: SyntheticTask, length: int) -> None:
        lengths = LengthRange(length, length)
        training = (task.training_batch(0, step, 100, lengths) for step in range(10))
        answerers = [UniformGuesser(task), MajorityAnswerer(task, training)]
        scored = [score(answerer, task, length) for answerer in answerers]
        chance = task.chance_accuracy(lengths)
        four_sigma = 4 * math.sqrt(chance * (1 - chance) / independent_answers(task, length, scored[0]))
        assert max(each.teacher_forced_accuracy for each in scored) == pytest.approx(chance, abs=four_sigma)
        # With an end mark, running freely costs a guesser what stands behind its first mark.
        assert max(each.token_accuracy for each in scored) <= chance + four_sigma
        if not task.ends_with_mark:
            assert max(each.token_accuracy for each in scored) >= chance - four_sigma


@pytest.mark.parametrize("eos", [True, False])
def test_on_text_the_better_of_guesser_and_majority_scores_chance(eos: bool, tmp_path: Path) -> None:
    generator = random.Random(0)
    pairs = [("x" * (1 + i), " ".join(generator.choices("abcde", [5, 2, 1, 1, 1], k=6))) for i in range(400)]
    files = {name: write_tsv(tmp_path / f"{name}.tsv", pairs[start:][:200]) for name, start in FILES.items()}
    task = text_pairs(**files, validation_source=files["test_source"], units="word", eos=eos)
    lengths = LengthRange(1, 60)
    answerers = [UniformGuesser(task), MajorityAnswerer(task, [task.training_batch(0, 0, 200, lengths)])]
    scored = [
        evaluate(answerer, task, task.evaluation_batches("test", 0, lengths, 200, 32), CPU)
        for answerer in answerers
    ]
    chance = task.chance_accuracy(lengths)
    assert scored[1].teacher_forced_accuracy == pytest.approx(chance)
    assert scored[1].token_accuracy == pytest.approx(chance)
    assert scored[0].teacher_forced_accuracy == pytest.approx(1 / len(task.answers), abs=0.04)
    assert scored[0].token_accuracy < chance


SENTENCES = ["en la komenco dio kreis la cxielon kaj la teron", "kaj dio diris estu lumo"]


def test_identical_text_scores_a_hundred() -> None:
    assert bleu_and_chrf(SENTENCES, SENTENCES) == pytest.approx((100.0, 100.0))


def test_nothing_in_common_scores_nothing() -> None:
    bleu, chrf = bleu_and_chrf(["1111 2222 3333 4444 5555"] * 2, SENTENCES)
    assert bleu < 5  # sacrebleu smooths counts of zero
    assert chrf == 0.0


def test_writing_nothing_scores_nothing() -> None:
    assert bleu_and_chrf(["", ""], SENTENCES) == (0.0, 0.0)


def test_bleu_worked_by_hand() -> None:
    # n-gram precisions 4/5, 3/4, 2/3, 1/2; no brevity penalty.
    bleu, _ = bleu_and_chrf(["a b c d e"], ["a b c d f"])
    assert bleu == pytest.approx(100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)


def test_what_is_too_short_is_penalised() -> None:
    bleu, _ = bleu_and_chrf(["a b c d"], ["a b c d e"])
    assert bleu == pytest.approx(100 * math.exp(1 - 5 / 4))


def test_the_corpus_is_scored_as_one_and_not_sentence_by_sentence() -> None:
    together, _ = bleu_and_chrf(["a b c d e", "a b c d"], ["a b c d f", "a b c d e"])
    precisions = [(4 + 4) / 9, (3 + 3) / 7, (2 + 2) / 5, (1 + 1) / 3]
    assert together == pytest.approx(100 * math.prod(precisions) ** 0.25 * math.exp(1 - 10 / 9))


def test_the_cross_entropies_of_examples_are_parts_of_that_of_their_batch():
    batch = two_examples()
    logits = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(0))
    own = example_nats(logits, batch)
    expected = [scored_nats(logits[i : i + 1], part) for i, part in enumerate(batch.split(2))]
    assert own.tolist() == pytest.approx([float(each) for each in expected])
    assert float(own.sum()) == pytest.approx(float(scored_nats(logits, batch)))


def test_examples_with_references_are_scored_one_by_one():
    batch = replace(two_examples(), references=("a b c", "b"))
    scores = evaluate(Script([[A, B, C], [B, A, A]]), LETTERS, [batch, batch], CPU)
    assert scores.example_tokens == [2, 1, 2, 1]
    assert scores.example_nats == pytest.approx([each * math.log(7) for each in (2, 1, 2, 1)])
    assert evaluate(Script([[A, B, C], [B, A, A]]), LETTERS, [two_examples()], CPU).example_nats == []


class TestMemory:
    def test_a_large_batch_is_read_in_parts_that_score_the_same(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """At batch 128 and 1,000 tokens the weights of eight heads took 4 GB for each tensor."""
        widths: list[int] = []

        class Watched(Script):
            def __call__(self, batch: Batch) -> Seq2SeqOutput:
                widths.append(len(batch))
                return Seq2SeqOutput(batch.target.unsqueeze(2) * torch.linspace(0, 1, 7), None)

        def scores() -> Scores:
            return evaluate(Watched([[A, B, C], [B, A, C]]), LETTERS, [two_examples()], CPU)

        whole = scores()
        monkeypatch.setattr("attnbench.training.evaluation.PAIRS_AT_ONCE", 9)
        parts = scores()
        assert widths == [2, 1, 1]
        assert parts.nats == pytest.approx(whole.nats)
        assert (parts.tokens, parts.correct_forced) == (whole.tokens, whole.correct_forced)
