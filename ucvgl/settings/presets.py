"""Whole experiments by name. A docstring is the command, what it takes, and what to expect of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from ucvgl.settings.experiment import (
    Adaptation,
    ColdStart,
    Contrast,
    Curriculum,
    Dataset,
    Drone,
    Evaluation,
    Experiment,
    Model,
    Projection,
    Resources,
    Supervision,
    Synthetic,
    Translation,
)

COLD_START = ColdStart(intra_steps=100)
RECIPE = Curriculum(
    round_steps=50, panoramas_after=0.4, first_structure_vote=0.7, final_structure_vote=0.5, verified=10
)
"""The recipe without labels, as `docs/reproduce.md` tells of it; only how many rounds depends on the images."""
BASE_MODEL = "convnext_base.fb_in22k_ft_in1k_384"
"""The paper's."""


def synthetic() -> Experiment:
    """The demo on the embedded world: `python jobs/unsupervised.py`.

    Two cores, no GPU, no download. `docs/reproduce.md` says what was measured of it, and what of the recipe before.
    """
    return Experiment(
        model=Model(query="auto", structure=0.4),
        contrast=Contrast(batch=64),
        cold_start=COLD_START,
        curriculum=replace(RECIPE, rounds=10),
        evaluation=Evaluation(verified=10),
    )


def tiny() -> Experiment:
    """Every stage once, for tests: `python jobs/unsupervised.py tiny`.

    One to two minutes through a local Ray, half of it starting workers; recall rises far above chance.
    """
    return Experiment(
        dataset=Dataset(
            synthetic=Synthetic(
                level="easy",
                train_places=384,
                validation_places=64,
                panorama_height=64,
                panorama_width=256,
                tile_size=64,
            ),
            panorama_height=32,
            panorama_width=128,
            tile_size=32,
        ),
        translation=Translation(fake=True, steps=100, batch=8, channels=8, blocks=1),
        model=Model(channels=32, safa_heads=4),
        contrast=Contrast(batch=32, average_decay=0.9),
        cold_start=ColdStart(intra_epochs=8, intra_steps=0, cross_epochs=2),
        curriculum=Curriculum(rounds=3, epochs_per_round=4),
        resources=Resources(images_per_shard=64),
    )


def synthetic_drone() -> Experiment:
    """Flights over the embedded world, for `jobs/adapt.py`; a model to freeze comes from other flights:

    `python jobs/unsupervised.py synthetic_drone --stop-after cold_start --dataset.synthetic.seed 1`

    As many buildings to train on as University-1652 has. A drone's picture is no panorama, so it is neither projected
    nor translated. A building has nine of them, so many may share a tile. `docs/adapt.md` has what was measured.
    """
    return Experiment(
        dataset=Dataset(
            name="synthetic_drone",
            synthetic=Synthetic(level="easy", train_places=701, validation_places=120),
            drone=Drone(views=9, distractor_places=40),
            panorama_height=64,
            panorama_width=64,
        ),
        projection=Projection(bev=False),
        translation=Translation(steps=1),
        contrast=Contrast(heading="unknown"),
        cold_start=ColdStart(intra_epochs=20, cross_epochs=0),
        curriculum=Curriculum(reciprocal=9),
        adaptation=Adaptation(strategy="groups", neighbours=4, reciprocal=9, final_threshold=0.2),
    )


def folder() -> Experiment:
    """Your own images: `python jobs/unsupervised.py folder --dataset.root /path/to/images --run runs/mine`.

    A ConvNeXt at the image sizes of the paper's small model, for machines with a GPU. What the root must hold
    is in `docs/data.md`.
    """
    return Experiment(
        dataset=Dataset(name="folder", panorama_height=224, panorama_width=448, tile_size=224),
        translation=Translation(steps=50_000, batch=16, channels=64, blocks=9),
        model=Model(backbone="convnext_small.fb_in22k_ft_in1k", pretrained=True, query="auto", structure=0.4),
        contrast=Contrast(learning_rate=1e-4),
        cold_start=COLD_START,
        curriculum=replace(RECIPE, rounds=34),
        evaluation=Evaluation(verified=10),
    )


def cvusa() -> Experiment:
    """CVUSA with the paper's base model: `python jobs/unsupervised.py cvusa --dataset.root CVUSA --run runs/cvusa`.

    For machines with GPUs; not run here, so its time is not known. The recall that the paper reports for its own code:
    R@1 92.56, 8,884 queries x 8,884 references.
    """
    return _published(
        Dataset(name="cvusa", panorama_height=384, panorama_width=384, tile_size=384),
        # 224 of 1232 / 360 rows per degree; where the horizon lies was measured on 9 images.
        Projection(fov_deg=175.0, top_elevation_deg=36.5, bottom_elevation_deg=-28.95),
        min_margin=0.05,
    )


def cvact() -> Experiment:
    """CVACT with the paper's base model: `python jobs/unsupervised.py cvact --dataset.root CVACT --run runs/cvact`.

    For machines with GPUs; not run here, so its time is not known. The recall that the paper reports for its own code:
    R@1 84.58 on validation, 8,884 queries x 8,884 references, and 60.53 on the test set (`--dataset.protocol test`).
    """
    return _published(
        Dataset(name="cvact", panorama_height=384, panorama_width=384, tile_size=384),
        Projection(fov_deg=170.0),
        min_margin=0.025,
    )


def vigor() -> Experiment:
    """VIGOR, same-area: `python jobs/unsupervised.py vigor --dataset.root VIGOR --run runs/vigor`.

    For machines with GPUs; not run here, so its time is not known. The paper has no recall without labels, and takes
    cameras to stand in the middle of their tiles, which VIGOR's do not. So this is the recipe of `folder`, which
    compares views over shifts, with the paper's base model; what it reaches on a rendered area that is tiled alike is
    in `docs/reproduce.md`. The field of view is that of a tile, 640 pixels of 0.114 m seen from 2.5 m. A tile may have
    two panoramas. `--dataset.protocol cross_area` is the other protocol.
    """
    own = folder()
    return replace(
        own,
        dataset=Dataset(name="vigor", panorama_height=384, panorama_width=768, tile_size=384),
        projection=Projection(fov_deg=172.2),
        model=replace(own.model, backbone=BASE_MODEL),
        curriculum=replace(own.curriculum, reciprocal=2),
    )


def university1652() -> Experiment:
    """University-1652, from drone to satellite.

    `python jobs/unsupervised.py university1652 --dataset.root U1652 --run runs/u1652`

    For machines with GPUs; not run here, so its time is not known, and the paper has no recall on it. A drone image is
    no panorama: it is not projected but stands in for the BEV, and its heading is unknown. A building has 54 of them,
    so many may share a tile. `--dataset.protocol` has the other directions, which need `--curriculum.reciprocal 1`.
    `jobs/adapt.py` describes it by the mean over two quarter turns, which on real pairs mattered more than all else.
    """
    experiment = _published(
        Dataset(name="university1652", panorama_height=384, panorama_width=384, tile_size=384),
        Projection(bev=False),
        min_margin=0.05,
        reciprocal=32,
    )
    return replace(
        experiment,
        contrast=replace(experiment.contrast, heading="unknown"),
        adaptation=Adaptation(
            strategy="groups", neighbours=8, reciprocal=32, final_threshold=0.2, averaged_turns=2
        ),
    )


def sues200() -> Experiment:
    """SUES-200, from drone to satellite at one height.

    `python jobs/unsupervised.py sues200 --dataset.root SUES-200 --dataset.flight-height-m 200 --run runs/sues200`

    As University-1652; 50 pictures may share a tile. Not run here.
    """
    return _of_flights("sues200")


def denseuav() -> Experiment:
    """DenseUAV, from drone to satellite.

    `python jobs/unsupervised.py denseuav --dataset.root DenseUAV --run runs/denseuav`

    As University-1652; three pictures and six tiles show one place, and its neighbours nearly the same. Not run here.
    """
    flights = _of_flights("denseuav")
    return replace(
        flights,
        curriculum=replace(flights.curriculum, reciprocal=3),
        adaptation=replace(flights.adaptation, neighbours=2, reciprocal=3),
    )


def _of_flights(name: Literal["sues200", "denseuav"]) -> Experiment:
    flights = university1652()
    return replace(flights, dataset=replace(flights.dataset, name=name))


def _published(
    dataset: Dataset, projection: Projection, *, min_margin: float, reciprocal: int = 1
) -> Experiment:
    """The base model with the settings of the paper and its released code; where they differ, the paper's.

    50 epochs of CycleGAN over 35,532 images, 40 of cold start, 60 rounds of one epoch, and the paper's matching.
    """
    return Experiment(
        dataset=dataset,
        projection=projection,
        translation=Translation(fake=True, steps=111_000, batch=16, channels=64, blocks=9),
        model=Model(backbone=BASE_MODEL, pretrained=True),
        contrast=Contrast(learning_rate=1e-4),
        cold_start=ColdStart(intra_epochs=12, intra_steps=0, cross_epochs=28),
        curriculum=Curriculum(
            rounds=60,
            labels="margin",
            min_margin=min_margin,
            final_margin=0.0,
            whitening=0.0,
            reciprocal=reciprocal,
            dustbin_share=0.4,
            first_fake_vote=0.0,
            final_fake_vote=0.0,
            with_fakes=False,
        ),
    )


def semi_supervised(preset: Experiment) -> Experiment:
    """A preset as `jobs/semi_supervised.py` takes it: one training query in ten comes with its true tile."""
    return replace(preset, supervision=Supervision(label_fraction=0.1))


def supervised(preset: Experiment) -> Experiment:
    """A preset as `jobs/supervised.py` takes it, with the recipe of Sample4Geo.

    All labels; 40 epochs, and new hard negatives after every fourth. A pretrained backbone is one encoder for both
    views, with global average pooling, and begins at once. From scratch such an encoder never left its plateau, so
    the others keep the two towers of UCVGL, and begin with intra-view contrast, which needs no label.
    """
    told = replace(
        preset,
        supervision=Supervision(label_fraction=1.0),
        curriculum=replace(preset.curriculum, rounds=10, epochs_per_round=4),
    )
    if not preset.model.pretrained:
        return told
    return replace(
        told,
        model=replace(preset.model, shared=True, aggregation="mean"),
        cold_start=replace(preset.cold_start, intra_epochs=0),
    )


PRESETS = {
    preset.__name__: preset
    for preset in (synthetic, tiny, synthetic_drone, folder, cvusa, cvact, vigor, university1652, sues200, denseuav)
}
