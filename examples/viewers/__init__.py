# SPDX-License-Identifier: Apache-2.0
"""What MLflow and Phoenix show of conversations, and recipes to see more of them."""
