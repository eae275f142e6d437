"""How many weights a model has, from its shape alone: without torch, and at once."""

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.hyena import HyenaArchitecture


def count_weights(architecture: AnyArchitecture, vocab_size: int) -> int:
    """Return the number of weights of a model; a matrix that is used twice counts once.

    Parameters
    ----------
    architecture
        Shape of the model.
    vocab_size
        Number of tokens.
    """
    if isinstance(architecture, HyenaArchitecture):
        return _hyena(architecture, vocab_size)
    return _embedding(architecture, vocab_size) + _layers(architecture) + _ends(
        architecture, vocab_size
    )  # fmt: skip


def count_layer_matrices(architecture: AnyArchitecture) -> int:
    """Return how many of the weights are in matrices of the layers, which Muon may train."""
    width, inner = architecture.width, architecture.feedforward_width
    if isinstance(architecture, HyenaArchitecture):
        return architecture.layers * (4 * width * width + 2 * width * inner)
    distinct = 1 if architecture.share_layers else architecture.layers
    fed = {"mlp": 2 * width * inner, "gated": 3 * width * inner, "conv": 0}
    return distinct * (4 * width * width + fed[architecture.feedforward])


def _hyena(shape: HyenaArchitecture, vocab_size: int) -> int:
    width, inner = shape.width, shape.filter_width
    directions = 2 if shape.bidirectional else 1
    filters = _linear(shape.filter_features, inner)
    filters += (shape.filter_layers - 1) * _linear(inner, inner)
    filters += inner * width * directions + inner + width  # taps, frequencies, skip connection
    layer = _linear(width, 3 * width) + 3 * width * (shape.short_filter + 1) + filters
    layer += _linear(width, width) + 2 * _norm(width)
    layer += _linear(width, shape.feedforward_width) + _linear(shape.feedforward_width, width)
    embeddings = vocab_size * width * (1 if shape.tied_output else 2)
    return embeddings + shape.layers * layer + _norm(width)


def _embedding(shape: Architecture, vocab_size: int) -> int:
    narrow, bias = shape.embedding_width or shape.width, shape.bias
    count = vocab_size * narrow + 2 * shape.tracks * narrow
    if shape.positions == "learned":
        count += shape.context_length * narrow
    if shape.embedding_norm:
        count += _norm(narrow, bias)
    if shape.embedding_width:
        count += _linear(narrow, shape.width)
    count += sum(_linear(kernel * narrow, narrow) for kernel in shape.embedding_kernels)
    if shape.numbers:
        count += _perceptron(1, narrow, narrow, bias)
    if shape.memory is not None:
        count += shape.memory.tokens * narrow
        count += _linear(shape.width, narrow) if narrow != shape.width else 0
    return count


def _layers(shape: Architecture) -> int:
    width, inner, bias = shape.width, shape.feedforward_width, shape.bias
    layer = _linear(width, 3 * width, bias) + _linear(width, width, bias) + 2 * _norm(width, bias)
    if shape.feedforward == "conv":
        layer += _linear(3 * width, width, bias)
    else:
        expanded = 2 * inner if shape.feedforward == "gated" else inner
        layer += _linear(width, expanded, bias) + _linear(inner, width, bias)
    distinct = 1 if shape.share_layers else shape.layers
    absent = 0 if shape.first_norm else _norm(width, bias)
    return distinct * layer - absent + (_norm(width, bias) if shape.final_norm else 0)


def _ends(shape: Architecture, vocab_size: int) -> int:
    width, bias = shape.width, shape.bias
    if shape.attention == "causal":
        head = _perceptron(width, width, vocab_size, bias) if shape.output == "mlp" else 0
        return head + (_perceptron(width, width, 1, bias) if shape.numbers else 0)
    narrow = shape.embedding_width or width
    return _linear(width, narrow, bias) + _norm(narrow, bias) + vocab_size


def _linear(inputs: int, outputs: int, bias: bool = True) -> int:
    return inputs * outputs + (outputs if bias else 0)


def _norm(width: int, bias: bool = True) -> int:
    return width * (2 if bias else 1)


def _perceptron(first: int, inner: int, last: int, bias: bool) -> int:
    return _linear(first, inner, bias) + _norm(inner, bias) + _linear(inner, last, bias)
