"""Texts as characters: at every step of a sequence the next character is to be told."""

from __future__ import annotations

import gzip
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from string import ascii_letters, printable
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from cimest.datasets.dataset import DATASETS, Data, folder, missing
from cimest.network import Shape

TRAIN_SHARE = 0.9
"""First part of the text, which is trained on; the rest is the test (our choice, as is usual for these texts)."""

ASCII = "\n" + "".join(sorted(set(printable) - set("\t\n\r\x0b\x0c")))
PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "—": "-", "–": "-", "…": "."})
"""Marks that have a plain one of the same meaning."""


def read_text(file: Path) -> str:
    """A text file, gzipped or not; lines end as on Unix, and letters with accents lose them.

    Raises
    ------
    ValueError
        If the file is not text in UTF-8.
    """
    raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    try:
        text = raw.decode("utf-8").replace("\r\n", "\n").translate(PLAIN)
    except UnicodeDecodeError as problem:
        raise ValueError(f"{file} is not text in UTF-8 ({problem})") from None
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def find_text(name: str, path: str | None, files: tuple[str, ...]) -> Path:
    """The file itself, or the first of `files` in the folder, gzipped or not."""
    place = folder(name, path)
    if place.is_file():
        return place
    for file in files:
        for found in (place / file, place / f"{file}.gz"):
            if found.is_file():
                return found
    raise missing(name, place, " or ".join(files))


@dataclass(frozen=True)
class Characters:
    """Sequences of characters that follow one another in a text, cut without overlap.

    Parameters
    ----------
    steps : int
        Characters of a sequence.
    """

    steps: Annotated[int, Field(ge=2, le=4096)] = 64

    name: ClassVar[str]
    alphabet: ClassVar[str]
    files: ClassVar[tuple[str, ...]]
    characters: ClassVar[int]
    """Length of the official file, less what is left out."""

    @property
    def shape(self) -> Shape:
        """One number for each step."""
        return 1, self.steps, 1

    @property
    def classes(self) -> int:
        """Characters of the alphabet."""
        return len(self.alphabet)

    @property
    def vocabulary(self) -> int:
        """The same, at the input."""
        return len(self.alphabet)

    @property
    def train(self) -> int:
        """Sequences of the first part."""
        return self._sequences(self.characters)[0]

    @property
    def test(self) -> int:
        """Sequences of the second part."""
        return self._sequences(self.characters)[1]

    def _sequences(self, characters: int) -> tuple[int, int]:
        """Whole sequences, each with a character after its last, in the two parts."""
        first = int(TRAIN_SHARE * characters)
        return (first - 1) // self.steps, (characters - first - 1) // self.steps

    def load(self, path: str | None = None, train: int | None = None, test: int | None = None) -> Data:
        """See `Dataset.load`; `path` may also name a text file. What is not in the alphabet is left out."""
        file = find_text(self.name, path, self.files)
        code = np.full(128, -1, dtype=np.int32)
        code[[ord(letter) for letter in self.alphabet]] = np.arange(len(self.alphabet))
        tokens = code[np.frombuffer(read_text(file).encode(), dtype=np.uint8)]
        tokens = tokens[tokens >= 0]
        counts = self._sequences(len(tokens))
        if min(counts) < 1:
            raise ValueError(f"{file} has {len(tokens)} characters, too few for sequences of {self.steps}")
        parts: list[np.ndarray] = []
        for start, count in zip((0, int(TRAIN_SHARE * len(tokens))), counts, strict=True):
            length = count * self.steps
            parts.append(tokens[start : start + length].reshape(count, 1, self.steps, 1))
            parts.append(tokens[start + 1 : start + length + 1].reshape(count, self.steps).astype(np.int64))
        return Data(*parts).first(train, test)


@dataclass(frozen=True)
class Shakespeare(Characters):
    """A million characters of Shakespeare's plays: `input.txt` of A. Karpathy's char-rnn.

    The alphabet is the 65 characters of the file.
    """

    name = "shakespeare"
    alphabet = "".join(sorted("\n !$&',-.3:;?" + ascii_letters))
    files = ("input.txt", "tinyshakespeare.txt")
    characters = 1_115_394


@dataclass(frozen=True)
class WarAndPeace(Characters):
    """Three million characters of War and Peace in English, as a plain text such as Project Gutenberg's.

    The alphabet is printable ASCII and the end of a line. Editions differ in length; the number of sequences that an
    estimate takes is that of a typical one, which cannot be downloaded by name.
    """

    name = "war_and_peace"
    alphabet = ASCII
    files = ("warpeace_input.txt", "war_and_peace.txt")
    characters = 3_202_895


for text in (Shakespeare(), WarAndPeace()):
    DATASETS.register(text.name)(text)
