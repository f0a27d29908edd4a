import pytest
import torch

from tests.training.one_of_two_workers import losses_and_gradients
from tests.training.side_by_side import run_side_by_side
from ucvgl.training import workers


def test_two_workers_get_the_loss_and_the_gradients_of_the_whole_batch(tmp_path):
    run_side_by_side(losses_and_gradients, 2, tmp_path / "two")
    expected = losses_and_gradients()
    for rank in range(2):
        found = torch.load(tmp_path / "two" / f"{rank}.pt")
        for case, (loss, gradients) in expected.items():
            torch.testing.assert_close(found[case][0], loss, atol=1e-5, rtol=1e-5)
            for name, gradient in gradients.items():
                message = f"{case}, worker {rank}: {name}"
                if gradient is None:
                    assert found[case][1][name] is None, message
                else:
                    torch.testing.assert_close(
                        found[case][1][name], gradient, atol=2e-5, rtol=1e-3, msg=lambda text, m=message: m + text
                    )


@pytest.mark.parametrize("size", [1, 3, 64])
def test_workers_share_a_batch_without_gap_or_overlap(monkeypatch, size):
    monkeypatch.setattr(workers, "size", lambda: size)
    for batch in (0, 1, 2, 7, 128):
        shares = [range(*workers.share(batch, worker).indices(batch)) for worker in range(size)]
        assert [row for rows in shares for row in rows] == list(range(batch))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_one_process_gathers_what_it_has_and_wraps_nothing():
    rows, module = torch.rand(3, 2), torch.nn.Linear(2, 2)
    assert workers.gather(rows, 3) is rows
    assert workers.distributed(module) is module
    assert (workers.rank(), workers.size()) == (0, 1)
