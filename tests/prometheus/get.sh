#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gets Prometheus for the tests out of Debian's package, unless it is there already, and prints its
# path. Nothing is installed: the package would start a service on every address of the machine.
# PROMETHEUS_BIN names another path; the default outlives a clean checkout.
set -euo pipefail

binary="${PROMETHEUS_BIN:-${XDG_CACHE_HOME:-$HOME/.cache}/opentelemetry-genai-mistralai/prometheus/prometheus}"

if [[ ! -x "$binary" ]]; then
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        echo "get.sh: Prometheus is taken from its Debian package and there is no 'apt-get' here:" \
            "get one from https://prometheus.io/download/ and set PROMETHEUS_BIN to it" >&2
        exit 1
    fi
    mkdir -p "$(dirname "$binary")"
    # Beside the binary, so that the last step is a rename: an interrupted run must not leave half a
    # binary under the name that later runs trust.
    unpacked="$(mktemp -d "$binary.XXXXXX")"
    trap 'rm -rf "$unpacked"' EXIT
    download() { (cd "$unpacked" && apt-get download -qq -o APT::Sandbox::User=root prometheus) >&2; }
    # A fresh machine has no lists of packages yet, and only root can get them.
    if ! download 2>/dev/null && { [[ $EUID -ne 0 ]] || ! apt-get update -qq >&2 || ! download; }; then
        echo "get.sh: no package to download; 'apt-get update' (as root) gets the lists" >&2
        exit 1
    fi
    dpkg-deb -x "$unpacked"/prometheus_*.deb "$unpacked/files"
    mv "$unpacked/files/usr/bin/prometheus" "$binary"
fi
echo "$binary"
