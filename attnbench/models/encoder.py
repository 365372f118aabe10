"""The encoder that all recurrent arms share."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from attnbench.models.memory import EncoderOutput
from attnbench.models.order import has_no_padding, reorder, reversed_positions, turned_round
from attnbench.models.recurrence import Recurrence


class RecurrentEncoder(nn.Module):
    """Embeds the source and runs over it in one direction or in both.

    Padding changes nothing: it stands on the right, so the forward direction meets it only after the last real
    token; the backward direction reads each source turned round within its own length. So nothing needs to be
    packed, which would double the cost.
    """

    def __init__(
        self,
        embedding: nn.Embedding,
        layers: list[list[Recurrence]],
        hidden_size: int,
        dropout: float,
        reverse_source: bool = False,
    ) -> None:
        """Take for each layer one recurrence per direction, whose hidden sizes add up to `hidden_size`."""
        super().__init__()
        self.embedding = embedding
        self.layers = nn.ModuleList(nn.ModuleList(directions) for directions in layers)
        self.hidden_size = hidden_size
        self.dropout = nn.Dropout(dropout)
        self.reverse_source = reverse_source

    def forward(self, source: Tensor, source_lengths: Tensor) -> EncoderOutput:
        """Encode token numbers (batch, source_len) with their real lengths (batch,)."""
        mask = torch.arange(source.shape[1], device=source.device) < source_lengths.unsqueeze(1)
        turned, is_even = reversed_positions(source, source_lengths), has_no_padding(source, source_lengths)
        states = self.embedding(source.gather(1, turned) if self.reverse_source else source)
        final = states.new_zeros(len(source), 0)
        for directions in self.layers:
            assert isinstance(directions, nn.ModuleList)
            states, final = self._layer(directions, self.dropout(states), (turned, is_even), source_lengths)
        if self.reverse_source:
            states = turned_round(states, turned, is_even)  # so that a state stands where its token stands
        return EncoderOutput(states=states, final=final, mask=mask)

    def _layer(
        self,
        directions: Iterable[nn.Module],
        inputs: Tensor,
        turned: tuple[Tensor, bool],
        source_lengths: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return the states (batch, source_len, hidden) and final state (batch, hidden) of one layer."""
        states, finals = [], []
        for is_backward, recurrence in enumerate(directions):
            assert isinstance(recurrence, Recurrence)
            ordered = turned_round(inputs, *turned) if is_backward else inputs
            zero = inputs.new_zeros(len(inputs), recurrence.layer.hidden_size)
            outputs, last = recurrence(ordered, recurrence.first_state(zero))
            finals.append(last[0] if turned[1] else _at(outputs, source_lengths - 1))
            states.append(turned_round(outputs, *turned) if is_backward else outputs)
        return torch.cat(states, dim=2), torch.cat(finals, dim=1)


def _at(sequence: Tensor, positions: Tensor) -> Tensor:
    """Pick one position per row: (batch, length, hidden) → (batch, hidden)."""
    return reorder(sequence, positions.unsqueeze(1)).squeeze(1)
