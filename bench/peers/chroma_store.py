"""Chroma: HNSW with 16 neighbours, ef_construction = 200, ef_search = 100; every field indexed by itself. It syncs each write and
offers no other way."""

import chromadb
from chromadb.config import Settings

requirements = ["chromadb"]
unindexed = "not told"
synced, buffered = "synced before each answer", None


def _client(folder):
    return chromadb.PersistentClient(folder, settings=Settings(anonymized_telemetry=False))


def create(folder, dimension, synced):
    index = {"space": "cosine", "ef_construction": 200, "max_neighbors": 16, "ef_search": 100, "num_threads": 2}
    return _client(folder).create_collection("docs", embedding_function=None, configuration={"hnsw": index})


def open(folder):
    return _client(folder).get_collection("docs", embedding_function=None)


def upsert(collection, keys, rows, fields):
    # An empty list is refused.
    given = [{name: value for name, value in field.items() if value != []} for field in fields]
    collection.upsert(ids=[str(key) for key in keys], embeddings=rows, metadatas=given)


def finish(collection):
    """It indexes what was written when it is asked something."""
    search(collection)([0.1] * len(collection.peek(1)["embeddings"][0]))


def search(collection):
    def nearest(vector):
        found = collection.query(query_embeddings=[vector], n_results=10, include=[])
        return [int(key) for key in found["ids"][0]]

    return nearest


def close(collection):
    pass
