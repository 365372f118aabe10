"""An LSTM layer that reads an additive memory before each step, run through time as one node of the graph.

`Decoder` has the same step by step. A loop of small steps costs what the count of its operations costs. So what hangs
on no state is worked out for all steps at once: the part of the gates that comes of the words beforehand, the slopes of
the gates at the beginning of the way back, and the gradient of the weights, one product over all steps, at its end.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from attnbench.models.contexts.additive_kernel import SteppedMemory, look, look_back

Looped = tuple[Tensor, Tensor, Tensor]


def run_through(words: Tensor, layer: nn.LSTM, hidden: Tensor, cell: Tensor, memory: SteppedMemory) -> Looped:
    """Run an LSTM layer whose input at a step is the word and the context that the state before has read.

    Args:
        words: embedded, (batch, target_len, embedding).
        layer: of one direction, whose input is a word and a context, in this order.
        hidden: the state to start from, (batch, hidden).
        cell: likewise.
        memory: what `stepped_memory` returned.

    Returns:
        hidden states (batch, target_len, hidden), weights (batch, target_len, source_len), and the last cell
        (batch, hidden).
    """
    input_weights, state_weights, input_bias, state_bias = layer.all_weights[0]
    of_words, of_context = input_weights.split([words.shape[2], memory.values.shape[2]], dim=1)
    gates = nn.functional.linear(words, of_words, input_bias + state_bias)  # B T 4H
    joined = torch.cat([state_weights, of_context], dim=1)  # 4H H+H
    looped: Looped = _Loop.apply(gates, joined, hidden, cell, memory.token, memory)
    return looped


@dataclass(frozen=True)
class _Steps:
    """What the steps leave for the way back; time stands first, so that a step's numbers lie side by side.

    Attributes:
        gates: input, forget, cell and output gate, (target_len, batch, 4 hidden).
        cells: the first one and that of each step, (target_len + 1, batch, hidden).
        squashed: the tanh of each step's cell, (target_len, batch, hidden).
        inputs: the state before and the context, (target_len, batch, hidden + hidden).
    """

    gates: Tensor
    cells: Tensor
    squashed: Tensor
    inputs: Tensor

    def slopes(self) -> tuple[Tensor, Tensor]:
        """Return by what the gradient of a cell, and of a hidden state, comes to the gates and to the cell.

        The first is (target_len, batch, 4, hidden), of which the last gate goes by the hidden state instead; the
        second is (target_len, batch, hidden), from the hidden state to the cell.
        """
        shares = self.gates.unflatten(2, (4, -1))  # T B 4 H
        i, _, g, o = shares.unbind(2)
        slopes = torch.addcmul(shares, shares, shares, value=-1)  # σ' = σ − σ²
        slopes[:, :, 0].mul_(g)
        slopes[:, :, 1].mul_(self.cells[:-1])
        slopes[:, :, 2] = torch.addcmul(i, i, g * g, value=-1)  # tanh' = 1 − tanh²
        slopes[:, :, 3].mul_(self.squashed)
        return slopes, torch.addcmul(o, o, self.squashed * self.squashed, value=-1)


class _Loop(torch.autograd.Function):
    """The loop over the target, and its way back written by hand; a gradient of the gradient is not offered."""

    @staticmethod
    def forward(
        ctx: Any,
        words: Tensor,
        joined: Tensor,
        hidden: Tensor,
        cell: Tensor,
        token: Tensor,
        memory: SteppedMemory,
    ) -> Looped:
        count = words.shape[1]
        steps = _Steps(
            gates=words.transpose(0, 1).clone(memory_format=torch.contiguous_format),
            cells=torch.cat([cell.unsqueeze(0), cell.new_empty(count, *cell.shape)]),
            squashed=cell.new_empty(count, *cell.shape),
            inputs=words.new_empty(count, len(words), joined.shape[1]),
        )
        states, looks = words.new_empty(count, *hidden.shape), []
        transposed = joined.t()
        for step in range(count):
            context, weights, query = look(hidden.unsqueeze(1), memory)
            looks.append((weights, query))
            torch.cat([hidden, context.squeeze(1)], dim=1, out=steps.inputs[step])
            gates = steps.gates[step].addmm_(steps.inputs[step], transposed)
            i, f, g, o = gates.chunk(4, dim=1)
            g.mul_(2)
            gates.sigmoid_()
            g.mul_(2).sub_(1)  # tanh x = 2 σ(2x) − 1: one call for all four gates
            cell = torch.mul(f, cell, out=steps.cells[step + 1]).addcmul_(i, g)
            hidden = torch.mul(o, torch.tanh(cell, out=steps.squashed[step]), out=states[step])
        ctx.save_for_backward(joined, steps.gates, steps.cells, steps.squashed, steps.inputs)
        ctx.memory, ctx.looks = memory, looks
        ctx.set_materialize_grads(False)
        return states.transpose(0, 1), torch.cat([weights for weights, _ in looks], dim=1), cell.clone()

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, of_states: Tensor | None, of_weights: Tensor | None, of_cell: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, None, None]:
        joined, *saved = ctx.saved_tensors
        steps = _Steps(*saved)
        slopes, of_tanh = steps.slopes()
        of_gates, size = torch.empty_like(slopes), slopes.shape[3]
        forgets = steps.gates[:, :, size : 2 * size]
        of_cell = torch.zeros_like(of_tanh[0]) if of_cell is None else of_cell
        from_later = torch.zeros_like(of_tanh[0])
        for step in reversed(range(len(slopes))):
            of_hidden = from_later if of_states is None else from_later + of_states[:, step]
            of_cell = torch.addcmul(of_cell, of_hidden, of_tanh[step])
            torch.mul(of_cell.unsqueeze(1), slopes[step, :, :3], out=of_gates[step, :, :3])
            torch.mul(of_hidden, slopes[step, :, 3], out=of_gates[step, :, 3])
            of_cell = of_cell * forgets[step]
            of_input = of_gates[step].flatten(1) @ joined  # B H+H
            before, of_context = of_input[:, :size], of_input[:, size:].unsqueeze(1)
            asked = steps.inputs[step, :, :size].unsqueeze(1)
            of_weights_now = None if of_weights is None else of_weights[:, step : step + 1]
            weights, query = ctx.looks[step]
            from_look = look_back(asked, query, weights, of_context, of_weights_now, ctx.memory)
            from_later = before + from_look.squeeze(1)
        flat = of_gates.flatten(2)  # T B 4H
        of_joined = flat.flatten(0, 1).t() @ steps.inputs.flatten(0, 1)
        return flat.transpose(0, 1), of_joined, from_later, of_cell, None, None
