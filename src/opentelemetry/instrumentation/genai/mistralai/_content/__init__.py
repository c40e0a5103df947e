# SPDX-License-Identifier: Apache-2.0
"""Reads content: decides whether it is captured, redacts and cuts it, and shapes it as messages.

It reads the SDK's objects by their fields only, and uses no spans. Start with `mode`, then
`messages`.
"""
