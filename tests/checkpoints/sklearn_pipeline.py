"""A fitted scikit-learn pipeline like the one in pca.pkl."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler


def fitted_pipeline(inputs: int = 1024, outputs: int = 31, *, whiten: bool = False) -> Pipeline:
    rows = np.random.default_rng(0).normal(3, 20, (60, inputs))
    steps = [("scaling", StandardScaler()), ("pca", PCA(outputs, whiten=whiten, random_state=0))]
    return Pipeline(steps).fit(rows)
