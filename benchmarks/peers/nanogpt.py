"""A GPT (Radford et al. 2019) with the settings that nanoGPT publishes for this task, on a CPU or with --gpu.

python -m benchmarks.peers.nanogpt CORPUS --seconds 120   (published: --steps 2000, with --gpu --steps 5000)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, pi

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.peers.common import Batches, Peer, State, Text, parser_of, read_text, train

LR, FINAL_LR, WARMUP = 1e-3, 1e-4, 100
BETAS, WEIGHT_DECAY, CLIP = (0.9, 0.99), 0.1, 1.0
SPREAD = 0.02  # of the first weights


@dataclass(frozen=True)
class Settings:
    layers: int
    heads: int
    width: int
    context: int
    batch: int
    dropout: float


CPU = Settings(layers=4, heads=4, width=128, context=64, batch=12, dropout=0.0)
GPU = Settings(layers=6, heads=6, width=384, context=256, batch=64, dropout=0.2)


class Block(nn.Module):
    """Causal self-attention and a perceptron, each on the normalised input and added to it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width = settings.width
        self.heads, self.dropout = settings.heads, settings.dropout
        self.before_attention = nn.LayerNorm(width, bias=False)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.attended = nn.Linear(width, width, bias=False)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width, bias=False),
            nn.Linear(width, 4 * width, bias=False),
            nn.GELU(),
            nn.Linear(4 * width, width, bias=False),
            nn.Dropout(settings.dropout),
        )
        for last in (self.attended, self.perceptron[3]):
            last.spread = SPREAD / (2 * settings.layers) ** 0.5  # so that depth doesn't widen the sum

    def forward(self, x: Tensor) -> Tensor:
        """x (N, T, width), same shape."""
        x = x + nn.functional.dropout(self._attention(self.before_attention(x)), self.dropout, self.training)
        thought: Tensor = self.perceptron(x)
        return x + thought

    def _attention(self, x: Tensor) -> Tensor:
        n, t, width = x.shape
        split = self.query_key_value(x).view(n, t, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        mixed = scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
        attended: Tensor = self.attended(mixed.transpose(1, 2).reshape(n, t, width))
        return attended


class Gpt(nn.Module):
    """Characters and places embedded, blocks, the characters' embedding again as the output layer."""

    def __init__(self, vocab_size: int, settings: Settings) -> None:
        super().__init__()
        self.characters = nn.Embedding(vocab_size, settings.width)
        self.places = nn.Embedding(settings.context, settings.width)
        self.dropout = nn.Dropout(settings.dropout)
        self.blocks = nn.Sequential(*(Block(settings) for _ in range(settings.layers)))
        self.norm = nn.LayerNorm(settings.width, bias=False)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=getattr(module, "spread", SPREAD))

    def forward(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        with torch.autocast(ids.device.type, dtype=torch.bfloat16, enabled=ids.is_cuda):
            x = self.characters(ids) + self.places.weight[: ids.shape[1]]
            hidden = self.norm(self.blocks(self.dropout(x)))
            return hidden @ self.characters.weight.T, None


def random_windows(ids: Tensor, settings: Settings) -> Batches:
    """Windows from anywhere in the text."""
    steps = torch.arange(settings.context, device=ids.device)
    while True:
        starts = torch.randint(len(ids) - settings.context, (settings.batch, 1), device=ids.device)
        yield ids[starts + steps], ids[starts + steps + 1], True


def learning_rate(progress: float, step: int, epochs: float) -> float:
    """A linear rise, then a cosine over the whole budget."""
    if step < WARMUP:
        return LR * (step + 1) / (WARMUP + 1)
    return FINAL_LR + (LR - FINAL_LR) * (1 + cos(pi * progress)) / 2


def parameter_groups(model: nn.Module) -> Iterator[dict[str, object]]:
    """Matrices decay, vectors don't."""
    for decays in (True, False):
        members = [p for p in model.parameters() if (p.ndim > 1) == decays]
        yield {"params": members, "weight_decay": WEIGHT_DECAY * decays}


def peer_for(text: Text, settings: Settings) -> Peer:
    model = Gpt(text.vocab_size, settings).to(text.train.device)
    return Peer(
        model,
        torch.optim.AdamW([*parameter_groups(model)], LR, betas=BETAS, fused=text.train.is_cuda),
        random_windows(text.train, settings),
        learning_rate,
        clip=lambda model: nn.utils.clip_grad_norm_(model.parameters(), CLIP),
        context=settings.context,
    )


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--gpu", action="store_true")
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    text = read_text(arguments.corpus, "cuda" if arguments.gpu else "cpu")
    train(peer_for(text, GPU if arguments.gpu else CPU), text, arguments)


if __name__ == "__main__":
    main()
