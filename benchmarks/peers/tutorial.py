"""The LSTM that most people would write after PyTorch's tutorials: two layers of 256, Adam, nothing tuned.

python -m benchmarks.peers.tutorial CORPUS --seconds 60
"""

import torch

from benchmarks.peers.common import Lstm, Peer, Text, lanes, parser_of, read_text, train

EMBEDDING, HIDDEN, LAYERS = 256, 256, 2
BATCH, WINDOW = 64, 128
LR = 1e-3


def peer_for(text: Text) -> Peer:
    model = Lstm(text.vocab_size, HIDDEN, LAYERS, EMBEDDING)
    return Peer(
        model,
        torch.optim.Adam(model.parameters(), LR),
        lanes(text.train, BATCH, WINDOW),
        lr=lambda progress, step, epochs: LR,
    )


def main() -> None:
    arguments = parser_of(__doc__).parse_args()
    torch.manual_seed(arguments.seed)
    text = read_text(arguments.corpus)
    train(peer_for(text), text, arguments)


if __name__ == "__main__":
    main()
