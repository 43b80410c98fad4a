# SPDX-License-Identifier: GPL-2.0-only
"""From drained records to ordered batches. Knows nothing of kernels or files."""
