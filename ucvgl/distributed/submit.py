"""Send the working tree to a cluster as a job, and follow it to its end."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

import ray
from ray.exceptions import AuthenticationError
from ray.job_submission import JobStatus, JobSubmissionClient

from ucvgl.distributed.start import authenticate
from ucvgl.images.uris import refuse_secrets

log = logging.getLogger(__name__)

OLDEST_RAY = (2, 60)
START_S = 120.0
"""How long a head may need, once it answers, until it takes jobs."""
FOLDERS = ("/runs/", "/data/", "/.git/", "/.venv/", "/tests/", "/docs/", "/benchmarks/")
EXCLUDES = (*FOLDERS, "*.arrow", "*.parquet", "*.npy")
"""Beside what .gitignore names. Without the first slash `data/` would take `ucvgl/data` as well."""


def submit(address: str, job: str, arguments: Sequence[str], *, root: Path) -> int:
    """Run `jobs/<job>.py` on a cluster with this working tree, and print what it prints; its exit code.

    The last line is the run's folder. Ctrl-C stops the following, not the job.

    Args:
        address: of the dashboard, as http://127.0.0.1:8265.
        root: of the working tree.

    Raises:
        ValueError: there is no such job, nothing answers, the token is refused, the cluster's Ray is too old, or an
            argument holds credentials, which the dashboard would show.
    """
    refuse_secrets(arguments)
    if not (root / "jobs" / f"{job}.py").is_file():
        known = sorted(file.stem for file in (root / "jobs").glob("*.py") if file.stem != "submit")
        raise ValueError(f"JOB={job}: there is no jobs/{job}.py; there are {', '.join(known)}")
    client = _client(address)
    _compare_versions(address, client)
    logging.getLogger("ray.dashboard.modules.dashboard_sdk").setLevel(logging.WARNING)  # it says each upload twice
    number = _send(client, shlex.join(["python", f"jobs/{job}.py", *arguments]), root)
    log.info("job %s; to stop it: ray job stop --address %s %s", number, address, number)
    try:
        run = asyncio.run(_follow(client, number))
    except KeyboardInterrupt:
        log.warning("the job goes on; to follow it again: ray job logs --follow --address %s %s", address, number)
        return 130
    info = client.get_job_info(number)
    if info.status != JobStatus.SUCCEEDED:
        log.error("job %s: %s. %s", number, info.status, _why(info.message or ""))
    print(f"run folder {run}" if run else "the job ended before it named its run folder", flush=True)
    return 0 if info.status == JobStatus.SUCCEEDED else info.driver_exit_code or 1


def _client(address: str) -> JobSubmissionClient:
    if not re.match(r"https?://", address):
        raise ValueError(
            f"ADDRESS={address}: give the address of the dashboard, as http://127.0.0.1:8265 "
            "(ray dashboard clusters/aws.yaml, or kubectl port-forward, brings it to this machine)"
        )
    authenticate()
    try:
        return JobSubmissionClient(address)
    except ConnectionError as error:
        raise ValueError(f"nothing answers at {address}; is the cluster up, and its port 8265 forwarded?") from error
    except AuthenticationError as error:
        sent = "no token was sent" if os.environ["RAY_AUTH_MODE"] != "token" else "another token was sent"
        raise ValueError(
            f"the cluster at {address} asks for a token, and {sent}; set RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH to a "
            "file that holds it (docs/cluster.md)"
        ) from error


def _compare_versions(address: str, client: JobSubmissionClient) -> None:
    there = json.loads(client._do_request("GET", "/api/version").text)["ray_version"]
    if _release(there) < OLDEST_RAY:
        oldest = ".".join(map(str, OLDEST_RAY))
        raise ValueError(
            f"the cluster at {address} runs Ray {there}, and this needs {oldest} or newer; rebuild its image from "
            "clusters/Containerfile"
        )
    if _release(there) != _release(ray.__version__):
        here = ray.__version__
        log.warning("the cluster runs Ray %s, this machine Ray %s; the job runs with the cluster's", there, here)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _send(client: JobSubmissionClient, command: str, root: Path) -> str:
    """Submit; a head that has just started answers before it can take jobs."""
    os.environ.setdefault("RAY_OVERRIDE_RUNTIME_ENV_DEFAULT_EXCLUDES", "")  # ours name them too, without a warning
    begun, code = time.monotonic(), {"working_dir": str(root), "excludes": list(EXCLUDES)}
    while True:
        try:
            return client.submit_job(entrypoint=command, runtime_env=code)
        except (RuntimeError, ValueError) as error:
            if found := re.search(r"size \((\S+)\) exceeds the maximum size of (\S+?)\.? ", str(error)):
                raise ValueError(
                    f"{root} has {found[1]} to send, and Ray takes {found[2]}; name in .gitignore what the job does "
                    "not need, or put it outside this folder"
                ) from error
            if "No available agent" not in str(error):
                raise
            if time.monotonic() - begun > START_S:
                raise ValueError(
                    f"the head answers but takes no jobs, for {START_S:.0f} s now; does another Ray on its machine "
                    "hold the port of its job agent (ray start --dashboard-agent-listen-port=0 takes a free one)? Its "
                    "dashboard_agent.log says more"
                ) from error
            log.info("the head is still starting")
        time.sleep(1)


async def _follow(client: JobSubmissionClient, number: str) -> str:
    """Print the job's output as it comes; the run folder that it names."""
    run = ""
    async for text in client.tail_job_logs(number):
        print(text, end="", flush=True)
        found = re.search(r"^ucvgl \S+ +run folder (\S+)", text, re.MULTILINE)
        run = found[1] if found else run
    return run


def _why(message: str) -> str:
    """Ray's message about an end, with what is behind it in plain words."""
    if re.search(r"No module named|ModuleNotFoundError", message):
        return f"{message}\nThe machines lack a package: rebuild their image from clusters/Containerfile."
    return message
