-- Drains of subscriptions and connections: what has come is handled, what was answered is sent, then it is over.
-- All through a tap whose oracle reads every byte; blocking first, then with coroutines over luv.
local helper = require "helper"
local loop = require "natskit.loop.luv"
local nats = require "natskit"

local quick = { reconnect_wait = 0.02, reconnect_wait_max = 0.1, reconnect_jitter = 0 }

-- Publishes `count` messages "1", "2", ... that ask for a reply, and waits until all are in the subscription.
local function fill(nc, sub, subject, count, reply)
    local before = sub:stats().received
    for i = 1, count do
        assert(nc:publish(subject, tostring(i), { reply = reply }))
    end
    assert(nc:flush(10))
    helper.eventually(function()
        return sub:stats().received - before == count
    end)
end

-- Fails if it takes longer than a drain that waits for nothing may on a busy machine; its timeout is far above.
local function soon(fn, ...)
    local took, result, message, code = helper.timed(fn, ...)
    assert.is_true(took < 10, took)
    return result, message, code
end

describe("a drain that blocks", function()
    local nc, tap, other

    setup(function()
        helper.start()
    end)
    teardown(helper.stop)
    before_each(function()
        nc, tap = helper.tapped(quick)
        other = helper.connect()
    end)
    after_each(function()
        nc:close(0)
        other:close(0)
        tap:close()
        helper.nothing_left()
    end)

    it("ends a subscription whose messages are taken by a loop, which answers", function()
        local replies <close> = assert(other:subscribe("replies"))
        assert(other:flush())
        local sub = assert(nc:subscribe("work"))
        fill(nc, sub, "work", 200, "replies")
        assert.is_true(sub:start_drain(20))
        assert.is_true(sub:stats().draining)
        assert(nc:flush())
        assert(other:publish("work", "too late"))
        assert(other:flush())
        local count = 0
        for msg in sub:messages() do
            count = count + 1
            assert.are.equal(tostring(count), msg.data)
            assert.is_true(msg:respond(msg.data))
        end
        assert.are.equal(200, count)
        assert.are.equal("unsubscribed", sub:stats().reason)
        assert.are.equal(0, sub:stats().holds)
        assert.is_true(nc:flush()) -- the connection lives on
        assert.are.equal("connected", nc:info().state)
        assert.is_false(nc:info().draining)
        helper.eventually(function()
            return replies:stats().received == 200
        end)
        helper.fails("end", sub:next(1))
        sub:close()
    end)

    it("ends a connection of which the loops were run after its begin", function()
        local replies <close> = assert(other:subscribe("replies"))
        assert(other:flush())
        local one, two = assert(nc:subscribe("one")), assert(nc:subscribe("two"))
        fill(nc, one, "one", 150, "replies")
        fill(nc, two, "two", 150, "replies")
        assert.is_true(nc:start_drain(20))
        assert.is_true(nc:info().draining)
        helper.fails("draining", nc:subscribe("three"))
        helper.fails("pending", nc:closed(0))
        local count = 0
        for msg in one:messages() do
            assert.is_true(msg:respond("answer"))
            count = count + 1
        end
        for _, data, reply in two:strings() do
            assert.is_true(nc:publish(reply, data))
            count = count + 1
        end
        assert.are.equal(300, count)
        assert.is_true(nc:closed(20))
        assert.are.equal("closed", nc:info().state)
        assert.are.equal(0, nc:stats().abandoned_msgs)
        assert.are.equal(0, nc:stats().unsent)
        local got = 0
        while got < 300 do -- the server has them all, but may pass them on in any number of pieces
            got = got + #assert(replies:next_batch(300, 10))
        end
        assert.are.equal(300, got)
        one:close()
        two:close()
    end)

    it("has nothing to wait for, and is quick", function()
        local sub = assert(nc:subscribe("empty"))
        assert.is_true(soon(sub.drain, sub, 30))
        assert.is_true(soon(sub.drain, sub, 30)) -- again: it is drained
        local never = assert(nc:subscribe("empty"))
        assert.is_true(soon(nc.drain, nc, 30))
        helper.fails("end", never:next(1))
        sub:close()
        never:close()
    end)

    it("waits for what next has taken ahead, not for what it has handed out", function()
        local sub = assert(nc:subscribe("ahead"))
        fill(nc, sub, "ahead", 10)
        assert.are.equal("1", sub:next(1).data)
        assert.are.equal(9, sub:stats().pending_msgs)
        assert.are.equal(1, sub:stats().holds)
        local _, message, code = sub:drain(0.2)
        assert.are.equal("timeout", code)
        assert.truthy(message:find("drain: ", 1, true), message)
        for i = 2, 10 do
            assert.are.equal(tostring(i), sub:next(1).data)
        end
        assert.are.equal(0, sub:stats().holds)
        assert.is_true(soon(sub.drain, sub, 30))
        helper.fails("end", sub:next(1))
        sub:close()
    end)

    it("is quick after a break, and after an error inside the loop", function()
        for _, iterate in ipairs { "messages", "strings" } do
            local sub = assert(nc:subscribe("left"))
            fill(nc, sub, "left", 1)
            for _ in sub[iterate](sub) do -- luacheck: ignore 512
                assert.are.equal(1, sub:stats().holds)
                break
            end
            assert.are.equal(0, sub:stats().holds)
            assert.is_true(soon(sub.drain, sub, 30))
            sub:close()

            local failing = assert(nc:subscribe("failing"))
            fill(nc, failing, "failing", 1)
            helper.raises("deliberate", function()
                for _ in failing[iterate](failing) do
                    error("deliberate")
                end
            end)
            assert.are.equal(0, failing:stats().holds)
            assert.is_true(soon(failing.drain, failing, 30))
            failing:close()
        end
        assert.is_true(soon(nc.drain, nc, 30))
    end)

    it("goes on with what a loop that was left has taken ahead", function()
        local sub = assert(nc:subscribe("rest"))
        fill(nc, sub, "rest", 5)
        for _ in sub:messages() do -- luacheck: ignore 512
            break
        end
        assert.are.equal(1, sub:stats().holds)
        assert.is_true(sub:start_drain(20))
        local count = 1
        for _ in sub:messages() do
            count = count + 1
        end
        assert.are.equal(5, count)
        assert.are.equal(0, sub:stats().holds)
        sub:close()
    end)

    it("is not held by a loop that has ended by its time", function()
        local sub = assert(nc:subscribe("silent"))
        for _ in sub:messages(0.01) do end
        local again = sub:messages(0.01)
        assert.is_nil(again())
        assert.are.equal(0, sub:stats().holds)
        fill(nc, sub, "silent", 1)
        assert.are.equal("1", again().data) -- it goes on, and holds again
        assert.are.equal(1, sub:stats().holds)
        assert.is_nil(again())
        assert.is_true(soon(sub.drain, sub, 30))
        sub:close()
    end)

    it("is not held by iterators that were collected", function()
        local sub = assert(nc:subscribe("dropped"))
        fill(nc, sub, "dropped", 3)
        do
            local kept = sub:messages()
            assert.are.equal("1", kept().data)
            sub:strings()
            assert.are.equal(2, sub:stats().holds)
        end
        collectgarbage()
        collectgarbage()
        assert.are.equal(1, sub:stats().holds) -- for what is ahead
        assert.are.equal("2", sub:next(1).data)
        assert.are.equal("3", sub:next(1).data)
        assert.are.equal(0, sub:stats().holds)
        assert.is_true(soon(sub.drain, sub, 30))
        sub:close()
    end)

    it("inside its own loop waits for that loop; a start does not", function()
        local sub = assert(nc:subscribe("inside"))
        fill(nc, sub, "inside", 2)
        local count, code = 0, nil
        for _ in sub:messages() do
            count = count + 1
            if count == 2 then
                code = select(3, sub:drain(0.1))
                assert.is_true(sub:stats().draining)
            end
        end
        assert.are.equal("timeout", code)
        local second = assert(nc:subscribe("inside"))
        fill(nc, second, "inside", 3)
        count = 0
        for _ in second:messages() do
            count = count + 1
            if count == 1 then
                assert.is_true(second:start_drain())
            end
        end
        assert.are.equal(3, count)
        sub:close()
        second:close()
    end)

    it("reports what it had to leave behind when its time is over", function()
        local sub = assert(nc:subscribe("abandoned"))
        fill(nc, sub, "abandoned", 7)
        local took, result, message, code = helper.timed(nc.drain, nc, 0.3)
        assert.is_nil(result)
        assert.are.equal("timeout", code)
        assert.truthy(message:find("7 messages were not taken", 1, true), message)
        assert.is_true(took >= 0.29 and took < 10, took)
        assert.are.equal("closed", nc:info().state)
        assert.are.equal(7, nc:stats().abandoned_msgs)
        assert.are.equal(7, #assert(sub:next_batch(10, 1))) -- can still be taken
        helper.fails("end", sub:next(1))
        local _, reason, closed = nc:closed()
        assert.are.equal("timeout", closed)
        assert.are.equal(message, reason)
        sub:close()
    end)

    it("may not be begun twice", function()
        local sub = assert(nc:subscribe("twice"))
        fill(nc, sub, "twice", 1)
        assert.is_true(nc:start_drain(20))
        helper.fails("draining", nc:drain(20))
        helper.fails("draining", nc:start_drain())
        helper.fails("draining", nc:reconnect())
        assert(sub:next(1))
        assert.is_true(nc:closed(20))
        helper.fails("closed", nc:drain())
        helper.fails("closed", sub:start_drain())
        sub:close()
        helper.fails("closed", sub:drain())
        assert.is_true(nc:close())
        helper.fails("closed", nc:drain())
    end)

    it("lets publishes through until all was taken, then nothing", function()
        local sub = assert(nc:subscribe("sealed"))
        local heard <close> = assert(other:subscribe("heard"))
        assert(other:flush())
        fill(nc, sub, "sealed", 1)
        assert.is_true(nc:start_drain(20))
        for msg in sub:messages() do
            assert.is_true(nc:publish("heard", msg.data))
            helper.fails("draining", nc:subscribe("more"))
        end
        assert.are.equal("1", assert(heard:next(10)).data)
        assert.is_true(nc:closed(20))
        for _, call in ipairs { "publish", "request" } do
            local result, _, code = nc[call](nc, "heard", "x")
            assert.is_nil(result)
            assert.truthy(code == "draining" or code == "closed", code)
        end
        helper.fails("closed", nc:subscribe("more"))
        helper.fails("closed", nc:flush())
        sub:close()
    end)

    it("sends what was published while the server is away, when it is back", function()
        local server = helper.testing.server()
        local away = helper.connect(quick, server:url())
        local sub = assert(away:subscribe("away"))
        fill(away, sub, "away", 3)
        server:kill()
        helper.eventually(function()
            return away:info().state == "reconnecting"
        end)
        for i = 1, 100 do
            assert(away:publish("after", tostring(i)))
        end
        assert.is_true(away:start_drain(20))
        assert.are.equal(3, #assert(sub:next_batch(10, 5)))
        helper.fails("end", sub:next(1))
        helper.fails("pending", away:closed(0.05))
        server:restart()
        assert.is_true(away:closed(20))
        assert.are.equal(0, away:stats().unsent)
        local inbound = tonumber(server:monitor("/varz"):match('"in_msgs":%s*(%d+)'))
        assert.are.equal(100, inbound)
        away:close()
        sub:close()
        server:close()
    end)

    it("checks its arguments", function()
        local sub <close> = assert(nc:subscribe("a"))
        helper.raises("timeout", nc.drain, nc, -1)
        helper.raises("timeout", nc.drain, nc, { timeout = 1 })
        helper.raises("timeout", sub.drain, sub, "soon")
        helper.raises("natskit.conn expected", nc.drain, sub)
        helper.raises("natskit.sub expected", sub.drain, nc)
        assert.is_false(nc:info().draining)
    end)
end)

describe("a drain with coroutines", function()
    setup(function()
        helper.start()
    end)
    teardown(helper.stop)
    after_each(helper.nothing_left)

    local function wait_for(fn)
        local deadline = helper.now() + 20
        while not fn() do
            assert(helper.now() < deadline, "waited in vain")
            loop.sleep(0.002)
        end
    end

    -- Workers that take their time; all requests were sent before the drain, but few were handled.
    local function serve(nc, client, workers, requests)
        local state = { handled = 0, answered = 0 }
        for i = 1, workers do
            local sub = assert(nc:subscribe("slow." .. i))
            for _ = 1, 2 do -- two loops share each subscription
                loop.spawn(function()
                    for msg in sub:messages() do
                        loop.sleep(0.001)
                        state.handled = state.handled + 1
                        assert(msg:respond(msg.data))
                    end
                end)
            end
        end
        assert(nc:flush(20))
        for i = 1, requests do
            loop.spawn(function()
                local reply = assert(client:request("slow." .. i % workers + 1, tostring(i), { timeout = 30 }))
                assert.are.equal(tostring(i), reply.data)
                state.answered = state.answered + 1
            end)
        end
        assert(client:flush(20))
        return state
    end

    it("lets every task handle everything, sends all replies, then closes", function()
        loop.run(function()
            local nc, tap = helper.tapped()
            local client <close> = helper.connect()
            local state = serve(nc, client, 5, 300)
            assert.is_true(state.answered < 300, state.answered)
            assert.is_true(nc:drain(30))
            assert.are.equal(300, state.handled)
            assert.are.equal("closed", nc:info().state)
            assert.are.equal(0, nc:stats().abandoned_msgs)
            wait_for(function()
                return state.answered == 300
            end)
            assert.is_true(nc:closed(1))
            tap:close()
        end)
    end)

    it("of a subscription waits for its loop alone", function()
        loop.run(function()
            local nc, tap = helper.tapped()
            local sub, count = assert(nc:subscribe("one")), 0
            for i = 1, 50 do
                assert(nc:publish("one", tostring(i)))
            end
            assert(nc:flush())
            loop.spawn(function()
                for _ in sub:messages() do
                    loop.sleep(0.001)
                    count = count + 1
                end
            end)
            assert.is_true(sub:drain(20))
            assert.are.equal(50, count)
            assert.are.equal("connected", nc:info().state)
            assert.is_true(nc:close())
            tap:close()
        end)
    end)

    it("wakes those who wait for a message, and waits for requests", function()
        loop.run(function()
            local nc, tap = helper.tapped()
            local other <close> = helper.connect()
            local service = assert(other:subscribe("later"))
            assert(other:flush())
            local codes, reply = {}, nil
            local idle = assert(nc:subscribe("idle"))
            loop.spawn(function()
                codes.next = select(3, idle:next())
            end)
            loop.spawn(function()
                for _ in idle:messages() do end
                codes.loop = "over"
            end)
            loop.spawn(function()
                reply = assert(nc:request("later", "x", { timeout = 30 })).data
            end)
            local asked = assert(service:next(10))
            local drained
            loop.spawn(function()
                drained = assert(nc:drain(30))
            end)
            wait_for(function()
                return codes.next and codes.loop
            end)
            assert.are.same({ next = "end", loop = "over" }, codes)
            assert.is_nil(drained)
            assert(asked:respond("late, not too late"))
            wait_for(function()
                return drained
            end)
            assert.are.equal("late, not too late", reply)
            tap:close()
        end)
    end)

    it("is told by closed, in another task, that the program has ended it", function()
        loop.run(function()
            local nc, tap = helper.tapped()
            local told
            loop.spawn(function()
                told = table.pack(nc:closed())
            end)
            assert.is_true(nc:drain(20))
            wait_for(function()
                return told
            end)
            assert.are.same({ true, n = 1 }, told)
            tap:close()
        end)
    end)

    it("is over in time when a task does not end its loop", function()
        loop.run(function()
            local nc, tap = helper.tapped()
            local sub, busy = assert(nc:subscribe("stuck")), nil
            loop.spawn(function()
                for _ in sub:messages() do
                    busy = true
                    loop.sleep(60)
                end
            end)
            assert(nc:publish("stuck", "x"))
            wait_for(function()
                return busy
            end)
            local took, _, message, code = helper.timed(sub.drain, sub, 0.2)
            assert.are.equal("timeout", code)
            assert.truthy(message:find("1 loops hold it", 1, true), message)
            assert.is_true(took >= 0.19 and took < 10, took)
            assert.are.equal("timeout", select(3, nc:drain(0.2)))
            assert.are.equal("closed", nc:info().state)
            tap:close()
        end)
    end)

    it("goes on when the task that waits for it is closed", function()
        loop.run(function()
            local nc, tap = helper.tapped()
            local sub = assert(nc:subscribe("given.up"))
            assert(nc:publish("given.up", "x"))
            assert(nc:flush())
            local task = loop.spawn(nc.drain, nc, 30)
            assert.is_true(coroutine.close(task))
            collectgarbage()
            collectgarbage()
            assert.are.equal("x", assert(sub:next(10)).data)
            assert.is_true(nc:closed(20))
            tap:close()
        end)
    end)

    it("sends what was published while the server is away, when it is back", function()
        local server = helper.testing.server()
        loop.run(function()
            local nc = helper.connect(quick, server:url())
            local sub, count = assert(nc:subscribe("away")), 0
            for i = 1, 20 do
                assert(nc:publish("away", tostring(i)))
            end
            assert(nc:flush())
            server:kill()
            wait_for(function()
                return nc:info().state == "reconnecting"
            end)
            loop.spawn(function()
                for msg in sub:messages() do
                    loop.sleep(0.001)
                    assert(nc:publish("result", msg.data))
                    count = count + 1
                end
            end)
            local drained
            loop.spawn(function()
                drained = assert(nc:drain(30))
            end)
            wait_for(function()
                return count == 20
            end)
            assert.is_nil(drained)
            server:restart()
            wait_for(function()
                return drained
            end)
            assert.are.equal(0, nc:stats().unsent)
        end)
        assert.are.equal(20, tonumber(server:monitor("/varz"):match('"in_msgs":%s*(%d+)')))
        server:close()
    end)
end)

describe("a drain in a process of its own", function()
    setup(function()
        helper.start()
    end)
    teardown(helper.stop)

    it("may be the last thing that a program does", function()
        local nc <close> = helper.connect()
        local sub <close> = assert(nc:subscribe("last.words"))
        assert(nc:flush())
        local output, exit = helper.child([[
            local nc = assert(nats.connect(url))
            for i = 1, 1000 do
                assert(nc:publish("last.words", tostring(i)))
            end
            assert(nc:drain())
            os.exit(0)
        ]])
        assert.are.equal("", output)
        assert.are.equal(0, exit)
        assert(nc:flush())
        assert.are.equal(1000, sub:stats().received)
    end)

    it("ends by Ctrl-C", function()
        local took, output = helper.timed(helper.child, [[
            local nc = assert(nats.connect(url))
            local sub = assert(nc:subscribe("a"))
            assert(nc:publish("a", "x"))
            assert(nc:flush())
            interrupt_soon()
            nc:drain(60)
            print("not reached")
        ]])
        assert.truthy(output:find("interrupted!", 1, true), output)
        assert.is_nil(output:find("not reached", 1, true))
        assert.is_true(took < 30, took)
    end)

    it("leaves nothing to the end of a Lua state", function()
        local output, exit = helper.child([[
            local loop = require "natskit.loop.luv"
            loop.run(function()
                local nc = assert(nats.connect(url))
                for i = 1, 5 do
                    local sub = assert(nc:subscribe("a." .. i))
                    loop.spawn(function() for _ in sub:messages() do loop.sleep(60) end end)
                    assert(nc:publish("a." .. i, "x"))
                end
                assert(nc:flush())
                loop.spawn(function() nc:drain(60) end)
                nc:start_drain()
                os.exit(0, true)
            end)
        ]])
        assert.are.equal("", output)
        assert.are.equal(0, exit)
        assert.are.equal(0, nats.counters().conns)
    end)
end)
