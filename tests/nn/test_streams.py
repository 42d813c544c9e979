"""Branches of a CUDA graph: where they are taken, and what waits for what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from workbench.nn import streams
from workbench.nn.streams import fork

GPU = torch.device("cuda")


class Cuda:
    """Stands in for `torch.cuda` while a graph is recorded, and keeps what is asked of it."""

    def __init__(self, *, capturing: bool) -> None:
        self.capturing = capturing
        self.said: list[str] = []
        self.current = "main"

    def is_current_stream_capturing(self) -> bool:
        return self.capturing

    def current_stream(self, device: torch.device) -> Stream:
        return Stream(self, self.current)

    def Stream(self, device: torch.device) -> Stream:  # noqa: N802 (torch's name)
        return Stream(self, "aside")

    @contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        before, self.current = self.current, stream.name
        yield
        self.current = before


class Stream:
    device = GPU

    def __init__(self, cuda: Cuda, name: str) -> None:
        self.cuda = cuda
        self.name = name

    def wait_stream(self, other: Stream) -> None:
        self.cuda.said.append(f"{self.name} waits for {other.name}")


def work(cuda: Cuda, monkeypatch: pytest.MonkeyPatch, device: torch.device) -> list[str]:
    """What happens to a piece of work in turn and one on a branch that is taken before it."""
    monkeypatch.setattr(streams.torch, "cuda", cuda)
    branch = fork(device)
    cuda.said.append(f"work on {cuda.current}")
    with branch:
        cuda.said.append(f"more on {cuda.current}")
    return [*cuda.said, f"rest on {cuda.current}"]


def test_a_branch_starts_before_the_work_beside_it_and_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert work(Cuda(capturing=True), monkeypatch, GPU) == [
        "aside waits for main",
        "work on main",
        "more on aside",
        "main waits for aside",
        "rest on main",
    ]


@pytest.mark.parametrize(
    ("capturing", "device"), [(False, GPU), (True, torch.device("cpu"))], ids=["eager", "CPU"]
)
def test_elsewhere_work_is_done_in_its_turn(
    monkeypatch: pytest.MonkeyPatch, capturing: bool, device: torch.device
) -> None:
    found = work(Cuda(capturing=capturing), monkeypatch, device)
    assert found == ["work on main", "more on main", "rest on main"]


def test_passes_in_bfloat16_share_casts_and_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams.torch, "is_autocast_enabled", lambda kind: kind == "cuda")
    found = work(Cuda(capturing=True), monkeypatch, GPU)
    assert found == ["work on main", "more on main", "rest on main"]
