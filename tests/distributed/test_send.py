"""What Ray says of a submission that it does not take is told with the way out."""

from types import SimpleNamespace

import pytest

from ucvgl.distributed import submit


def test_a_working_tree_too_large_to_send_is_told_at_once(tmp_path):
    """As Ray 2.60 words it."""

    def refuse(**_):
        raise ValueError("Package size (212.40MiB) exceeds the maximum size of 100.00MiB. You can exclude large files")

    with pytest.raises(ValueError, match=r"has 212.40MiB to send, and Ray takes 100.00MiB; name in .gitignore what"):
        submit._send(SimpleNamespace(submit_job=refuse), "python jobs/unsupervised.py", tmp_path)
