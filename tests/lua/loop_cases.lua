-- What each adapter of an event loop does alike: what waits suspends its task, the others go on, and an abandoned task
-- leaves nothing. Called inside of the describe() of an adapter, whose cases may follow.
local helper = require "helper"
local nats = require "natskit"

return function(loop, _ENV) -- luacheck: ignore _ENV (whose globals are those of busted)
    setup(function()
        helper.start()
    end)
    teardown(helper.stop)
    after_each(function()
        loop.on_error = nil
        helper.nothing_left()
    end)

    -- A service that echoes, as a task.
    local function echo(nc, subject)
        local sub = assert(nc:subscribe(subject))
        loop.spawn(function()
            for msg in sub:messages() do
                assert(msg:respond(msg.data))
            end
        end)
        return sub
    end

    local function wait_for(fn)
        local deadline = helper.now() + 20
        while not fn() do
            assert(helper.now() < deadline, "waited in vain")
            loop.sleep(0.002)
        end
    end

    it("runs a task and returns its results", function()
        assert.are.same({ 1, nil, "three", n = 3 }, table.pack(loop.run(function(...)
            return ...
        end, 1, nil, "three")))
        assert.are.equal(0, select("#", loop.run(function() end)))
        assert.are.equal("slept", loop.run(function()
            loop.sleep(0.01)
            return "slept"
        end))
    end)

    it("lets many requests run at once", function()
        local done, running, most = 0, 0, 0
        loop.run(function()
            local nc <close> = helper.connect()
            echo(nc, "echo")
            for i = 1, 2000 do
                loop.spawn(function()
                    running = running + 1
                    most = math.max(most, running)
                    local reply = assert(nc:request("echo", tostring(i), { timeout = 20 }))
                    assert.are.equal(tostring(i), reply.data)
                    running = running - 1
                    done = done + 1
                end)
            end
            wait_for(function()
                return done == 2000
            end)
        end)
        assert.is_true(most > 1000, most)
    end)

    it("iterates in one task while another publishes", function()
        local got, bytes = {}, 0
        loop.run(function()
            local nc, tap = helper.tapped()
            local sub = assert(nc:subscribe("stream"))
            local strings = assert(nc:subscribe("stream"))
            local batches = assert(nc:subscribe("stream"))
            local left = 3
            loop.spawn(function()
                for msg in sub:messages() do
                    got[#got + 1] = msg.data
                    if #got == 500 then
                        break
                    end
                end
                left = left - 1
            end)
            loop.spawn(function()
                local count = 0
                for _, data in strings:strings() do
                    bytes = bytes + #data
                    count = count + 1
                    if count == 500 then
                        break
                    end
                end
                left = left - 1
            end)
            loop.spawn(function()
                local count = 0
                while count < 500 do
                    count = count + #assert(batches:next_batch(100))
                end
                left = left - 1
            end)
            for i = 1, 500 do
                assert(nc:publish("stream", tostring(i)))
                if i % 50 == 0 then
                    loop.sleep(0.001)
                end
            end
            wait_for(function()
                return left == 0
            end)
            nc:close()
            tap:close()
        end)
        assert.are.equal(500, #got)
        for i = 1, 500 do
            assert.are.equal(tostring(i), got[i])
        end
        assert.are.equal(9 + 2 * 90 + 3 * 401, bytes)
    end)

    it("ends waits in time, while others go on", function()
        loop.run(function()
            local nc <close> = helper.connect()
            local sub = assert(nc:subscribe("quiet"))
            local ticks = 0
            loop.spawn(function()
                while true do
                    loop.sleep(0.01)
                    ticks = ticks + 1
                end
            end)
            -- The best of several tries, since the machine may be busy with something else; returns how many.
            local function bounded(code, fn, ...)
                for tries = 1, 20 do
                    local before = ticks
                    local took, result, _, got = helper.timed(fn, ...)
                    assert.is_nil(result)
                    assert.are.equal(code, got)
                    assert.is_true(took >= 0.18 and took < 20, took)
                    if took < 1.2 and ticks - before >= 2 then
                        return tries
                    end
                end
                error("late, or the loop stood still", 2)
            end
            bounded("timeout", sub.next, sub, 0.2)
            bounded("timeout", sub.next_batch, sub, 5, 0.2)
            local published = bounded("timeout", nc.request, nc, "quiet", "x", { timeout = 0.2 })
            helper.server:pause()
            bounded("timeout", nc.flush, nc, 0.2)
            bounded("timeout", nc.rtt, nc, 0.2)
            bounded("pending", nc.closed, nc, 0.2)
            bounded("timeout", function()
                local held <close> = assert(nc:subscribe("held"))
                return held:drain(0.2)
            end)
            bounded("timeout", nats.connect, helper.url, nil, 0.2)
            local other = nc
            helper.server:resume()
            assert.is_true(other:flush())
            local count = 0
            local took = helper.timed(function()
                for _ in sub:messages(0.2) do -- what the requests above published
                    count = count + 1
                end
            end)
            assert.are.equal(published, count)
            assert.is_true(took >= 0.18, took)
            helper.fails("would_block", sub:next(0))
        end)
    end)

    it("waits for room in the outbox without standing still", function()
        loop.run(function()
            local nc = helper.connect({ outbox_bytes = 65536 })
            local payload = ("x"):rep(20000)
            local sub = assert(nc:subscribe("kept"))
            assert(nc:publish("kept", payload))
            local kept = assert(sub:next(20))
            sub:close()
            helper.server:pause()
            local full = 0 -- for a second without a break: the engine may have had no turn in a part of it
            while full < 5 do
                full = nc:publish("a", payload, { timeout = 0.2 }) and 0 or full + 1
            end
            local ticks = 0
            loop.spawn(function()
                while true do
                    loop.sleep(0.01)
                    ticks = ticks + 1
                end
            end)
            helper.fails("timeout", nc:publish("a", payload, { timeout = 0.2 }))
            helper.fails("timeout", nc:request("a", payload, { timeout = 0.2 }))
            helper.fails("timeout", nc:request_many("a", payload, { timeout = 0.2 }))
            helper.fails("timeout", kept:republish("a", { timeout = 0.2 }))
            helper.fails("timeout", nc:publish_batch({ { "a", payload } }, { timeout = 0.2 }))
            helper.fails("timeout", nc:written(0.2))
            assert.is_true(ticks >= 6, ticks)
            loop.spawn(function()
                loop.sleep(0.1)
                helper.server:resume()
            end)
            assert.is_true(kept:republish("a", { timeout = 20 }))
            assert.is_true(nc:publish("a", payload, { timeout = 20 }))
            for _ in nc:request_many("a", payload, { max_wait = 20 }) do
                error("nobody answers")
            end
            assert.is_true(nc:close(20))
        end)
    end)

    it("does not wait for room if the connection is told so", function()
        loop.run(function()
            local nc = helper.connect({ outbox_bytes = 65536, outbox_full = "fail" })
            local sub = assert(nc:subscribe("ask"))
            assert(nc:publish("ask", "x", { reply = "a" }))
            local asked = assert(sub:next(20))
            helper.server:pause()
            local payload, since = ("x"):rep(10000), helper.now()
            while helper.now() - since < 1 do -- full for a second: the engine may have had no turn in a part of it
                since = nc:publish("a", payload) and helper.now() or since
                loop.sleep(0.001)
            end
            local took = helper.timed(function()
                helper.fails("would_block", nc:publish("a", payload, { timeout = 30 }))
                helper.fails("would_block", nc:request("a", payload, { timeout = 30 }))
                helper.fails("would_block", nc:publish_batch({ { "a", payload } }, { timeout = 30 }))
                helper.fails("would_block", asked:respond(payload, { timeout = 30 }))
            end)
            assert.is_true(took < 10, took)
            helper.server:resume()
            nc:close(0)
        end)
    end)

    it("measures round trips, and tells the end to those who wait for it", function()
        loop.run(function()
            local nc, tap = helper.tapped()
            tap:command("down delay 50")
            local rtt = assert(nc:rtt(10))
            assert.is_true(rtt >= 0.05 and rtt < 10, rtt)
            assert.are.equal("float", math.type(rtt))
            assert.is_true(nc:written())
            local told = {}
            for i = 1, 3 do
                loop.spawn(function()
                    told[i] = nc:closed()
                end)
            end
            loop.spawn(function()
                told[4] = select(3, nc:closed(0.01))
            end)
            wait_for(function()
                return told[4]
            end)
            assert.are.same({ [4] = "pending" }, told)
            nc:close()
            wait_for(function()
                return told[1] and told[2] and told[3]
            end)
            assert.are.same({ true, true, true, "pending" }, told)
            tap:close()
        end)
    end)

    it("asks reconnect_delay from the pump", function()
        local server = helper.testing.server()
        local asked, nc = 0, nil
        local options = { reconnect_wait = 60, reconnect_wait_max = 60, answer_timeout = 60 }
        function options.reconnect_delay(event)
            asked = asked + 1
            assert.are.equal("delay_needed", event.type)
            assert.is_false(coroutine.isyieldable())
            if event.count == 3 then
                server:restart()
            end
            return 0.01
        end
        loop.run(function()
            nc = helper.connect(options, server:url())
            local sub = assert(nc:subscribe("through"))
            server:kill()
            wait_for(function()
                return nc:info().state == "reconnecting"
            end)
            assert(nc:publish("through", "kept"))
            assert.are.equal("kept", assert(sub:next(30)).data)
            assert.is_true(asked >= 3)
            sub:close()
        end)
        -- The same connection in another loop, thus another waitset.
        asked = 0
        loop.run(function()
            server:kill()
            assert.is_true(nc:flush(30) == nil)
            wait_for(function()
                return nc:stats().reconnects == 2
            end)
            assert.is_true(asked >= 3)
            nc:close()
        end)
        nc = nil -- luacheck: ignore 311
        server:close()
    end)

    it("reports an error of reconnect_delay as that of a task, and asks again", function()
        local server = helper.testing.server()
        local errors, asked = {}, 0
        function loop.on_error(message)
            errors[#errors + 1] = message
        end
        loop.run(function()
            local nc = helper.connect({
                reconnect_wait = 0.02, reconnect_wait_max = 0.02, answer_timeout = 0.02,
                reconnect_delay = function()
                    asked = asked + 1
                    if asked <= 2 then
                        error("deliberate")
                    end
                    return 0
                end,
            }, server:url())
            server:kill()
            wait_for(function()
                return asked >= 4
            end)
            assert.are.equal(2, #errors)
            assert.truthy(errors[1]:find("deliberate", 1, true), errors[1])
            nc:close(0)
        end)
        server:close()
    end)

    it("shares a subscription among tasks", function()
        loop.run(function()
            local nc <close> = helper.connect()
            local sub = assert(nc:subscribe("work"))
            local done, sum = {}, 0
            for i = 1, 5 do
                done[i] = 0
                loop.spawn(function()
                    for msg in sub:messages() do
                        done[i] = done[i] + 1
                        sum = sum + tonumber(msg.data)
                        loop.sleep(0.001)
                    end
                end)
            end
            for i = 1, 100 do
                assert(nc:publish("work", tostring(i)))
            end
            wait_for(function()
                return sum == 5050
            end)
            for i = 1, 5 do
                assert.is_true(done[i] > 0)
            end
        end)
    end)

    it("wakes those who wait when a subscription or connection is closed", function()
        loop.run(function()
            local nc = helper.connect()
            local codes = {}
            local function waiter(sub)
                loop.spawn(function()
                    local _, _, code = sub:next()
                    codes[#codes + 1] = code
                end)
            end
            local one, two = assert(nc:subscribe("a")), assert(nc:subscribe("b"))
            assert(nc:subscribe("silent"))
            waiter(one)
            waiter(one)
            waiter(two)
            loop.spawn(function()
                local _, _, code = nc:request("silent", "x", { timeout = 20 })
                codes[#codes + 1] = code
            end)
            loop.sleep(0.01)
            assert.are.same({}, codes)
            one:close()
            wait_for(function()
                return #codes == 2
            end)
            assert.are.same({ "closed", "closed" }, codes)
            nc:close()
            wait_for(function()
                return #codes == 4
            end)
            table.sort(codes)
            assert.are.same({ "closed", "closed", "closed", "end" }, codes)
        end)
    end)

    it("gives other tasks a turn while messages keep coming", function()
        loop.run(function()
            local nc <close> = helper.connect()
            local sub = assert(nc:subscribe("flood"))
            for i = 1, 20000 do
                assert(nc:publish("flood", tostring(i)))
            end
            assert(nc:flush(20))
            local count, turns = 0, 0
            loop.spawn(function()
                while count < 20000 do
                    loop.sleep(0)
                    turns = turns + 1
                end
            end)
            for _ in sub:strings() do
                count = count + 1
                if count == 20000 then
                    break
                end
            end
            assert.is_true(turns >= 5, turns)
        end)
    end)

    it("raises the error of a task from run", function()
        for _, where in ipairs { "main", "spawned", "after a wait" } do
            local good, message = pcall(loop.run, function()
                local nc <close> = helper.connect()
                if where == "main" then
                    error("deliberate")
                end
                loop.spawn(function()
                    if where == "after a wait" then
                        assert(nc:flush())
                    end
                    error("deliberate")
                end)
                loop.sleep(20)
            end)
            assert.is_false(good)
            assert.truthy(message:find("loop_cases.lua:%d+: deliberate"), message)
            assert.truthy(message:find("traceback", 1, true))
        end
        local value = {}
        local good, message = pcall(loop.run, error, value)
        assert.is_false(good)
        assert.are.equal(value, message)
        assert.are.equal("fine", loop.run(function()
            return "fine"
        end))
    end)

    it("gives the errors of tasks to on_error", function()
        local errors = {}
        function loop.on_error(message, co)
            errors[#errors + 1] = { message, co }
        end
        loop.run(function()
            local nc <close> = helper.connect()
            local sub = echo(nc, "echo")
            local co = loop.spawn(function()
                assert(nc:request("echo", "x"))
                error("in a task")
            end)
            wait_for(function()
                return #errors == 1
            end)
            assert.are.equal(co, errors[1][2])
            assert.truthy(errors[1][1]:find("in a task", 1, true))
            assert.are.equal("still works", assert(nc:request("echo", "still works")).data)
            sub:close()
        end)
    end)

    it("closes tasks that still wait when run is over", function()
        local begun, closed = 0, 0
        loop.run(function()
            local nc = helper.connect()
            assert(nc:subscribe("silent"))
            for i = 1, 10 do
                loop.spawn(function()
                    begun = begun + 1
                    local sub <close> = assert(nc:subscribe("never." .. i))
                    local mark <close> = setmetatable({}, {
                        __close = function()
                            closed = closed + 1
                        end,
                    })
                    assert(sub)
                    if i % 2 == 0 then
                        nc:request("silent", "x", { timeout = 60 })
                    else
                        sub:next()
                    end
                    assert(not mark)
                end)
            end
            wait_for(function()
                return begun == 10
            end)
        end)
        assert.are.equal(10, closed)
    end)

    it("blocks in a coroutine that is no task", function()
        loop.run(function()
            local nc <close> = helper.connect()
            local sub = assert(nc:subscribe("generated"))
            for i = 1, 5 do
                assert(nc:publish("generated", tostring(i)))
            end
            assert(nc:flush(20)) -- they have come
            local generator = coroutine.wrap(function()
                for msg in sub:messages(0.05) do
                    coroutine.yield(msg.data)
                end
                assert(nc:flush())
                coroutine.yield("flushed")
            end)
            local all = {}
            for data in generator do
                all[#all + 1] = data
            end
            assert.are.equal("1 2 3 4 5 flushed", table.concat(all, " "))
        end)
    end)

    it("does not run within itself", function()
        helper.raises("use spawn", loop.run, function()
            loop.run(function() end)
        end)
    end)

    it("reconnects while tasks wait", function()
        loop.run(function()
            local nc = helper.connect({ reconnect_wait = 0.02, reconnect_wait_max = 0.1 })
            local sub = assert(nc:subscribe("through"))
            local events = assert(nc:events())
            local seen, got = {}, nil
            loop.spawn(function()
                for event in events:messages() do
                    seen[#seen + 1] = event.type
                end
            end)
            loop.spawn(function()
                got = assert(sub:next()).data
            end)
            helper.server:kill()
            wait_for(function()
                return seen[1] == "disconnected"
            end)
            assert(nc:publish("through", "kept"))
            helper.server:restart()
            wait_for(function()
                return got
            end)
            assert.are.equal("kept", got)
            nc:close()
            wait_for(function()
                return seen[#seen] == "closed"
            end)
        end)
    end)

    it("survives a shutdown of the library", function()
        loop.run(function()
            local nc = helper.connect()
            local subs, codes = { assert(nc:subscribe("a")), assert(nc:subscribe("silent")) }, {}
            loop.spawn(function()
                codes.next = select(3, subs[1]:next())
            end)
            loop.spawn(function()
                codes.request = select(3, nc:request("silent", "x", { timeout = 30 }))
                codes.flush = select(3, nc:flush())
            end)
            loop.spawn(function()
                codes.closed = select(3, nc:closed())
            end)
            loop.spawn(function()
                codes.drain = select(3, nc:drain(60))
            end)
            assert(nats.shutdown(20))
            wait_for(function()
                return codes.next and codes.flush and codes.closed and codes.drain
            end)
            assert.are.same({ next = "closed", request = "closed", flush = "closed", drain = "closed",
                closed = "closed" }, codes)
            local again <close> = helper.connect()
            local other = assert(again:subscribe("b"))
            loop.spawn(function()
                loop.sleep(0.01)
                assert(again:publish("b", "again"))
            end)
            assert.are.equal("again", assert(other:next(20)).data)
        end)
    end)
end
