# SPDX-License-Identifier: GPL-2.0-only
"""pyarrow, which not everyone has."""

from types import ModuleType

from tcpio.errors import UsageError


def import_pyarrow() -> ModuleType:
    """Import pyarrow with what reads and writes Parquet.

    Raises:
        UsageError: It is not there, or does not fit what else is.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415  only for those who ask for it
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            f"Arrow and Parquet want pyarrow: {error}",
            hint="install it: pip install 'tcpio[arrow]', or pip install 'pyarrow<25' beside Debian 12's numpy",
        ) from error
    module: ModuleType = pa
    return module
