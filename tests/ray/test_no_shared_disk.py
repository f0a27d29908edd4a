"""Machines that have nothing in common but an S3 server: each has its own mounts, without the folders of the others.

A machine is a node of Ray in a mount namespace of Linux, with an empty disk over the folder of each of the others.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from local_cluster import free_ports, plain
from one_job import JOB_S, ROOT, processes_with, wait_until
from rendered_world import rendered_world

from benchmarks.object_store import ObjectStore
from ucvgl.files.arrivals import ARRIVALS
from ucvgl.images.storage import list_files, read

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("unshare") or os.geteuid() != 0, reason="needs root and `unshare`"),
]

HEAD, WORKERS = "head", ("one", "two")
MOMENTS = {
    "2_project: at work": "Project",
    '"translate"': "RayTrainWorker",
    '"cold_start_intra"': "RayTrainWorker",
    '"round_01"': "RayTrainWorker",
    "6_evaluate: at work": "RayTrainWorker",
}
"""What the log or the numbers of the job say when a machine is lost, and what runs there."""
PLACES = 256
CPUS = 3
"""Of a machine: two workers of 2 CPUs do not fit on one."""
SHORT = (
    f"--dataset.synthetic.train-places={PLACES}",
    "--translation.steps=20",
    "--cold-start.intra-epochs=1",
    "--cold-start.cross-epochs=1",
    "--curriculum.rounds=2",
    "--curriculum.epochs-per-round=1",
    "--curriculum.round-steps=0",
    "--curriculum.verified=4",
    "--evaluation.verified=4",
    "--resources.images-per-shard=16",
    "--resources.workers=2",
    "--resources.worker-cpus=2",
    "--resources.image-cpus=4",
)
SWEEP = (
    "--dataset.synthetic.train-places=64",
    "--dataset.synthetic.validation-places=32",
    "--translation.steps=10",
    "--cold-start.intra-epochs=1",
    "--cold-start.cross-epochs=1",
    "--curriculum.rounds=2",
    "--curriculum.epochs-per-round=1",
    "--curriculum.labels=margin",  # so few places are in doubt for the judge, and the run would stop
    "--curriculum.final-margin=0",
    "--resources.images-per-shard=16",
    "--resources.workers=1",
    "--resources.worker-cpus=2",
    "--resources.image-cpus=2",
)
"""Two trials at a time, on a machine each."""
SPACE = "settings:\n  curriculum.min_margin: {grid: [0.0, 0.002]}\n"


@dataclass
class Machines:
    """A head without CPUs and its workers, each with its own folder below `base`."""

    base: Path
    store: ObjectStore
    port: int
    ray: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def environment(self, name: str) -> dict[str, str]:
        own = {"RAY_TMPDIR": str(self.base / name), "UCVGL_CACHE": str(self.base / name / "cache")}
        return plain() | self.store.environment | {"RAY_AUTH_MODE": "disabled"} | own

    def start(self, name: str) -> None:
        for folder in (HEAD, *WORKERS):
            (self.base / folder).mkdir(exist_ok=True)
        ray = f"ray start --block --object-store-memory=100000000 --num-gpus=0 --temp-dir={self.base / name}/ray"
        ray += " --dashboard-agent-listen-port=0"
        if name == HEAD:
            ray += f" --head --port={self.port} --num-cpus=0 --dashboard-port=0 --node-ip-address=127.0.0.1"
        else:
            ray += f" --address=127.0.0.1:{self.port} --num-cpus={CPUS} --node-ip-address=127.0.0.1"
        log = self.base / f"{name}.log"
        for _ in range(3):  # Ray gives itself 30 s, which a busy machine may not
            with log.open("wb") as file:
                self.ray[name] = subprocess.Popen(
                    self.alone(name, ray), env=self.environment(name), stdout=file, stderr=file, start_new_session=True
                )
            wait_until(lambda: b"Ray runtime started" in log.read_bytes() or self.ray[name].poll() is not None)
            if self.ray[name].poll() is None:
                return
        raise AssertionError(log.read_text())

    def alone(self, name: str, command: str) -> list[str]:
        """A command that sees nothing of what lies on the other machines."""
        hidden = [f"mount -t tmpfs nothing {self.base / other}" for other in (HEAD, *WORKERS) if other != name]
        return ["unshare", "--mount", "sh", "-c", " && ".join([*hidden, f"exec {command}"])]

    def begin(self, *words: str, log: Path) -> subprocess.Popen[bytes]:
        """Run a program of ours on the head."""
        home = self.base / HEAD
        command = f"sh -c 'cd {home} && exec {sys.executable} {' '.join(words)}'"
        env = self.environment(HEAD) | {"RAY_ADDRESS": f"127.0.0.1:{self.port}"}
        with log.open("ab") as file:
            return subprocess.Popen(self.alone(HEAD, command), env=env, stdout=file, stderr=file)

    def replace(self, work: str) -> str:
        """kill -9 all that runs on a machine on which such work is done, and start an empty one; its name, if any."""
        for name in [name for name in self.ray if name != HEAD]:
            below = processes_with(f"RAY_TMPDIR={self.base / name}")
            if any(work in command_of(pid) for pid in below):
                for pid in below:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self.ray.pop(name).wait()
                for left in (self.base / name).iterdir():
                    shutil.rmtree(left, ignore_errors=True)
                self.start(name)
                return name
        return ""

    def stop(self) -> None:
        for process in reversed(self.ray.values()):
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=60)
        for name in (HEAD, *WORKERS):
            for pid in processes_with(f"RAY_TMPDIR={self.base / name}"):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def machines(moto: ObjectStore) -> Iterator[Machines]:
    with tempfile.TemporaryDirectory(prefix="ucvgl") as folder:
        found = Machines(Path(folder), moto, free_ports(1)[0])
        try:
            for name in (HEAD, *WORKERS):
                found.start(name)
            yield found
        finally:
            found.stop()


@pytest.fixture
def city(moto: ObjectStore, bucket: str, shared_folder: Path, tmp_path: Path) -> str:
    """The world of the other tests, in the bucket."""
    (world,) = rendered_world(shared_folder, tmp_path / "images", PLACES).iterdir()
    for file in sorted(world.glob("*/*/*.jpg")):
        moto.client().upload_file(str(file), bucket, f"city/{file.relative_to(world)}")
    return f"s3://{bucket}/city"


def test_a_bucket_is_all_that_machines_share_and_one_is_lost_in_every_stage(machines, city, bucket, tmp_path, proof):
    """A lost machine comes back with an empty cache. An index is made from the bucket, and asked; and the files of the
    run are those of one machine and a folder."""
    flags, log = ["tiny", "--dataset.name=folder", f"--dataset.root={city}", *SHORT], machines.base / "job.log"
    uri, begun = f"s3://{bucket}/runs/a", time.monotonic()
    run = machines.base / HEAD / "cache" / bucket / "runs" / "a"
    job = machines.begin(str(ROOT / "jobs" / "unsupervised.py"), *flags, f"--run={uri}", log=log)
    numbers = run / "metrics.jsonl"
    lost: dict[str, str] = {}

    def lose(said: str, work: str) -> bool:
        if any(said in so_far(file) for file in (log, numbers)):
            lost[said] = machines.replace(work)
        return bool(lost.get(said)) or job.poll() is not None

    for said, work in MOMENTS.items():
        wait_until(partial(lose, said, work))
    assert job.wait(timeout=2 * JOB_S) == 0, log.read_text()
    seconds = round(time.monotonic() - begun)
    assert log.read_text().count("a worker died: a new group goes on") >= 3

    area, answers = f"s3://{bucket}/area", f"s3://{bucket}/answers"
    tiles = ["index", uri, f"{city}/validation/satellite", f"--out={area}", "--images-per-shard=16"]
    photos = ["localize", f"{city}/validation/panorama", f"--index={area}", f"--parquet={answers}"]
    for command in (tiles, photos):
        assert machines.begin("-m", "ucvgl.cli", *command, log=log).wait(timeout=JOB_S) == 0, log.read_text()
    assert any(name.endswith(".parquet") for name in list_files(answers))

    begun, plainly, ray = time.monotonic(), tmp_path / "plain", tempfile.mkdtemp(prefix="ucvgl")
    command = [sys.executable, str(ROOT / "jobs" / "unsupervised.py"), *flags, f"--run={plainly}"]
    env = machines.environment(HEAD) | {"RAY_TMPDIR": ray}
    alone = subprocess.run(command, env=env, capture_output=True, text=True, timeout=2 * JOB_S)
    shutil.rmtree(ray, ignore_errors=True)
    assert alone.returncode == 0, alone.stderr
    assert recorded(run) == recorded(plainly), "not the files of one machine"

    caches = {name: machines.base / name / "cache" / bucket / "runs" / "a" for name in (HEAD, *WORKERS)}
    fetched = {name: sum(of_images(cache).values()) for name, cache in caches.items()}
    stores = {place: size for place, size in list_files(uri).items() if place.endswith(".arrow")}
    trained = sum(size for place, size in stores.items() if "/validation/" not in place)
    told = {"seconds": seconds, "alone": round(time.monotonic() - begun), "trained_bytes": trained}
    proof(what="no shared disk", **told, lost=lost, fetched=fetched)


def test_so_does_a_sweep_over_rendered_worlds_and_a_trial_outlives_its_machine(machines, bucket, tmp_path, proof):
    """Worlds are rendered into the bucket. The sweep is that of one machine and a folder, and asking again from a
    machine that has nothing of it makes nothing again."""
    uri, log, space = f"s3://{bucket}/sweeps/a", machines.base / "sweep.log", tmp_path / "space.yaml"
    space.write_text(SPACE)
    words, begun = [str(ROOT / "jobs" / "tune.py"), str(space), "tiny", *SWEEP], time.monotonic()
    job, lost = machines.begin(*words, f"--run={uri}", log=log), ""

    def lose() -> bool:
        nonlocal lost
        if not lost and "after round 1" in so_far(log):
            lost = machines.replace("run_trial") or machines.replace("ImplicitFunc")
        return bool(lost) or job.poll() is not None

    wait_until(lose)
    assert job.wait(timeout=2 * JOB_S) == 0, log.read_text()
    assert lost, log.read_text()
    seconds, made = round(time.monotonic() - begun), records_in(uri)
    assert any(name.startswith("shared/.worlds/") for name in list_files(uri))
    caches = {name: machines.base / name / "cache" / bucket / "sweeps" / "a" for name in (HEAD, *WORKERS)}
    fetched = {
        name: {str(file.parent.relative_to(cache)): sum(of_images(file.parent).values())
               for file in sorted(cache.rglob(ARRIVALS))}
        for name, cache in caches.items()
    }  # fmt: skip

    shutil.rmtree(machines.base / HEAD / "cache")
    again = time.monotonic()
    assert machines.begin(*words, f"--run={uri}", log=log).wait(timeout=JOB_S) == 0, log.read_text()
    again_s = round(time.monotonic() - again)
    assert records_in(uri) == made, "something was made again"

    begun, plainly, ray = time.monotonic(), tmp_path / "a", tempfile.mkdtemp(prefix="ucvgl")
    command = [sys.executable, *words, f"--run={plainly}", f"--dataset.root={tmp_path / 'data'}"]
    env = machines.environment(HEAD) | {"RAY_TMPDIR": ray}
    alone = subprocess.run(command, env=env, capture_output=True, text=True, timeout=2 * JOB_S)
    shutil.rmtree(ray, ignore_errors=True)
    assert alone.returncode == 0, alone.stderr
    for name in ("shared", *(f"trials/{number:03d}" for number in range(2))):
        here = {place: digest for place, digest in recorded(plainly / name).items() if not place.startswith("1_")}
        assert parts_of(made, name) == here, "not the files of one machine"
    results = [json.loads(text) for text in (read(f"{uri}/results.json"), (plainly / "results.json").read_bytes())]
    assert results[0] == results[1]
    stores = sum(size for place, size in list_files(f"{uri}/shared").items() if place.endswith(".arrow"))
    told = {"seconds": seconds, "again": again_s, "alone": round(time.monotonic() - begun), "images": stores}
    proof(what="a sweep without a shared disk", **told, lost=lost, fetched=fetched)


def records_in(uri: str) -> dict[str, bytes]:
    """The records of all stages of all runs of a sweep."""
    return {name: read(f"{uri}/{name}") for name in list_files(uri) if name.endswith("/DONE.json")}


def parts_of(records: dict[str, bytes], run: str) -> dict[str, str]:
    """What the stages of one of them say that they hold, but for the lists of images, which say where these lie."""
    found = {}
    for name, record in records.items():
        stage = name.removeprefix(f"{run}/").partition("/")[0]
        if name == f"{run}/{stage}/DONE.json" and stage[0] in "2345":
            parts = json.loads(record)["parts"]
            found |= {f"{stage}/{part}": told["sha256"] for part, told in parts.items()}
    return found


def so_far(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:  # ended meanwhile
        return ""


def recorded(run: Path) -> dict[str, str]:
    """What the stages say that they hold."""
    found = {}
    for done in run.glob("[1-5]_*/DONE.json"):
        parts = json.loads(done.read_text())["parts"]
        found |= {f"{done.parent.name}/{name}": part["sha256"] for name, part in parts.items()}
    return found


def of_images(cache: Path) -> dict[str, int]:
    """Bytes of every image shard that a machine fetched, which it does once."""
    found: dict[str, int] = {}
    if not (cache / ARRIVALS).exists():
        return found
    for line in (cache / ARRIVALS).read_text().splitlines():
        place, size, *_, fetched = json.loads(line)
        if fetched and place.endswith(".arrow"):
            assert place not in found, f"{cache} has fetched {place} twice"
            found[place] = size
    return found
