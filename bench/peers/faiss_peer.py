"""FAISS HNSW, M = 16, efConstruction = 200: walks 8-bit scalar codes, re-ranks on f32 rows. Settings: efSearch, k_factor."""

import faiss

requirements = ["faiss-cpu"]
sweep = [(effort, factor) for effort in (10, 16, 24, 40, 64, 100, 160, 300) for factor in (1, 2)]


def build(rows, threads, metric):
    faiss.omp_set_num_threads(threads)
    kind = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
    walked = faiss.IndexHNSWSQ(rows.shape[1], faiss.ScalarQuantizer.QT_8bit, 16, kind)
    walked.hnsw.efConstruction = 200
    index = faiss.IndexRefineFlat(walked)
    index.train(rows)
    index.add(rows)
    faiss.omp_set_num_threads(1)
    return index, walked


def query(state, setting):
    index, walked = state
    walked.hnsw.efSearch, index.k_factor = setting
    return lambda vector: index.search(vector[None], 10)[1][0]
