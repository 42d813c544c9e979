"""The workbench beside FuxiCTR, RecBole, DeepCTR-Torch and torch-rechub on MovieLens-1M.

    python tests/benchmarks/bench_peers.py --setup ../peers
    python tests/benchmarks/bench_peers.py --environments ../peers --from ../shared/data/ml-1m \\
        --out ../peers/cells
    python tests/benchmarks/merge_speed.py ../peers/cells

The first command makes one virtual environment per library outside the project. The second lets all
of them take turns within one run, on one thread: the same rows, features, layer widths, optimiser
and batch, each library's own loader and training loop. It writes one file per cell and skips those
that are there, so that it can be interrupted. The third puts the figures into
``data/results/speed.json``. Both clocks are reported: the wall's, and the processor time of each
process, which other programs on the machine disturb less.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

if __name__ == "__main__":  # so that `tests` is found when this file is started by its path
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.peers import measure, operators
from tests.benchmarks.peers.client import OWN, WorkerError
from tests.benchmarks.peers.environments import REQUIREMENTS, is_ready, make

WHAT = ("load", "train", "bare", "evaluate", "auc", "profile")
MODELS = ("dcn_v2", "dnn", "fm")
MODES = ("float32", "tf32", "bf16", "compile", "bf16+compile")
AUC_MODELS = ("dcn_v2", "dnn")
AUC_PEERS = ("fuxictr", "recbole")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--setup", type=Path, metavar="DIR", help="make the environments there")
    parser.add_argument("--environments", type=Path, metavar="DIR", help="what --setup made")
    parser.add_argument("--from", dest="raw", type=Path, metavar="DIR", help="of MovieLens-1M")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the folder of cells")
    parser.add_argument("--what", nargs="+", choices=WHAT, default=WHAT[:-1])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=(4096, 256))
    parser.add_argument("--against", nargs="+", choices=measure.PEERS, default=measure.PEERS)
    parser.add_argument("--mode", choices=MODES, default="float32", help="of the workbench alone")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="of a turn; default 100 at 4096, 400 at 256")
    parser.add_argument("--epochs", type=int, default=10, help="of the comparison of AUC")
    options = parser.parse_args(arguments)
    if options.setup is None:
        for name in ("environments", "raw", "out"):
            if getattr(options, name) is None:
                parser.error(f"--{'from' if name == 'raw' else name} is needed")
    if options.device != "cpu":
        gone = [name for name in options.against if name not in measure.ON_GPU]
        rest = [name for name in options.what if name not in ("train", "evaluate")]
        if gone or rest:
            parser.error(
                f"--device {options.device}: add --against {' '.join(measure.ON_GPU)} and --what "
                f"train evaluate; {', '.join([*gone, *rest])} cannot be measured there"
            )
    return options


def command_of(options: argparse.Namespace) -> str:
    """The command without the places of this machine, so that it can be published."""
    words = ["python", "tests/benchmarks/bench_peers.py", "--environments", "DIR", "--from", "DIR"]
    words += ["--out", "DIR", "--rounds", str(options.rounds)]
    if options.steps is not None:
        words += ["--steps", str(options.steps)]
    for name, usual in (("mode", "float32"), ("device", "cpu")):
        if getattr(options, name) != usual:
            words += [f"--{name}", getattr(options, name)]
    return shlex.join(words)


def main() -> None:
    """Make the environments, or measure what is asked for."""
    options = parse()
    if options.setup is not None:
        for name in REQUIREMENTS:
            print(
                f"{name}: {'ready' if is_ready(name, options.setup) else 'installing'}", flush=True
            )
            make(name, options.setup)
        return
    bench = measure.Bench(
        environments=options.environments.resolve(),
        export=options.out.resolve() / "data",
        out=options.out.resolve(),
        raw=options.raw.resolve(),
        command=command_of(options),
        rounds=options.rounds,
        steps=options.steps,
        mode=options.mode,
        device=options.device,
        epochs=options.epochs,
    )
    (bench.out / "logs").mkdir(parents=True, exist_ok=True)
    if not (bench.export / "about.json").exists():
        # Here only: it imports torch, which a run that goes on does not need in this process.
        from tests.benchmarks.peers.export import write_export
        from workbench.config import DataConfig

        write_export(DataConfig(source="movielens-1m", folder=str(bench.raw)), bench.export)
    try:
        measure_all(bench, options)
    except WorkerError as error:
        sys.exit(f"error: {error}")
    finally:
        bench.close()


def measure_all(bench: measure.Bench, options: argparse.Namespace) -> None:
    """Every cell that is asked for, unless it is there already.

    Raises:
        WorkerError: the workbench itself failed, or a library in the comparison of AUC.
    """
    if "load" in options.what:
        measure.load(bench, options.against)
    for model in options.models:
        for batch_size in options.batch_sizes:
            if "train" in options.what:
                measure.train(bench, model, batch_size, options.against)
            if "bare" in options.what and options.mode == "float32":
                measure.bare(bench, model, batch_size)
            if "profile" in options.what:
                print(operators.table(measure.profile(bench, model, batch_size, options.against)))
    if "evaluate" in options.what:
        measure.evaluate(bench, options.models[0], options.against)
    if "auc" in options.what:
        peers = [name for name in AUC_PEERS if name in options.against]
        peers = peers if options.mode == "float32" else []
        for model in (name for name in AUC_MODELS if name in options.models):
            measure.auc(bench, model, [OWN, *peers])


if __name__ == "__main__":
    main()
