# SPDX-License-Identifier: GPL-2.0-only
"""The type of numpy's arrays, as annotations name it."""

from typing import TYPE_CHECKING

import numpy as np

__all__ = ["NDArray"]

if TYPE_CHECKING:
    from numpy.typing import NDArray
else:  # to import numpy.typing takes an eighth of what numpy itself does, and only type checkers use it

    class NDArray:
        """``NDArray[np.uint8]``: an array of this dtype."""

        def __class_getitem__(cls, _dtype: object) -> type:
            return np.ndarray
