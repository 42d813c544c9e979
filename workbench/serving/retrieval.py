"""Finding a user's best items by their vectors: an approximate index, and how good it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.data.dataset import Dataset
from workbench.data.encoding import Encoding
from workbench.errors import InputError
from workbench.runs import Run
from workbench.runs.files import to_json, write_text
from workbench.schema import Side
from workbench.serving.export import needed, new_folder
from workbench.serving.held_out import HeldOut, held_out
from workbench.serving.rows import RowEncoder
from workbench.serving.source import own_columns, run_dataset, run_encoding
from workbench.serving.tables import table_parts
from workbench.serving.vectors import Entities, Factorised

NEIGHBOURS = 100
# Users that quality is measured on.
SAMPLE = 500
# Links per item, and how many candidates building and searching keep in view.
HNSW_LINKS, HNSW_BUILD, HNSW_SEARCH = 32, 200, 256

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Agreement:
    """The inner product of the vectors against the model's own logit, on sampled users.

    Attributes:
        users: sampled; every item is scored for each.
        largest, mean: absolute difference of the two.
        correlation: mean over users of the rank correlation over items.
        recall_100, recall_200, recall_500: share of the model's best k = min(100, items) that lies
            among the best k, 2k, 5k by inner product.
    """

    users: int
    largest: float
    mean: float
    correlation: float
    recall_100: float
    recall_200: float
    recall_500: float


@dataclass(frozen=True)
class VectorExport:
    """What ``--format vectors`` wrote.

    Attributes:
        users, items, dim: sizes.
        exact: whether the inner product is the logit; see `workbench.serving.vectors`.
        index_recall: share of the exact search's best 100 that the index finds.
        agreement: with the model.
        held_out: AUC by vectors and by the model; None where users or items come from a table, and
            for a run without predictions.
    """

    users: int
    items: int
    dim: int
    exact: bool
    index_recall: float
    agreement: Agreement
    held_out: HeldOut | None


def export_vectors(
    run: Run,
    out: Path,
    *,
    data: Path | None = None,
    users: Path | None = None,
    items: Path | None = None,
) -> VectorExport:
    """Write user vectors, item vectors and an index over the items into a new folder.

    ``users.parquet`` and ``items.parquet`` have the columns `id` and `vector`; ``items.faiss`` is
    an HNSW index, whose numbers are rows of ``items.parquet`` and which user vectors are looked up
    in as they are; ``export.json`` has the figures.

    Args:
        run: of model two_tower or fm.
        out: a new folder.
        data: folder of the data the run was trained on (the planted world needs none); not needed
            where both tables are given.
        users, items: tables with a column for every feature of the side, in place of the users and
            items of the training data; unseen ones are served by `[MASK]_i`. Context columns of
            `users` are optional.

    Raises:
        InputError: a run or a table that cannot be used, or an extra that is not installed.
    """
    faiss = needed("faiss")
    encoding = run_encoding(run, data)
    dataset = None if users and items else run_dataset(run, data)
    sides, known = [], []
    for path, side in ((users, Side.USER), (items, Side.ITEM)):
        if path:
            sides.append(_from_table(path, run, encoding, side))
        else:
            entities, numbers = _from_data(dataset, encoding, side)
            sides.append(entities)
            known.append(numbers)
    model = Factorised(run.model(), encoding, *sides)
    both = (model.user_vectors(sides[0]), model.item_vectors(sides[1]))
    vectors = for_index(*both)
    sample = sides[0].drawn(min(SAMPLE, len(sides[0])), seed=1)
    queries = for_index(model.user_vectors(sample), both[1])[0]
    index = build_index(vectors[1], faiss)
    done = VectorExport(
        users=len(sides[0]),
        items=len(sides[1]),
        dim=vectors[1].shape[1],
        exact=model.exact,
        index_recall=index_recall(index, queries, vectors[1], faiss),
        agreement=agreement(model, sample.take(np.arange(min(200, len(sample)))), sides[1]),
        held_out=held_out(run, *both, *known) if len(known) == len(both) else None,
    )
    with new_folder(out) as folder:
        for name, entities, rows in zip(("users", "items"), sides, vectors, strict=True):
            _write_vectors(folder / f"{name}.parquet", entities.ids, rows)
        faiss.write_index(index, str(folder / "items.faiss"))
        about = {"run": run.name, "model": run.config.model.name, "method": run.config.method}
        write_text(folder / "export.json", to_json(about | asdict(done), indent=2))
    return done


def for_index(users: Tensor, items: Tensor) -> tuple[Vectors, Vectors]:
    """Vectors whose nearest neighbours are those of the largest inner product, one entry longer.

    Item x gets the entry sqrt(max |x|^2 - |x|^2), so that all have one length, and user q gets 0:
    the inner product stays, and |q - x|^2 = |q|^2 + max |x|^2 - 2 <q, x> falls as it rises
    (Bachrach et al. 2014). A graph by distance finds neighbours that one by inner product loses
    behind long vectors.
    """
    squares = items.double().square().sum(1)
    rest = (squares.max() - squares).clamp_min(0).sqrt().float().unsqueeze(1)
    longer = torch.cat((users, torch.zeros(len(users), 1)), dim=1)
    return longer.numpy(), torch.cat((items, rest), dim=1).numpy()


def build_index(items: Vectors, faiss: Any) -> Any:
    """An HNSW index by Euclidean distance over the item vectors of `for_index`."""
    index = faiss.IndexHNSWFlat(items.shape[1], HNSW_LINKS)
    index.hnsw.efConstruction = HNSW_BUILD
    index.hnsw.efSearch = HNSW_SEARCH
    index.add(np.ascontiguousarray(items))
    return index


def index_recall(index: Any, queries: Vectors, items: Vectors, faiss: Any) -> float:
    """Share of the best min(100, items) by inner product that the index finds, over queries."""
    exact = faiss.IndexFlatIP(items.shape[1])
    exact.add(np.ascontiguousarray(items))
    k = min(NEIGHBOURS, len(items))
    wanted, found = exact.search(queries, k)[1], index.search(queries, k)[1]
    return float((wanted[:, :, None] == found[:, None, :]).any(2).mean())


def agreement(model: Factorised, users: Entities, items: Entities) -> Agreement:
    """How far the vectors' inner product is from the model's logit; see `Agreement`."""
    wanted = model.logits(users, items)
    found = model.user_vectors(users) @ model.item_vectors(items).T
    gaps = (wanted - found).abs()
    k = min(NEIGHBOURS, len(items))
    best = wanted.topk(k, dim=1).indices  # [user, k]
    order = found.argsort(dim=1, descending=True)
    place = torch.empty_like(order)  # [user, item] rank by inner product
    place.scatter_(1, order, torch.arange(len(items)).expand_as(order))
    reached = place.gather(1, best)
    ranks = wanted.argsort(1, descending=True).argsort(1).double()
    both = torch.stack((ranks, place.double()))
    both = both - both.mean(2, keepdim=True)
    spread = both.square().sum(2).prod(0).sqrt()
    correlation = (both.prod(0).sum(1) / spread.clamp_min(1e-12)).mean()
    return Agreement(
        users=len(users),
        largest=float(gaps.max()),
        mean=float(gaps.mean()),
        correlation=float(correlation),
        recall_100=float((reached < k).float().mean()),
        recall_200=float((reached < 2 * k).float().mean()),
        recall_500=float((reached < 5 * k).float().mean()),
    )


def _from_table(path: Path, run: Run, encoding: Encoding, side: Side) -> Entities:
    """Users or items of a table, one a row."""
    encoder = RowEncoder(encoding, str(path), columns=own_columns(run), side=side)
    name = encoding.schema.user if side is Side.USER else encoding.schema.item
    ids, rows, counts = [], [], []
    with table_parts(path, 65_536) as (schema, parts):
        encoder.check(schema)
        for part in parts:
            batch = encoder.encode(part)
            column = encoder.column_of(name, part.column_names)
            assert column is not None  # checked above
            ids.append(part[column].combine_chunks())
            rows.append(batch.rows)
            counts.append(batch.counts)
    if not ids:
        raise InputError(f"{path}: has no rows")
    names = pa.concat_arrays(ids).to_numpy(zero_copy_only=False)
    table = torch.cat(rows)
    return Entities(names, table, torch.cat(counts), _impressions(encoding, table, name))


def _from_data(
    dataset: Dataset | None, encoding: Encoding, side: Side
) -> tuple[Entities, torch.Tensor]:
    """The training data's users or items that the vocabulary knows, and their numbers there."""
    assert dataset is not None
    schema, layout = encoding.schema, encoding.layout
    name = schema.user if side is Side.USER else schema.item
    own = dataset.user_rows if side is Side.USER else dataset.item_rows
    begin = 0 if side is Side.USER else dataset.user_rows.shape[1]
    rows = torch.zeros(len(own), layout.width, dtype=torch.int32)
    for slot in layout.slots:
        rows[:, slot.start] = slot.mask_row
    rows[:, begin : begin + own.shape[1]] = own
    slot = layout[name]
    known = torch.nonzero(rows[:, slot.start] != slot.mask_row).squeeze(1)
    rows = rows[known]
    encoder = RowEncoder(encoding)
    if side is Side.USER:
        encoder.remember(rows.numpy())
    codes = rows[:, slot.start].numpy() - slot.offset
    ids = np.asarray(encoding.vocabularies[name].values)[codes - 1]
    counts = torch.from_numpy(encoder.known_counts(rows.numpy()))
    return Entities(ids, rows, counts, _impressions(encoding, rows, name)), known


def _impressions(encoding: Encoding, rows: torch.Tensor, name: str) -> NDArray[np.int64]:
    totals = encoding.totals.get(f"{name}:impression")
    if totals is None:
        return np.zeros(len(rows), np.int64)
    return totals[RowEncoder(encoding).codes(rows.numpy(), name)]


def _write_vectors(path: Path, ids: NDArray[Any], vectors: Vectors) -> None:
    flat = pa.array(np.ascontiguousarray(vectors).ravel(), pa.float32())
    column = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    pq.write_table(pa.table({"id": pa.array(ids), "vector": column}), path, compression="zstd")
