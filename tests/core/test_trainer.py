"""The trainer learns, repeats itself bit for bit, survives kills, and stops in words when numbers go wrong."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
import toy_training as toy
from torch import nn

from forecasting import artifacts, trainer
from forecasting.callbacks import Callback, Report, RichProgress
from forecasting.checkpoints import Checkpoint
from forecasting.encoders import encoder_names
from forecasting.optimisers import schedule
from forecasting.schema import ConfigurationError, TrainingDiverged
from forecasting.trainer import TrainingConfig, mean_loss, train

VALIDATE = partial(mean_loss, batches=toy.source(100, seed=1), loss=toy.loss)


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Kill(Callback):
    """Raises after so many steps, as a kill that can be caught."""

    def __init__(self, at: int):
        self.at = at

    def on_step(self, trainer):
        if trainer.progress.steps == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("encoder", encoder_names())
@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_learns(encoder, optimiser):
    model = toy.network(encoder=encoder)
    before = VALIDATE(model)
    rate = 0.02 if optimiser == "adamw" else 0.5
    result = train(model, toy.source(), toy.loss, TrainingConfig(8, rate, optimiser, device="cpu"))
    assert result.epochs == result.best_epoch == 8 and result.best_loss is None
    assert VALIDATE(model) < 0.4 * before
    assert not model.training


def test_same_seed_same_bytes_and_another_seed_others():
    def run(seed: int):
        model = toy.network()
        train(model, toy.source(), toy.loss, replace(toy.CONFIG, seed=seed), validate=VALIDATE)
        return weights(model)

    assert same(run(7), run(7))
    assert not same(run(7), run(8))


def test_the_callers_generator_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(toy.network(), toy.source(), toy.loss, replace(toy.CONFIG, epochs=1))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("at", [2, 13, 20, 21, 40])  # 10 steps an epoch: within epochs, and at their ends
@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_resume_is_bit_identical(tmp_path, at, optimiser):
    config = replace(toy.CONFIG, optimiser=optimiser)
    whole = toy.network()
    expected = train(whole, toy.source(), toy.loss, config, validate=VALIDATE)
    checkpoint = Checkpoint(tmp_path / "checkpoint", every_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        train(
            toy.network(), toy.source(), toy.loss, config,
            validate=VALIDATE, callbacks=[Kill(at)], checkpoint=checkpoint,
        )  # fmt: skip
    resumed = toy.network(seed=99)  # whose fresh weights must not matter
    steps = Steps()
    result = train(resumed, toy.source(), toy.loss, config, validate=VALIDATE, callbacks=[steps], checkpoint=checkpoint)
    assert steps.seen[0] == at  # the step whose end was not saved is done again, no other
    assert result == expected
    assert same(weights(resumed), weights(whole))


class Steps(Callback):
    def __init__(self):
        self.seen = []

    def on_step(self, trainer):
        self.seen.append(trainer.progress.steps)


def test_finished_training_resumes_as_finished(tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint")
    first, second, steps = toy.network(), toy.network(seed=99), Steps()
    expected = train(first, toy.source(), toy.loss, toy.CONFIG, validate=VALIDATE, checkpoint=checkpoint)
    result = train(
        second, toy.source(), toy.loss, toy.CONFIG, validate=VALIDATE, callbacks=[steps], checkpoint=checkpoint
    )
    assert not steps.seen and result == expected and same(weights(first), weights(second))


@pytest.mark.parametrize("change", ["key", "config", "damage"])
def test_checkpoint_of_something_else_is_not_resumed(tmp_path, change):
    directory, steps = tmp_path / "checkpoint", Steps()
    config = replace(toy.CONFIG, epochs=1)
    train(toy.network(), toy.source(), toy.loss, config, checkpoint=Checkpoint(directory, key="a"))
    if change == "damage":
        for file in directory.glob("*/model.safetensors"):
            file.write_bytes(file.read_bytes()[:-1])
    again = replace(config, learning_rate=0.01) if change == "config" else config
    checkpoint = Checkpoint(directory, key="b" if change == "key" else "a")
    train(toy.network(), toy.source(), toy.loss, again, callbacks=[steps], checkpoint=checkpoint)
    assert steps.seen[0] == 1
    assert len(list(directory.iterdir())) == 1


def test_killed_process_resumes_bit_identical(tmp_path):
    """Kill -9 on the way; the next run's artifact equals that of a training left in peace, byte for byte."""

    def start() -> subprocess.Popen:
        command = [sys.executable, toy.__file__, str(tmp_path / "checkpoint"), str(tmp_path / "killed")]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})

    process = start()
    assert process.stdout
    while int(next(process.stdout)) < 17:
        pass
    process.kill()
    process.wait()
    survivor = start()
    seen = [int(line) for line in survivor.communicate()[0].split()]
    assert survivor.returncode == 0 and 17 <= seen[0] <= 40 and seen[-1] == 40
    toy.main(tmp_path / "another checkpoint", tmp_path / "peaceful", every_seconds=math.inf)
    for file in (artifacts.TENSORS, artifacts.DOCUMENT):
        assert (tmp_path / "killed" / file).read_bytes() == (tmp_path / "peaceful" / file).read_bytes()


def test_early_stopping_keeps_the_best_weights():
    losses = iter([3.0, 1.0, 2.0, 2.5, 0.1])
    seen = []

    def validate(model):
        seen.append(weights(model))
        return next(losses)

    model = toy.network()
    config = TrainingConfig(epochs=9, patience=1, device="cpu")
    result = train(model, toy.source(), toy.loss, config, validate=validate)
    assert (result.epochs, result.best_epoch, result.best_loss) == (4, 2, 1.0)
    assert same(weights(model), seen[1]) and not same(seen[1], seen[3])


def test_refit_for_the_epochs_found_repeats_the_search():
    search, refit = toy.network(), toy.network()
    losses = iter([3.0, 1.0, 2.0, 2.0, 2.0, 2.0])
    config = TrainingConfig(epochs=6, device="cpu", average=0.9)
    found = train(search, toy.source(), toy.loss, config, validate=lambda model: next(losses))
    again = replace(config, epochs=found.best_epoch, schedule_epochs=6)
    train(refit, toy.source(), toy.loss, again)
    assert same(weights(search), weights(refit))


class Poisoned:
    """A source whose third batch holds a NaN."""

    def __len__(self):
        return 10

    def batches(self, epoch, seed):
        for k, batch in enumerate(toy.source().batches(epoch, seed)):
            yield replace(batch, inputs=batch.inputs * math.nan) if k == 2 else batch


def test_nan_is_refused_in_words(tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint", every_seconds=0)
    with pytest.raises(TrainingDiverged, match=r"loss is not a finite number at epoch 1, step 3 .*Lower the learning"):
        train(toy.network(), Poisoned(), toy.loss, TrainingConfig(device="cpu"), checkpoint=checkpoint)
    (saved,) = (tmp_path / "checkpoint").iterdir()
    assert saved.name.endswith("step-000000002"), "a poisoned state must not be saved"


def test_nan_validation_and_infinite_weights_are_refused():
    with pytest.raises(TrainingDiverged, match="later slice"):
        train(toy.network(), toy.source(), toy.loss, TrainingConfig(device="cpu"), validate=lambda model: math.nan)

    class Break(Callback):
        def on_step(self, trainer):
            if trainer.progress.step == 10:  # the last of the epoch: no later loss would show it
                trainer.parameters[0].data[0] = math.inf

    with pytest.raises(TrainingDiverged, match="a weight"):
        train(toy.network(), toy.source(), toy.loss, TrainingConfig(device="cpu"), callbacks=[Break()])


def test_gradients_are_clipped(monkeypatch):
    norms = []
    clip = nn.utils.clip_grad_norm_

    def spy(parameters, limit):
        clip(parameters, limit)
        norms.append(torch.stack([p.grad.norm() for p in parameters]).norm().item())

    monkeypatch.setattr(trainer.nn.utils, "clip_grad_norm_", spy)
    train(toy.network(), toy.source(), toy.loss, TrainingConfig(epochs=1, clip=0.01, device="cpu"))
    assert len(norms) == 10 and max(norms) < 0.0101


def test_callbacks_are_told(capsys):
    told = []
    callbacks = [Report(lambda *message: told.append(message)), RichProgress(), Callback()]
    train(toy.network(), toy.source(), toy.loss, replace(toy.CONFIG, epochs=2), validate=VALIDATE, callbacks=callbacks)
    assert [(done, total) for done, total, _ in told] == [(1, 2), (2, 2)]
    assert told[0][2].startswith("epoch 1: loss ") and "later slice" in told[0][2]
    assert capsys.readouterr() == ("", ""), "no progress bar where stderr is no terminal"


def test_schedules():
    for name in ("onecycle", "cosine"):
        rates = [schedule(name, k / 1000) for k in range(1001)]
        assert rates[0] == pytest.approx(1 / 25) and max(rates) == pytest.approx(1, abs=1e-4)
        assert rates[-1] == pytest.approx(1e-4)
        assert max(abs(a - b) for a, b in zip(rates[1:], rates, strict=False)) < 0.04, "no jumps"
    assert schedule("constant", 0.5) == 1
    with pytest.raises(ConfigurationError, match="linear"):
        schedule("linear", 0.5)


@pytest.mark.parametrize("wrong", [{"optimiser": "lion"}, {"schedule": "linear"}, {"device": "abacus"}])
def test_unknown_choices_are_refused(wrong):
    with pytest.raises(ConfigurationError, match=next(iter(wrong.values()))):
        train(toy.network(), toy.source(), toy.loss, TrainingConfig(**{"device": "cpu", **wrong}))


def test_checkpoint_directory_is_the_callers(tmp_path):
    kept = tmp_path / "other.txt"
    kept.write_text("not ours")
    (tmp_path / ".epoch-000000-step-000000001.half").mkdir()  # as a kill in the middle of saving leaves it
    train(toy.network(), toy.source(), toy.loss, replace(toy.CONFIG, epochs=1), checkpoint=Checkpoint(Path(tmp_path)))
    assert kept.read_text() == "not ours"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["epoch-000001-step-000000000", "other.txt"]
