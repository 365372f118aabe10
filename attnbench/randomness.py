"""Random numbers as functions of their purpose; there is no global random state anywhere."""

import hashlib

import torch


def derive_seed(*purpose: str | int) -> int:
    """Return a 63-bit seed that depends on every word of the purpose and on nothing else."""
    text = "\x1f".join(f"{type(word).__name__}:{word}" for word in purpose)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator_for(*purpose: str | int) -> torch.Generator:
    """Return a fresh generator for one purpose, such as `generator_for(seed, "train", step)`."""
    return torch.Generator().manual_seed(derive_seed(*purpose))
