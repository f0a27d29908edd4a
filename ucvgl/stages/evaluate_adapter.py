"""Recall and average precision of frozen and adapted descriptors, both ways; reads ground truth."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from ucvgl.atomic import write_whole
from ucvgl.distributed.machines import Crew
from ucvgl.distributed.selection import KEPT_PARTNERS
from ucvgl.files import cached
from ucvgl.files.parts import in_order, read_part
from ucvgl.files.plain import json_as
from ucvgl.files.tables import read_table, write_table
from ucvgl.images.image_store import ImageStore
from ucvgl.networks.towers import VIEWS, View
from ucvgl.programs.embedding import parts_of
from ucvgl.pseudo_labels.mutual_matching import agreement, matches
from ucvgl.retrieval.recall import Recall
from ucvgl.retrieval.vectors import Stored
from ucvgl.run import columns
from ucvgl.run.before import seen_before
from ucvgl.settings.experiment import Experiment
from ucvgl.stages.catalog import BACK, as_listed
from ucvgl.stages.evaluate import write_retrievals
from ucvgl.stages.judge_rows import ADAPTED, read_verdict
from ucvgl.training.closed_form import FREE
from ucvgl.training.fit_adapter import adapt_features
from ucvgl.truth.door import GroundTruth, label_precision, read_truth
from ucvgl.truth.score import Protocol, protocol_of, questions, score, tiles_as_well, trained_before, trained_on


@dataclass(frozen=True)
class Way:
    """One direction of the question: what asks and what is searched, and the truth about these pools.

    Args:
        sides: the folders of their frozen descriptors.
    """

    name: str
    sides: tuple[Path, Path]
    views: tuple[View, View]
    protocol: Protocol


def evaluate_adapter(
    folder: Path, *, projected: Path, described: Path, trained: Path, experiment: Experiment, machines: Crew
) -> dict[str, Any]:
    """Write `rounds.parquet` (recall of every round) and `recall.json` (before and after, both ways) into `folder`.

    After is the result. `embeddings/<its name>/{query,reference}` has the final descriptors, which
    calibrate the confidence of an index; `retrievals.parquet` what they find.

    Where the data set has pools of its own for the question the other way round, they are used; else the queries are
    searched by the references.

    Args:
        folder: where the stage writes.
        projected: folder of `2_project`.
        described: folder of `3_features`.
        trained: folder of the stage that trained.
    """
    forth, back = ways(projected, described, experiment)
    free = [trained / "free" / name for name in FREE if (trained / "free" / name).exists()]
    adapters = [*free, trained / "start", *in_order(trained.glob("round_*"))]
    names, verdict = [path.name for path in adapters], read_verdict(trained)
    result_name = names[-1] if verdict.result == ADAPTED else verdict.result
    truth = read_truth(as_listed(projected.parent / "1_catalog", experiment.dataset), "train")
    rows: list[dict[str, Any]] = []
    result: dict[str, Any] = {}
    for name, adapter in zip(names, adapters, strict=True):
        row: dict[str, Any] = {"name": name}
        into = folder / "embeddings" / name
        for key, way in (("forth", forth), ("back", back)):
            where = into if {*way.sides} == {*forth.sides} else into / BACK
            queries, references = _adapted(way, where, adapter / "adapter.pt", experiment.adaptation.turns, machines)
            asked = questions(way.protocol) if way.protocol.answerable else []
            work = into / "work" / key
            work.mkdir(parents=True, exist_ok=True)
            ranking = machines.rank(queries, references, [], asked, folder=work, k=KEPT_PARTNERS)
            searched = Stored.of(references).span[1]
            reached = score(ranking.ranks, ranking.best.index, searched, way.protocol) if asked else None
            row |= {f"{key}_r1": reached and reached.r1, f"{key}_r10": reached and reached.r10}
            if key == "forth":
                row["agreement"] = agreement(matches(machines.match(queries, references, folder=work)))
                if name == result_name:
                    ranks = ranking.ranks[0] if asked else None
                    write_retrievals(folder / "retrievals.parquet", ranking.best, ranks, way.protocol)
            for when in [when for when, one in (("before", names[0]), ("after", result_name)) if one == name]:
                if reached:
                    result.setdefault(when, {})[way.name] = reached.saved()
        for made in (into / "work", into / BACK) if name == result_name else (into,):
            cached.remove(made)
        row["result"] = name == result_name
        said = verdict.judged.get(ADAPTED if name == names[-1] else name)
        row |= {f"{key}_judged": said and 100 * said[way].value for way, key in enumerate(("forth", "back"))}
        rows.append(row | _labels(trained / name / "pairs.parquet", truth))
    write_table(folder / "rounds.parquet", pa.Table.from_pylist(rows, columns.ADAPTER_ROUNDS))
    write_whole(folder / "recall.json", json.dumps(result, indent=1) + "\n")
    last = rows[names.index(result_name)]
    return {"before": rows[0]["forth_r1"], "r1": last["forth_r1"], "agreement": last["agreement"]}


def _adapted(way: Way, into: Path, adapter: Path, turns: int, machines: Crew) -> list[list[Path]]:
    """The parts of what asks and of what is searched, by an adapter, in `into/{query,reference}`; made once."""
    for side, view in zip(way.sides, way.views, strict=True):
        parts = parts_of(side)
        if cached.missing([into / view / part.name for part in parts]):
            machines.run(adapt_features, folder=into / view, adapter=adapter, parts=parts, view=view, turns=turns)
    return [parts_of(into / view) for view in way.views]


def read_ways(folder: Path) -> dict[str, dict[str, Recall]]:
    """What was reached `before` and `after`, by the direction's name; empty without truth."""
    file = folder / "recall.json"
    return json_as(dict[str, dict[str, Recall]], read_part(file), file)


def ways(projected: Path, described: Path, experiment: Experiment) -> tuple[Way, Way]:
    """The question of the data set, and the question back."""
    dataset = as_listed(projected.parent / "1_catalog", experiment.dataset)
    asked, searched = dataset.chosen_protocol.partition("_to_")[::2] if "_to_" in dataset.chosen_protocol else VIEWS
    names = [f"{a} to {b}".replace("_160k", " 160k") for a, b in ((asked, searched), (searched, asked))]
    truth = read_truth(dataset, "validation")
    query, reference = (described / "validation" / view for view in VIEWS)
    pools = [ImageStore(projected / "validation" / name) for name in ("queries", "references")]

    def told(truth: GroundTruth | None, pools: Sequence[ImageStore], pile: str) -> Protocol:
        (asked, searched), trained = pools, ImageStore(projected / "train" / pile)
        protocol = replace(protocol_of(truth, asked.ids, searched.ids), average_precision=True)
        before, known = seen_before(asked.contents, experiment.adaptation.source, pile)
        protocol = trained_before(trained_on(protocol, asked.among(trained)), before, known=known)
        return tiles_as_well(protocol, asked.among(searched))

    forth = Way(names[0], (query, reference), VIEWS, told(truth, pools, "queries"))
    turned: tuple[View, View] = ("reference", "query")
    if (projected / BACK).exists():
        reverse = replace(dataset, protocol=cast(Any, dataset.reverse_protocol))
        pools = [ImageStore(projected / BACK / name) for name in ("queries", "references")]
        query, reference = (described / BACK / view for view in VIEWS)
        truth = read_truth(reverse, "validation")
    else:
        pools, truth = pools[::-1], truth and reversed_truth(truth)
    return forth, Way(names[1], (reference, query), turned, told(truth, pools, "references"))


def reversed_truth(truth: GroundTruth) -> GroundTruth:
    """The same pairs, asked from the other side."""
    asked_by = defaultdict(list)
    for query, references in truth.positives.items():
        for reference in references:
            asked_by[reference].append(query)
    positives = {reference: tuple(queries) for reference, queries in asked_by.items()}
    return GroundTruth(positives, f"{truth.protocol}, asked from the other side", average_precision=True)


def _labels(path: Path, truth: GroundTruth | None) -> dict[str, Any]:
    """How many labels a round had, of how many queries, and which share of them is true."""
    if not path.exists():
        return {"labels": None, "labelled": None, "precision": None}
    table = read_table(path, columns.ADAPTER_LABELS)
    known = truth is not None and bool(truth.positives)
    counts = {"labels": len(table), "labelled": len(table["query"].unique())}
    return counts | {"precision": label_precision(table, truth) if known and truth else None}
