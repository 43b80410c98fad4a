# SPDX-License-Identifier: GPL-2.0-only
"""One line for every TCP segment a Linux host sends or receives."""

__version__ = "0.1.0"

TYPE_CHECKING = False  # what checks types takes it for true; typing itself takes a while to import

if TYPE_CHECKING:
    from tcpio.api.summary import Socket, Summary
    from tcpio.api.trace import trace
    from tcpio.errors import TcpioError
    from tcpio.schema.batch import Batch
    from tcpio.schema.record import RECORD

__all__ = ["RECORD", "Batch", "Socket", "Summary", "TcpioError", "trace"]

_MODULES = {
    "RECORD": "tcpio.schema.record",
    "Batch": "tcpio.schema.batch",
    "Socket": "tcpio.api.summary",
    "Summary": "tcpio.api.summary",
    "TcpioError": "tcpio.errors",
    "trace": "tcpio.api.trace",
}


def __getattr__(name: str) -> object:
    # Loaded when it is used: the command line uses none of it, and shall begin quickly.
    if name not in _MODULES:
        raise AttributeError(f"module 'tcpio' has no attribute {name!r}")
    import importlib  # noqa: PLC0415

    return getattr(importlib.import_module(_MODULES[name]), name)
