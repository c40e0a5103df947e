#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds Jaeger 2.13 for the tests, unless it is there already, and prints its path.
# JAEGER_BIN names another path; the default outlives a clean checkout.
set -euo pipefail

binary="${JAEGER_BIN:-${XDG_CACHE_HOME:-$HOME/.cache}/opentelemetry-genai-mistralai/jaeger-1.76.0/jaeger}"

# Packages are counted, for their names are 2,000 lines; what else go says is passed on. Not by awk:
# some wait for 4 KB before they look at the first line.
counted() {
    local line known=0 name='^[A-Za-z0-9._~/-]+$'
    while IFS= read -r line; do
        if [[ ! "$line" =~ $name && "$line" != "go: downloading "* ]]; then
            echo "$line"
        elif ((++known % 100 == 0)); then
            echo "  $known of about 2,000 modules and packages"
        fi
    done
}

if [[ ! -x "$binary" ]]; then
    if ! command -v go >/dev/null; then
        echo "build.sh: Jaeger is built from its Go module and there is no 'go' in PATH:" \
            "install Go (https://go.dev/dl/), or set JAEGER_BIN to a Jaeger 2 binary" >&2
        exit 1
    fi
    mkdir -p "$(dirname "$binary")"
    # Absolute, because go runs in another folder.
    binary="$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")"
    cat >&2 <<TEXT
Building Jaeger 2.13 from its Go module, once, into $binary
It downloads and compiles for 3 to 30 minutes; Go's caches grow by 1.3 GB, the binary has 85 MB.
TEXT
    # An interrupted build must not leave half a binary under the name that later runs trust.
    unfinished="$(mktemp "$binary.XXXXXX")"
    trap 'rm -f "$unfinished"' EXIT
    # Ctrl-C reaches go, too; what is left to do is the trap above.
    trap 'exit 130' INT
    cd "$(dirname "${BASH_SOURCE[0]}")/build"
    go build -v -trimpath -ldflags='-s -w' -o "$unfinished" \
        github.com/jaegertracing/jaeger/cmd/jaeger 2> >(counted >&2)
    chmod 755 "$unfinished"
    mv "$unfinished" "$binary"
fi
echo "$binary"
