"""`ucvgl evaluate`: recall of a run or an index where the truth is known, and whether its confidence holds."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from ucvgl.files.printable import printable

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from ucvgl.index.ground import Grounds
    from ucvgl.index.localizer import Localizer
    from ucvgl.settings.experiment import Dataset, Experiment
    from ucvgl.truth.score import Protocol


def main(argv: Sequence[str]) -> None:
    """Read the command line, measure, and print what was found."""
    print(tyro.cli(evaluate, args=list(argv), prog="ucvgl evaluate"))


def evaluate(
    source: tyro.conf.Positional[str],
    dataset: tyro.conf.Positional[str] = "",
    /,
    root: str = "",
    split: Literal["train", "validation"] = "validation",
    protocol: str = "",
    config: str = "",
    address: Annotated[str, tyro.conf.arg(metavar="RAY")] = "",
    workers: int = 0,
    unfinished: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> str:
    """Embed the images of a data set on Ray, search, and compare with the truth; prints pool sizes and protocol.

    Args:
        source: a finished run, or an index, whose tiles are then searched instead of the data set's.
        dataset: as dataset.name; empty: the one of the run, or of --config.
        root: folder or URI of the data set; empty: that of the run, or of --config.
        split: which images.
        protocol: as dataset.protocol, where the data set has several; empty: that of the run, or of --config, and for
            another data set its first.
        config: run or config.yaml with the data set's settings, for an index.
        address: Ray cluster; empty: the one this job runs on, else a local Ray.
        workers: processes that embed, each with a GPU where there are GPUs; 0: as many as fit.
        unfinished: take the last encoders of a run that has no result yet.

    Raises:
        ValueError: nobody wrote down the truth, no query has a true tile in the pool, or photos begin anywhere.
    """
    from pathlib import Path

    from ucvgl.images.folder import absolute
    from ucvgl.images.uris import join
    from ucvgl.index.localizer import load
    from ucvgl.index.manifest import MODEL
    from ucvgl.run.before import seen_before, source_of
    from ucvgl.run.places import folder_to_read
    from ucvgl.run.weights import weights_of
    from ucvgl.settings.limits import resources_of
    from ucvgl.stages.catalog import as_listed
    from ucvgl.truth.door import read_truth
    from ucvgl.truth.score import protocol_of, trained_before, trained_on

    resources = resources_of(address=address, workers=workers)
    localizer = load(source, unfinished=unfinished)
    named = config or source
    run = folder_to_read(named) if config or localizer.index is None else Path(named)
    experiment = _experiment(run, named)
    if experiment.headings_searched:
        raise ValueError(
            f"{named}: its panoramas begin anywhere (contrast.heading), and here they are searched with north in their "
            "middle; its recall at the turns that were found is in its report, and --redo evaluate measures it anew"
        )
    of_run = as_listed(run / "1_catalog", experiment.dataset)
    chosen = _dataset(of_run, dataset, root, protocol)
    truth = read_truth(chosen, split)
    if truth is None:
        raise ValueError(f"there is no ground truth for {chosen.name}, {chosen.root}, {split}: see docs/data.md")
    model = weights_of(run, unfinished=True) if localizer.index is None else join(absolute(source), MODEL)
    verified = experiment.evaluation.verified if localizer.index is None else localizer.index.manifest.verified
    asked = replace(experiment, dataset=chosen, resources=resources)
    pools = _embedded(asked, localizer, source, model, split, seen=verified > 0)
    ids = {view: pool.ids for view, pool in pools.items()}
    judged = protocol_of(truth, ids["query"], ids["reference"])
    judged = trained_on(judged, _trained_on(run, pools["query"], same_names=chosen.root == of_run.root))
    if (contents := pools["query"].contents) is not None:
        before, known = seen_before(contents, source_of(run, experiment))
        judged = trained_before(judged, before, known=known)
    if not judged.answerable:
        raise ValueError(f"no query of {chosen.name}, {chosen.root}, {split} has a true reference in {source}")
    about = f"; encoders: {printable(localizer.about)}" if localizer.about else ""
    lines = [f"{source} on {chosen.name}, {split}{about}", scored(localizer, pools, judged, verified=verified)]
    lines += _training_unknown(run)
    return "\n".join(lines + _confidence(localizer, pools["query"], judged.positives))


@dataclass(frozen=True)
class Pool:
    """What is known of the images of a view: ids, descriptors and, where it is seen, the ground."""

    ids: np.ndarray
    vectors: np.ndarray
    grounds: Grounds | None = None
    contents: np.ndarray | None = None


def _trained_on(run: Path, queries: Pool, *, same_names: bool) -> np.ndarray:
    """Which queries the run was trained on, by what it knows of these.

    Args:
        same_names: whether an id means the same image there and here, as below one root.
    """
    import numpy as np

    from ucvgl.images.image_store import ImageStore
    from ucvgl.images.same_files import same_contents
    from ucvgl.stages.catalog import read_catalogs

    seen = np.zeros(len(queries.ids), bool)
    if same_names and (run / "1_catalog").is_dir():
        seen |= np.isin(queries.ids, read_catalogs(run / "1_catalog")["train"].queries["id"].to_numpy())
    if queries.contents is not None and (run / "2_project" / "train" / "queries").is_dir():
        seen |= same_contents(queries.contents, ImageStore(run / "2_project" / "train" / "queries").contents)
    return seen


def _training_unknown(run: Path) -> list[str]:
    """What to say where a run no longer has what tells of the images that it was trained on."""
    lacks = [name for name in ("1_catalog", "2_project/train/queries") if not (run / name).is_dir()]
    return [f"whether queries were TRAINED ON is not known: {run} has no {' and no '.join(lacks)}"] if lacks else []


def scored(localizer: Localizer, pools: Mapping[str, Pool], judged: Protocol, *, verified: int = 0) -> str:
    """What the protocol asks for, as a sentence with pool sizes.

    Of an approximate index only the best 1 % are asked for, at least ten: what is not among them ranks last.

    Args:
        verified: first references of a query that are verified over poses.
    """
    import numpy as np

    from ucvgl.index.ground import with_verified_first
    from ucvgl.retrieval.best import Best
    from ucvgl.retrieval.recall import recall
    from ucvgl.truth.score import mean_positives, score_in_memory

    index, queries = localizer.index, pools["query"]
    tile = pools["reference"].grounds if index is None else index.grounds

    def verify(best: Best) -> Best:
        assert queries.grounds is not None and tile is not None
        return with_verified_first(best, queries.grounds.all(), tile, count=verified)

    verified = verified if queries.grounds is not None and tile is not None else 0
    if index is None or index.manifest.kind == "flat":
        reference = pools["reference"].vectors if index is None else index.vectors()
        how = {"verify": verify, "k": verified} if verified else {}
        return str(score_in_memory(queries.vectors, reference, judged, **how))
    best = Best(len(queries.vectors), min(len(index), max(10, verified, len(index) // 100)))
    best.score, best.index = index.search(queries.vectors, best.score.shape[1])
    found = (verify(best) if verified else best).index
    hit = ((found[:, :, None] == judged.positives[:, None, :]) & (found >= 0)[:, :, None]).any(axis=2)
    order = np.where(hit.any(axis=1), hit.argmax(axis=1), len(index) - 1)
    known = (judged.positives >= 0).any(axis=1)
    reached = recall(np.where(known, order, -1), len(index), protocol=judged.words, positives=mean_positives(judged))
    return f"{reached}   ({index.manifest.kind}: approximate)"


def _confidence(localizer: Localizer, queries: Pool, positives: np.ndarray) -> list[str]:
    """How often answers of each confidence are right, where the index gives one.

    Args:
        positives: rows of the true tiles of every query, padded with -1.
    """
    from ucvgl.index.confidence import margins, reliability
    from ucvgl.index.presence import RIVALS

    index = localizer.index
    if index is not None and index.manifest.heading == "unknown":
        return ["searched with known headings, while the index and its confidence are for photos that begin anywhere"]
    known = (positives >= 0).any(axis=1)
    if index is None or index.manifest.calibration is None or not known.any():
        return []
    grounds = queries.grounds.all() if queries.grounds is not None else []
    score, found, _ = localizer.searched(queries.vectors[:, None], RIVALS + 1, grounds)
    confidence = index.manifest.calibration.confidence(margins(score[known]))
    bins, error = reliability(confidence, (found[:, :1] == positives).any(axis=1)[known])
    lines = [f"confidence: expected calibration error {error:.3f} over {len(bins)} bins of equal count; stated, right:"]
    return lines + [f"  {mean:.2f}  {share:.2f}  ({count} queries)" for mean, share, count in bins]


def _experiment(run: Path, named: str) -> Experiment:
    from ucvgl.settings.dotted import saved_settings

    config = run if run.suffix in (".yaml", ".yml") else run / "config.yaml"
    if not config.is_file():
        raise ValueError(f"{named} does not say how the data set was made; add --config RUN, or --config config.yaml")
    return saved_settings(config)


def _dataset(of_run: Dataset, name: str, root: str, protocol: str) -> Dataset:
    from ucvgl.settings.dotted import setting_types, suggestion

    known = setting_types()["dataset.name"].__args__
    if name and name not in known:
        raise ValueError(f"{name!r} is not a data set; there are {', '.join(known)}{suggestion(name, list(known))}")
    from ucvgl.settings.experiment import PROTOCOLS

    chosen = replace(of_run, name=name or of_run.name, root=root or of_run.root)
    if chosen.name != of_run.name:  # what the run chose of its own data set says nothing about another
        chosen = replace(chosen, protocol="default", queries="", references="")
    allowed = PROTOCOLS.get(chosen.name, ())
    if protocol and protocol not in allowed:
        raise ValueError(f"--protocol {protocol}: {chosen.name} has {', '.join(filter(None, allowed)) or 'only one'}")
    return replace(chosen, protocol=protocol) if protocol else chosen


def _embedded(
    experiment: Experiment, localizer: Localizer, source: str, model: Path | str, split: str, *, seen: bool
) -> dict[str, Pool]:
    """What is known by view; of an index only the queries are embedded, its tiles are.

    Args:
        seen: whether the ground is needed as well.
    """
    from pathlib import Path
    from tempfile import TemporaryDirectory

    import numpy as np

    from ucvgl.distributed.bulk import embed_listed, read_contents, read_grounds, read_vectors
    from ucvgl.distributed.cluster import connect
    from ucvgl.images.uris import join
    from ucvgl.index.ground import Grounds, shown_by
    from ucvgl.log import start_logging
    from ucvgl.stages.catalog import catalog, read_catalogs

    resources = experiment.resources
    start_logging()
    connect(resources)
    start_logging()
    pools: dict[str, Pool] = {}
    with TemporaryDirectory() as folder, _seen_by_all(source, folder) as made:
        work = Path(folder)
        catalog(work, experiment=experiment)
        listed = read_catalogs(work)[split]
        wanted: list[Any] = [("query", listed.queries)]
        wanted += [("reference", listed.references)] if localizer.index is None else []
        for view, table in wanted:
            how: dict[str, Any] = {"how": localizer.encoders.preprocessing(view), "resources": resources}
            how["ground"] = shown_by(view, localizer.encoders.projection) if seen else None
            parts = embed_listed(table, join(made, view), model=model, view=view, **how)
            found = list(read_vectors(parts))
            if not found:
                raise ValueError(f"none of the {table.num_rows} {view} images can be used; `ucvgl doctor` names some")
            ids = np.array([identity for some, _ in found for identity in some])
            grounds = Grounds(read_grounds(parts), view) if how["ground"] else None
            pools[view] = Pool(ids, np.concatenate([some for _, some in found]), grounds, read_contents(parts))
    if localizer.index is not None:
        pools["reference"] = Pool(localizer.index.tiles["id"].to_numpy(), np.empty((0, 0)))
    return pools


@contextmanager
def _seen_by_all(source: str, folder: str) -> Iterator[str]:
    """Where descriptors lie until they are compared: beside a run or an index in a store, else here."""
    from ucvgl.images.storage import delete_folder
    from ucvgl.images.uris import is_local, join

    if is_local(source):
        yield folder
        return
    made = join(source.rstrip("/"), f".evaluated-{uuid.uuid4().hex}")
    try:
        yield made
    finally:
        delete_folder(made)
