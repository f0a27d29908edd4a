import json

import numpy as np
import pytest
import torch

from ucvgl.networks import export
from ucvgl.networks.export import export_towers
from ucvgl.networks.towers import TwoTowers
from ucvgl.settings.dataset import Lens
from ucvgl.settings.experiment import Model

IMAGES = torch.rand(5, 3, 16, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", params=["safa", "map"])
def towers(request):
    torch.manual_seed(0)
    return TwoTowers(Model(channels=16, safa_heads=2, aggregation=request.param), (16, 64), (16, 16))


def test_torch_files_give_the_same_descriptors_for_any_batch(towers, tmp_path):
    differences = export_towers(towers, tmp_path, "torch")
    assert set(differences) == {"query", "reference"} and max(differences.values()) < 1e-5
    again = torch.export.load(tmp_path / "query.pt2").module()
    with torch.inference_mode():
        torch.testing.assert_close(again(IMAGES), towers.query_encoder(IMAGES), atol=1e-5, rtol=0)
    about = json.loads((tmp_path / "preprocessing.json").read_text())
    assert about["size"] == {"query": [16, 64], "reference": [16, 16]} and about["colour"] == "RGB"
    assert "without" not in about


def test_an_export_says_what_it_leaves_out_of_what_an_index_searches_by(towers, tmp_path, monkeypatch):
    monkeypatch.setattr(towers, "ground", {"share": 0.4})
    export_towers(towers, tmp_path, "torch")
    assert "0.4 of the similarity" in json.loads((tmp_path / "preprocessing.json").read_text())["without"]


def test_an_export_says_how_photos_were_seen(towers, tmp_path):
    export_towers(towers, tmp_path, "torch", lens=Lens(0.0, 45.0, -40.0))
    told = json.loads((tmp_path / "preprocessing.json").read_text())["photo"]
    assert told.startswith("as the part that it shows of an upright panorama") and "from 45 to -40 degrees" in told


def test_onnx_files_give_the_same_descriptors_for_any_batch(towers, tmp_path):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="the extra `onnx` is not installed")
    import onnxruntime

    assert max(export_towers(towers, tmp_path, "onnx").values()) < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "query.onnx")
    (found,) = session.run(None, {"images": IMAGES.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(found, towers.query_encoder(IMAGES).numpy(), atol=1e-5)


def test_an_export_that_differs_is_not_kept(towers, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_run_torch", lambda path: lambda images: towers.query_encoder(images) + 1e-3)
    with pytest.raises(ValueError, match="the exported query encoder differs from the original by 0.001, more than"):
        export_towers(towers, tmp_path, "torch")
    assert list(tmp_path.iterdir()) == []
