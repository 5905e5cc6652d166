"""anear in an asyncio program: calls release the GIL, so a thread of the default executor keeps the loop free."""

import asyncio
import sys

import anear
import numpy as np


async def main(directory: str) -> None:
    rows = np.random.default_rng(3).normal(size=(2000, 32)).astype(np.float32)
    with anear.open(directory) as store:
        docs = store.create_collection("docs", vectors=anear.Vector(32), exist_ok=True)
        await asyncio.to_thread(docs.upsert, [f"doc-{i}" for i in range(2000)], rows)
        answers = await asyncio.gather(*(asyncio.to_thread(docs.search, row, 1, fields=False) for row in rows[:8]))
        print("found", [hits[0].key for hits in answers])


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "asyncio.anear"))
