import errno
import json
import math
import os

import pytest
import torch

import ucvgl.training.loop
from ucvgl.training.loop import finish, run_steps


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
            seen=lambda index: {"ids": [f"image {index}"]},
            **({"log_seconds": 0.0, "checkpoint_seconds": 0.0, "checkpoint_share": math.inf} | seconds),
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
def test_a_loss_that_is_not_finite_ends_the_run_at_its_step_names_its_images_and_keeps_the_checkpoint(tmp_path, bad):
    walk = Walk(tmp_path)
    walk.loss = lambda value: bad if len(walk.steps) == 5 else value
    with pytest.raises(ValueError, match=rf"^walk, step 5: loss is {bad}\. Its images are listed in .*\.not_finite"):
        walk.run(log_seconds=math.inf)
    with pytest.raises(ValueError, match="step 5"):
        walk.steps.clear()
        walk.run()
    (listed, _) = (tmp_path / "walk.not_finite.jsonl").read_text().splitlines()
    assert json.loads(listed) == {"step": 5, "numbers": str({"loss": bad}), "ids": ["image 4"]}
    again = Walk(tmp_path)
    again.run()
    assert again.steps[0] == 4


def test_a_skipped_step_is_said_listed_and_left_out_of_the_means(tmp_path, caplog):
    walk = Walk(tmp_path)
    walk.loss = lambda _: math.nan if len(walk.steps) in (2, 4) else 1.0
    walk.run(log_seconds=math.inf, not_finite="skip")
    assert [(row["step"], row["loss"], row["skipped"]) for row in walk.rows] == [(10, 1.0, 2)]
    assert caplog.text.count("loss is nan: skipped; its images are listed in") == 2
    assert len((tmp_path / "walk.not_finite.jsonl").read_text().splitlines()) == 2


def test_skipping_is_given_up_when_no_step_is_finite_any_more(tmp_path):
    walk = Walk(tmp_path)
    walk.loss = lambda _: math.nan
    with pytest.raises(ValueError, match="step 10: loss is nan, as in the 9 steps before"):
        walk.run(steps=20, not_finite="skip")
    assert len(walk.steps) == 10


def test_a_full_disk_costs_a_checkpoint_and_not_the_training(tmp_path, monkeypatch, caplog):
    expected = Walk(tmp_path).run(checkpoint_seconds=math.inf)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        assert torch.equal(Walk(tmp_path).run(), expected)
    told = f"no checkpoint of step 1: [Errno 28] No space left on device: '{tmp_path}/walk.checkpoint'; tried again"
    assert told in caplog.text
    assert not list(tmp_path.iterdir()), "a half checkpoint takes the space that is missing"


@pytest.mark.parametrize("left", [0, 21, 22, 100, 1000, 2000, -1])
def test_a_torn_checkpoint_costs_its_steps_and_not_the_run(tmp_path, left, caplog):
    expected = Walk(tmp_path).run()
    whole = (tmp_path / "walk.checkpoint").read_bytes()
    (tmp_path / "walk.checkpoint").write_bytes(whole[:left])
    again = Walk(tmp_path)
    assert torch.equal(again.run(), expected)
    assert again.steps == list(range(10))
    assert "walk.checkpoint does not hold weights that can be read" in caplog.text
    assert "It is kept as walk.damaged, and this training begins anew" in caplog.text
    assert (tmp_path / "walk.damaged").read_bytes() == whole[:left]


def test_a_flipped_bit_in_the_numbers_of_a_checkpoint_is_noticed(tmp_path, caplog):
    """PyTorch would go on with it."""
    with pytest.raises(KeyboardInterrupt):
        Walk(tmp_path, fail_at=7).run()
    whole = (tmp_path / "walk.checkpoint").read_bytes()
    numbers = torch.load(tmp_path / "walk.checkpoint", weights_only=True)["state"]["layer"]["weight"]
    at = whole.index(numbers.numpy().tobytes())
    (tmp_path / "walk.checkpoint").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    again = Walk(tmp_path)
    again.run()
    assert again.steps == list(range(10))
    assert "the checksum of" in caplog.text and (tmp_path / "walk.damaged").exists()


def test_checkpoints_that_are_slow_to_write_become_rarer(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(ucvgl.training.loop.time, "monotonic", lambda: clock[0])
    save, saved = ucvgl.training.loop._save, []

    def slowly(path, state, step):
        save(path, state, step)
        saved.append(step)
        clock[0] += 5

    monkeypatch.setattr(ucvgl.training.loop, "_save", slowly)
    walk = Walk(tmp_path)
    walk.loss = lambda value: clock.__setitem__(0, clock[0] + 1) or value
    walk.run(steps=300, checkpoint_seconds=10, checkpoint_share=0.05)
    assert saved == [10, 110, 210]


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


def test_a_device_out_of_memory_is_a_sentence_with_the_way_out(tmp_path):
    walk = Walk(tmp_path)

    def full(_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")

    walk.loss = lambda value: full(value) if len(walk.steps) == 3 else value
    said = r"^walk, step 3: .*out of memory \(CUDA .* 2.00 GiB\.\)\. .*resources.train_rows"
    with pytest.raises(ValueError, match=said):
        walk.run()
    assert (tmp_path / "walk.checkpoint").exists()


def test_numbers_are_read_only_when_a_line_of_the_log_is_due(tmp_path):
    """A number that lies on the device `meta` cannot be read at all."""
    walk = Walk(tmp_path)
    walk.loss = lambda _: torch.zeros((), device="meta")
    with pytest.raises(RuntimeError, match="meta"):
        walk.run(log_seconds=math.inf)
    assert walk.steps == list(range(10)), "a number was read before the end"


def test_a_line_of_the_log_says_what_share_of_the_time_reading_took(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(ucvgl.training.loop.time, "monotonic", lambda: clock[0])
    walk = Walk(tmp_path)
    walk.loss = lambda value: clock.__setitem__(0, clock[0] + 1) or value
    walk.run(steps=12, log_seconds=6, waited=lambda: clock[0] ** 2 / 24)
    assert [row["data_wait"] for row in walk.rows] == [0.25, 0.75]
