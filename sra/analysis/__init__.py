"""What is inside a trained model: features of its blocks, linear probes on them, their principal components."""
