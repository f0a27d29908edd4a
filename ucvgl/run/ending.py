"""How every program ends: one sentence for what a person or a machine can mend, a traceback for a bug of ours."""

from __future__ import annotations

import errno
import gc
import os
import re
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ucvgl.files.printable import printable_lines, shortened
from ucvgl.images.uris import scrubbed

DONE, FAILED, MISTAKEN, INTERRUPTED, HUNG_UP, TERMINATED = 0, 1, 2, 130, 129, 143
"""Exit codes."""

KEPT_BACK, IMPORTS_MAP = 2**22, 2**32
"""Bytes: for the last words of a program that has no more; that all imports together may take."""
CAME: list[int] = []
"""Signals that this program was ended by."""

ROOM = "make room there, or name another place; then the same command goes on"
WAYS_OUT = {
    errno.ENOSPC: ROOM,
    errno.EDQUOT: ROOM,
    errno.EFBIG: "allow larger files (ulimit -f unlimited)",
    errno.EROFS: "name a place that may be written",
    errno.EACCES: "change its rights, or name another place",
    errno.EPERM: "change its rights, or name another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTDIR: "a file lies where a folder is needed; name another place, or move it away",
    errno.EEXIST: "a file lies where a folder is needed; name another place, or move it away",
    errno.ELOOP: "a link there leads back to itself; remove it",
    errno.EMFILE: "allow this shell more open files (ulimit -n 4096)",
    errno.ENFILE: "this machine has too many open files; end other programs",
    errno.EAGAIN: "this machine allows no more processes or threads; end other programs, or raise ulimit -u",
    errno.ENOMEM: "run less beside it, or ask for less at once",
    errno.EIO: "the disk or network folder fails; look at the system's log",
    errno.ESTALE: "the network folder was lost; mount it again",
}
MEMORY = "run less beside it, or lower resources.image_cpus, resources.search_rows or resources.train_rows"
MACHINE = tuple((re.compile(words, re.IGNORECASE), told) for words, told in (
    (r"low on memory\.(?s:.*?) was (\S+) used / (\S+) limit",
     r"the machine ran out of memory (\1 of \2 used), and Ray ended processes of this job; " + MEMORY),
    (r"CUDA out of memory", "the GPU ran out of memory; lower resources.train_rows, resources.search_rows or a batch, "
     "and see that no other program uses it"),
    (r"failed to map segment|cannot allocate memory|can't allocate memory|MemoryError|Unable to allocate|"
     r"could not (create|execute) a (primitive|memory)",
     "there was not enough memory; allow this program more (ulimit -v unlimited), or " + MEMORY),
    (r"can't start new thread|Resource temporarily unavailable",
     "this machine allows no more processes or threads; end other programs, or raise ulimit -u"),
    (r"Too many open files", "there are too many open files; allow this shell more (ulimit -n 4096)"),
    (r"No space left on device|Disk quota exceeded|PytorchStreamWriter failed writing|OutOfDiskError|"
     r"unexpected pos \d+ vs \d+|iostream error|\d+ requested and \d+ written",
     f"the disk is full, here or on a machine of the cluster; {ROOM}"),
    (r"^(ActorDied|ActorUnavailable|NodeDied|LocalRayletDied|WorkerCrashed|OwnerDied|ObjectLost)Error: "
     r"(?!(?s:.)*in its creation task)",
     r"a process of Ray was lost, or its machine (Ray calls it \1Error); the same command goes on from there"),
))  # fmt: skip
"""What libraries say of a machine's state, whatever the type of their error, and what a person needs to hear. Compiled
now, as there may be no memory for it later."""


class Failure(RuntimeError):
    """Work that failed on the way, told in a sentence; what caused it says whether that is a bug of ours."""


class Interrupted(BaseException):
    """The program was stopped from outside, and knows what to say of it."""

    def __init__(self, words: str, stop: BaseException) -> None:
        super().__init__(words)
        self.code = _code_of(stop)


class Stopped(SystemExit):
    """A signal that ends this process; the clean-up runs."""


def ended(program: Callable[[], int | None], say: Callable[[str], None]) -> int:
    """Run a program to its end, however it ends; its exit code.

    Args:
        program: may raise anything.
        say: tells the last sentence where it did not end well.
    """

    def tell(words: str) -> None:
        say(printable_lines(shortened(scrubbed(words))))

    before = {number: _ending(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    CAME.clear()
    try:
        return program() or DONE
    except BrokenPipeError:  # `ucvgl localize ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (Interrupted, KeyboardInterrupt, SystemExit) as stop:
        if isinstance(stop, SystemExit) and not CAME:
            raise
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))  # the second time: at once
        tell(str(stop) if isinstance(stop, Interrupted) else "interrupted")
        return _code_of(stop)
    except Exception as error:
        if CAME:  # Ray loses processes of a program that is being ended, and raises that instead
            tell("interrupted")
            return _code_of(error)
        failed = isinstance(error, Failure)
        told = sentence((error.__cause__ or error) if failed else error)
        if told is None:
            print(trace((error.__cause__ or error) if failed else error), end="", file=sys.stderr)
        unexpected = f"{type(error).__name__}: {error}; this is a bug of ucvgl, please report the lines above"
        tell(str(error) if failed else told or unexpected)
        return FAILED if failed or told is None else MISTAKEN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def trace(error: BaseException) -> str:
    """The traceback of an error, without secrets."""
    return printable_lines(shortened(scrubbed("".join(traceback.format_exception(error)))))


def sentence(error: BaseException) -> str | None:
    """What a person needs to hear of a mistake of theirs or of the state of a machine; None for a bug of ours."""
    *_, error = _chain(error, "cause")  # Ray's errors hold a traceback as text
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        begin = error.object.rfind("\n", 0, error.start) + 1  # of all that was to be said, the line that holds it
        line = error.object[begin:].partition("\n")[0]
        name = line.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        told = f"{name} is not UTF-8; rename it, or reach it by a link of another name"
    elif isinstance(error, UnicodeEncodeError):
        letters = ascii(error.object[error.start : error.end])
        told = f"{letters} cannot be written as {error.encoding}, which is asked for; set PYTHONIOENCODING=utf-8"
    elif isinstance(error, ValueError):
        told = str(error)
    elif isinstance(error, OSError) and error.errno is not None and error.strerror:
        file = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes)) else ""
        told = f"{file}{error.strerror[0].lower()}{error.strerror[1:]}; {WAYS_OUT.get(error.errno, 'check the path')}"
    elif (told := machine_state(_with_causes(error))) is None:
        if not isinstance(error, OSError):
            return None
        told = " ".join(str(error).split()) or type(error).__name__
    return "".join([told, *(f" ({note})" for note in getattr(error, "__notes__", ()))])


class Imports:
    """The imports of a program, of which each library may be the one that finds too little memory.

    Nearly all that they make stays: garbage is not looked for in it, which took a quarter of the time, nor later.
    """

    def __enter__(self) -> None:
        """Begin to import, with some memory kept back for what is to be said where there is no more."""
        if told := folder_is_gone():
            print(told, file=sys.stderr)
            sys.exit(MISTAKEN)
        gc.disable()
        self._kept_back = bytearray(KEPT_BACK)
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # they take half a minute where a machine is busy
        self._before = {number: signal.getsignal(number) for number in numbers}
        for number in numbers:
            if self._before[number] is not signal.SIG_IGN:
                signal.signal(number, _nothing_begun)

    def __exit__(self, kind: type | None, error: BaseException | None, trace: Any) -> None:
        """End the program with a sentence where the machine's state forbids an import."""
        del self._kept_back
        gc.freeze()
        gc.enable()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if isinstance(error, Exception) and (told := machine_state(_with_causes(error)) or _little_to_map(error)):
            print(told, file=sys.stderr)
            sys.stderr.flush()
            os._exit(MISTAKEN)  # what was imported by half cannot clean up


def _nothing_begun(number: int, frame: Any) -> None:
    """End a program that only imports: an exception there is a traceback of a library, or lost in one."""
    os.write(sys.stderr.fileno(), b"interrupted\n")
    os._exit(128 + number)


def folder_is_gone() -> str:
    """What to hear where the folder one stands in was deleted: PyTorch's libraries end the program in their own way."""
    try:
        os.getcwd()
    except OSError as error:
        return f"the folder one stands in cannot be used ({error.strerror}); change to another (cd)"
    return ""


def _little_to_map(error: Exception) -> str | None:
    """Where a program may map little memory, an import fails with any words."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if isinstance(error, ModuleNotFoundError) or limit == resource.RLIM_INFINITY or limit > IMPORTS_MAP:
        return None
    return f"an import failed, as a program may map {limit / 1e9:.1f} GB here; allow more (ulimit -v unlimited)"


def machine_state(text: str) -> str | None:
    """The sentence for a library's words about memory, disk, processes or open files; None for all other words."""
    for pattern, told in MACHINE:
        if found := pattern.search(text):
            return found.expand(told)
    return None


@contextmanager
def at_work_on(name: str) -> Iterator[None]:
    """Whatever fails in here says what it was at work on."""
    try:
        yield
    except Exception as error:
        if name not in str(error):
            vars(error)["__notes__"] = [*getattr(error, "__notes__", ()), f"at work on {name}"]
        raise


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold an interruption back for a while, and only one: the second ends the process at once."""
    held: list[int] = []

    def hold(number: int, frame: Any) -> None:
        if held:
            os._exit(128 + number)
        held.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, hold) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in held:
        signal.raise_signal(number)


@contextmanager
def interrupted_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process without Python's help: a library that waits in C lets no handler of ours run."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        for number in numbers:
            if before[number] is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        yield
    finally:
        for number, handler in before.items():  # Ray sets its own
            signal.signal(number, handler)


def _with_causes(error: BaseException) -> str:
    """An error and what it was raised from, a line each or more."""
    return "\n".join(f"{type(one).__name__}: {one}" for one in _chain(error, "__cause__"))


def _chain(error: Any, link: str) -> Iterator[BaseException]:
    """An error, the one behind it, and so on, each once: Ray raises some from themselves."""
    told: set[int] = set()
    while isinstance(error, BaseException) and id(error) not in told:
        told.add(id(error))
        yield error
        error = getattr(error, link, None)


def _ending(number: int) -> Any:
    """End as after Ctrl-C when this signal comes; the handler there was. What is ignored (nohup) stays ignored."""
    before = signal.getsignal(number)
    if before is not signal.SIG_IGN:
        signal.signal(number, _stop)
    return before


def _code_of(stop: BaseException) -> int:
    """The exit code for what stopped a program. Ray makes a KeyboardInterrupt of all that is raised while it waits."""
    code = 128 + CAME[-1] if CAME else getattr(stop, "code", None)  # Ray ends a driver by codes of its own
    return code if code in (HUNG_UP, TERMINATED) else INTERRUPTED


def _stop(number: int, frame: Any) -> None:
    CAME.append(number)
    raise Stopped(128 + number)
