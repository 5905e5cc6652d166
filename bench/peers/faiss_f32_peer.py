"""FAISS HNSW on f32 rows, M = 16, efConstruction = 200: the faster one of its graphs above a recall of .99."""

import faiss

requirements = ["faiss-cpu"]
sweep = [10, 16, 24, 40, 64, 100, 160, 300, 600]


def build(rows, threads, metric):
    faiss.omp_set_num_threads(threads)
    kind = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexHNSWFlat(rows.shape[1], 16, kind)
    index.hnsw.efConstruction = 200
    index.add(rows)
    faiss.omp_set_num_threads(1)
    return index


def query(index, effort):
    index.hnsw.efSearch = effort
    return lambda vector: index.search(vector[None], 10)[1][0]
