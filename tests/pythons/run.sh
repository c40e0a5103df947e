#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests on Pythons that no stable system has yet: those of PYTHONS ("3.14 3.15"), each
# from the PATH if it is there, or out of Debian sid, in a folder of its own that root changes into
# (debootstrap; a minute, and 1 GB with the packages of the tests). A free-threaded one is named
# "3.14t" and comes from the PATH alone: Debian has none. What `tests/pythons/run.sh 3.14 -- -k name`
# has behind the dashes is pytest's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

versions=()
while [[ $# -gt 0 && "$1" != -- ]]; do versions+=("$1"); shift; done
[[ $# -eq 0 ]] || shift
[[ ${#versions[@]} -gt 0 ]] || versions=(3.14 3.15)

# What depends on the interpreter; the rest is about files of the tree, and about servers.
tests=(tests/unit tests/emulator tests/end_to_end tests/conformance tests/completion_hook tests/doctor
    tests/zero_code tests/exporters tests/surroundings/test_options.py)
run=(-m pytest -n "${JOBS:-2}" --dist loadfile "${tests[@]}" "$@")
groups=(--group test --group zero --group util)
sid="${XDG_CACHE_HOME:-$HOME/.cache}/opentelemetry-genai-mistralai/debian-sid"

on_the_path() {
    local venv=".nox/python-$1"
    mkdir -p .nox
    [[ -x "$venv/bin/uv" ]] || { "python$1" -m venv "$venv" && "$venv/bin/python" -m pip install --quiet uv; }
    "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --editable . "${groups[@]}"
    "$venv/bin/python" "${run[@]}"
}

get_sid() {
    if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
        echo "run.sh: there is no python$1 in PATH, and only root on a Debian can get one out of sid:" \
            "install one, from https://www.python.org/downloads/ or with 'uv python install $1'" >&2
        return 1
    fi
    command -v debootstrap >/dev/null ||
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap; } >&2
    mkdir -p "$(dirname "$sid")"
    # An interrupted run must not leave half a system under the name that later runs trust.
    local unfinished
    unfinished="$(mktemp -d "$sid.XXXXXX")"
    chmod 755 "$unfinished"
    debootstrap --variant=minbase --include=ca-certificates sid "$unfinished" >&2 ||
        { rm -rf "$unfinished"; return 1; }
    mv -T "$unfinished" "$sid"
}

# In namespaces of its own, so that its mounts and what it starts go with it.
inside() {
    unshare --mount --pid --fork --kill-child sh -euc '
        mount --make-rprivate /
        mount -t proc proc "$0/proc"
        mount --rbind /dev "$0/dev"
        exec chroot "$0" "$@"' "$sid" env -i HOME=/root LANG=C.UTF-8 CI="${CI:-}" \
        PATH="/venv-$1/bin:/usr/sbin:/usr/bin:/sbin:/bin" SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
        sh -euc "cd /src; ${*:2}"
}

out_of_sid() {
    [[ -d "$sid" ]] || get_sid "$1"
    cp /etc/resolv.conf "$sid/etc/resolv.conf"
    # Of this machine, whose network may have an authority of its own.
    cp /etc/ssl/certs/ca-certificates.crt "$sid/etc/ssl/certs/"
    rm -rf "$sid/src" && mkdir "$sid/src"
    git ls-files -z --cached --others --exclude-standard | tar --null -T - -c | tar -x -C "$sid/src"
    [[ -x "$sid/usr/bin/python$1" ]] || inside "$1" "apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        python$1 python$1-venv libpython$1-testsuite" >&2
    [[ -x "$sid/venv-$1/bin/uv" ]] ||
        inside "$1" "python$1 -m venv /venv-$1 && /venv-$1/bin/python -m pip install --quiet uv"
    inside "$1" "uv pip install --quiet --python /venv-$1/bin/python --editable . ${groups[*]}"
    inside "$1" "python $(printf '%q ' "${run[@]}")"
}

failed=()
for version in "${versions[@]}"; do
    printf '\n== Python %s\n' "$version"
    if command -v "python$version" >/dev/null && "python$version" --version >/dev/null 2>&1; then
        on_the_path "$version" || failed+=("$version")
    elif [[ "$version" == *t ]]; then
        echo "run.sh: there is no python$version in PATH, and Debian has no free-threaded Python" >&2
        failed+=("$version")
    else
        out_of_sid "$version" || failed+=("$version")
    fi
done
[[ ${#failed[@]} -eq 0 ]] || { echo "run.sh: failed on Python ${failed[*]}" >&2; exit 1; }
