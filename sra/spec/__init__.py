"""What a run is: recipe (method defaults of a family) <- experiment (method changes) <- preset (scale) -> `RunSpec`. No torch."""
