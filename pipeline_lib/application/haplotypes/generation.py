"""New haplotypes, written allele by allele."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline_lib.application.haplotypes.files import check_ending, write_panel
from pipeline_lib.application.haplotypes.model import HaplotypeModel, load_haplotype_model
from pipeline_lib.application.haplotypes.panel import Panel
from pipeline_lib.application.parts import Arrays, parts_of
from pipeline_lib.code import code_fingerprint
from pipeline_lib.errors import InputError
from pipeline_lib.files import checksum
from pipeline_lib.models.attention import Cache
from pipeline_lib.progress import progress
from pipeline_lib.randomness import named_generator

PART = 250
"""Haplotypes drawn together and kept as a part."""


def generate_haplotypes(
    folder: Path, output: Path, count: int, *, seed: int, temperature: float = 1.0,
    device: str = "cpu",
) -> Panel:  # fmt: skip
    """Draw haplotypes and write them in the format of the output's ending.

    Drawn in parts that are kept: a run that was killed goes on, and its output is the same byte
    for byte. Each haplotype has a random stream of its own, by its number.

    Parameters
    ----------
    folder
        Model folder.
    output
        `.hapt`, `.hapt.zip` (with a legend beside), `.vcf` or `.vcf.gz` (with an index).
    count
        Haplotypes to draw.
    temperature
        Logits are divided by it; 0 takes the likeliest alleles, which makes all alike.

    Raises
    ------
    InputError
        If the folder is no model of haplotypes, or the settings cannot be.
    """
    check_ending(output)
    if count < 1 or temperature < 0:
        raise InputError(
            f"{count:,} haplotypes at a temperature of {temperature} cannot be drawn",
            expected="at least 1 haplotype, and a temperature of 0 or more",
            remedy="change `-n` or `--temperature`",
        )
    if output.name.endswith((".vcf", ".vcf.gz")) and count % 2:
        raise InputError(
            f"{count:,} haplotypes cannot be paired",
            path=output,
            expected="an even number: a sample of a VCF has two",
            remedy="draw one more, or write `.hapt`",
        )
    model, _, sites = load_haplotype_model(folder)
    model = model.to(device)
    identity: dict[str, Any] = {
        "model": {name: checksum(folder / name) for name in ("config.json", "model.safetensors")},
        "seed": seed, "temperature": temperature, "device": device,
        "code": code_fingerprint("application/haplotypes", "models"),
    }  # fmt: skip
    drawn = []
    with parts_of(output, identity) as parts:
        for number in progress(range(-(-count // PART)), "drawing", unit=" parts"):
            # Always whole parts: those of a longer run begin with those of a shorter one.
            part = parts.get(number, lambda: _part(model, number, seed, temperature))  # noqa: B023
            drawn.append(part["alleles"])
        alleles = np.concatenate(drawn)[:count]
        names = [f"AG{number // 2}_{'AB'[number % 2]}" for number in range(count)]
        panel = Panel(alleles, names, sites, "AG")
        write_panel(output, panel)
    return panel


def _part(model: HaplotypeModel, number: int, seed: int, temperature: float) -> Arrays:
    uniforms = np.stack(
        [
            named_generator(seed, "haplotypes", "draw", row).random(model.length)
            for row in range(number * PART, (number + 1) * PART)
        ]
    )
    return {"alleles": draw(model, uniforms, temperature)}


@torch.inference_mode()
def draw(
    model: HaplotypeModel, uniforms: NDArray[np.float64], temperature: float
) -> NDArray[np.uint8]:
    """Draw haplotypes by inverting the distribution of every token.

    Parameters
    ----------
    model
        In evaluation mode.
    uniforms
        Between 0 and 1, one for each token; (haplotypes, model.length).

    Returns
    -------
    ndarray
        Alleles; (haplotypes, sites).
    """
    cache = Cache(model.encoder.architecture, model.length)
    chances = torch.from_numpy(uniforms).to(model.bias.device)
    before, tokens = None, []
    for place in range(model.length):
        scores = model.step(before, place, len(chances), cache).double()
        if temperature == 0:
            before = scores.argmax(dim=-1)
        else:
            reached = (scores / temperature).softmax(dim=-1).cumsum(dim=-1)
            # Below 1 by rounding, the last sum could leave a token that cannot be.
            aim = chances[:, place, None] * reached[:, -1:]
            before = (reached <= aim).sum(dim=-1)
        tokens.append(before)
    return model.decode(torch.stack(tokens, dim=1).cpu().numpy())
