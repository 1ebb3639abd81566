"""Frozen networks between pixels and what is trained on: the VAE (diffusers) and vision encoders (timm)."""
