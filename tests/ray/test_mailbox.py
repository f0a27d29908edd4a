import asyncio

from ucvgl.distributed.mailbox import ATTEMPTS, Command, Mailbox, Outcome

PROGRAM = Command(1, "module:function")


def test_a_program_whose_workers_keep_dying_is_given_up():
    async def groups():
        box = Mailbox()
        await box.submit(PROGRAM)
        for _ in range(ATTEMPTS):
            assert await box.next(0, first=True) == PROGRAM
        assert (await box.drain())[1:] == (None, ATTEMPTS)
        await box.next(0, first=True)
        return (await box.drain())[1]

    assert "died" in asyncio.run(groups()).traceback


def test_a_program_that_gets_further_each_time_may_lose_any_number_of_groups():
    async def groups(first_steps):
        box = Mailbox()
        await box.submit(PROGRAM)
        for step in first_steps:
            if await box.next(0, first=True) != PROGRAM:
                break
            await box.report({"stage": "round_00", "step": step})
            await box.report({"stage": "round_00", "step": step + 50})
        return (await box.drain())[1:]

    further = range(1, 10 * ATTEMPTS)
    assert asyncio.run(groups(further)) == (None, len(further))
    outcome, attempts = asyncio.run(groups([7] * 10 * ATTEMPTS))
    assert "without getting further" in outcome.traceback
    assert attempts == ATTEMPTS + 1


def test_every_worker_gets_a_program_once_and_the_end_when_the_session_closes():
    async def workers():
        box = Mailbox()
        early = asyncio.create_task(box.next(0, first=True))
        await asyncio.sleep(0)
        await box.submit(PROGRAM)
        assert await early == await box.next(0, first=False) == PROGRAM
        late = asyncio.create_task(box.next(1, first=True))
        await asyncio.sleep(0)
        await box.close()
        return await late

    assert asyncio.run(workers()) == Mailbox.CLOSED


def test_the_first_outcome_counts_and_the_rows_come_in_order():
    async def program():
        box = Mailbox()
        await box.submit(PROGRAM)
        await box.report({"step": 0})
        await box.report({"step": 1})
        await box.finish(Outcome(1, traceback="cause"))
        await box.finish(Outcome(1, traceback="echo"))
        return await box.drain()

    rows, outcome, _ = asyncio.run(program())
    assert rows == [{"step": 0}, {"step": 1}]
    assert outcome.traceback == "cause"
