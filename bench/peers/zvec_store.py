"""zvec: HNSW m = 16, ef_construction = 200 on f32, inverted indexes on all fields; searched with ef = 100."""

import zvec

requirements = ["zvec"]
unindexed = "all, until optimize()"
synced, buffered = None, "not synced: no write issues a sync call"

_STRINGS, _INTEGERS = ("section", "architecture"), ("installed_size", "n_depends")


def _fields():
    kinds = zvec.DataType
    fields = [zvec.FieldSchema(name, kinds.STRING, True, zvec.InvertIndexParam()) for name in _STRINGS]
    ranged = zvec.InvertIndexParam(enable_range_optimization=True)
    fields += [zvec.FieldSchema(name, kinds.INT64, True, ranged) for name in _INTEGERS]
    return [*fields, zvec.FieldSchema("tags", kinds.ARRAY_STRING, True, zvec.InvertIndexParam())]


def _start():
    zvec.init(log_level=zvec.LogLevel.ERROR, query_threads=1, optimize_threads=2)


def create(folder, dimension, synced):
    _start()
    index = zvec.HnswIndexParam(metric_type=zvec.MetricType.COSINE, m=16, ef_construction=200)
    vectors = [zvec.VectorSchema("vector", zvec.DataType.VECTOR_FP32, dimension, index)]
    return zvec.create_and_open(folder, zvec.CollectionSchema("docs", fields=_fields(), vectors=vectors))


def open(folder):
    _start()
    return zvec.open(folder)


def upsert(collection, keys, rows, fields):
    documents = [
        zvec.Doc(id=str(key), vectors={"vector": row}, fields=field) for key, row, field in zip(keys, rows, fields)
    ]
    for status in collection.upsert(documents):
        if not status.ok():
            raise RuntimeError(status.message())


def finish(collection):
    collection.optimize(zvec.OptimizeOption(concurrency=2))
    collection.flush()


def search(collection):
    parameters = zvec.HnswQueryParam(ef=100)

    def nearest(vector):
        found = collection.query(zvec.Query("vector", vector=vector, param=parameters), topk=10, output_fields=[])
        return [int(document.id) for document in found]

    return nearest


def close(collection):
    collection.close()
