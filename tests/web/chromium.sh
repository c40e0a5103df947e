#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs Chromium with apt-get for the tests, unless one is there already, and prints its path.
# CHROMIUM names another one. (Playwright's own browsers come from no package registry.)
set -euo pipefail

browser="${CHROMIUM:-$(command -v chromium || true)}"

if [[ -n "$browser" && ! -x "$browser" ]]; then
    echo "chromium.sh: CHROMIUM is $browser, which is no program" >&2
    exit 1
fi
if [[ -z "$browser" ]]; then
    if ! command -v apt-get >/dev/null; then
        echo "chromium.sh: there is no 'chromium' in PATH and no 'apt-get' to install it with:" \
            "install Chromium, or set CHROMIUM to the path of a Chromium or Chrome" >&2
        exit 1
    fi
    as_root=()
    [[ "$(id -u)" == 0 ]] || as_root=(sudo)
    # What apt-get says goes to stderr: stdout is the path alone.
    {
        "${as_root[@]}" apt-get update -qq
        DEBIAN_FRONTEND=noninteractive "${as_root[@]}" \
            apt-get install -y -qq --no-install-recommends chromium
    } >&2
    browser="$(command -v chromium)"
fi
echo "$browser"
