"""FAISS IVF-PQ, 8-bit codes of one byte for every 8 dimensions, with the refinement on f32 rows. 1,024 lists and at most 64
training rows a centroid (as anear); the sweep is over lists read and k_factor, the depth of the refinement."""

import faiss

requirements = ["faiss-cpu"]
sweep = [(probes, factor) for probes in (8, 16, 24, 32, 48, 64, 96, 128, 256) for factor in (4, 8, 16)]


def build(rows, threads, metric="cosine"):
    faiss.omp_set_num_threads(threads)
    dimension = rows.shape[1]
    # Rows of length 1 have the same neighbours under L2, where FAISS codes residuals with tables made beforehand.
    kind = faiss.METRIC_INNER_PRODUCT if metric == "ip" else faiss.METRIC_L2
    lists = max(1, min(1024, len(rows) // 25))
    index = faiss.index_factory(dimension, f"IVF{lists},PQ{max(1, dimension // 8)}", kind)
    for clustering in (index.cp, index.pq.cp):
        clustering.max_points_per_centroid = 64
    index.train(rows)
    index.add(rows)
    refined = faiss.IndexRefineFlat(index, faiss.swig_ptr(rows))
    faiss.omp_set_num_threads(1)
    return refined, index, rows


def query(state, setting):
    probes, factor = setting
    base = faiss.SearchParametersIVF(nprobe=probes)
    parameters = faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=base)
    return lambda vector: state[0].search(vector[None], 10, params=parameters)[1][0]
