"""What follows from `dataset.camera`, and what does not go together with it."""

from __future__ import annotations

from dataclasses import replace

from ucvgl.settings.experiment import Experiment

PHOTO_ELEVATION_DEG = 45.0
"""Up to which, above and below the horizon, photos are used where nothing else is set."""


def as_photos_show(experiment: Experiment) -> Experiment:
    """What `dataset.camera photo` means for other settings.

    Of the sphere around a camera only what photos show is worth pixels. They are looked at from above alone, as seen as
    panoramas they lower the recall, and compared by the ground that they show, as SAFA describes a tile as a whole
    (`docs/reproduce.md`).
    """
    if experiment.dataset.camera != "photo":
        return experiment
    model, curriculum = experiment.model, replace(experiment.curriculum, panoramas_after=1.0)
    model = replace(model, aggregation="map") if model.aggregation == "safa" else model
    experiment = replace(experiment, model=model, curriculum=curriculum)
    projection = experiment.projection
    if not (projection.top_elevation_deg == 90 and projection.bottom_elevation_deg == -90):
        return experiment
    shown = replace(projection, top_elevation_deg=PHOTO_ELEVATION_DEG, bottom_elevation_deg=-PHOTO_ELEVATION_DEG)
    return replace(experiment, projection=shown)


def photo_mistakes(experiment: Experiment) -> list[str]:
    """What does not go together with the camera."""
    dataset, look, mistakes = experiment.dataset, experiment.dataset.synthetic.look, []
    photos = dataset.camera == "photo"
    if dataset.fov_deg and not photos:
        mistakes.append("dataset.fov_deg: panoramas show all around; set dataset.camera to photo, or leave it at 0")
    if dataset.name == "synthetic" and photos != (look.photo_fov_deg > 0):
        mistakes.append(
            f"dataset.camera: {dataset.camera}, but dataset.synthetic.look.photo_fov_deg is {look.photo_fov_deg:g}; "
            "rendered photos need both"
        )
    if look.photo_fov_deg and (look.top_elevation_deg, look.bottom_elevation_deg) != (90.0, -90.0):
        mistakes.append("dataset.synthetic.look.photo_fov_deg: photos are cut from whole spheres, 90 to -90 degrees")
    return mistakes
