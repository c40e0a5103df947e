# SPDX-License-Identifier: Apache-2.0
"""Wraps the methods of mistralai with wrapt: calls, streams, agent loops and their tools.

Start with `table`, then `calls`.
"""
