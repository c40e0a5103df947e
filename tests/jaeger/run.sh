#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the Jaeger that build.sh builds until Ctrl-C, on 127.0.0.1 only, and prints its addresses.
# Traces are kept in memory. The ports are the usual ones; these variables choose others.
set -euo pipefail

export JAEGER_QUERY_PORT="${JAEGER_QUERY_PORT:-16686}"
export JAEGER_OTLP_PORT="${JAEGER_OTLP_PORT:-4318}"
export JAEGER_GRPC_PORT="${JAEGER_GRPC_PORT:-16685}"
here="$(dirname "${BASH_SOURCE[0]}")"
# Not in the same line as `export` or `local`, which would hide that it failed.
binary="$("$here/build.sh")"

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

for port in "$JAEGER_QUERY_PORT" "$JAEGER_OTLP_PORT" "$JAEGER_GRPC_PORT"; do
    if answers "$port"; then
        echo "run.sh: something listens on 127.0.0.1:$port already, perhaps another Jaeger;" \
            "JAEGER_QUERY_PORT, JAEGER_OTLP_PORT and JAEGER_GRPC_PORT choose other ports" >&2
        exit 1
    fi
done

log="$(mktemp)"
"$binary" --config "$here/jaeger.yaml" >"$log" 2>&1 &
jaeger=$!

stop() {
    trap '' INT TERM
    kill "$jaeger" 2>/dev/null || true
    wait "$jaeger" || true
    rm -f "$log"
    exit "$1"
}
trap 'stop 130' INT
trap 'stop 143' TERM

until answers "$JAEGER_QUERY_PORT" && answers "$JAEGER_OTLP_PORT"; do
    if ! kill -0 "$jaeger" 2>/dev/null; then
        echo "run.sh: Jaeger ended by itself:" >&2
        cat "$log" >&2
        stop 1
    fi
    sleep 0.1
done

cat <<TEXT
Jaeger runs at http://127.0.0.1:$JAEGER_QUERY_PORT until Ctrl-C. In another terminal:
  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$JAEGER_OTLP_PORT make demo
  make chat    (finds it by itself, and links each answer to its trace)
Its API is complete; a Jaeger built from its Go module has no web UI.
TEXT
wait "$jaeger" || true
echo "run.sh: Jaeger ended by itself:" >&2
cat "$log" >&2
stop 1
