"""Texts that the rule of `--documents auto` was tried on: made up, or cut from the bundled play and charnn's code."""

import json
import random
import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLAY = (ROOT / "corpora" / "lantern.txt").read_text()
WORDS = re.findall(r"[a-z]{3,}", PLAY.lower())
CONTENT = sorted({word for word in WORDS if len(word) > 4})
SPEECHES = [" ".join(part.split("\n")[1:]) for part in PLAY.split("\n\n") if ":\n" in part]
VERSES = [line for line in PLAY.split("\n") if line and not line.endswith(":") and not line.isupper()]
HAN = "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所"


class Maker:
    """Draws from one generator, so that every run makes the same texts."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.one = self._random.choice

    def number(self, least: int, most: int) -> int:
        return self._random.randint(least, most)

    def chars(self, alphabet: str, least: int, most: int) -> str:
        return "".join(self._random.choices(alphabet, k=self.number(least, most)))

    def words(self, least: int, most: int | None = None) -> str:
        """Words of the play, the last of them no function word."""
        count = self.number(least, most or least)
        return " ".join([*self._random.choices(WORDS, k=count - 1), self.one(CONTENT)])

    def parts(self, parts: list[str], least: int, most: int, joint: str = "") -> str:
        return joint.join(self._random.choices(parts, k=self.number(least, most)))

    def name(self) -> str:
        return self.parts(["ka", "lo", "mi", "tu", "ren", "bel", "sa", "no", "vi"], 2, 4)

    def post(self) -> str:
        text = self.words(3, 22)
        before = self.one(["", "", "", f"@{self.name()} "])
        after = self.one(["", "", f" #{self.one(WORDS)}", " https://t.co/" + self.chars("abcXYZ12", 8, 8)])
        return before + text + after + self.one(["", "", "!", ".", "?", "…", " 😂", "!!"])


def lists() -> dict[str, list[str]]:
    make = Maker(1)
    rings = ["C", "c1ccccc1", "CC(=O)O", "N", "O", "Cl", "C(=O)", "[NH3+]", "c1ccncc1", "S(=O)(=O)", "/C=C/"]
    places = (
        ["Älm", "Öre", "Ště", "Žďá", "Großen", "Saint-", "Łęk", "Ñu", "Çan"],
        ["hult", "bro", "pánov", "hain", "kirche"],
    )
    emoji = list("😀😂🎉❤👍🔥🌊🍕🐈")
    names = [make.name() for _ in range(600)]
    return {
        "names": names,
        "names, sorted": sorted(names),
        "twelve names": names[:12],
        "names, last first": [f"{make.name().title()}, {make.name().title()}" for _ in range(300)],
        "passwords": [make.chars("abcdefghij0123456789!@#$%ABCDEF", 6, 14) for _ in range(500)],
        "SMILES": [make.parts(rings, 3, 14) for _ in range(400)],
        "posts": [make.post() for _ in range(500)],
        "product titles": [
            f"{make.name().title()} {make.words(2, 6).title()} {make.number(1, 64)}{make.one(['GB', ' cm', ' pcs'])}"
            f"{make.one(['', ' - Black', ', White', ' (Pack of 2)'])}"
            for _ in range(400)
        ],
        "one-line poems": [
            f"{make.words(2)} {make.one(['/', '—', ','])} {make.words(4)} / {make.words(3)}"
            for _ in range(300)
        ],
        "one-line poems with full stops": [make.words(5, 9).capitalize() + "." for _ in range(300)],
        "headlines": [make.words(5, 11).capitalize() + make.one(["", "", "", "?"]) for _ in range(400)],
        "quotations with their authors": [
            f'"{make.words(5, 15)}." — {make.name().title()} {make.name().title()}' for _ in range(300)
        ],
        "domain names": [
            f"{make.one(WORDS)}{make.one(['', '-'])}{make.one(WORDS)}.{make.one(['com', 'org'])}"
            for _ in range(400)
        ],
        "addresses of pages": [
            f"https://www.{make.one(WORDS)}.com/{make.parts(WORDS, 1, 4, '/')}" for _ in range(300)
        ],
        "emoji": [make.parts(emoji, 1, 8, make.one(["", " "])) for _ in range(300)],
        "places": [make.one(places[0]) + make.one(places[1]) for _ in range(300)],
        "JSON objects": [json.dumps({"text": make.words(8), "id": i}) for i in range(200)],
        "Chinese names": [
            make.chars("王李张刘陈杨赵黄", 1, 1) + make.chars("伟芳娜秀英敏静", 1, 2) for _ in range(300)
        ],
        "dishes": [
            f"{make.one(WORDS)} {make.one(['soup', 'cake', 'pie'])} with {make.one(CONTENT)}"
            for _ in range(300)
        ],
        "shell commands": [
            f"{make.one(['git', 'ls', 'grep'])} {make.one(['-a', 'run', '--all'])} {make.one(WORDS)}"
            for _ in range(300)
        ],
    }


def continuous() -> dict[str, list[str]]:
    make = Maker(2)
    stamp = lambda: f"{make.number(10, 23)}:{make.number(10, 59)}:{make.number(10, 59)}"  # noqa: E731
    sentences = ["，".join(make.chars(HAN, 6, 16) for _ in range(3)) + "。" for _ in range(300)]
    code = (ROOT / "charnn" / "data" / "detect.py").read_text().split("\n")
    subtitles = [[str(i), "00:01:12,000 --> 00:01:14,000", make.words(5) + ".", ""] for i in range(80)]
    return {
        "a play": PLAY.split("\n"),
        "a play without empty lines": [line for line in PLAY.split("\n") if line],
        "verse without empty lines": VERSES,
        "verse with empty lines": [
            line for i, line in enumerate(VERSES) for line in ([line, ""] if i % 4 == 3 else [line])
        ],
        "a novel, wrapped": textwrap.fill(" ".join(SPEECHES), 72).split("\n"),
        "a novel, paragraphs wrapped": [line for text in SPEECHES for line in textwrap.wrap(text, 64)],
        "a novel, a paragraph a line": SPEECHES,
        "Python": code,
        "Python without empty lines": [line for line in code if line.strip()],
        "statements": [f"{make.one(WORDS)} = {make.one(WORDS)}({make.one(WORDS)})" for _ in range(200)],
        "settings": [f"{make.one(WORDS)}={make.number(0, 99)}" for _ in range(200)],
        "a log": [f"2026-11-26 {stamp()} INFO {make.words(5)}" for _ in range(300)],
        "a log by levels": [f"[{make.one(['INFO', 'ERROR'])}] {make.words(4)}" for _ in range(300)],
        "a log by seconds": [
            f"{1700000000 + 37 * i}.{make.number(100, 999)} {make.words(5)}" for i in range(300)
        ],
        "subtitles": [line for group in subtitles for line in group],
        "a chat": [
            f"[{make.number(10, 23)}:{make.number(10, 59)}] <{make.one(['anna', 'bob'])}> {make.words(2, 12)}"
            for _ in range(300)
        ],
        "a dialogue with names": [
            f"{make.one(['Anna', 'Bob', 'Carl'])}: {make.words(2, 15)}" for _ in range(300)
        ],
        "a dialogue with dashes": [f"– {make.words(2, 15)}." for _ in range(300)],
        "a dialogue in quotes": [f'"{make.words(2, 15)}."' for _ in range(300)],
        "CSV": ["id,name,score", *(f"{i},{make.name()},{make.number(1, 99)}" for i in range(300))],
        "CSV with quotes": [
            "id,text,label",
            *(f'{i},"{make.words(7)}, {make.words(2)}",a' for i in range(300)),
        ],
        "TSV": [f"{make.name()}\t{make.words(2)}" for _ in range(300)],
        "Chinese paragraphs": [make.parts(sentences, 1, 5) for _ in range(200)],
        "Chinese, wrapped": textwrap.wrap("".join(sentences), 30),
        "HTML": [f"<p>{make.words(6)}</p>" for _ in range(100)],
        "DNA, wrapped": [make.chars("ACGT", 60, 60) for _ in range(200)],
        "one long line": [" ".join(SPEECHES)],
        "the same line again and again": ["the quick brown fox"] * 50,
        "nine lines": [make.name() for _ in range(9)],
    }
