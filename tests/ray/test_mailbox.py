import asyncio

from ucvgl.distributed.mailbox import ATTEMPTS, Command, Mailbox, Member, Outcome

PROGRAM = Command(1, "module:function")
ONE, OTHER = Member("a", 0, 2), Member("a", 1, 2)


def test_a_program_whose_workers_keep_dying_is_given_up():
    async def groups():
        box = Mailbox()
        await box.submit(PROGRAM)
        for _ in range(ATTEMPTS):
            assert await box.next(0, ONE) == PROGRAM
        assert (await box.drain())[1:] == (None, ATTEMPTS)
        await box.next(0, ONE)
        return (await box.drain())[1]

    assert "died" in asyncio.run(groups()).traceback


def test_a_program_that_gets_further_each_time_may_lose_any_number_of_groups():
    async def groups(first_steps):
        box = Mailbox()
        await box.submit(PROGRAM)
        for step in first_steps:
            if await box.next(0, ONE) != PROGRAM:
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
        early = asyncio.create_task(box.next(0, ONE))
        await asyncio.sleep(0)
        await box.submit(PROGRAM)
        assert await early == await box.next(0, OTHER) == PROGRAM
        late = asyncio.create_task(box.next(1, ONE))
        await asyncio.sleep(0)
        await box.close()
        return await late

    assert asyncio.run(workers()) == Mailbox.CLOSED


def test_the_first_error_counts_and_the_rows_come_in_order():
    async def program():
        box = Mailbox()
        await box.submit(PROGRAM)
        await box.report({"step": 0})
        await box.report({"step": 1})
        await box.finish(Outcome(1, traceback="cause"), OTHER)
        await box.finish(Outcome(1, traceback="echo"), ONE)
        return await box.drain()

    rows, outcome, _ = asyncio.run(program())
    assert rows == [{"step": 0}, {"step": 1}]
    assert outcome.traceback == "cause"


def test_a_program_has_ended_when_all_workers_of_one_group_have_finished_it():
    async def outcomes(*turns):
        box, found = Mailbox(), []
        await box.submit(PROGRAM)
        for turn in turns:
            await box.finish(Outcome(1, value=f"{turn.group}{turn.rank}"), turn)
            found.append(box._outcome and box._outcome.value)
        return found

    assert asyncio.run(outcomes(OTHER, ONE)) == [None, "a0"]
    # A worker of a group that has died does not count for the next group.
    assert asyncio.run(outcomes(ONE, Member("b", 1, 2), Member("b", 0, 2))) == [None, None, "b0"]


def test_a_program_that_keeps_what_it_makes_may_lose_any_number_of_groups():
    async def groups(row):
        box = Mailbox()
        await box.submit(PROGRAM)
        for _ in range(3 * ATTEMPTS):
            if await box.next(0, ONE) != PROGRAM:  # given up: the next question would be a long one
                break
            await box.report(row)
        return (await box.drain())[1]

    assert asyncio.run(groups({"kept": 5})) is None
    assert "died" in asyncio.run(groups({"share": 0.5})).traceback
