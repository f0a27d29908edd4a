"""A disk that fills while weights are written is told of, with the file."""

import errno
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.index.areas import make_index
from ucvgl.atomic import write_array, write_whole
from ucvgl.networks.export import export_towers
from ucvgl.networks.saved import load_saved, save


@pytest.mark.parametrize(
    "write",
    [
        lambda path: save({"weights": torch.zeros(100_000)}, path),
        lambda path: write_array(path, torch.zeros(100_000).numpy()),
        lambda path: write_whole(path, "x" * 400_000),
    ],
)
def test_a_file_that_finds_no_room_is_told_with_its_name_and_is_not_left(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    refused(lambda: write(tmp_path / "file"), "file")
    assert not list(tmp_path.iterdir())


def test_an_export_that_finds_no_room_is_told_and_ends_no_process(tmp_path: Path) -> None:
    towers = make_index(tmp_path / "area", tiles=2).encoders.towers
    refused(lambda: export_towers(towers, tmp_path / "export", "torch"), "query.pt2")


def refused(write: Callable[[], object], name: str) -> None:
    """Files may have 20 kB for a while: the same errors as on a full disk, but for the number."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError) as caught:
            write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG and Path(caught.value.filename).name == name


def test_a_file_that_would_unpack_to_more_than_it_is_fills_no_memory(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(1_000_000)}, tmp_path / "whole.pt")
    with (
        zipfile.ZipFile(tmp_path / "whole.pt") as file,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for part in file.infolist():
            bomb.writestr(part.filename, file.read(part))
    assert load_saved(tmp_path / "whole.pt")["weights"].numel() == 1_000_000
    with pytest.raises(ValueError, match=r"bomb.pt does not hold .* unpack to more than its own length"):
        load_saved(tmp_path / "bomb.pt")


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (lambda: torch.zeros(1).expand(100_000, 100_000), "would have 40,000 MB, and less is stored of it"),
        (lambda: torch.eye(3).to_sparse(), "is sparse, quantized or without numbers"),
        (lambda: torch.zeros(3, device="meta"), "is sparse, quantized or without numbers"),
    ],
)
def test_a_tensor_that_no_training_writes_is_refused_before_it_is_used(odd, why: str, tmp_path: Path) -> None:
    holds_itself: list = [torch.zeros(1).expand(3, 7), odd()]
    holds_itself.append(holds_itself)
    torch.save({"weights": holds_itself}, tmp_path / "odd.pt")
    with pytest.raises(ValueError, match=rf"odd.pt does not hold weights that can be read \(a tensor in it {why}\)"):
        load_saved(tmp_path / "odd.pt")
    holds_itself.pop(1)
    torch.save({"weights": holds_itself}, tmp_path / "odd.pt")
    assert load_saved(tmp_path / "odd.pt")["weights"][0].shape == (3, 7)
