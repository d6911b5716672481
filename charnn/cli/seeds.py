"""The seed of what is drawn at random."""

from charnn.cli.terminal import note


def said_seed(seed: int | None) -> int:
    """The seed, or a fresh one, said on stderr."""
    from charnn.inference.sampler import fresh_seed

    if seed is None:
        seed = fresh_seed()
        note(f"seed: {seed}")
    return seed
