"""The columns of every table in a run: what is written, and all that is accepted when it is read."""

from __future__ import annotations

import pyarrow as pa

from ucvgl.files.tables import required

TEXT, NUMBER, WHOLE, TRUE = pa.string(), pa.float64(), pa.int64(), pa.bool_()

CATALOG = pa.schema([*required(id=TEXT, uri=TEXT), ("lat", NUMBER), ("lon", NUMBER), ("heading_deg", NUMBER)])
"""`1_catalog/<split>_<view>.parquet`; positions of references and headings of queries, where they are known."""
OPTIONAL = ("lat", "lon", "heading_deg")
MISSING = pa.schema(required(split=TEXT, path=TEXT))
"""`1_catalog/missing.parquet`: what the data set lists and does not hold."""
REJECTED = pa.schema(required(split=TEXT, view=TEXT, id=TEXT, uri=TEXT, reason=TEXT))
"""`2_project/rejected.parquet`: images that could not be read."""
KNOWN = pa.schema(required(query_id=TEXT, reference_id=TEXT, spared=pa.list_(TEXT)))
"""`2_labels/pairs.parquet`: true pairs that a labelled job was told, and what else may show the place."""
LABELS = pa.schema(
    required(
        query_id=TEXT, reference_id=TEXT, score=NUMBER, margin=NUMBER, reference_margin=NUMBER, mutual=TRUE,
        decoy=TRUE, weight=NUMBER, label=TRUE, heading_deg=NUMBER,
    )
)  # fmt: skip
"""`5_curriculum/round_*/pairs.parquet`: every match, whether it fell on a decoy, what it would count as a label and
whether it is one; where the panorama was found to look, if that was searched for; what share of the labels the judge
believes, in the metadata."""
ADAPTER_LABELS = pa.schema(
    required(query=WHOLE, reference=WHOLE, weight=NUMBER, query_id=TEXT, reference_id=TEXT, label=TRUE)
)
"""`4_adapt/round_*/pairs.parquet`: the labels of a round, by row and by id."""
ALIKE = pa.schema(required(one=WHOLE, other=WHOLE))
"""`4_adapt/round_*/alike.parquet`: rows of queries that are alike."""
ROUNDS = pa.schema(
    [
        *required(name=TEXT), ("judged", NUMBER), ("judged_low", NUMBER), ("judged_high", NUMBER),
        ("r1", NUMBER), ("r5", NUMBER), ("r10", NUMBER), ("precision", NUMBER), ("judged_precision", NUMBER),
    ]
)  # fmt: skip
"""`6_evaluate/rounds.parquet`: what each round reached, nothing where no truth is known, or the round
was not evaluated."""
ADAPTER_ROUNDS = pa.schema(
    [
        *required(name=TEXT),
        ("forth_r1", NUMBER), ("forth_r10", NUMBER), *required(agreement=NUMBER),
        ("back_r1", NUMBER), ("back_r10", NUMBER), ("labels", WHOLE), ("labelled", WHOLE), ("precision", NUMBER),
        ("result", TRUE), ("forth_judged", NUMBER), ("back_judged", NUMBER),
    ]
)  # fmt: skip
"""`5_evaluate/rounds.parquet` of an adaptation."""
RETRIEVALS = pa.schema(
    required(
        query_row=WHOLE, rank=WHOLE, true_row=WHOLE, reference_rows=pa.list_(WHOLE), right=pa.list_(TRUE),
        scores=pa.list_(NUMBER),
    )
)  # fmt: skip
"""`*_evaluate/retrievals.parquet`: the best references of every query, and of its true ones that which comes first, and
at which rank from 0; -1 where there is none. Older runs lack `true_row`."""
