"""An agent's memory: one process stores the turns of its conversations, another one recalls them later.

    python agent_memory.py write DIRECTORY
    python agent_memory.py recall DIRECTORY "how do I make the build faster?"

The embedding is a plain feature hash of words, so that the example runs anywhere; put a model in its place.
"""

import re
import sys
import zlib
from datetime import datetime, timedelta, timezone

import anear
import numpy as np

DIMENSION = 256
START = datetime(2026, 3, 1, 9, 0, tzinfo=timezone.utc)
TURNS = [
    ("acme", 0, "user", "the build takes eleven minutes, can we make it faster?"),
    ("acme", 1, "agent", "a compiler cache and precompiled headers make the build faster: four minutes now"),
    ("acme", 2, "user", "please write the release notes for version two"),
    ("acme", 40, "agent", "the build is slow again because the cache directory was full"),
    ("globex", 1, "user", "our build is slow too, what made it faster elsewhere?"),
    ("globex", 2, "agent", "I may not tell you what other customers do"),
]


def embed(text: str) -> np.ndarray:
    vector = np.zeros(DIMENSION, dtype=np.float32)
    for word in re.findall(r"[a-z]+", text.lower()):
        for piece in {word, word[:4]}:
            spot = zlib.crc32(piece.encode())
            vector[spot % DIMENSION] += 1.0 if spot & 0x8000 else -1.0
    return vector


def write(directory: str) -> None:
    with anear.open(directory) as store:
        turns = store.create_collection(
            "turns",
            vectors={"text": anear.Vector(DIMENSION, metric="cosine")},
            fields={"tenant": anear.String(), "role": anear.String(), "at": anear.Timestamp()},
            exist_ok=True,
        )
        turns.upsert(
            [f"{tenant}/{number}" for number, (tenant, *_) in enumerate(TURNS)],
            vectors={"text": np.stack([embed(text) for *_, text in TURNS])},
            fields={
                "tenant": [tenant for tenant, *_ in TURNS],
                "role": [role for _, _, role, _ in TURNS],
                "at": [START + timedelta(days=day) for _, day, _, _ in TURNS],
            },
            payloads=[text for *_, text in TURNS],
        )
        print(f"stored {turns.count()} turns")


def recall(directory: str, question: str) -> None:
    with anear.open(directory, create=False) as store:
        turns = store.collection("turns")
        hits = turns.search(
            embed(question),
            k=2,
            filter="tenant = $tenant and at < $until",
            params={"tenant": "acme", "until": START + timedelta(days=30)},
        )
        for hit in hits:
            print(f"{hit.key}  {hit.distance:.3f}  {hit.fields['at']:%Y-%m-%d}  {hit.text}")


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("write", "recall"):
        sys.exit(__doc__)
    if sys.argv[1] == "write":
        write(sys.argv[2])
    else:
        recall(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "how do I make the build faster?")
