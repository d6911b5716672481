"""A trained model as a torch network, where gradients are wanted; all else is the NumPy engine's."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from charnn.config import ModelConfig
from charnn.inference.cells import Array
from charnn.model.network import Network


def trained_network(config: ModelConfig, weights: Mapping[str, Array]) -> Network:
    """The network of these weights, to evaluate with; torch's random numbers stand where they stood."""
    with torch.random.fork_rng(devices=[]):
        network = Network(config)
    network.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
    return network.eval()


@contextmanager
def one_thread() -> Iterator[None]:
    """For work in pieces too short to share: threads that wait for each other make a busy machine much slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
