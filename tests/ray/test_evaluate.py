"""`ucvgl evaluate` on Ray; every published protocol is in tests/commands/test_protocols.py."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.images.published import write_cvusa
from tests.index.areas import make_run
from ucvgl import cli
from ucvgl.files import cached
from ucvgl.images.storage import list_files


@pytest.fixture(scope="module")
def home(cluster, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate")
    make_run(folder / "run")
    write_cvusa(folder / "cvusa")
    return folder


@pytest.fixture(autouse=True)
def connected(monkeypatch) -> None:
    """This process is."""
    monkeypatch.setattr("ucvgl.distributed.cluster.connect", lambda resources: None)


def test_a_run_in_a_bucket_is_evaluated_from_there_and_nothing_is_left(home, moto, bucket, capsys):
    for file in (home / "run").rglob("*"):
        if file.is_file():
            moto.client().upload_file(str(file), bucket, f"run/{file.relative_to(home / 'run')}")
    told, before = [], list_files(f"s3://{bucket}/run")
    try:
        for source in (str(home / "run"), f"s3://{bucket}/run"):
            assert cli.main(["evaluate", source, "cvusa", "--root", str(home / "cvusa")]) == 0
            told.append(capsys.readouterr().out.splitlines()[1])
    finally:
        shutil.rmtree(cached.folder_of(f"s3://{bucket}"), ignore_errors=True)
    assert told[0] == told[1]
    assert list_files(f"s3://{bucket}/run") == before
