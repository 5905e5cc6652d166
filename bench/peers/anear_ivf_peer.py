"""anear's IvfPqIndex with default options: a byte for every 8 dimensions, rotated, re-ranked on f32 rows. The sweep is over
recall targets."""

import anear

version = anear.__version__
sweep = [0.8, 0.85, 0.9, 0.93, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995]


def build(rows, threads, metric="cosine"):
    index = anear.IvfPqIndex(rows.shape[1], metric=metric)
    index.train(rows, threads=threads)
    index.add(rows, threads=threads)
    return index


def query(index, recall):
    return lambda vector: index.search(vector, 10, recall=recall).keys[0]


def own_bytes(index):
    return index.bytes
