"""usearch on f16 rows, connectivity 16, expansion_add 128 (its defaults); inner product of normalised rows for cosine."""

import numpy as np
from usearch.index import Index

requirements = ["usearch"]
sweep = [10, 16, 24, 40, 64, 100, 160, 300, 600]


def build(rows, threads, metric):
    kind = "l2sq" if metric == "l2" else "ip"
    index = Index(ndim=rows.shape[1], metric=kind, dtype="f16", connectivity=16, expansion_add=128)
    index.add(np.arange(len(rows), dtype=np.uint64), rows, threads=threads, log=False)
    return index


def query(index, effort):
    index.expansion_search = effort
    return lambda vector: index.search(vector, 10, threads=1).keys


def own_bytes(index):
    return index.memory_usage
