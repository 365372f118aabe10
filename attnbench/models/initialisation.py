"""First weights as a function of (seed, parameter name), so that arms start equal where they share."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from attnbench.models.recurrence import Recurrence
from attnbench.randomness import generator_for


@torch.no_grad()
def initialise(model: nn.Module, seed: int) -> None:
    """Draw every parameter of the model anew, with the distributions that torch uses by default.

    Embeddings are normal(0, 1) with zeros for padding; linear layers are uniform within ±1/√inputs; recurrent
    layers within ±1/√hidden, their input weights block by block; normalisations begin as the identity. A parameter
    of no such layer keeps its value where that is one number throughout, as chance leaves none.

    Raises:
        TypeError: for any other parameter: nobody says how to draw it anew for a seed.
    """
    drawn: set[int] = set()
    for module_name, module in model.named_modules():
        for name, block, bound in _blocks(module):
            generator = generator_for("weights", seed, f"{module_name}.{name}")
            if bound is None:
                block.copy_(torch.randn(block.shape, generator=generator))
            else:
                block.copy_((2 * torch.rand(block.shape, generator=generator) - 1) * bound)
            drawn.add(block.untyped_storage().data_ptr())
        if isinstance(module, nn.LayerNorm):
            module.reset_parameters()
            drawn.update(parameter.untyped_storage().data_ptr() for parameter in module.parameters())
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            module.weight[module.padding_idx].zero_()
    for name, parameter in model.named_parameters():
        is_drawn = parameter.untyped_storage().data_ptr() in drawn
        if not is_drawn and bool((parameter != parameter.flatten()[0]).any()):
            raise TypeError(
                f"no rule says how to draw the parameter {name}: use the weights of an nn.Linear, nn.Embedding, "
                "nn.LSTM or nn.GRU, or begin with one number throughout"
            )


def named_blocks(model: nn.Module) -> dict[str, tuple[Tensor, float | None]]:
    """Return every part that is drawn by itself with the bound of its draw, by its name.

    Two arms share the parts of one name, shape and bound.
    """
    return {
        f"{module_name}.{name}": (block.detach(), bound)
        for module_name, module in model.named_modules()
        for name, block, bound in _blocks(module)
    }


def _blocks(module: nn.Module) -> Iterator[tuple[str, Tensor, float | None]]:
    """Yield the name, the numbers and the bound of each part to draw; no bound means normal(0, 1)."""
    if isinstance(module, nn.Embedding):
        yield "weight", module.weight, None
    elif isinstance(module, nn.Linear):
        bound = module.in_features**-0.5
        yield "weight", module.weight, bound
        if module.bias is not None:
            yield "bias", module.bias, bound
    elif isinstance(module, Recurrence):
        bound = module.layer.hidden_size**-0.5
        input_weights, state_weights, input_bias, state_bias = module.layer.all_weights[0]
        start = 0
        for block_name, size in module.input_blocks.items():
            yield f"weight_ih[{block_name}]", input_weights[:, start : start + size], bound
            start += size
        yield "weight_hh_l0", state_weights, bound
        yield "bias_ih_l0", input_bias, bound
        yield "bias_hh_l0", state_bias, bound
