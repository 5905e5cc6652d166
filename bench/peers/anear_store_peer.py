"""anear's store: a collection on disk under keys, durable writes, everything indexed before the first search."""

import tempfile

import anear

version = anear.__version__
sweep = [10, 16, 24, 32, 48, 64, 96, 128, 200, 300]
_BATCH = 1_000


def build(rows, threads, metric):
    folder = tempfile.TemporaryDirectory(prefix="anear-")
    store = anear.open(folder.name)
    vector = anear.Vector(rows.shape[1], metric=metric, index=anear.Hnsw())
    docs = store.create_collection("docs", vectors={"embedding": vector})
    for first in range(0, len(rows), _BATCH):
        batch = rows[first : first + _BATCH]
        docs.upsert([str(first + i) for i in range(len(batch))], vectors={"embedding": batch})
    docs.flush()
    return docs, store, folder


def query(state, effort):
    docs = state[0]
    return lambda vector: [int(key) for key in docs.search(vector, k=10, effort=effort).keys]
