import subprocess
import sys

SMALL = ("reading", "framing", "projecting", "mailbox", "trials")


def test_processes_that_read_images_or_wait_for_others_load_neither_torch_nor_scipy() -> None:
    """There are as many as CPUs, or as trials, and each would take three seconds longer to start."""
    modules = ", ".join([*(f"ucvgl.distributed.{name}" for name in SMALL), "ucvgl.sweep.share"])
    code = f"import sys, {modules}; sys.exit(str({{'torch', 'scipy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "set()", "loaded"
