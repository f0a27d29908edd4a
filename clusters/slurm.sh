#!/usr/bin/env bash
# One job on a Slurm allocation: a Ray head on the first node, a worker on every node, the job, and all ends with it.
#
#   sbatch --nodes=4 --gpus-per-node=1 clusters/slurm.sh folder --dataset.root /shared/city --run /shared/runs/city
#
# Start it from the project's folder, with an environment that holds its dependencies; the folder and the run must lie
# on a disk that all nodes share. A job that was preempted is queued again and resumes.
#SBATCH --job-name=ucvgl
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --exclusive
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
set -euo pipefail

cpus=${SLURM_CPUS_PER_TASK:-16}
gpus=${SLURM_GPUS_ON_NODE:-0}
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{print $1}')
port=$((20000 + SLURM_JOB_ID % 10000)) # two jobs may share a node's network

# Any user of the cluster can reach the ports, so the token is the job's own.
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0 RAY_TMPDIR=/tmp/ray_$SLURM_JOB_ID
RAY_AUTH_TOKEN=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
export RAY_AUTH_TOKEN

started=()
stop() {
  trap - EXIT
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do
    kill -TERM "${started[i]}" 2>/dev/null && wait "${started[i]}" 2>/dev/null || true
  done
}
trap stop EXIT
trap 'kill -TERM "$job" 2>/dev/null; wait "$job"; exit 143' TERM

srun --nodes=1 --ntasks=1 --nodelist="$head" --overlap \
  ray start --head --block --node-ip-address="$address" --port="$port" --num-cpus="$cpus" --num-gpus="$gpus" &
started+=($!)
if ((SLURM_JOB_NUM_NODES > 1)); then
  sleep 15
  srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$head" --overlap \
    ray start --block --address="$address:$port" --num-cpus="$cpus" --num-gpus="$gpus" &
  started+=($!)
fi

# The job waits until every machine has joined: it would be refused on fewer than it asks for.
srun --nodes=1 --ntasks=1 --nodelist="$head" --overlap bash -c '
  python -c "
import sys, time, ray
ray.init(address=sys.argv[1], logging_level=\"ERROR\", log_to_driver=False)
while sum(node[\"Alive\"] for node in ray.nodes()) < int(sys.argv[2]):
    time.sleep(1)
" "$0" "$1"
  exec python jobs/unsupervised.py "${@:2}" --resources.address "$0"' "$address:$port" "$SLURM_JOB_NUM_NODES" "$@" &
job=$!
wait "$job"
