"""Questions about little stories, from the files of the bAbI tasks."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from attnbench.errors import UserError
from attnbench.formatting import shortened
from attnbench.tasks.base import LengthRange
from attnbench.tasks.text.encoding import Encoding
from attnbench.tasks.text.files import content_hash, read_lines
from attnbench.tasks.text.pairs import Block, Pair, PairsRead, word_count
from attnbench.tasks.text.splits import SplitFiles
from attnbench.tasks.text.task import ExampleNames, TextTask
from attnbench.vocabulary import one_line, words_of


@dataclass(frozen=True, kw_only=True)
class Babi(TextTask):
    """Answer a question about the sentences before it. The length counts these sentences.

        source   Mary moved to the bathroom . John went to the hallway .
        target   Where is Mary ? bathroom      (Where is Mary ? are given)

    An answer of several words ("milk,football") has them all scored. The sentences that support an answer hold
    each of its words. Earlier questions of a story are no part of it.

    Source: Weston et al. 2015, version 1.2 of the files: any of the 20 tasks, in any language.
    """

    length_unit = "sentences"
    names = ExampleNames(one="question", measure="sentences before them")

    @property
    def answers(self) -> Sequence[int]:
        """The words that answered a question of the training."""
        return self._text.seen_answers

    @property
    def _split_files(self) -> SplitFiles:
        if not self.source:
            raise UserError(
                f"{self.name} needs task.source=FILE: a file of the bAbI tasks, such as "
                "qa1_single-supporting-fact_train.txt."
            )
        return SplitFiles(
            train=BabiFile(Path(self.source).expanduser()),
            validation=_optional_file(self.validation_source),
            test=_optional_file(self.test_source),
            validation_share=self.validation_share,
            test_share=self.test_share,
            maximum_length=self.maximum_length,
        )

    @property
    def _encoding(self) -> Encoding:
        return Encoding("word", None, None, eos=False, keeps_references=False)

    def default_test_lengths(self, lengths: LengthRange) -> list[int]:
        """Return the upper bounds of equal buckets up to the longest story there is to train on."""
        longest = int(self._text.splits["train"].lengths.max())
        maximum = max(lengths.minimum, min(lengths.maximum, longest))
        return super().default_test_lengths(LengthRange(lengths.minimum, maximum))


def _optional_file(path: str | None) -> "BabiFile | None":
    return BabiFile(Path(path).expanduser()) if path else None


NUMBERED = re.compile(r"\s*([0-9]{1,9})\s+(.*\S)\s*", re.ASCII)
SUPPORT = re.compile(r"[0-9]{1,9}")
CLOSING_MARK = re.compile(r"([.?!])(?=\s|$)", re.ASCII)
EXPECTED = "expected a number, a blank and a sentence, such as '1 Mary moved to the bathroom.'"
EXPECTED_QUESTION = "expected a question, a tab, its answer, a tab and supporting line numbers"


@dataclass(frozen=True)
class BabiFile:
    """A file of stories.

    Attributes:
        source: where it lies.
    """

    source: Path

    def read(self) -> PairsRead:
        pairs = tuple(self._pairs())
        if not pairs:
            raise UserError(f"{self.source} holds no question: {EXPECTED_QUESTION}.")
        return PairsRead(pairs, is_aligned=True)

    @property
    def paths(self) -> list[Path]:
        return [self.source]

    def hashes(self) -> list[str]:
        return [content_hash(self.source)]

    def _pairs(self) -> Iterator[Pair]:
        story = _Story()
        for line_number, line in enumerate(read_lines(self.source), start=1):
            if not line.strip():
                continue
            place = f"{self.source}, line {line_number}"
            number, text = _numbered(line, place)
            if number == 1:
                story = _Story()
            story.check_number(number, place)
            if "\t" in line:
                yield story.ask(number, line, place)
            else:
                story.tell(number, text)


@dataclass
class _Story:
    """What was told and asked so far.

    Attributes:
        sentences: what was told, by its number.
        spans: from which word to before which word each of them stands.
        questions: the numbers that were questions.
        words: how many were told.
        last_number: of the line before; 0 at the beginning.
    """

    sentences: dict[int, str] = field(default_factory=dict)
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)
    questions: set[int] = field(default_factory=set)
    words: int = 0
    last_number: int = 0

    def check_number(self, number: int, place: str) -> None:
        if number <= self.last_number or (number > 1 and not self.last_number):
            above = f" or a number above {self.last_number}" if self.last_number else ""
            raise UserError(f"{place}: expected the line number 1 (a new story){above}, got {number}.")
        self.last_number = number

    def tell(self, number: int, text: str) -> None:
        sentence = _words(text)
        start, self.words = self.words, self.words + word_count(sentence)
        self.sentences[number] = sentence
        self.spans[number] = (start, self.words)

    def ask(self, number: int, line: str, place: str) -> Pair:
        """Return the question as a pair: the story so far, and the answer."""
        if not self.sentences:
            raise UserError(f"{place}: expected sentences before the question, got an empty story.")
        question, answer, supports = _question(line, place)
        self.questions.add(number)
        blocks = tuple(
            Block(0, word_count(answer), *self._span(support, number, place)) for support in supports
        )
        return Pair(
            source=" ".join(self.sentences.values()),
            target=answer,
            length=len(self.sentences),
            question=question,
            sure=blocks,
            possible=blocks,
        )

    def _span(self, support: str, number: int, place: str) -> tuple[int, int]:
        named = int(support) if SUPPORT.fullmatch(support) else None
        found = None if named is None else self.spans.get(named)
        if found is None:
            what = " (a question)" if named in self.questions else ""
            raise UserError(
                f"{place}: expected supporting lines that are sentences of this story before line number {number}, "
                f"got {shortened(support)}{what}."
            )
        return found


def _numbered(line: str, place: str) -> tuple[int, str]:
    """Return a line's number and what stands behind it."""
    found = NUMBERED.fullmatch(line)
    if not found:
        raise UserError(f"{place}: {EXPECTED}, got {shortened(line)}")
    return int(found[1]), found[2]


def _question(line: str, place: str) -> tuple[str, str, list[str]]:
    """Return the question, the answer, words with blanks between both, and the numbers of supporting lines."""
    columns = line.split("\t")
    if len(columns) > 3:
        raise UserError(f"{place}: {EXPECTED_QUESTION}, got {len(columns)} columns: {shortened(line)}")
    numbered, answer, supports = (*columns, "")[:3]
    _, question = _numbered(numbered, place)
    answers = [one_line(part) for part in answer.split(",")]
    if not all(answers):
        raise UserError(f"{place}: {EXPECTED_QUESTION}, got no answer: {shortened(line)}")
    return _words(question), " ".join(answers), words_of(supports)


def _words(text: str) -> str:
    """Return a sentence as words with single blanks between them, its closing mark being one of them."""
    return one_line(CLOSING_MARK.sub(r" \1", text))
