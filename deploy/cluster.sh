#!/usr/bin/env bash
# Three nodes on this machine, for a look at a cluster: one stream of logs, Ctrl-C stops them all.
#
#   deploy/cluster.sh VARVE [DATA_DIR]
#
# VARVE is the binary, DATA_DIR where the nodes keep their data (./varve-cluster-data). Started
# again it finds the cluster as it was; removing DATA_DIR removes all traces.
set -euo pipefail

varve=${1:?"usage: deploy/cluster.sh VARVE [DATA_DIR]"}
data=${2:-./varve-cluster-data}
nodes=(1 2 3)
limit_s=60

# Node 1 has the ports that a node alone has; each further one has ports 10 above.
http() { echo $((9420 + 10 * $1)); }
grpc() { echo $((9421 + 10 * $1)); }
peer() { echo $((9422 + 10 * $1)); }

# What starts a node again, too: who has its data directory knows its cluster.
server() {
    command=("$varve" server --data-dir "$data/node-$1" --listen-http "127.0.0.1:$(http "$1")"
        --listen-grpc "127.0.0.1:$(grpc "$1")" --listen-peer "127.0.0.1:$(peer "$1")")
}

# Each line of a node's log with the node before it. It ends when the node does, not on Ctrl-C.
prefixed() {
    trap '' INT TERM
    local prefix="node $1 |" line
    if [[ -t 1 && -z ${NO_COLOR:-} ]]; then prefix=$'\e['"$((34 + $1))m$prefix"$'\e[0m'; fi
    while IFS= read -r line; do printf '%s %s\n' "$prefix" "$line"; done
}

pids=()
start() {
    local founding=() others='' node command
    for node in "${nodes[@]}"; do
        if [[ $node != "$1" ]]; then others+="${others:+,}127.0.0.1:$(peer "$node")"; fi
    done
    if [[ $1 == "${nodes[0]}" ]]; then founding=(--bootstrap); fi
    founding+=(--join "$others")
    server "$1"
    # What one node says when it is ready is left out: what to try is said for all three.
    "${command[@]}" "${founding[@]}" </dev/null 2> >(prefixed "$1") >/dev/null &
    pids+=("$!")
}

stop() {
    trap '' INT TERM
    trap - EXIT
    # All at once: a node finishes what it has begun, and hands over what it leads while it can.
    kill -TERM "${pids[@]}" 2>/dev/null || true
    wait
    echo "stopped; the data is in $data"
    exit "$1"
}

answers() (
    exec 3<>"/dev/tcp/127.0.0.1/$(http "$1")" || exit 1
    printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3
    IFS= read -r status <&3 && [[ $status == *" 200 "* ]]
) 2>/dev/null

# Until node $1 says 200 at $2.
wait_for() {
    local pid
    until answers "$1" "$2"; do
        for pid in "${pids[@]}"; do
            if ! kill -0 "$pid" 2>/dev/null; then
                echo "a node has ended; the log above says why" >&2
                stop 1
            fi
        done
        if ((SECONDS > limit_s)); then
            echo "node $1 is not ready after $limit_s s; the log above says why" >&2
            stop 1
        fi
        sleep 0.1
    done
}

welcome() {
    local last=${nodes[-1]} command
    server "$last"
    cat <<TEXT

Three nodes are ready; data in $data
  HTTP  http://127.0.0.1:$(http 1)  http://127.0.0.1:$(http 2)  http://127.0.0.1:$(http 3)
  gRPC  http://127.0.0.1:$(grpc 1)  http://127.0.0.1:$(grpc 2)  http://127.0.0.1:$(grpc 3)

Try next, in another terminal:
  export VARVE_ENDPOINT=http://127.0.0.1:$(grpc 1),http://127.0.0.1:$(grpc 2),http://127.0.0.1:$(grpc 3)
  varve cluster status
  seq 1000000 | varve send - --service numbers
  kill -9 ${pids[-1]}        # node $last, while that runs: nothing is lost
  varve query 4711
  ${command[*]}
Ctrl-C stops them.

TEXT
}

mkdir -p "$data"
trap 'stop 0' INT TERM
trap 'stop 1' EXIT
# One after the other, so that they join in this order and have these numbers.
for node in "${nodes[@]}"; do
    start "$node"
    wait_for "$node" /health/live
done
for node in "${nodes[@]}"; do wait_for "$node" /health/ready; done
welcome
# A node that is killed leaves two: the others go on.
for pid in "${pids[@]}"; do wait "$pid" || true; done
trap - EXIT
echo "all nodes have ended"
