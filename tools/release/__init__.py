# SPDX-License-Identifier: Apache-2.0
"""Everything that a release does except the upload; ``python -m tools.release`` runs it."""
