"""The recurrent arms written out from their equations: one example, one token, one unit of thought at a time.

Slow on purpose, in float64, with numpy alone and without padding, so that it shares no line with what it checks.
"""

from dataclasses import dataclass

import numpy as np

from attnbench.models.config import RecurrentConfig
from attnbench.models.seq2seq import Seq2SeqModel
from attnbench.vocabulary import BOS
from tests.models.arithmetic import Array, sigmoid, squeezed
from tests.models.reference_contexts import CONTEXTS


@dataclass
class Cell:
    """One recurrent cell: h_t and, for an LSTM, c_t from x_t and the state before."""

    input_weights: Array
    state_weights: Array
    input_bias: Array
    state_bias: Array

    def parts(self, x: Array, h: Array, gates: int) -> tuple[list[Array], list[Array]]:
        from_input = np.split(self.input_weights @ x + self.input_bias, gates)
        from_state = np.split(self.state_weights @ h + self.state_bias, gates)
        return from_input, from_state


class LSTM(Cell):
    """Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000."""

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
        a, b = self.parts(x, h, 4)
        i, f, g, o = sigmoid(a[0] + b[0]), sigmoid(a[1] + b[1]), np.tanh(a[2] + b[2]), sigmoid(a[3] + b[3])
        c = f * c + i * g
        return o * np.tanh(c), c


class GRU(Cell):
    """Cho et al. 2014a, the reset gate applied after the multiplication as cuDNN has it."""

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
        a, b = self.parts(x, h, 3)
        r, z = sigmoid(a[0] + b[0]), sigmoid(a[1] + b[1])
        n = np.tanh(a[2] + r * b[2])
        return (1 - z) * n + z * h, c


class Reference:
    """Encoder, bridge, context, decoder and readout with the weights of a model of ours."""

    def __init__(self, arm: RecurrentConfig, model: Seq2SeqModel) -> None:
        self.arm = arm
        self.weights: dict[str, Array] = {
            name: parameter.detach().numpy() for name, parameter in model.named_parameters()
        }
        start = "decoder.context."
        own = {name[len(start) :]: each for name, each in self.weights.items() if name.startswith(start)}
        self.context = CONTEXTS[arm.name](arm, own)

    def cell(self, name: str) -> LSTM | GRU:
        kinds = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        weights = (self.weights[f"{name}.layer.{kind}"] for kind in kinds)
        return LSTM(*weights) if self.arm.cell == "lstm" else GRU(*weights)

    def run(self, name: str, inputs: list[Array]) -> tuple[list[Array], Array]:
        """Return the states over the inputs, from a state of zeros, and the last cell."""
        cell = self.cell(name)
        size = cell.state_weights.shape[1]
        h, c, states = np.zeros(size), np.zeros(size), []
        for x in inputs:
            h, c = cell.step(x, h, c)
            states.append(h)
        return states, c

    def encode(self, source: list[int]) -> tuple[list[Array], list[tuple[Array, Array]]]:
        """Return the state of every token in the top layer, and the final hidden state and cell of every layer."""
        if self.arm.reverse_source:
            states, final = self.encode_as_read(source[::-1])
            return states[::-1], final
        return self.encode_as_read(source)

    def encode_as_read(self, source: list[int]) -> tuple[list[Array], list[tuple[Array, Array]]]:
        inputs = [self.weights["encoder.embedding.weight"][token] for token in source]
        finals = []
        for layer in range(self.arm.layers):
            forward, cell = self.run(f"encoder.layers.{layer}.0", inputs)
            if self.arm.bidirectional:
                backward, other_cell = self.run(f"encoder.layers.{layer}.1", inputs[::-1])
                inputs = [np.concatenate(pair) for pair in zip(forward, backward[::-1], strict=True)]
                final = np.concatenate([forward[-1], backward[-1]]), np.concatenate([cell, other_cell])
            else:
                inputs, final = forward, (forward[-1], cell)
            finals.append(final)
        return inputs, finals

    def first_state(self, finals: list[tuple[Array, Array]], layer: int) -> tuple[Array, Array]:
        """Return the hidden state and the cell from which a layer of the decoder starts."""
        zeros = np.zeros(self.arm.hidden_size)
        if self.arm.name == "blind":
            return zeros, zeros
        crosses = self.arm.carry == "state"
        hidden, cell = finals[layer if crosses else -1]
        if self.arm.first_state != "copied":
            read = np.split(hidden, 2)[1] if self.arm.first_state == "backward" else hidden
            hidden = np.tanh(self.linear(f"bridge.projections.{layer}", read))
        return hidden, cell if crosses else zeros

    def cross(
        self, states: list[Array], finals: list[tuple[Array, Array]]
    ) -> tuple[list[Array], list[tuple[Array, Array]]]:
        """Return the states and the final hidden states and cells as the decoder gets them."""
        if self.arm.context_bits is None or self.arm.name == "blind":
            return states, finals
        if not self.context.distils:
            states = [
                squeezed(self.weights, "channel.states", state, self.arm.context_bits) for state in states
            ]
        if self.arm.carry == "hidden":
            hidden = squeezed(self.weights, "channel.last", finals[-1][0], self.arm.context_bits)
            return states, [(hidden, np.zeros_like(hidden))]
        parts = 2 if self.arm.cell == "lstm" else 1
        last = squeezed(
            self.weights,
            "channel.last",
            np.concatenate([x for pair in finals for x in pair[:parts]]),
            self.arm.context_bits,
        )
        arrived = [np.split(each, parts) for each in np.split(last, self.arm.layers)]
        return states, [(each[0], each[-1]) for each in arrived]

    def answer(self, source: list[int], target: list[int]) -> tuple[Array, list[list[float] | None]]:
        """Return the logits (target_len, vocab) and weights at each target position, given the right tokens."""
        states, finals = self.cross(*self.encode(source))
        final = finals[-1][0]
        cells = [self.cell(f"decoder.recurrence.layers.{layer}") for layer in range(self.arm.layers)]
        h, c = map(
            list, zip(*(self.first_state(finals, layer) for layer in range(self.arm.layers)), strict=True)
        )
        readout = np.zeros(self.weights["decoder.output.weight"].shape[1])
        logits, all_weights = [], []
        for step, token in enumerate([BOS, *target[:-1]]):
            inputs, weights = [self.weights["decoder.embedding.weight"][token]], None
            context, last_state = np.zeros(0), h[-1]
            if self.context.reading in ("before", "both"):
                read = self.context.read(h[-1], states, final, step)
                context, weights = read.context, read.weights
                inputs.append(read.context)
            if self.arm.feeds_input:
                inputs.append(readout)
            x = np.concatenate(inputs)
            for layer, cell in enumerate(cells):
                h[layer], c[layer] = cell.step(x, h[layer], c[layer])
                if layer == 0 and self.context.reading == "between":
                    read = self.context.read(h[0], states, final, step)
                    context, weights = read.context, read.weights
                    h[0], c[0] = self.cell("decoder.transition").step(context, h[0], c[0])
                x = h[layer]
            if self.context.reading in ("after", "both"):
                read = self.context.read(x, states, final, step)
                context, weights = read.context, read.weights
            word = self.weights["decoder.embedding.weight"][token]
            readout = self.read_out(x, last_state, context, word)
            logits.append(self.linear("decoder.output", readout))
            all_weights.append(weights)
        return np.stack(logits), all_weights

    def read_out(self, state: Array, last_state: Array, context: Array, word: Array) -> Array:
        """Return what the output layer reads: Luong et al. 2015, equation 5, or a maxout of all there is.

        That is s', whose pairs s takes the larger of, in Cho et al. 2014a, A.1.2, and t̃ in Bahdanau et al. 2015, A.2.2.
        """
        if self.arm.output_reads == "state":
            combined = self.linear("decoder.readout.state", state)
            is_read = self.context.reading in ("after", "both")
            return np.tanh(
                combined + self.weights["decoder.readout.context.weight"] @ context if is_read else combined
            )
        read = state if self.arm.output_reads == "state_context_word" else last_state
        total = (
            self.linear("decoder.readout.state", read) + self.weights["decoder.readout.word.weight"] @ word
        )
        if self.context.reading != "nowhere":
            total = total + self.weights["decoder.readout.context.weight"] @ context
        return np.array([max(total[2 * j], total[2 * j + 1]) for j in range(len(total) // 2)])

    def linear(self, name: str, x: Array) -> Array:
        return self.weights[f"{name}.weight"] @ x + self.weights[f"{name}.bias"]
