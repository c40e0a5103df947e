# SPDX-License-Identifier: Apache-2.0
"""Keeps the user's words: whether they are captured, cleaned of secrets, cut, and in what shape.

Knows the objects of the SDK by their fields only, and nothing of spans. Start with `mode`, then
`messages`.
"""
