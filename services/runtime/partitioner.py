"""Which partition a key belongs to: as Kafka's Java clients compute it, so that a consumer's joins line up.

MurmurHash2 (Austin Appleby, 32 bits, seed 0x9747b28c) with the sign bit cleared, modulo the number of partitions.
aiokafka's own takes the key octet by octet; this one takes four at a time, which at a key per event is worth it.
"""

from __future__ import annotations

from struct import Struct

_M, _MASK, _SEED = 0x5BD1E995, 0xFFFFFFFF, 0x9747B28C
_WORDS = [Struct(f"<{count}I") for count in range(65)]
_LONGEST = 4 * len(_WORDS) - 1


def partition_of(key: bytes | None, partitions: int) -> int:
    """The partition of a key among so many; a record without a key goes to the first."""
    return 0 if key is None else (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(key: bytes) -> int:
    """The unsigned 32-bit hash of a key."""
    length = len(key)
    whole = length & ~3
    words = _WORDS[whole >> 2] if length <= _LONGEST else Struct(f"<{whole >> 2}I")
    h = _SEED ^ length
    for k in words.unpack_from(key):
        k = k * _M & _MASK
        h = h * _M & _MASK ^ (k ^ k >> 24) * _M & _MASK
    if length != whole:
        h = (h ^ int.from_bytes(key[whole:], "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15
