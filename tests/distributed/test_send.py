"""What Ray says of a submission that it does not take is told with the way out."""

from types import SimpleNamespace

import pytest

from ucvgl.distributed import submit


def test_credentials_are_not_sent_as_the_dashboard_would_show_them(tmp_path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "unsupervised.py").touch()
    with pytest.raises(ValueError, match=r"^--dataset.root=s3://\*\*\*@b/x: a URI with credentials would be written"):
        submit.submit("http://127.0.0.1:9", "unsupervised", ["tiny", "--dataset.root=s3://k:s3cr3t@b/x"], root=tmp_path)


def test_a_working_tree_too_large_to_send_is_told_at_once(tmp_path):
    """As Ray 2.60 words it."""

    def refuse(**_):
        raise ValueError("Package size (212.40MiB) exceeds the maximum size of 100.00MiB. You can exclude large files")

    with pytest.raises(ValueError, match=r"has 212.40MiB to send, and Ray takes 100.00MiB; name in .gitignore what"):
        submit._send(SimpleNamespace(submit_job=refuse), "python jobs/unsupervised.py", tmp_path)
