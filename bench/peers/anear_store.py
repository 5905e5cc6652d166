"""anear: HNSW, all fields indexed, the index built in the background; synced before each answer, or at least once a second."""

import anear

version = anear.__version__
synced, buffered = "fdatasync before each answer", "with the kernel at each answer, synced twice a second"
threaded = True


_FIELDS = {
    "section": anear.String(),
    "architecture": anear.String(),
    "installed_size": anear.Int64(),
    "n_depends": anear.Int64(),
    "tags": anear.StringList(),
}


def create(folder, dimension, synced):
    store = anear.open(folder, durability="durable" if synced else "buffered")
    vector = anear.Vector(dimension, metric="cosine", index=anear.Hnsw())
    return store.create_collection("docs", vectors={"embedding": vector}, fields=_FIELDS), store


def open(folder):
    store = anear.open(folder)
    return store["docs"], store


def upsert(state, keys, rows, fields):
    state[0].upsert([str(key) for key in keys], rows, fields)


def lag(state):
    return state[0].stats()["tail_records"]


def finish(state):
    state[0].flush()


def search(state):
    docs = state[0]
    return lambda vector: [int(key) for key in docs.search(vector, k=10).keys]


def close(state):
    state[1].close()
