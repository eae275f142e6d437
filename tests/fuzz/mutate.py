"""Damage as it befalls files: flipped, lost and added bytes, cuts, repeats, swapped lines."""

import random

_LIKELY = [b"\0", b"\n", b"\t", b"\r", b">", b"#", b";", b"=", b"%", b"-1", b"\xff\xff\xff\xff"]


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Return a damaged copy of ``data``; the same ``rng`` state gives the same damage."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        data = rng.choice(_WAYS)(data, rng)
    return data


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _overwrite(data: bytes, rng: random.Random) -> bytes:
    start, piece = rng.randint(0, len(data)), rng.choice((rng.choice(_LIKELY), rng.randbytes(4)))
    return data[:start] + piece + data[start + len(piece) :]


def _delete(data: bytes, rng: random.Random) -> bytes:
    start, end = _stretch(data, rng)
    return data[:start] + data[end:]


def _insert(data: bytes, rng: random.Random) -> bytes:
    start = rng.randint(0, len(data))
    piece = rng.choice((rng.choice(_LIKELY), rng.randbytes(rng.randint(1, 20))))
    return data[:start] + piece + data[start:]


def _truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randint(0, len(data))]


def _duplicate(data: bytes, rng: random.Random) -> bytes:
    start, end = _stretch(data, rng)
    return data[:end] + data[start:end] * rng.randint(1, 3) + data[end:]


def _swap_lines(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


def _stretch(data: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randint(0, len(data))
    return start, min(len(data), start + rng.choice((1, 4, 16, 200, len(data))))


_WAYS = (_flip, _overwrite, _delete, _insert, _truncate, _duplicate, _swap_lines)
