"""HyenaDNA to and from the published classes: their ``config.json`` and names of weights.

There are two published forms. The original one (``config.json`` with the settings of an operator
under ``layer``, names that begin with ``model.`` or ``backbone.``) has no class in
``transformers``; the other one (``model_type: hyenadna``, names that begin with ``hyena.``) has.
Both are read; the second is written. What a published model cannot be, such as bidirectional, is
written under our own names.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from pipeline_lib.config.hyena import EXTRA_TAPS, HyenaArchitecture
from pipeline_lib.errors import InputError
from pipeline_lib.models.adapter import Loaded, Report
from pipeline_lib.models.hyena_language import HyenaLanguageModel
from pipeline_lib.models.hyena_names import HEAD
from pipeline_lib.models.hyena_weights import (
    check_weights,
    from_published,
    published_architecture,
    to_published,
)

OWN = "dnalm."
"""Before our names of weights, where the published class cannot hold the model."""
_PREFIX = "hyena."
_NEEDED: dict[str, Any] = {
    "bidirectional": False,
    "filter_beyond": "stop",
    "filter_decay_fast": 0.3,
    "filter_decay_slow": 1.5,
    "filter_decay_target": 0.01,
    "filter_shift": 0.05,
    "norm_epsilon": 1e-5,
    "short_filter": 3,
}
"""What the published class fixes. It cuts inputs off at its length instead of going beyond."""
_NAMES: dict[str, tuple[str, ...]] = {
    "layers": ("n_layer",),
    "width": ("d_model",),
    "feedforward_width": ("d_inner",),
    "filter_length": ("max_seq_len", "l_max"),
    "filter_width": ("filter_order",),
    "filter_features": ("emb_dim",),
    "filter_frequency": ("activation_freq", "w"),
    "filter_shift": ("shift",),
    "filter_decay_fast": ("fast_decay_pct",),
    "filter_decay_slow": ("slow_decay_pct",),
    "filter_decay_target": ("target",),
    "short_filter": ("short_filter_order", "local_order"),
    "embedding_dropout": ("embed_dropout",),
    "dropout": ("resid_dropout",),
    "norm_epsilon": ("layer_norm_epsilon",),
    "init_std": ("initializer_range",),
    "tied_output": ("tie_word_embeddings",),
}
"""Our settings, and their names in the published forms, the one that is written first."""
_USUAL: dict[str, tuple[Any, ...]] = {
    "hyena_order": (2,),
    "order": (2,),
    "modulate": (True,),
    "normalized": (False,),
    "linear_mixer": (False,),
    "hyena_dropout": (0,),
    "hyena_filter_dropout": (0,),
}
"""Values that keys must have if they are there."""


class HyenaAdapter:
    """As :class:`~pipeline_lib.models.adapter.Adapter`, for HyenaDNA."""

    class_name = "HyenaDNAForCausalLM"
    model_type = "hyenadna"
    own_class_name = "DnalmHyena"
    own_model_type = "dnalm-hyena"

    def knows(self, config: Mapping[str, Any]) -> bool:
        """Tell whether a ``config.json`` is that of a HyenaDNA; the original ones name no type."""
        original = "model_type" not in config and {"d_model", "n_layer", "layer"} <= set(config)
        return original or config.get("model_type") in (self.model_type, self.own_model_type)

    def fits(self, architecture: HyenaArchitecture) -> bool:
        """Tell whether the published class can hold a model of this shape."""
        return all(getattr(architecture, name) == value for name, value in _NEEDED.items())

    def config(self, architecture: HyenaArchitecture, vocab_size: int) -> dict[str, Any]:
        """Return the ``config.json`` by which the published class builds the same model.

        Parameters
        ----------
        vocab_size
            Rows of the embeddings, all of them: none are added to reach a round number.
        """
        fits = self.fits(architecture)
        shape = {**architecture.model_dump(), "filter_length": architecture.taps}
        config = {
            "architectures": [self.class_name if fits else self.own_class_name],
            "model_type": self.model_type if fits else self.own_model_type,
            "vocab_size": vocab_size,
            "pad_vocab_size_multiple": 1,
            **{names[0]: shape[ours] for ours, names in _NAMES.items()},
            "num_inner_mlps": architecture.filter_layers - 1,
            "hyena_order": 2,
            "hyena_dropout": 0.0,
            "hyena_filter_dropout": 0.0,
            "use_bias": True,
            "train_freq": True,
            "residual_in_fp32": True,
            "checkpoint_mixer": architecture.checkpointing,
            "checkpoint_mlp": architecture.checkpointing,
            "pad_token_id": 4,
        }
        if not fits:
            config["dnalm"] = {"architecture": architecture.model_dump()}
        return config

    def architecture(self, config: Mapping[str, Any]) -> HyenaArchitecture:
        """Return the shape of the model that a ``config.json`` of either form describes.

        Inputs are as long as the filters, less the two taps that published ones have besides.

        Raises
        ------
        InputError
            If it asks for something that our model cannot be.
        """
        if not self.knows(config):
            raise InputError(
                f"`model_type` is {config.get('model_type')!r}",
                path="config.json",
                expected=f"{self.model_type!r}, or the keys d_model, n_layer and layer",
                remedy="give the folder of a HyenaDNA",
            )
        if config.get("model_type") == self.own_model_type:
            return _shaped(config["dnalm"]["architecture"])
        flat = {**config.get("layer", {}), **config}
        for name, values in _USUAL.items():
            if name in flat and flat[name] not in values:
                raise InputError(
                    f"`{name}` is {flat[name]!r}",
                    path="config.json",
                    expected=" or ".join(map(repr, values)),
                    remedy="give the folder of a usual HyenaDNA",
                )
        return _shaped(_settings(flat))

    def export(self, model: HyenaLanguageModel) -> dict[str, Tensor]:
        """Return the weights under the published names, or under ours after ``dnalm.``."""
        if not self.fits(model.encoder.architecture):
            state = {OWN + name: tensor for name, tensor in model.state_dict().items()}
        else:
            state = to_published(model, _PREFIX)
            state[HEAD] = state.pop(_PREFIX + HEAD)  # it stands outside the backbone
        return {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}

    def read(self, state: Mapping[str, Tensor], architecture: HyenaArchitecture) -> Loaded:
        """Return weights of either form, or under our names, under ours.

        Another ``context_length`` takes the same weights. ``filter_length`` belongs to them.

        Raises
        ------
        InputError
            If weights are missing, have another shape, or have no place in the model; if copies
            of a weight differ, or positions are not those of the architecture.
        """
        if any(name.startswith(OWN) for name in state):
            weights = {name.removeprefix(OWN): tensor for name, tensor in state.items()}
            check_weights(weights, architecture)
            return Loaded(weights, Report(list(state), [], []))
        weights, report = from_published(state, architecture)
        return Loaded(
            weights, Report(list(report.used), list(report.ignored), list(report.missing))
        )

    def read_folder(
        self, config: Mapping[str, Any], state: Mapping[str, Tensor]
    ) -> tuple[HyenaArchitecture, Loaded]:
        """Return shape and weights of a model from its ``config.json`` and its weights.

        The published class stores the output matrix apart even where it is that of the embeddings
        (``tie_word_embeddings: false``): here the weights decide whether it is.

        Raises
        ------
        InputError
            As :meth:`architecture` and :meth:`read`, and if both disagree.
        """
        architecture = self.architecture(config)
        if not any(name.startswith(OWN) for name in state):
            found = published_architecture(state)
            architecture = architecture.model_copy(update={"tied_output": found.tied_output})
        return architecture, self.read(state, architecture)


ADAPTER = HyenaAdapter()


def _settings(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return our settings of published ones; those that are not given keep our defaults."""
    shape = {
        ours: flat[name]
        for ours, names in _NAMES.items()
        for name in reversed(names)  # the first name wins
        if name in flat
    }
    if "filter_length" in shape:
        shape["context_length"] = max(2, shape["filter_length"] - EXTRA_TAPS)
    if shape.get("feedforward_width") is None and "width" in shape:
        shape["feedforward_width"] = 4 * shape["width"]
    shape["filter_layers"] = flat.get("num_inner_mlps", 2) + 1
    shape["checkpointing"] = bool(flat.get("checkpoint_mixer") or flat.get("checkpoint_mlp"))
    return shape


def _shaped(settings: Mapping[str, Any]) -> HyenaArchitecture:
    try:
        return HyenaArchitecture(**settings)
    except ValidationError as problem:
        raise InputError(
            f"config.json describes no HyenaDNA: {problem}",
            remedy="give the config.json that was published with the weights",
        ) from problem
