import math

import pytest
import torch

from ucvgl.model.loop import finish, run_steps


class Walk:
    """A tiny training: a linear layer under AdamW, whose step i sees the numbers drawn from the seed i."""

    def __init__(self, folder, *, fail_at=None, loss=float):
        torch.manual_seed(0)
        self.folder, self.fail_at, self.loss = folder, fail_at, loss
        self.layer = torch.nn.Linear(4, 1)
        self.optimizer = torch.optim.AdamW(self.layer.parameters(), 0.1)
        self.steps, self.rows = [], []

    def step(self, index):
        if index == self.fail_at:
            raise KeyboardInterrupt
        self.steps.append(index)
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(index))
        loss = (self.layer(x) - 1).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss": self.loss(loss.item())}

    def run(self, steps=10, **seconds):
        run_steps(
            self.step,
            steps,
            name="walk",
            folder=self.folder,
            state={"layer": self.layer, "optimizer": self.optimizer},
            images_per_step=8,
            log=lambda **row: self.rows.append(row),
            **({"log_seconds": 0.0, "checkpoint_seconds": 0.0} | seconds),
        )
        return self.layer.weight.detach().clone()


@pytest.mark.parametrize("fail_at", [0, 1, 6, 9])
def test_a_broken_off_run_goes_on_and_ends_as_an_undisturbed_one(tmp_path, fail_at):
    (tmp_path / "whole").mkdir()
    expected = Walk(tmp_path / "whole").run()
    with pytest.raises(KeyboardInterrupt):
        Walk(tmp_path, fail_at=fail_at).run()
    again = Walk(tmp_path)
    assert torch.equal(again.run(), expected)
    assert again.steps == list(range(fail_at, 10)), "finished steps were done again"
    assert [row["step"] for row in again.rows] == [step + 1 for step in again.steps]


def test_between_checkpoints_the_steps_since_the_last_one_are_repeated(tmp_path):
    expected = Walk(tmp_path).run(checkpoint_seconds=math.inf)
    assert not list(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        Walk(tmp_path, fail_at=7).run(checkpoint_seconds=math.inf)
    again = Walk(tmp_path)
    assert torch.equal(again.run(), expected)
    assert again.steps == list(range(10))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_last_checkpoint(tmp_path, bad):
    walk = Walk(tmp_path)
    walk.loss = lambda value: bad if len(walk.steps) == 5 else value
    with pytest.raises(FloatingPointError, match=r"walk: loss not finite within steps 4\.\.4; .* walk\.checkpoint"):
        walk.run()
    again = Walk(tmp_path)
    again.run()
    assert again.steps[0] == 4


def test_losses_are_averaged_since_the_last_line_of_the_log(tmp_path):
    walk = Walk(tmp_path)
    walk.loss = lambda _: float(len(walk.steps))
    walk.run(log_seconds=math.inf)
    assert [(row["step"], row["steps"], row["loss"]) for row in walk.rows] == [(10, 10, 5.5)]


def test_a_loop_that_is_over_drops_its_checkpoint(tmp_path):
    Walk(tmp_path).run()
    assert (tmp_path / "walk.checkpoint").exists()
    finish(tmp_path, "walk")
    finish(tmp_path, "walk")
    assert not list(tmp_path.iterdir())
