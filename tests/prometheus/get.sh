#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gets Prometheus and promtool for the tests out of Debian's packages, unless they are there already,
# and prints Prometheus' path; promtool is beside it. Nothing is installed: the package would start a
# service on every address of the machine. PROMETHEUS_BIN names another one; the default outlives a
# clean checkout.
set -euo pipefail

if [[ -n "${PROMETHEUS_BIN:-}" ]]; then
    if [[ ! -x "$PROMETHEUS_BIN" ]]; then
        echo "get.sh: PROMETHEUS_BIN is $PROMETHEUS_BIN, which is no program" >&2
        exit 1
    fi
    echo "$PROMETHEUS_BIN"
    exit
fi

folder="${XDG_CACHE_HOME:-$HOME/.cache}/opentelemetry-genai-mistralai/prometheus-debian"

if [[ ! -x "$folder/prometheus" ]]; then
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        echo "get.sh: Prometheus is taken from its Debian package and there is no 'apt-get' here:" \
            "get one from https://prometheus.io/download/ and set PROMETHEUS_BIN to it" >&2
        exit 1
    fi
    mkdir -p "$(dirname "$folder")"
    # Beside the folder, so that the last step is a rename: an interrupted run must not leave half of
    # it under the name that later runs trust.
    work="$(mktemp -d "$folder.XXXXXX")"
    trap 'rm -rf "$work"' EXIT
    download() { (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root "$@") >&2; }
    # A fresh machine has no lists of packages yet, and only root can get them.
    if ! download prometheus 2>/dev/null &&
        { [[ $EUID -ne 0 ]] || ! apt-get update -qq >&2 || ! download prometheus; }; then
        echo "get.sh: no package to download; 'apt-get update' (as root) gets the lists" >&2
        exit 1
    fi
    # Its pages are files in Debian, and link to the scripts and fonts of other packages. d3 is what
    # rickshaw needs.
    mapfile -t parts < <(dpkg-deb -f "$work"/prometheus_*.deb Depends |
        grep -oE '(libjs|fonts)-[a-z0-9.+-]+' | sort -u)
    download "${parts[@]}" libjs-d3
    mkdir -p "$work/files"
    for package in "$work"/*.deb; do
        # The timezones' raw data are 200 MB that no page loads.
        dpkg-deb --fsys-tarfile "$package" | tar -x -C "$work/files" \
            --exclude='./usr/share/javascript/moment-timezone/data' --exclude='./usr/share/doc'
    done
    # The binary looks for its pages in /usr/share, and answers 500 without them. A Prometheus that
    # has them in itself does not know the flag.
    pages=''
    if [[ "$("$work/files/usr/bin/prometheus" --help 2>&1)" == *--web.local-assets* ]]; then
        pages='--web.local-assets="$here/usr/share/prometheus/web"'
    fi
    cat >"$work/files/prometheus" <<EOF
#!/bin/sh
here="\$(dirname "\$(readlink -f "\$0")")"
exec "\$here/usr/bin/prometheus" $pages "\$@"
EOF
    chmod 755 "$work/files/prometheus"
    ln -s usr/bin/promtool "$work/files/promtool"
    "$work/files/prometheus" --version >&2
    # Two runs at once: the first one's folder is as good.
    mv -T "$work/files" "$folder" 2>/dev/null || [[ -x "$folder/prometheus" ]]
fi
echo "$folder/prometheus"
