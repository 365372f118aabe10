"""Training steps of another project, as many as a line of input says; runs without attnbench, in its own environment.

All reverse random symbols: batch × length of them, a vocabulary of 20, Adam, gradients clipped at 1.
"""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

Step = Callable[[], object]
VOCABULARY, SPECIAL = 20, 4


def plain_torch(batch: int, length: int, hidden: int) -> Step:
    """Luong general with `nn.LSTM`."""
    from torch import nn

    size = hidden
    words, answers = nn.Embedding(VOCABULARY, size), nn.Embedding(VOCABULARY, size)
    encoder = nn.LSTM(size, size // 2, batch_first=True, bidirectional=True)
    decoder, bridge = nn.LSTM(size, size, batch_first=True), nn.Linear(size, size)
    key, readout, output = (
        nn.Linear(size, size, bias=False),
        nn.Linear(2 * size, size),
        nn.Linear(size, VOCABULARY),
    )

    def logits(source: Any, before: Any) -> Any:
        memory, (last, cell) = encoder(words(source))
        first = bridge(last.transpose(0, 1).flatten(1)).tanh().unsqueeze(0)
        states, _ = decoder(answers(before), (first, cell.transpose(0, 1).flatten(1).unsqueeze(0)))
        weights = (states @ key(memory).transpose(1, 2)).softmax(2)
        return output(nn.functional.tanh(readout(_joined(weights @ memory, states))))

    parts = nn.ModuleList([words, answers, encoder, decoder, bridge, key, readout, output])
    return _torch_step(logits, parts, batch, length)


def opennmt(batch: int, length: int, hidden: int) -> Step:
    """OpenNMT-py's RNN encoder and standard decoder with global attention, `general`."""
    _stand_in("onmt.decoders.decoder")
    from onmt.decoders.decoder import StdRNNDecoder
    from onmt.encoders.rnn_encoder import RNNEncoder
    from onmt.modules import Embeddings
    from torch import nn

    def embeddings() -> Any:
        return Embeddings(word_vec_size=hidden, word_vocab_size=VOCABULARY, word_padding_idx=0)

    encoder = RNNEncoder("LSTM", True, 1, hidden, 0.0, embeddings(), False)
    decoder = StdRNNDecoder("LSTM", True, 1, hidden, attn_type="general", embeddings=embeddings())
    output = nn.Linear(hidden, VOCABULARY)

    def logits(source: Any, before: Any) -> Any:
        import torch

        lengths = torch.full((len(source),), source.shape[1])
        memory, final = encoder(source.unsqueeze(2), lengths)[:2]
        decoder.init_state(source, memory, final)
        return output(decoder(before.unsqueeze(2), memory, src_len=lengths, step=None)[0])

    return _torch_step(logits, nn.ModuleList([encoder, decoder, output]), batch, length)


def _stand_in(module: str) -> None:
    """Import a module, with empty ones for what it asks for and no step needs: it is installed without those."""
    from importlib import import_module
    from unittest.mock import MagicMock

    while True:
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] in ("onmt", "torch"):
                raise
            sys.modules[error.name] = MagicMock(__path__=[])
        else:
            return


def joeynmt(batch: int, length: int, hidden: int) -> Step:
    """JoeyNMT's recurrent encoder and decoder with Luong attention; its decoder always feeds its readout back."""
    import torch
    from joeynmt.decoders import RecurrentDecoder
    from joeynmt.encoders import RecurrentEncoder
    from torch import nn

    words, answers = nn.Embedding(VOCABULARY, hidden), nn.Embedding(VOCABULARY, hidden)
    encoder = RecurrentEncoder("lstm", hidden // 2, hidden, 1, bidirectional=True)
    decoder = RecurrentDecoder(
        "lstm", hidden, hidden, encoder, "luong", 1, VOCABULARY, init_hidden="bridge", input_feeding=True
    )

    def logits(source: Any, before: Any) -> Any:
        mask = torch.ones(len(source), 1, source.shape[1], dtype=torch.bool)
        lengths = torch.full((len(source),), source.shape[1])
        memory, final = encoder(words(source), lengths, mask)[:2]
        return decoder(answers(before), memory, final, mask, before.shape[1])[0]

    return _torch_step(logits, nn.ModuleList([words, answers, encoder, decoder]), batch, length)


def _joined(one: Any, other: Any) -> Any:
    import torch

    return torch.cat([one, other], dim=2)


def _torch_step(logits: Callable[[Any, Any], Any], parts: Any, batch: int, length: int) -> Step:
    import torch
    from torch import nn

    torch.set_num_threads(1)
    optimizer = torch.optim.Adam(parts.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        source = torch.randint(SPECIAL, VOCABULARY, (batch, length))
        target = source.flip(1)
        before = nn.functional.pad(target[:, :-1], (1, 0), value=1)
        loss = nn.functional.cross_entropy(logits(source, before).flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parts.parameters(), 1.0)
        optimizer.step()

    return step


def jax_step(batch: int, length: int, hidden: int, seeds: int = 1) -> Step:
    """Luong general with `lax.scan`, the whole step jitted; of several seeds at once by `vmap`."""
    import jax
    import numpy as np
    from jax import lax
    from jax import numpy as jnp

    generator = np.random.default_rng(0)

    def matrix(*shape: int) -> Any:
        return jnp.asarray(generator.uniform(-0.1, 0.1, shape), jnp.float32)

    half = hidden // 2
    weights = {
        "words": matrix(VOCABULARY, hidden),
        "answers": matrix(VOCABULARY, hidden),
        "forth": (matrix(hidden, 4 * half), matrix(half, 4 * half), matrix(4 * half)),
        "back": (matrix(hidden, 4 * half), matrix(half, 4 * half), matrix(4 * half)),
        "decoder": (matrix(hidden, 4 * hidden), matrix(hidden, 4 * hidden), matrix(4 * hidden)),
        "bridge": matrix(hidden, hidden),
        "key": matrix(hidden, hidden),
        "readout": matrix(2 * hidden, hidden),
        "output": matrix(hidden, VOCABULARY),
    }

    def lstm(cell_weights: Any, inputs: Any, first: Any, reverse: bool = False) -> Any:
        into, again, bias = cell_weights
        projected = jnp.swapaxes(inputs @ into + bias, 0, 1)  # T B 4H

        def one(carry: Any, now: Any) -> Any:
            state, cell = carry
            gate_in, forget, new, out = jnp.split(now + state @ again, 4, axis=1)
            cell = jax.nn.sigmoid(forget) * cell + jax.nn.sigmoid(gate_in) * jnp.tanh(new)
            state = jax.nn.sigmoid(out) * jnp.tanh(cell)
            return (state, cell), state

        last, states = lax.scan(one, first, projected, reverse=reverse)
        return jnp.swapaxes(states, 0, 1), last

    def loss(parts: Any, source: Any) -> Any:
        target = source[:, ::-1]
        before = jnp.pad(target[:, :-1], ((0, 0), (1, 0)), constant_values=1)
        zeros = jnp.zeros((batch, half))
        forth, (state, cell) = lstm(parts["forth"], parts["words"][source], (zeros, zeros))
        back, (state_back, cell_back) = lstm(parts["back"], parts["words"][source], (zeros, zeros), True)
        memory = jnp.concatenate([forth, back], 2)
        first = jnp.tanh(jnp.concatenate([state, state_back], 1) @ parts["bridge"])
        states, _ = lstm(
            parts["decoder"], parts["answers"][before], (first, jnp.concatenate([cell, cell_back], 1))
        )
        scores = jax.nn.softmax(states @ jnp.swapaxes(memory @ parts["key"], 1, 2), 2)
        read = jnp.tanh(jnp.concatenate([scores @ memory, states], 2) @ parts["readout"])
        chosen = jax.nn.log_softmax(read @ parts["output"], 2)
        return -jnp.take_along_axis(chosen, target[:, :, None], 2).mean()

    def update(parts: Any, means: Any, squares: Any, count: Any, source: Any) -> Any:
        gradient = jax.grad(loss)(parts, source)
        norm = jnp.sqrt(sum((each**2).sum() for each in jax.tree.leaves(gradient)))
        gradient = jax.tree.map(lambda each: each * jnp.minimum(1.0, 1.0 / (norm + 1e-6)), gradient)
        means = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, means, gradient)
        squares = jax.tree.map(lambda old, new: 0.999 * old + 0.001 * new**2, squares, gradient)
        rate = 1e-3 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        moved = jax.tree.map(lambda own, m, s: own - rate * m / (jnp.sqrt(s) + 1e-8), parts, means, squares)
        return moved, means, squares, count + 1

    together = () if seeds == 1 else (seeds,)
    weights = jax.tree.map(lambda each: jnp.broadcast_to(each, (*together, *each.shape)), weights)
    zeros = jax.tree.map(jnp.zeros_like, weights)
    state = (weights, zeros, zeros, jnp.ones(together, jnp.float32))
    fast = jax.jit(jax.vmap(update) if together else update)

    def step() -> None:
        nonlocal state
        source = generator.integers(SPECIAL, VOCABULARY, (*together, batch, length))
        state = jax.block_until_ready(fast(*state, source))

    return step


PEERS: dict[str, Callable[..., Step]] = {
    "torch": plain_torch,
    "opennmt": opennmt,
    "joeynmt": joeynmt,
    "jax": jax_step,
    "jax-3-seeds": partial(jax_step, seeds=3),
}


def main() -> None:
    """Make the peer's step, take one, and then as many as each line says."""
    name, *sizes = sys.argv[1:]
    step = PEERS[name](*(int(each) for each in sizes))
    step()
    print("ready", flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            step()
        print("done", flush=True)


if __name__ == "__main__":
    main()
