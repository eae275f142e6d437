"""What the tests of the shards stage share."""

from tests.small_corpus import corpus, genomes, tokenizer, train_documents

__all__ = ["corpus", "genomes", "tokenizer", "train_documents"]
