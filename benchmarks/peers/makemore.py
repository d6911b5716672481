"""makemore's default model for lists of words (Karpathy 2022), in our own words: a small transformer, random batches.

python -m benchmarks.peers.makemore TRAIN TEST --seconds 60

TRAIN and TEST are lists, a word a line. Four blocks of 64 with 4 heads, AdamW at 5e-4, batches of 32 words drawn with
replacement; nothing tuned. The loss is that of each word from its beginning, its end counted as one symbol.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

LAYERS, HEADS, WIDTH = 4, 4, 64
BATCH = 32
LR, WEIGHT_DECAY, BETAS = 5e-4, 0.01, (0.9, 0.99)
IGNORED = -1


class Block(nn.Module):
    """Attention to what precedes, then a feed-forward layer, each on the normalised stream (GPT-2)."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)])
        self.attention = nn.Linear(WIDTH, 3 * WIDTH)
        self.projection = nn.Linear(WIDTH, WIDTH)
        self.feed_forward = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(approximate="tanh"), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, WIDTH) → the same shape."""
        n, t, _ = x.shape
        parts = self.attention(self.norms[0](x)).view(n, t, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(*parts, is_causal=True)
        x = x + self.projection(mixed.transpose(1, 2).reshape(n, t, WIDTH))
        return x + self.feed_forward(self.norms[1](x))


class Transformer(nn.Module):
    """Ids (N, T), 0 for the beginning and the padding → logits (N, T, V)."""

    def __init__(self, vocab_size: int, longest: int) -> None:
        super().__init__()
        self.symbols = nn.Embedding(vocab_size, WIDTH)
        self.places = nn.Embedding(longest, WIDTH)
        self.blocks = nn.Sequential(*[Block() for _ in range(LAYERS)], nn.LayerNorm(WIDTH))
        self.output = nn.Linear(WIDTH, vocab_size, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        embedded = self.symbols(ids) + self.places(torch.arange(ids.shape[1]))
        logits: Tensor = self.output(self.blocks(embedded))
        return logits


def words_of(path: str) -> list[str]:
    return Path(path).read_text().split()


def tensors_of(words: list[str], alphabet: str, longest: int) -> tuple[Tensor, Tensor]:
    """Inputs (N, T), each after a 0, and targets (N, T), each with a 0 after it; what lies beyond is IGNORED."""
    inputs = torch.zeros(len(words), longest, dtype=torch.long)
    targets = torch.full((len(words), longest), IGNORED)
    for row, word in enumerate(words):
        ids = torch.tensor([alphabet.index(character) + 1 for character in word])
        inputs[row, 1 : len(word) + 1] = ids
        targets[row, : len(word)] = ids
        targets[row, len(word)] = 0
    return inputs, targets


def loss_of(model: Transformer, inputs: Tensor, targets: Tensor) -> Tensor:
    """Nats a symbol."""
    return cross_entropy(model(inputs).flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


def main() -> None:
    started = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=3407)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    train, test = words_of(arguments.train), words_of(arguments.test)
    alphabet, longest = "".join(sorted(set("".join(train + test)))), max(map(len, train + test)) + 1
    inputs, targets = tensors_of(train, alphabet, longest)
    model = Transformer(len(alphabet) + 1, longest)
    optimizer = torch.optim.AdamW(model.parameters(), LR, BETAS, weight_decay=WEIGHT_DECAY)
    steps = 0
    while time.monotonic() - started < arguments.seconds:
        chosen = torch.randint(len(train), (BATCH,))
        optimizer.zero_grad(set_to_none=True)
        loss_of(model, inputs[chosen], targets[chosen]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        steps += 1
    with torch.no_grad():
        loss = float(loss_of(model.eval(), *tensors_of(test, alphabet, longest)))
    seconds = round(time.monotonic() - started, 1)
    print(json.dumps({"seconds": seconds, "steps": steps, "test_nats_per_symbol": loss}))


if __name__ == "__main__":
    main()
