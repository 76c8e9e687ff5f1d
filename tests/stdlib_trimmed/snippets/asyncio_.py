# %% run_and_gather
import asyncio
async def work(n):
    await asyncio.sleep(0.001 * n)
    return n * 2
async def main():
    print(await asyncio.gather(*(work(i) for i in range(5))))
    print(await asyncio.gather(work(1), boom(), return_exceptions=True))
    t = asyncio.create_task(work(3), name="named")
    print(t.get_name(), await t, t.done())
    return "result"
async def boom(): raise ValueError("boom")
print(asyncio.run(main()))
#> [0, 2, 4, 6, 8]
#> [2, ValueError('boom')]
#> named 6 True
#> result
# %% task_group_and_timeout
import asyncio
async def main():
    async with asyncio.TaskGroup() as tg:
        a = tg.create_task(asyncio.sleep(0, "a"))
        b = tg.create_task(asyncio.sleep(0.001, "b"))
    print(a.result(), b.result())
    try:
        async with asyncio.timeout(0.005):
            await asyncio.sleep(10)
    except TimeoutError:
        print("timed out")
    try:
        await asyncio.wait_for(asyncio.sleep(10), 0.005)
    except TimeoutError as error:
        print("wait_for", type(error).__name__)
    try:
        async with asyncio.TaskGroup() as tg:
            tg.create_task(fail()); tg.create_task(asyncio.sleep(10))
    except* ValueError as group:
        print(group.exceptions)
async def fail(): raise ValueError("x")
asyncio.run(main())
#> a b
#> timed out
#> wait_for TimeoutError
#> (ValueError('x'),)
# %% queue_lock_event_semaphore_condition
import asyncio
async def producer(q):
    for i in range(3):
        await q.put(i)
        await asyncio.sleep(0)
    await q.put(None)
async def main():
    q = asyncio.Queue(maxsize=1)
    task = asyncio.create_task(producer(q))
    out = []
    while (item := await q.get()) is not None: out.append(item)
    await task
    lock, event, sem, cond, barrier = asyncio.Lock(), asyncio.Event(), asyncio.Semaphore(2), asyncio.Condition(), asyncio.Barrier(2)
    async def locked(n):
        async with lock: out.append(n)
    async with lock:
        waiting = asyncio.create_task(locked("late")); await asyncio.sleep(0); out.append("first")
    await waiting
    asyncio.get_running_loop().call_later(0.001, event.set)
    await event.wait()
    async with sem: out.append(sem.locked())
    async def notify():
        async with cond: cond.notify_all()
    async with cond:
        t = asyncio.create_task(notify()); await cond.wait()
    await t
    await asyncio.gather(barrier.wait(), barrier.wait())
    pq = asyncio.PriorityQueue(); pq.put_nowait(2); pq.put_nowait(1); out.append(await pq.get())
    print(out)
asyncio.run(main())
#> [0, 1, 2, 'first', 'late', False, 1]
# %% cancellation_and_shield
import asyncio
async def stubborn():
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        print("cancelled inside"); raise
async def main():
    t = asyncio.create_task(stubborn()); await asyncio.sleep(0); t.cancel("why")
    try:
        await t
    except asyncio.CancelledError as error:
        print("outer", error.args, t.cancelled())
    inner = asyncio.create_task(asyncio.sleep(0.002, "kept"))
    s = asyncio.shield(inner)
    s.cancel()
    print(await inner)
    done, pending = await asyncio.wait([asyncio.create_task(asyncio.sleep(0.001, 1)), asyncio.create_task(asyncio.sleep(5))], return_when=asyncio.FIRST_COMPLETED)
    print(len(done), len(pending)); [p.cancel() for p in pending]
    for c in asyncio.as_completed([asyncio.sleep(0.002, "slow"), asyncio.sleep(0, "fast")]): print(await c)
asyncio.run(main())
#> cancelled inside
#> outer ('why',) True
#> kept
#> 1 1
#> fast
#> slow
# %% loop_callbacks_and_futures
import asyncio
async def main():
    loop = asyncio.get_running_loop()
    f = loop.create_future()
    loop.call_soon(print, "soon"); loop.call_later(0.002, f.set_result, "later"); h = loop.call_later(0.001, print, "never"); h.cancel()
    loop.call_soon_threadsafe(print, "threadsafe")
    print(await f, loop.is_running(), loop.time() > 0, asyncio.current_task().get_name(), len(asyncio.all_tasks()))
    loop.set_exception_handler(lambda loop, context: print("handled", context["message"][:21]))
    loop.call_soon(lambda: 1 / 0); await asyncio.sleep(0)
asyncio.run(main())
with asyncio.Runner() as runner:
    print(runner.run(asyncio.sleep(0, "runner")), runner.get_loop().is_closed())
#> soon
#> threadsafe
#> later True True Task-1 1
#> handled Exception in callback
#> runner False
# %% async_generators_and_context
import asyncio, contextlib, contextvars
v = contextvars.ContextVar("v", default=0)
async def agen():
    try:
        for i in range(3):
            yield i
            await asyncio.sleep(0)
    finally:
        print("agen closed")
@contextlib.asynccontextmanager
async def acm():
    print("enter"); yield "value"; print("leave")
async def child(): v.set(9); return v.get()
async def main():
    print([x async for x in agen() if x != 1])
    async for x in agen(): break
    async with acm() as value: print(value)
    async with contextlib.AsyncExitStack() as stack: print(await stack.enter_async_context(acm()))
    print(await asyncio.create_task(child()), v.get())
asyncio.run(main())
#> agen closed
#> [0, 2]
#> enter
#> value
#> leave
#> enter
#> value
#> leave
#> agen closed
#> 9 0
# %% eager_tasks_and_debug
import asyncio
async def main():
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    t = asyncio.create_task(now()); print(t.done(), t.result())
async def now(): return "eager"
asyncio.run(main(), debug=True)
try:
    asyncio.run(5)
except (TypeError, ValueError) as error:
    print(error)
#> True eager
#> a coroutine was expected, got 5
