"""Stanford Sentiment Treebank, binary: 6 920 and 1 821 sentences of film reviews, good or bad."""

from __future__ import annotations

import gzip
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from cimest.datasets.dataset import DATASETS, Data, folder, missing
from cimest.network import Shape

EMPTY, UNKNOWN = 0, 1
"""Tokens of the steps after a sentence's end, and of all words that are not in the vocabulary."""


def read_sentences(file: Path) -> tuple[list[list[str]], np.ndarray]:
    """Words and labels of a file whose lines are a label, 0 or 1, and a sentence of words with spaces between.

    Raises
    ------
    ValueError
        If a line is something else.
    """
    raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    sentences, labels = [], []
    for number, line in enumerate(raw.decode("utf-8").split("\n"), start=1):
        if line.strip():
            label, *words = line.split()
            if label not in ("0", "1") or not words:
                raise ValueError(f"{file}, line {number}: not a label 0 or 1 and a sentence")
            sentences.append(words)
            labels.append(int(label))
    if not sentences:
        raise ValueError(f"{file} has no sentences")
    return sentences, np.array(labels, dtype=np.int64)


@dataclass(frozen=True)
class Sst2:
    """Whole sentences with their label, training and test part of the usual split (Socher et al., EMNLP 2013).

    Parameters
    ----------
    steps : int
        Words of a sentence that are read; nine in ten have no more than 32.
    words : int
        Most frequent words of the training part that have a token of their own.
    """

    steps: Annotated[int, Field(ge=1, le=64)] = 32
    words: Annotated[int, Field(ge=1, le=14_000)] = 4000

    classes = 2
    train, test = 6920, 1821

    @property
    def shape(self) -> Shape:
        """One token for each step."""
        return 1, self.steps, 1

    @property
    def vocabulary(self) -> int:
        """The words, and the tokens `EMPTY` and `UNKNOWN`."""
        return self.words + 2

    def load(self, path: str | None = None, train: int | None = None, test: int | None = None) -> Data:
        """See `Dataset.load`; files `stsa.binary.train` and `.test`, or `sst2.train.txt` and so on, gzipped or not."""
        place = folder("sst2", path)

        def read(part: str) -> tuple[list[list[str]], np.ndarray]:
            names = (f"stsa.binary.{part}", f"sst2.{part}.txt")
            for file in (place / (name + ending) for name in names for ending in ("", ".gz")):
                if file.is_file():
                    return read_sentences(file)
            raise missing("sst2", place, names[0])

        sentences, labels = read("train")
        counts = Counter(word for sentence in sentences for word in sentence)
        ranked = sorted(counts, key=lambda word: (-counts[word], word))[: self.words]
        token = {word: number for number, word in enumerate(ranked, start=UNKNOWN + 1)}
        held, held_labels = read("test")
        return Data(self._tokens(sentences, token), labels, self._tokens(held, token), held_labels).first(train, test)

    def _tokens(self, sentences: list[list[str]], token: dict[str, int]) -> np.ndarray:
        found = np.full((len(sentences), 1, self.steps, 1), EMPTY, dtype=np.int32)
        for line, sentence in zip(found[:, 0, :, 0], sentences, strict=True):
            read = sentence[: self.steps]
            line[: len(read)] = [token.get(word, UNKNOWN) for word in read]
        return found


DATASETS.register("sst2")(Sst2())
