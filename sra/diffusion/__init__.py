"""The two processes, each whole: how latents get noisy, what the network learns, how samples are drawn. The network is any callable."""
