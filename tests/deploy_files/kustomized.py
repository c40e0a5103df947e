# SPDX-License-Identifier: Apache-2.0
"""What ``kubectl apply -k`` would send: as much of kustomize as the examples use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

_KNOWN = {"apiVersion", "kind", "namespace", "resources", "configMapGenerator"}
_CLUSTERS = {"Namespace"}

Manifest = dict[str, Any]


def build(folder: Path) -> list[Manifest]:
    """The manifests of a folder with a ``kustomization.yaml``.

    Names of generated ConfigMaps have no hash at their end, as kustomize's have.
    """
    text = (folder / "kustomization.yaml").read_text()
    customization: Manifest = yaml.safe_load(text)
    # What is not known here would be left out of what is tested.
    assert set(customization) <= _KNOWN, set(customization) - _KNOWN
    found: list[Manifest] = []
    for resource in customization.get("resources", ()):
        path = folder / resource
        found += build(path) if path.is_dir() else list(yaml.safe_load_all(path.read_text()))
    for generator in customization.get("configMapGenerator", ()):
        assert set(generator) == {"name", "files"}
        data = {name: (folder / name).read_text() for name in generator["files"]}
        metadata = {"name": generator["name"]}
        found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    for manifest in found:
        if manifest["kind"] not in _CLUSTERS:
            manifest["metadata"]["namespace"] = customization["namespace"]
    return found
