"""The file format of the bAbI tasks, version 1.2: numbered sentences with questions among them.

    1 Mary moved to the bathroom.
    2 John went to the hallway.
    3 Where is Mary?        bathroom        1

Numbers begin again at 1 with every story. A question has tabs behind it: its answer, and the numbers of the
sentences that support it. Source: Weston et al. 2015, "Towards AI-Complete Question Answering".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from attnbench.errors import UserError
from attnbench.tasks.text_files import content_hash, read_lines, shortened
from attnbench.tasks.text_pair import Block, Pair, PairsRead, word_count
from attnbench.vocabulary import one_line, words_of

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
