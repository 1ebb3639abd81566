"""CLIP models of transformers' own classes with random weights, in the files that a user would fetch. Nothing is downloaded."""

from pathlib import Path

import torch

WORDS = ("a red three left of a blue five", "a photo of the green seven, and nothing else")


def save_random_clip(folder: Path, seed: int = 0, tokens: int = 77, text_width: int = 768, image_size: int = 28, ends_as_openai: bool = True) -> Path:
    """Save a CLIPModel of one layer a tower with CLIPTokenizer and processor to `folder`. The default's text is as long and wide as ViT-L/14's.

    ends_as_openai: the config says that 2 is the end token, which it is not, as in openai's models; transformers knows what to do then.
    """
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor  # takes seconds to import

    from sra.encoders.clip_training import small_tokenizer

    tokenizer = small_tokenizer([list(WORDS)])
    ends = {"bos_token_id": tokenizer.bos_token_id, "pad_token_id": tokenizer.pad_token_id}
    ends["eos_token_id"] = 2 if ends_as_openai else tokenizer.eos_token_id
    tower = {"num_hidden_layers": 1, "projection_dim": 12}
    text = tower | ends | {"hidden_size": text_width, "intermediate_size": 2 * text_width, "num_attention_heads": 4}
    text |= {"vocab_size": len(tokenizer), "max_position_embeddings": tokens}
    vision = tower | {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "image_size": image_size, "patch_size": 14}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12))
    network.save_pretrained(folder)
    size = {"height": image_size, "width": image_size}
    CLIPProcessor(CLIPImageProcessorPil(size={"shortest_edge": image_size}, crop_size=size), tokenizer).save_pretrained(folder)
    return Path(folder)
