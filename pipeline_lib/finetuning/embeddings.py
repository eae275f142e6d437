"""What an untouched encoder gives of sequences, kept on disk by what it is made from.

The name of a file is a fingerprint of the encoder's weights and shape, of the pooling, the
precision and the tokens: whoever asks for the same again (a probe with another penalty, another
seed, an evaluation) reads the file, and needs no encoder.
"""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline_lib.files import atomic_path
from pipeline_lib.finetuning.encoding import EncodedExamples
from pipeline_lib.finetuning.training import preferred_device, scoring_batches
from pipeline_lib.models.classifier import SequenceClassifier
from pipeline_lib.pretraining.losses import autocast
from pipeline_lib.progress import progress

Features = NDArray[np.float32]


class Embedder:
    """Pools what an encoder gives.

    Parameters
    ----------
    classifier
        Encoder and pooling; the head is not asked.
    precision
        ``auto``, ``fp32`` or ``bf16``.
    cache
        Folder of what was embedded before.
    """

    def __init__(self, classifier: SequenceClassifier, precision: str, cache: Path) -> None:
        self.device = preferred_device()
        self.classifier, self.precision = classifier.to(self.device).eval(), precision
        self.cache = cache
        self._fingerprint = fingerprint(classifier, precision)

    def features(self, examples: EncodedExamples) -> Features:
        """Return the pooled vectors of examples, with their numbers; (examples, features)."""
        digest = hashlib.sha256(self._fingerprint)
        for part in (examples.tokens, examples.ends, examples.focus):
            digest.update(np.ascontiguousarray(part).tobytes())
        path = self.cache / f"{digest.hexdigest()[:32]}.npy"
        if not path.exists():
            self._embed(examples, path)
        pooled: Features = np.load(path)
        return np.concatenate([pooled, examples.numbers], axis=1)

    @torch.inference_mode()
    def _embed(self, examples: EncodedExamples, path: Path) -> None:
        """Write what the encoder gives of examples; runs side by side may do so at once."""
        shape = (len(examples), self.classifier.pooled_width)
        own = path.with_stem(f"{path.stem}-{os.getpid()}")
        with atomic_path(own) as temporary:
            pooled = np.lib.format.open_memmap(temporary, "w+", np.dtype(np.float32), shape)
            batches = scoring_batches(examples.lengths)
            for chosen in progress(batches, "embeddings", unit="batch"):
                tokens, mask, focus, _ = examples.batch(chosen, self.device)
                with autocast(self.precision, self.device):
                    found = self.classifier.pool(tokens, mask, focus)
                pooled[chosen] = found.float().cpu().numpy()
            pooled.flush()
            del pooled
        own.replace(path)


def fingerprint(classifier: SequenceClassifier, precision: str) -> bytes:
    """Return a fingerprint of an encoder, of how it is computed and of the pooling."""
    encoder = classifier.encoder
    how = [encoder.architecture.model_dump(mode="json"), classifier.pooling, classifier.causal]
    digest = hashlib.sha256(json.dumps([*how, precision], sort_keys=True).encode())
    for name, tensor in encoder.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.digest()
