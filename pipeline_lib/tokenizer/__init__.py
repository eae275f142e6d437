"""Stage ``tokenizer``: a vocabulary of frequent words of DNA, learnt from training sentences.

Every tokenizer is one ``tokenizer.json``, which ``tokenizers`` and ``transformers`` load without
any code of ours.
"""
