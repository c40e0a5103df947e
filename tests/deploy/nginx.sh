#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gets nginx for the tests out of its Debian package, unless it is there already, and prints its path.
# Nothing is installed: the package would start a service. NGINX_BIN names another one; the default
# outlives a clean checkout.
set -euo pipefail

binary="${NGINX_BIN:-${XDG_CACHE_HOME:-$HOME/.cache}/opentelemetry-genai-mistralai/nginx-debian/nginx}"

if [[ "${1:-}" != where && ! -x "$binary" ]]; then
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        echo "nginx.sh: nginx is taken from its Debian package and there is no 'apt-get' here:" \
            "install one and set NGINX_BIN to it" >&2
        exit 1
    fi
    mkdir -p "$(dirname "$binary")"
    work="$(mktemp -d "$binary.XXXXXX")"
    trap 'rm -rf "$work"' EXIT
    download() { (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root nginx) >&2; }
    # A fresh machine has no lists of packages yet, and only root can get them.
    if ! download 2>/dev/null && { [[ $EUID -ne 0 ]] || ! apt-get update -qq >&2 || ! download; }; then
        echo "nginx.sh: no package to download; 'apt-get update' (as root) gets the lists" >&2
        exit 1
    fi
    dpkg-deb --extract "$work"/nginx_*.deb "$work/files"
    "$work/files/usr/sbin/nginx" -v >&2
    # The last step is a rename: an interrupted run must not leave half a binary under that name.
    mv "$work/files/usr/sbin/nginx" "$binary"
fi
echo "$binary"
