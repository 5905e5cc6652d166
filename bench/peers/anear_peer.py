"""anear's HnswIndex with default options."""

import anear

sweep = [10, 16, 24, 32, 48, 64, 96, 128, 200, 300]


def build(rows, threads):
    index = anear.HnswIndex(rows.shape[1], metric="cosine")
    index.add(rows, threads=threads)
    return index


def query(index, effort):
    return lambda vector: index.search(vector, 10, effort=effort).keys[0]
