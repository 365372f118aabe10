"""Models whose attention is written down by hand: what they look at is what they say."""

from typing import Any

import torch
from torch import Tensor, nn

from attnbench.batch import Batch
from attnbench.models.contexts.base import Context
from attnbench.models.decoder import Decoder, Readout
from attnbench.models.encoder import EncoderOutput, Memory, ZeroBridge
from attnbench.models.recurrence import Recurrence, RecurrentStack
from attnbench.models.seq2seq import RecurrentSeq2Seq
from attnbench.vocabulary import UNKNOWN

VOCABULARY_SIZE = 10
NOTHING = UNKNOWN
"""What a model says that has read nothing."""


class OneHotEncoder(nn.Module):
    """Each state is the token itself; they know nothing of each other."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(torch.eye(VOCABULARY_SIZE), freeze=False)

    def forward(self, source: Tensor, source_lengths: Tensor) -> EncoderOutput:
        states = self.embedding(source)
        mask = torch.arange(source.shape[1]) < source_lengths.unsqueeze(1)
        return EncoderOutput(states, torch.zeros_like(states[:, 0]), mask)


class Pointing(Context):
    """Looks where a table says, (target_len, source_len), whatever there is to see."""

    def __init__(self, table: Tensor, steps_through_time: bool) -> None:
        super().__init__()
        self.table = table
        self.size = VOCABULARY_SIZE
        self.reads_before, self.reads_after = steps_through_time, True
        self.follows_state = False

    def prepare(self, encoded: EncoderOutput) -> Memory:
        return Memory(values=encoded.states, mask=encoded.mask)

    def read(
        self, query: Tensor, memory: Memory, first_position: int = 0, wants_weights: bool = True
    ) -> tuple[Tensor, Tensor]:
        rows = self.table[first_position : first_position + query.shape[1]]
        weights = rows.expand(len(query), -1, -1)
        return torch.bmm(weights, memory.values), weights


def pointing_model(table: Any, steps_through_time: bool = False) -> RecurrentSeq2Seq:
    """Return a model that says the word with the most weight, and NOTHING where all weights are 0."""
    context = Pointing(torch.tensor(table, dtype=torch.float32), steps_through_time)
    blocks = {"embedding": 1, "context": VOCABULARY_SIZE if steps_through_time else 0}
    decoder = Decoder(
        embedding=nn.Embedding(VOCABULARY_SIZE, 1),
        recurrence=RecurrentStack([Recurrence("gru", blocks, VOCABULARY_SIZE)], 0.0),
        context=context,
        readout=Readout(VOCABULARY_SIZE, context.size),
        output=nn.Linear(VOCABULARY_SIZE, VOCABULARY_SIZE),
        dropout=0.0,
    )
    with torch.no_grad():
        for parameter in (decoder.readout.state.weight, decoder.readout.state.bias, decoder.output.bias):
            parameter.zero_()
        assert decoder.readout.context is not None
        decoder.readout.context.weight.copy_(torch.eye(VOCABULARY_SIZE))
        decoder.output.weight.copy_(20 * torch.eye(VOCABULARY_SIZE))
        decoder.output.bias[NOTHING] = 8.0
    encoder: Any = OneHotEncoder()
    return RecurrentSeq2Seq(encoder, ZeroBridge(1), decoder).eval()


def asked(source: list[list[int]], target: list[list[int]], sure: Any = None, possible: Any = None) -> Batch:
    """Return a batch all of whose target words are scored; gold as 0 and 1."""
    return Batch(
        source=torch.tensor(source),
        source_lengths=(torch.tensor(source) > 0).sum(dim=1),
        target=torch.tensor(target),
        scored=torch.tensor(target) > 0,
        alignment_sure=None if sure is None else torch.tensor(sure).bool(),
        alignment_possible=None if possible is None else torch.tensor(possible).bool(),
    )
