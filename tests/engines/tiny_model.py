"""Write a language model of random weights, that knows bytes and nothing else, into the folder that is named.

Run by the Python that has torch and transformers; its replies are gibberish, and the same each time.
"""

from __future__ import annotations

import sys

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def main(folder: str) -> None:
    torch.manual_seed(0)
    special = ["<end>", "<system>", "<user>", "<assistant>"]
    known = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *special]
    vocabulary = {token: number for number, token in enumerate(known)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>", additional_special_tokens=special[1:], chat_template=TEMPLATE
    )
    config = LlamaConfig(
        vocab_size=len(known),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=vocabulary["<end>"],
    )
    model = LlamaForCausalLM(config)
    # Without an end of its own, a reply is as long as it is asked to be; without special tokens, it is all text.
    model.generation_config.eos_token_id = None
    model.generation_config.suppress_tokens = [vocabulary[token] for token in special]
    model.save_pretrained(folder)
    fast.save_pretrained(folder)


if __name__ == "__main__":
    main(sys.argv[1])
