"""Make a store, put records in, ask for the nearest under a filter."""

import sys

import anear
import numpy as np

path = sys.argv[1] if len(sys.argv) > 1 else "context.anear"
vectors = np.random.default_rng(7).normal(size=(1000, 64)).astype(np.float32)

with anear.open(path) as store:
    notes = store.create_collection("notes", vectors={"embedding": anear.Vector(64)}, fields={"topic": anear.String()})
    notes.upsert(
        [f"note-{i}" for i in range(1000)],
        vectors={"embedding": vectors},
        fields={"topic": ["tea" if i % 2 else "coffee" for i in range(1000)]},
    )
    for hit in notes.search(vectors[41], k=3, filter="topic = $t", params={"t": "tea"}):
        print(f"{hit.key}  {hit.distance:.3f}  {hit.fields['topic']}")
