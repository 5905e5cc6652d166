"""What programs write against anear; test_typing.py has mypy read it."""

from __future__ import annotations

from datetime import datetime, timezone

import anear
import numpy as np
import numpy.typing as npt


def use(path: str, matrix: npt.NDArray[np.float32]) -> list[str]:
    with anear.open(path, durability="buffered") as store:
        docs = store.create_collection(
            "docs",
            vectors={"embedding": anear.Vector(384, metric="cosine", index=anear.Hnsw(links=24))},
            fields={"section": anear.String(), "installed_size": anear.Int64(), "tags": anear.StringList()},
            dynamic=True,
        )
        sequence: int = docs.upsert(
            ["a", "b"],
            vectors={"embedding": matrix},
            fields={"section": ["x", None], "tags": [["p"], anear.MISSING]},
            payloads=["text", b"bytes"],
        )
        docs.upsert("c", matrix[0], fields={"at": datetime.now(timezone.utc)}, payloads="one", expected=0)
        docs.update("c", fields={"section": "y"})
        hits = docs.search(matrix[0], k=10, filter="section = $s", params={"s": "x"}, recall=0.95, explain=True)
        found: list[str] = [hit.key for hit in hits if hit.distance < 0.5 and hit.fields["section"]]
        first: anear.Hit = hits[0]
        more: list[anear.Hit] = hits[1:]
        found += [hit.text for hit in [first, *more]]
        many = docs.search_batch(matrix, k=10, threads=1)
        found += many.keys[0]
        nearest: npt.NDArray[np.float32] = many.distances
        one: anear.Record | None = docs.get("a")
        several: list[anear.Record | None] = docs.get(["a", "b"], with_vectors=True)
        for record in docs.scan(filter="section = 'x'"):
            found.append(record.key)
        try:
            looked: dict[str, int] = store.verify("records", bytes_per_second=10**9, progress=None)
            print(looked["records"], store.scrub_stats()["damaged"])
        except anear.CorruptionError as error:
            print(error.code, error.subcode, error.record, error.position)
        taken: dict[str, int] = store.backup("backups", progress=lambda done, total: done < total)
        for backup in anear.backups("backups"):
            print(backup["sequence"], backup["created"].isoformat())
        anear.restore("backups", "again", taken["sequence"])
        anear.prune_backups("backups", keep=3)
        copy = store.create_collection("copy", **docs.schema)
        print(sequence, nearest.shape, one, several, len(docs), "a" in copy, store.recovery["clean"], docs.stats())
        docs.delete(filter="section is missing")
        receipt: anear.EraseReceipt = docs.erase("a", wait=1.5)
        found += receipt.outstanding + [path for path, _, _ in receipt.files]
        print([again.finished.isoformat() for again in store.resume_erase()])
        docs.flush()
    return found


def use_index(matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    index = anear.HnswIndex(384, metric="cosine")
    index.add(matrix, threads=2)
    index.save("x.index")
    return anear.HnswIndex.load("x.index").search(matrix, 10).keys
