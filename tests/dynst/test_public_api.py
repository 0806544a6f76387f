"""What ``import dynst`` offers, pinned: a name that goes, or that comes unasked, is seen here."""

import dynst
from dynst.data.store import SensorStore

OFFERED = """
    Arm ArmKind Artifact ArtifactError CheckpointError ConfigError DataError DynstError Edges
    ErrorTable Evaluation Experiment ExperimentConfig ModelConfig Recipe SearchConfig SensorStore
    Sensors SparsityConfig StoreWriter Supernet __version__ evaluate import_store load_artifact
    open_store save_arm train
"""


def test_exactly_these_names_are_offered_and_each_is_there() -> None:
    assert dynst.__all__ == OFFERED.split() == dir(dynst)
    for name in dynst.__all__:
        assert getattr(dynst, name) is not None


def test_a_training_takes_four_lines(network: SensorStore, tmp_path) -> None:
    model = dynst.ModelConfig(window=3, horizon=2, hidden=8, embedding=2)
    recipe = dynst.Recipe(epochs=5, steps_per_epoch=4, batch_size=16)
    experiment = dynst.Experiment(
        dynst.open_store(network.path), dynst.ExperimentConfig(model=model, training=recipe)
    )
    arm = dynst.train(experiment, experiment.learned())
    errors = dynst.evaluate(experiment, arm).errors
    assert int(arm.active.sum()) == 4
    assert errors.mae() < 20
    dynst.save_arm(tmp_path / "model", experiment, arm)
    assert dynst.load_artifact(tmp_path / "model").description.active == tuple(arm.active.tolist())
