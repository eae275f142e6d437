"""Inner loops over bases and tokens, compiled to machine code when they are first called."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile a function of numbers and arrays; other threads run while it does.

    The machine code is kept beside the module (or, where that cannot be written to, in the
    user's cache folder), so that only the first call after a change waits for the compiler.
    """
    return cast(Function, numba.njit(nogil=True, cache=True)(function))
