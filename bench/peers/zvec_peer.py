"""zvec, a store: HNSW m = 16, ef_construction = 200 on int8 codes, optimised after the inserts. Settings: ef, refine or not."""

import tempfile

import zvec

requirements = ["zvec"]
sweep = [(effort, False) for effort in (10, 20, 40)] + [(effort, True) for effort in (10, 20, 40, 80, 160, 320, 640)]
_BATCH = 1_000
_METRICS = {"cosine": zvec.MetricType.COSINE, "l2": zvec.MetricType.L2, "ip": zvec.MetricType.IP}


def build(rows, threads, metric):
    zvec.init(log_level=zvec.LogLevel.ERROR, query_threads=1, optimize_threads=threads)
    index = zvec.HnswIndexParam(
        metric_type=_METRICS[metric], m=16, ef_construction=200, quantize_type=zvec.QuantizeType.INT8
    )
    vectors = [zvec.VectorSchema("vector", zvec.DataType.VECTOR_FP32, rows.shape[1], index)]
    folder = tempfile.TemporaryDirectory(prefix="zvec-")
    collection = zvec.create_and_open(f"{folder.name}/store", zvec.CollectionSchema("docs", vectors=vectors))
    for first in range(0, len(rows), _BATCH):
        batch = enumerate(rows[first : first + _BATCH], first)
        for status in collection.insert([zvec.Doc(id=str(number), vectors={"vector": row}) for number, row in batch]):
            if not status.ok():
                raise RuntimeError(status.message())
    collection.optimize(zvec.OptimizeOption(concurrency=threads))
    collection.flush()
    return collection, folder


def query(state, setting):
    collection, _ = state
    effort, refine = setting
    parameters = zvec.HnswQueryParam(ef=effort, is_using_refiner=refine)

    def search(vector):
        found = collection.query(zvec.Query("vector", vector=vector, param=parameters), topk=10, output_fields=[])
        return [int(document.id) for document in found]

    return search
