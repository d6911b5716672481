"""What char-rnn does by default: two LSTM layers of 128, RMSprop, learning rate 2e-3 less 3 % an epoch.

python -m benchmarks.peers.charrnn CORPUS --seconds 60
"""

import torch
from torch import nn

from benchmarks.peers.common import Lstm, Peer, Text, lanes, parser_of, read_text, train

HIDDEN, LAYERS = 128, 2
BATCH, WINDOW = 50, 50
LR, LR_DECAY = 2e-3, 0.97
RMS_DECAY = 0.95
LIMIT = 5.0  # of each gradient
SPREAD = 0.08  # of the first weights


def peer_for(text: Text) -> Peer:
    model = Lstm(text.vocab_size, HIDDEN, LAYERS)
    initialise(model)
    return Peer(
        model,
        torch.optim.RMSprop(model.parameters(), LR, alpha=RMS_DECAY),
        lanes(text.train, BATCH, WINDOW),
        lr=lambda progress, step, epochs: LR * LR_DECAY ** int(epochs),
        clip=lambda model: nn.utils.clip_grad_value_(model.parameters(), LIMIT),
    )


def initialise(model: Lstm) -> None:
    """Uniform weights; forget gates open."""
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -SPREAD, SPREAD)
    for name, parameter in model.lstm.named_parameters():
        if name.startswith("bias"):
            nn.init.constant_(parameter.data[HIDDEN : 2 * HIDDEN], 0.5)  # there are two of them, which add up


def main() -> None:
    arguments = parser_of(__doc__).parse_args()
    torch.manual_seed(arguments.seed)
    text = read_text(arguments.corpus)
    train(peer_for(text), text, arguments)


if __name__ == "__main__":
    main()
