# SPDX-License-Identifier: Apache-2.0
"""What maintainers run: checks of a release, and the list of licences."""
