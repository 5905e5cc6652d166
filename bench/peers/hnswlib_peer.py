"""hnswlib, M = 16, ef_construction = 200, inner product on normalised rows."""

import hnswlib
import numpy as np

sweep = [10, 16, 24, 40, 64, 100, 160, 300, 600]


def build(rows, threads):
    index = hnswlib.Index(space="ip", dim=rows.shape[1])
    index.init_index(max_elements=len(rows), ef_construction=200, M=16)
    index.set_num_threads(threads)
    index.add_items(rows, np.arange(len(rows)))
    index.set_num_threads(1)
    return index


def query(index, effort):
    index.set_ef(effort)
    return lambda vector: index.knn_query(vector, 10)[0][0]
