#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Downloads Kafka's and Cassandra's jars from Maven Central, unless they are there already, and
# prints the folder that has them; with `where` it only prints it.
# DEPLOY_JARS names another folder; the default outlives a clean checkout.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

# The name tells what is inside: other versions in pom.xml are another folder.
contents="$(cksum <"$here/pom.xml" | cut -d' ' -f1)"
jars="${DEPLOY_JARS:-${XDG_CACHE_HOME:-$HOME/.cache}/opentelemetry-genai-mistralai/deploy-jars-$contents}"

if [[ "${1:-}" != where && ! -d "$jars" ]]; then
    if ! command -v mvn >/dev/null; then
        echo "download.sh: Kafka and Cassandra come from Maven Central and there is no 'mvn' in PATH:" \
            "install Maven (https://maven.apache.org/install.html)" >&2
        exit 1
    fi
    mkdir -p "$(dirname "$jars")"
    # An interrupted download must not leave half the jars under the name that later runs trust.
    unfinished="$(mktemp -d "$jars.XXXXXX")"
    trap 'rm -rf "$unfinished"' EXIT
    for part in kafka cassandra; do
        mvn --batch-mode --quiet --file "$here/pom.xml" --activate-profiles "$part" \
            org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
            -DincludeScope=runtime -DoutputDirectory="$unfinished/$part" >&2
    done
    chmod 755 "$unfinished"
    # Somebody else may have finished first: `mv` would then put ours inside of theirs.
    [[ -d "$jars" ]] || mv "$unfinished" "$jars"
fi
echo "$jars"
