"""Components as colours, against scikit-learn's."""

import numpy as np
import torch
from sklearn.decomposition import PCA

from sra.analysis.pca import component_colours


def tokens(seed=0, count=64, width=20):
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.standard_normal((count, width)) * np.linspace(5, 0.5, width))


def test_the_colours_are_scikit_learns_components_in_their_own_range():
    features = tokens()
    colours = component_colours(features).numpy().astype(int)
    fitted = PCA(3).fit(features.numpy())
    for component, (found, axis) in enumerate(zip(fitted.transform(features.numpy()).T, fitted.components_, strict=True)):
        scores = found * np.sign(axis[np.abs(axis).argmax()])
        expected = np.rint((scores - scores.min()) / np.ptp(scores) * 255)
        assert np.abs(colours[:, component] - expected).max() <= 1
        assert (colours[:, component].min(), colours[:, component].max()) == (0, 255)


def test_where_tokens_are_and_how_large_they_are_changes_nothing():
    features = tokens()
    assert torch.equal(component_colours(features), component_colours(7 * features + 3))
    shuffled = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    assert (component_colours(features[shuffled]).int() - component_colours(features)[shuffled].int()).abs().max() <= 1


def test_a_turned_sign_gives_another_picture_and_one_direction_one_colour():
    features = tokens()
    assert not torch.equal(component_colours(-features), component_colours(features))
    line = torch.linspace(-1, 1, 64)[:, None] * torch.arange(1.0, 21.0)
    colours = component_colours(line)
    assert colours[:, 0].tolist() == sorted(colours[:, 0].tolist())
    assert (colours[:, 1:] == 0).all()
    assert (component_colours(torch.ones(64, 20)) == 0).all()
