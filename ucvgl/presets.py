"""Whole experiments by name. A docstring is the command, what it takes, and what to expect of it."""

from __future__ import annotations

from ucvgl.config import (
    ColdStart,
    Contrast,
    Curriculum,
    Dataset,
    Experiment,
    Model,
    Resources,
    Synthetic,
    Translation,
)


def synthetic() -> Experiment:
    """The demo on the embedded world: `python jobs/unsupervised.py`.

    Two cores, no GPU, no download; under 20 minutes on a machine that does other things as well. Measured on world 0:
    R@1 4.6 after the cold start, 74.4 after ten rounds, 500 queries x 500 references.
    """
    return Experiment()


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
        translation=Translation(steps=100, batch=8, channels=8, blocks=1),
        model=Model(channels=32, safa_heads=4),
        contrast=Contrast(batch=32, average_decay=0.9),
        cold_start=ColdStart(intra_epochs=8, cross_epochs=2),
        curriculum=Curriculum(rounds=3, epochs_per_round=4),
        resources=Resources(images_per_shard=64),
    )


def folder() -> Experiment:
    """Your own images: `python jobs/unsupervised.py folder --dataset.root /path/to/images --run runs/mine`.

    A ConvNeXt at the image sizes of the paper's small model, for machines with a GPU. What the root must hold
    is in `docs/data.md`.
    """
    return Experiment(
        dataset=Dataset(name="folder", panorama_height=224, panorama_width=448, tile_size=224),
        translation=Translation(steps=50_000, batch=16, channels=64, blocks=9),
        model=Model(backbone="convnext_small.fb_in22k_ft_in1k", pretrained=True),
        contrast=Contrast(learning_rate=1e-4),
        cold_start=ColdStart(intra_epochs=12, cross_epochs=28),
        curriculum=Curriculum(rounds=34),
    )


PRESETS = {preset.__name__: preset for preset in (synthetic, tiny, folder)}
