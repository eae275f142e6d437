"""A causal Transformer over the alleles of a haplotype, several sites to a token.

A token holds the alleles of ``group`` neighbouring sites. What enters is, for each site, the
site's own vector with the sign of the allele; what is asked for is which of the 2^group patterns
comes next. Each place has an output layer of its own whose bias begins as the logarithm of the
patterns' frequencies: allele frequencies need not be learnt, and before the first step the
model is the sampler of independent groups.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipeline_lib import __version__
from pipeline_lib.application.haplotypes.panel import Alleles
from pipeline_lib.config.application_haplotypes import HaplotypeTraining
from pipeline_lib.config.architecture import Architecture
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_directory, read_json, write_json
from pipeline_lib.models.attention import Cache
from pipeline_lib.models.layout import Layout
from pipeline_lib.models.transformer import Transformer

KIND = "dnalm-haplotypes"
_PRIOR = 8.0  # haplotypes that independent sites count for, in the first frequencies of patterns


class HaplotypeModel(nn.Module):
    """Predicts the alleles of a haplotype from those before them.

    Parameters
    ----------
    sites
        Number of sites.
    settings
        Shape of the model.
    """

    patterns: Tensor
    possible: Tensor

    def __init__(self, sites: int, settings: HaplotypeTraining) -> None:
        super().__init__()
        self.sites, self.group = sites, settings.alleles_per_token
        self.length = -(-sites // self.group)
        shape = decoder(settings, self.length)
        self.encoder = Transformer(shape, 1)  # its one token begins every haplotype
        for layer in self.encoder.layers:
            layer.attention.dropout = 0.0  # type: ignore[union-attr]  # twice as fast without
        count = 1 << self.group
        self.alleles = nn.Parameter(torch.randn(self.length, self.group, shape.width) * 0.02)
        self.single = nn.Parameter(torch.zeros(self.length, self.group, shape.width))
        self.joint = nn.Parameter(torch.zeros(self.length, count, shape.width))
        self.bias = nn.Parameter(torch.zeros(self.length, count))
        bits = np.arange(count)[:, None] >> np.arange(self.group) & 1
        self.register_buffer("patterns", torch.from_numpy(bits).float(), persistent=False)
        real = np.arange(self.length * self.group).reshape(self.length, self.group) < sites
        possible = (real[:, None] | (bits == 0)).all(axis=2)  # nothing lies beyond the last site
        self.register_buffer("possible", torch.from_numpy(possible), persistent=False)

    def tokens(self, alleles: Alleles) -> NDArray[np.int64]:
        """Return the patterns of haplotypes; (haplotypes, length) of (haplotypes, sites)."""
        padded = np.zeros((len(alleles), self.length * self.group), dtype=np.int64)
        padded[:, : self.sites] = alleles
        grouped = padded.reshape(len(alleles), self.length, self.group)
        return grouped @ (1 << np.arange(self.group))

    def decode(self, tokens: NDArray[np.int64]) -> Alleles:
        """Return the alleles of patterns; (haplotypes, sites) of (haplotypes, length)."""
        bits = (tokens[..., None] >> np.arange(self.group) & 1).astype(np.uint8)
        return bits.reshape(len(tokens), -1)[:, : self.sites]

    def start_from(self, tokens: NDArray[np.int64]) -> None:
        """Set the bias to the logarithm of how often patterns occur, softened by their sites'."""
        count = 1 << self.group
        seen = np.stack([np.bincount(column, minlength=count) for column in tokens.T])
        bits = self.patterns.cpu().numpy()
        shares = (seen @ bits + 0.5) / (len(tokens) + 1)  # of allele 1; (length, group)
        logs = np.log(shares) @ bits.T + np.log1p(-shares) @ (1 - bits).T
        logs = np.where(self.possible.cpu().numpy(), logs, -np.inf)
        alone = np.exp(logs - np.logaddexp.reduce(logs, axis=1, keepdims=True))
        start = np.log((seen + _PRIOR * alone + 1e-9) / (len(tokens) + _PRIOR))
        with torch.no_grad():
            self.bias.copy_(torch.from_numpy(start))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the log-probability of every pattern at every place; (batch, length, patterns)."""
        vectors = torch.cat([self._start(len(tokens)), self._vectors(tokens[:, :-1], 0)], dim=1)
        return self._scores(self._encode(vectors, 0), 0)

    def step(self, before: Tensor | None, place: int, batch: int, cache: Cache) -> Tensor:
        """Return the log-probabilities at one place, from the pattern before it.

        Parameters
        ----------
        before
            Patterns at the place before; (batch,); None at the first place.
        """
        if before is None:
            vectors = self._start(batch)
        else:
            vectors = self._vectors(before[:, None], place - 1)
        return self._scores(self._encode(vectors, place, cache), place)[:, 0]

    def _start(self, batch: int) -> Tensor:
        return self.encoder.tokens.weight[:1].expand(batch, 1, -1)

    def _vectors(self, tokens: Tensor, first: int) -> Tensor:
        """Return what enters for patterns at the places from ``first`` on; (batch, n, width)."""
        signs = 2 * self.patterns[tokens] - 1  # (batch, n, group)
        vectors = self.alleles[first : first + tokens.shape[1]]
        return (signs.transpose(0, 1) @ vectors).transpose(0, 1)

    def _encode(self, vectors: Tensor, start: int, cache: Cache | None = None) -> Tensor:
        places = torch.arange(start, start + vectors.shape[1], device=vectors.device)
        layout = Layout(places)
        return self.encoder.encode(
            self.encoder.embed(places, layout, vectors=vectors), layout, cache
        )

    def _scores(self, hidden: Tensor, first: int) -> Tensor:
        here = slice(first, first + hidden.shape[1])
        weights = self.patterns @ self.single[here] + self.joint[here]  # (n, patterns, width)
        scores = (hidden.transpose(0, 1) @ weights.mT).transpose(0, 1) + self.bias[here]
        return scores.masked_fill(~self.possible[here], -torch.inf).log_softmax(dim=-1)


def decoder(settings: HaplotypeTraining, length: int) -> Architecture:
    """Return the shape of the Transformer: that of DNAGPT, small."""
    return Architecture(
        family="gpt2", attention="causal", norm="pre", final_norm=True, embedding_norm=False,
        layers=settings.layers, width=settings.width, heads=settings.heads,
        feedforward_width=4 * settings.width, context_length=max(length, 8), bias=False,
        activation="gelu_tanh", dropout=settings.dropout, norm_epsilon=1e-5, scaled_init=True,
    )  # fmt: skip


def save_haplotype_model(
    folder: Path, model: HaplotypeModel, settings: HaplotypeTraining, about: dict[str, Any],
    sites: pd.DataFrame,
) -> None:  # fmt: skip
    """Write a model folder: config.json, model.safetensors, and the sites as sites.tsv."""
    config = {
        "model_type": KIND, "version": __version__, "sites": model.sites,
        "settings": settings.model_dump(mode="json"), **about,
    }  # fmt: skip
    with atomic_directory(folder) as temporary:
        write_json(temporary / "config.json", config)
        weights = {name: value.contiguous() for name, value in model.state_dict().items()}
        save_file(weights, temporary / "model.safetensors", {"format": "pt"})
        (temporary / "model.safetensors").chmod(0o644)
        sites.to_csv(temporary / "sites.tsv", sep="\t", index=False, lineterminator="\n")


def load_haplotype_model(folder: Path) -> tuple[HaplotypeModel, dict[str, Any], pd.DataFrame]:
    """Load a model of haplotypes, in evaluation mode, with its config.json and its sites.

    Raises
    ------
    InputError
        If the folder holds no such model.
    """
    folder = Path(folder)
    remedy = "give the folder that `dnalm haplotypes train` has written"
    try:
        config: dict[str, Any] = read_json(folder / "config.json")
        if config.get("model_type") != KIND:
            raise InputError("is no model of haplotypes", path=folder, remedy=remedy)
        settings = HaplotypeTraining.model_validate(config["settings"])
        model = HaplotypeModel(int(config["sites"]), settings)
        model.load_state_dict(load_file(folder / "model.safetensors"))
        sites = pd.read_csv(folder / "sites.tsv", sep="\t", dtype={"contig": str, "id": str})
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(
            f"cannot be read as a model of haplotypes ({str(error).splitlines()[0]})",
            path=folder,
            expected="config.json, model.safetensors and sites.tsv",
            remedy=remedy,
        ) from error
    return model.eval(), config, sites
