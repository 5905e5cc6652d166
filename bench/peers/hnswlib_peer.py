"""hnswlib, M = 16, ef_construction = 200; inner product of normalised rows for cosine."""

import hnswlib
import numpy as np

requirements = ["hnswlib"]
sweep = [10, 16, 24, 40, 64, 100, 160, 300, 600]


def build(rows, threads, metric):
    index = hnswlib.Index(space="l2" if metric == "l2" else "ip", dim=rows.shape[1])
    index.init_index(max_elements=len(rows), ef_construction=200, M=16)
    index.set_num_threads(threads)
    index.add_items(rows, np.arange(len(rows)))
    index.set_num_threads(1)
    return index


def query(index, effort):
    index.set_ef(effort)
    return lambda vector: index.knn_query(vector, 10)[0][0]


def own_bytes(index):
    return index.index_file_size()
