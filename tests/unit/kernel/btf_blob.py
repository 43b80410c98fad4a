# SPDX-License-Identifier: GPL-2.0-only
"""BTF made by hand, byte by byte (Documentation/bpf/btf.rst), and that of a made-up kernel."""

import struct
from collections.abc import Sequence

from tcpio.kernel.btf import Btf, BtfFile
from tcpio.kernel.hooks import FUNCTIONS, PARAMETERS, RETURN, RETURN_INT
from tcpio.kernel.source import CAST, CASTS
from tcpio.schema.c_header import Member, read_header

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT = (
    range(1, 17)
)
DECL_TAG, TYPE_TAG, ENUM64 = range(17, 20)

KIND_FLAG = 1 << 31
BYTES = "new_utsname"


class Blob:
    """A BTF file that grows; each method gives the id of the type it adds."""

    def __init__(self) -> None:
        self._types: list[bytes] = []
        self._strings = b"\0"

    def string(self, text: str) -> int:
        if not text:
            return 0
        at = len(self._strings)
        self._strings += text.encode() + b"\0"
        return at

    def add(self, kind: int, name: str, size_or_type: int, *words: int, vlen: int = 0, flag: bool = False) -> int:
        info = kind << 24 | vlen | (KIND_FLAG if flag else 0)
        self._types.append(struct.pack(f"=III{len(words)}I", self.string(name), info, size_or_type, *words))
        return len(self._types)

    def integer(self, name: str, size: int) -> int:
        return self.add(INT, name, size, size * 8)

    def pointer(self, to: int = 0) -> int:
        return self.add(PTR, "", to)

    def array(self, of: int, count: int) -> int:
        return self.add(ARRAY, "", 0, of, of, count)

    def struct(self, name: str, size: int, members: Sequence[tuple[str, int, int]], *, kind: int = STRUCT) -> int:
        """Add a struct; members are name, type, offset in bits."""
        words = [word for member, type_id, offset in members for word in (self.string(member), type_id, offset)]
        return self.add(kind, name, size, *words, vlen=len(members))

    def bit_struct(self, name: str, size: int, members: Sequence[tuple[str, int, int, int]]) -> int:
        """Add a struct with bit-fields; members are name, type, offset in bits, size in bits."""
        words: list[int] = []
        for member, type_id, offset, bits in members:
            words += (self.string(member), type_id, bits << 24 | offset)
        return self.add(STRUCT, name, size, *words, vlen=len(members), flag=True)

    def function(self, name: str, parameters: Sequence[str], parameter_type: int) -> int:
        words = [word for parameter in parameters for word in (self.string(parameter), parameter_type)]
        return self.add(FUNC, name, self.add(FUNC_PROTO, "", 0, *words, vlen=len(parameters)), vlen=1)

    def build(self) -> bytes:
        types = b"".join(self._types)
        header = struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(self._strings))
        return header + types + self._strings


KERNEL_PARAMETERS = {
    "ip_send_unicast_reply": ("sk", "orig_sk", "skb", "sopt", "daddr", "saddr", "arg", "len", "hash", "txtime", "key"),
    "ip_build_and_send_pkt": ("skb", "sk", "saddr", "daddr", "opt", "tos"),
    "ip_queue_xmit": ("sk", "skb", "fl"),
    "ip6_xmit": ("sk", "skb", "fl6", "mark", "opt", "tclass", "priority"),
    "inet6_csk_xmit": ("sk", "skb", "fl_unused"),
    "tcp_make_synack": ("sk", "dst", "req", "foc", "synack_type", "syn_skb"),
    "tcp_v6_send_response": ("sk", "skb", "seq", "ack", "win", "tsval", "tsecr", "oif", "rst", "tclass", "label"),
}
"""Parameters as Linux 6.x has them, of the functions that have more than those tcpio reads."""

TRACEPOINTS = tuple(f"btf_trace_{name}" for name in ("net_dev_queue", "netif_receive_skb"))
"""Types of the programs of the tracepoints that a trace uses."""

FIRST_OFFSET = 8
GAP = 24
"""Where a made-up kernel's structs have their first member, and bytes between members."""


class Kernel:
    """A made-up kernel: the structs of bpf/kernel.h at offsets of its own, and the functions of PARAMETERS.

    Args:
        without: ``struct.member``, and functions, that it lacks.
        sizes: ``struct.member`` -> the size it has instead.
        bits: struct -> a member of one bit that it has besides.
    """

    def __init__(
        self, without: Sequence[str] = (), sizes: dict[str, int] | None = None, bits: dict[str, str] | None = None
    ) -> None:
        self.offsets: dict[str, dict[str, int]] = {}
        self._without = without
        self._sizes = sizes or {}
        self._bits = bits or {}
        self._blob = Blob()
        self._pointer = self._blob.pointer()
        self.ids: dict[str, int] = {}
        structs = read_header("kernel.h").structs
        for name, members in structs.items():
            self.ids[name] = self._add(name, members)
        for handler, parameters in PARAMETERS.items():
            function = handler.removesuffix("_return")
            bare = tuple(name.removesuffix("?") for name in parameters if name not in (RETURN, RETURN_INT))
            if function not in without:
                self._blob.function(function, KERNEL_PARAMETERS.get(function, bare), self._pointer)
        for name in TRACEPOINTS:
            self._blob.add(TYPEDEF, name, self._pointer)

    def _add(self, struct_name: str, members: Sequence[Member]) -> int:
        offset = FIRST_OFFSET
        rows = []
        bit_fields = {"sk_buff": {"pkt_type": 3}}.get(struct_name, {})
        self.offsets[struct_name] = {}
        for member in members:
            path = f"{struct_name}.{member.name}"
            if path in self._without:
                continue
            self.offsets[struct_name][member.name] = offset
            rows.append((member.name, self._type_of(member, path), offset * 8, bit_fields.get(member.name, 0)))
            offset += GAP
        if struct_name in self._bits:
            rows.append((self._bits[struct_name], self._blob.integer("u32", 4), offset * 8, 1))
        return self._blob.bit_struct(struct_name, offset, rows)

    def _type_of(self, member: Member, path: str) -> int:
        if path in self._sizes:
            return self._blob.integer("other", self._sizes[path])
        if member.is_pointer:
            return self._pointer
        if member.item_size is None:
            item = self.ids[member.type.removeprefix("struct ")]
        else:
            item = self._blob.integer(member.type, member.item_size)
        return self._blob.array(item, member.count) if member.count else item

    def data(self) -> bytes:
        return self._blob.build()

    def add_struct(self, name: str, member: str) -> None:
        """Add a struct that bpf/kernel.h does not have."""
        self._blob.struct(name, 8, [(member, self._blob.integer("u64", 8), 0)])

    def add_function(self, name: str) -> None:
        """Add a function that is none of PARAMETERS."""
        self._blob.function(name, (), self._pointer)

    def add_enumerator(self, name: str, value: int) -> None:
        """Add an enum with this alone."""
        self._blob.add(ENUM, "", 4, self._blob.string(name), value, vlen=1)

    def btf(self, *names: str) -> Btf:
        """Give it, with other names that will be looked up."""
        return BtfFile(
            self.data(), "made-up kernel", [*read_header("kernel.h").structs, *FUNCTIONS, *TRACEPOINTS, *names]
        )


def casting_btf(*parts: str) -> Btf:
    """Give the types of a kernel that has some of what programs need that read from any address."""
    kernel = Kernel()
    if CAST in parts:
        kernel.add_function(CAST)
    if BYTES in parts:
        kernel.add_struct(BYTES, "sysname")
    return kernel.btf(*CASTS)
