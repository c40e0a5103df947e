# SPDX-License-Identifier: Apache-2.0
"""Ours and other instrumentations of mistralai, side by side in one run: ``make bench-peers``.

Never in ``.ci/run``: it takes minutes, installs other people's packages, and two runs on a shared
machine differ by more than what is compared.
"""
