#!/usr/bin/env bash
# A cluster of processes on this machine: a head that does no work, and workers.
#
#   clusters/local.sh [WORKERS] [CPUS] [GPUS]       of each worker; by default 2, that share the cores
#
# It runs until Ctrl-C, then stops what it started and nothing else. PORT and DASHBOARD choose other ports,
# RAY_AUTH_MODE and RAY_AUTH_TOKEN another authentication.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." # where `ray job submit -- python jobs/...` then finds its job
command -v ray >/dev/null || PATH=$PWD/.venv/bin:$PATH
if ! command -v ray >/dev/null; then
  echo "there is no ray command: run \`make setup\` first" >&2
  exit 1
fi

workers=${1:-2}
cores=$(nproc)
cpus=${2:-$((cores / workers > 4 ? cores / workers : 4))} # 4 at least, if only by name: what a job asks for by default fits
gpus=${3:-0}
port=${PORT:-6379}
dashboard=${DASHBOARD:-8265}
export RAY_AUTH_MODE=${RAY_AUTH_MODE:-disabled} RAY_USAGE_STATS_ENABLED=0

started=()
logs=$(mktemp -d)
stop() {
  trap - EXIT INT TERM
  # The head goes last: workers without a head would wait for it.
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do
    kill -TERM "${started[i]}" 2>/dev/null && wait "${started[i]}" 2>/dev/null || true
  done
  rm -rf "$logs"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

if answers "$port"; then
  echo "port $port is in use: another cluster? choose one with PORT=" >&2
  exit 1
fi

ray start --head --block --node-ip-address=127.0.0.1 --port="$port" --num-cpus=0 --num-gpus=0 \
  --dashboard-host=127.0.0.1 --dashboard-port="$dashboard" --dashboard-agent-listen-port=0 \
  --object-store-memory=200000000 >/dev/null & # with its own number a second Ray of this machine could take no jobs
started+=($!)
until answers "$port" && answers "$dashboard"; do
  if ! kill -0 "${started[0]}" 2>/dev/null; then
    echo "the head did not start; see /tmp/ray/session_latest/logs" >&2
    exit 1
  fi
  sleep 0.2
done

# Each in a folder of its own, as machines have: every node removes and unpacks the code of a submitted job when it first
# works for it, and in a common folder that would take the working directory away from all who are at work.
folder=${RAY_TMPDIR:-${TMPDIR:-/tmp}}/ray
for ((n = 0; n < workers; n++)); do
  ray start --block --address="127.0.0.1:$port" --node-ip-address=127.0.0.1 --num-cpus="$cpus" --num-gpus="$gpus" \
    --dashboard-agent-listen-port=0 --object-store-memory=400000000 --temp-dir="$folder/worker_$n" >"$logs/$n" 2>&1 &
  started+=($!)
  # One after the other: of two that start together on one machine, one may never join (seen with Ray 2.60).
  until grep -qs "Ray runtime started" "$logs/$n"; do
    if ! kill -0 "${started[n + 1]}" 2>/dev/null; then
      tail -n 1 "$logs/$n" >&2
      exit 1
    fi
    sleep 0.2
  done
done

echo "http://127.0.0.1:$dashboard  $workers workers with $cpus CPUs, $gpus GPUs each; Ctrl-C ends it"
echo "make submit ADDRESS=http://127.0.0.1:$dashboard JOB=unsupervised ARGS='tiny --run $PWD/runs/submitted'"
wait "${started[0]}" # until Ctrl-C; a worker that dies is what a cluster has to live with
