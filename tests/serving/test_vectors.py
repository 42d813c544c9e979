"""User and item vectors: exact where they can be, and what is lost where they cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import roc_auc_score

from tests.serving.runs import small_config, trained
from workbench.data.registry import load
from workbench.errors import InputError
from workbench.runs import Run
from workbench.schema import Side
from workbench.serving.retrieval import (
    _from_data,
    agreement,
    build_index,
    export_vectors,
    for_index,
    index_recall,
)
from workbench.serving.vectors import Entities, Factorised

SMALL = {"hidden": [16, 8], "output_dim": 8}


def factorised(run: Run, *, constant: bool = False) -> tuple[Factorised, Entities, Entities]:
    dataset, encoding = load(run.config.data), run.encoding()
    users, items = (_from_data(dataset, encoding, side)[0] for side in (Side.USER, Side.ITEM))
    model = run.model()
    if constant and model.adapter is not None:
        last = model.adapter.h[-1]
        assert isinstance(last, torch.nn.Linear)
        torch.nn.init.zeros_(last.weight)
    return Factorised(model, encoding, users, items), users.drawn(20, seed=0), items


def largest_gap(model: Factorised, users: Entities, items: Entities) -> float:
    found = model.user_vectors(users) @ model.item_vectors(items).T
    return float((found - model.logits(users, items)).abs().max())


@pytest.fixture(scope="module", params=["inner_product", "cosine"])
def towers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = small_config("two_tower", "base")
    options = SMALL | {"similarity": request.param}
    model = config.model.model_copy(update={"options": options})
    config = config.model_copy(update={"model": model})
    return trained(tmp_path_factory.mktemp("towers"), "towers", config)


def test_two_tower_is_exact_without_weights(towers: Run) -> None:
    model, users, items = factorised(towers)
    assert model.exact
    assert largest_gap(model, users, items) < 1e-5


def test_fm_is_exact_under_constant_weights(served: Run) -> None:
    """An adapter whose output does not depend on the state gives one weight to all pairs."""
    model, users, items = factorised(served, constant=True)
    assert largest_gap(model, users, items) < 1e-5


def test_weights_of_the_pair_are_averaged_over_the_other_side(served: Run) -> None:
    model, users, items = factorised(served)
    assert not model.exact
    found = agreement(model, users, items)
    assert 1e-6 < found.mean < found.largest
    assert found.recall_100 <= found.recall_200 <= found.recall_500 == 1
    item = items.take(np.array([3]))
    others, counts = model._others[True]
    one = model._embedded(item.rows)
    expected = []
    for vectors, count in zip(others, counts, strict=True):
        pair = torch.where(model._is_item[:, None], one[0], vectors)
        pair_count = torch.where(model._counts_item, item.counts[0], count)
        weights = model.model.weights(pair[None], pair_count[None])
        assert weights is not None
        expected.append(weights[0])
    weighted = one * torch.stack(expected).mean(0)[None, :, None]
    torch.testing.assert_close(model._weighted(item, is_item=True), weighted)


def test_logits_of_pairs_are_the_models(served: Run) -> None:
    """Against samples of the data set whose context is the user's own latest."""
    model, _, _ = factorised(served)
    dataset, encoding = load(served.config.data), served.encoding()
    batch = dataset.batch(dataset.splits["test"][:50])
    context = [s for s in encoding.layout.slots if s.side is Side.CONTEXT]
    for place in range(5):
        rows, counts = batch.rows[place : place + 1], batch.counts[place : place + 1]
        one = Entities(np.array([0]), rows, counts, np.array([0]))
        with torch.no_grad():
            expected = model.model.serve(model.model.embedding(rows), counts)
        assert float(model.logits(one, one)[0, 0]) == pytest.approx(float(expected[0]), abs=1e-6)
    assert context


def test_other_models_have_no_vectors(tmp_path: Path) -> None:
    run = trained(tmp_path, "deep", small_config("youtube_dnn", "base"))
    pytest.importorskip("faiss")
    with pytest.raises(InputError, match="YouTubeDNN scores user and item together"):
        export_vectors(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nearest_is_largest_inner_product() -> None:
    draw = torch.Generator().manual_seed(0)
    users, items = torch.randn(9, 6, generator=draw), torch.randn(50, 6, generator=draw)
    longer_users, longer_items = map(torch.from_numpy, for_index(users, items))
    torch.testing.assert_close(longer_users @ longer_items.T, users @ items.T)
    distance = torch.cdist(longer_users.double(), longer_items.double())
    assert torch.equal(distance.argsort(1), (users @ items.T).argsort(1, descending=True))


def test_index_recall_counts_what_is_found() -> None:
    faiss = pytest.importorskip("faiss")
    vectors = np.random.default_rng(0).normal(size=(2000, 8)).astype(np.float32)
    users, items = for_index(torch.from_numpy(vectors[:50]), torch.from_numpy(vectors[50:]))
    assert index_recall(build_index(items, faiss), users, items, faiss) > 0.95

    class Half:
        """Finds the first half of the right answers, and nothing else."""

        def search(self, queries: np.ndarray, k: int) -> tuple[None, np.ndarray]:
            best = np.argsort(-(queries @ items.T), axis=1)[:, :k]
            best[:, k // 2 :] = -1
            return None, best

    assert index_recall(Half(), users, items, faiss) == pytest.approx(0.5)


def test_vectors_are_scored_on_the_test_rows(
    served: Run, test_table: pd.DataFrame, tmp_path: Path
) -> None:
    pytest.importorskip("faiss")
    done = export_vectors(served, tmp_path / "out")
    assert done.held_out is not None
    score = np.zeros(len(test_table))
    known = np.ones(len(test_table), bool)
    vectors = []
    for name in ("user", "item"):
        written = pq.read_table(tmp_path / "out" / f"{name}s.parquet").to_pandas()
        by_id = dict(zip(written["id"].astype(int), written["vector"], strict=True))
        vectors.append([by_id.get(int(value)) for value in test_table[f"{name}_id"]])
    for row, (user, item) in enumerate(zip(*vectors, strict=True)):
        known[row] = user is not None and item is not None
        if known[row]:
            score[row] = user @ item
    label = served.table("predictions")["label"].to_numpy()
    assert done.held_out.rows == known.sum() > 0
    by_model = roc_auc_score(label[known], test_table["logit"][known])
    assert done.held_out.auc == pytest.approx(by_model, abs=1e-12)
    by_vectors = roc_auc_score(label[known], score[known])
    assert done.held_out.auc_by_vectors == pytest.approx(by_vectors, abs=1e-4)
    assert abs(by_vectors - by_model) > 1e-3, "the weights depend on the pair"


def test_the_folder_ranks_new_items_too(served: Run, tmp_path: Path) -> None:
    faiss = pytest.importorskip("faiss")
    items = pd.DataFrame(
        {
            "item_id": [1, 2, 10**9],
            "artist_id": [1, 2, None],
            "genre": ["pop", None, "pop"],
            "mood": ["sad|dark", "", "sad"],
            "duration": [100.0, 200.0, None],
        }
    )
    items.to_csv(tmp_path / "items.csv", index=False)
    done = export_vectors(served, tmp_path / "out", items=tmp_path / "items.csv")
    assert (done.items, done.index_recall) == (3, 1.0)
    assert done.held_out is None, "its items are not those of the test rows"
    folder = tmp_path / "out"
    written = {n: pq.read_table(folder / f"{n}.parquet").to_pandas() for n in ("users", "items")}
    assert written["items"]["id"].astype(int).tolist() == [1, 2, 10**9]
    users = set(written["users"]["id"])
    assert users == set(served.encoding().vocabularies["user_id"].values.tolist())
    index = faiss.read_index(str(folder / "items.faiss"))
    query = np.stack(written["users"]["vector"].to_list()[:1])
    best = (query @ np.stack(written["items"]["vector"].to_list()).T).argmax()
    assert index.search(query, 1)[1][0, 0] == best
    with pytest.raises(InputError, match="is there already"):
        export_vectors(served, folder, items=tmp_path / "items.csv")
    items.drop(columns="genre").to_csv(tmp_path / "items.csv", index=False)
    with pytest.raises(InputError, match="column 'genre' is missing"):
        export_vectors(served, tmp_path / "other", items=tmp_path / "items.csv")
