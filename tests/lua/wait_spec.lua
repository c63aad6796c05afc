-- Blocking calls end by their deadline whatever the server does, and Ctrl-C ends them.
local helper = require "helper"

describe("a server that says nothing", function()
    local nc

    setup(function()
        helper.start()
    end)
    teardown(helper.stop)
    before_each(function()
        nc = helper.connect({ outbox_bytes = 65536 })
    end)
    after_each(function()
        helper.server:resume()
        nc:close(0)
        helper.nothing_left()
    end)

    local function bounded(seconds, code, fn, ...)
        local took, result, message, got = helper.timed(fn, ...)
        assert.is_nil(result)
        assert.are.equal(code, got)
        assert.are.equal("string", type(message))
        assert.is_true(took >= seconds - 0.02 and took < seconds + 1, took)
    end

    it("ends flush, request, next and next_batch in time", function()
        local sub <close> = assert(nc:subscribe("a"))
        helper.server:pause()
        bounded(0.3, "timeout", nc.flush, nc, 0.3)
        bounded(0.3, "timeout", nc.request, nc, "a", "x", { timeout = 0.3 })
        bounded(0.3, "timeout", sub.next, sub, 0.3)
        bounded(0.3, "timeout", sub.next_batch, sub, 5, 0.3)
        bounded(0.05, "timeout", nc.flush, nc, 0.05)
        bounded(0, "would_block", sub.next, sub, 0)
    end)

    it("makes publish wait for room, and no longer than asked", function()
        local sub <close> = assert(nc:subscribe("kept"))
        assert(nc:publish("kept", ("x"):rep(10000)))
        local kept = assert(sub:next(5))
        helper.server:pause()
        local payload = ("x"):rep(10000)
        local sent = 0
        while nc:publish("a", payload, { timeout = 0.1 }) do -- until the buffers of the system are full, too
            sent = sent + 1
            assert.is_true(sent < 100000)
        end
        bounded(0, "would_block", nc.publish, nc, "a", payload, { timeout = 0 })
        bounded(0.3, "timeout", nc.publish, nc, "a", payload, { timeout = 0.3 })
        local list = {}
        for i = 1, 20 do
            list[i] = { "a", payload }
        end
        bounded(0.3, "timeout", nc.publish_batch, nc, list, { timeout = 0.3 })
        bounded(0.3, "timeout", nc.request, nc, "a", payload, { timeout = 0.3 })
        bounded(0.3, "timeout", nc.request_many, nc, "a", payload, { timeout = 0.3 })
        bounded(0.3, "timeout", kept.republish, kept, "a", { timeout = 0.3 })
        bounded(0, "would_block", kept.republish, kept, "a", { timeout = 0 })
        local _, _, _, accepted = nc:publish_batch(list, { timeout = 0 })
        assert.are.equal(0, accepted)
        local child = io.popen(("sleep 0.3; kill -CONT %d"):format(helper.server:pid()))
        assert.is_true(kept:republish("a")) -- waits until the server takes something
        assert.is_true(nc:publish("a", payload))
        assert.are.equal(20, nc:publish_batch(list))
        assert.is_true(nc:flush(10))
        child:close()
    end)

    it("ends rtt, written and drain in time", function()
        local sub <close> = assert(nc:subscribe("a"))
        assert(nc:publish("a", "x"))
        assert(nc:flush())
        helper.server:pause()
        bounded(0.3, "timeout", nc.rtt, nc, 0.3)
        assert.is_true(nc:written(5)) -- the system has it, though the server reads nothing
        while nc:publish("a", ("x"):rep(10000), { timeout = 0.1 }) do end
        bounded(0.3, "timeout", nc.written, nc, 0.3)
        bounded(0.3, "pending", nc.closed, nc, 0.3)
        bounded(0, "pending", nc.closed, nc, 0)
        bounded(0.3, "timeout", sub.drain, sub, 0.3)
        bounded(0.3, "timeout", nc.drain, nc, 0.3)
        assert.are.equal("closed", nc:info().state)
    end)

    it("makes publish fail at once if the connection is told so", function()
        local fast = helper.connect({ outbox_bytes = 65536, outbox_full = "fail" })
        local sub <close> = assert(fast:subscribe("ask"))
        assert(fast:publish("ask", "x", { reply = "a" }))
        local asked = assert(sub:next(5))
        helper.server:pause()
        local payload = ("x"):rep(10000)
        -- Until nothing was written for a while: the buffers of the system are full, too.
        local full = 0
        helper.eventually(function()
            full = fast:publish("a", payload) and 0 or full + 1
            return full > 50
        end)
        bounded(0, "would_block", fast.publish, fast, "a", payload)
        bounded(0, "would_block", fast.publish, fast, "a", payload, { timeout = 30 })
        bounded(0, "would_block", fast.request, fast, "a", payload, { timeout = 30 })
        bounded(0, "would_block", fast.request_many, fast, "a", payload, { timeout = 30 })
        bounded(0, "would_block", asked.respond, asked, payload, { timeout = 30 })
        local list = { { "a", payload }, { "a", payload, headers = { A = "b" } } }
        bounded(0, "would_block", fast.publish_batch, fast, list, { timeout = 30 })
        list[2] = nil
        bounded(0, "would_block", fast.publish_batch, fast, list, { timeout = 30 })
        assert.are.equal(0, select(4, fast:publish_batch(list)))
        fast:close(0)
    end)

    it("ends close by its linger", function()
        assert(nc:publish("a", "x"))
        assert(nc:flush())
        helper.server:pause()
        assert(nc:publish("a", "x"))
        bounded(0.3, "timeout", nc.close, nc, 0.3)
        assert.is_true(nc:close())
        local other
        helper.server:resume()
        other = helper.connect()
        helper.server:pause()
        local took = helper.timed(function()
            other:close(0)
        end)
        assert.is_true(took < 0.5, took)
    end)

    it("does not keep the collector waiting", function()
        do
            local other = helper.connect()
            assert(other:publish("a", "x"))
            other = nil -- luacheck: ignore 311
        end
        helper.server:pause()
        assert.is_true(helper.timed(collectgarbage) < 1)
        assert.is_true(helper.timed(collectgarbage) < 1)
    end)
end)

describe("Ctrl-C", function()
    setup(function()
        helper.start()
    end)
    teardown(helper.stop)

    -- `timeout` sends the signal to the Lua process alone; lua5.4 installs its usual handler.
    local waits = {
        ["sub:next()"] = "sub:next()",
        ["a loop"] = "for _ in sub:messages() do end",
        ["strings"] = "for _ in sub:strings() do end",
        ["next_batch"] = "sub:next_batch(3)",
        ["closed"] = "nc:closed()",
        ["a drain"] = "nc:publish('a', 'x') nc:flush() nc:drain(60)",
        ["request"] = "nc:request('a', 'x', { timeout = math.huge })",
        ["a coroutine"] = "assert(coroutine.resume(coroutine.create(function() sub:next() end)))",
    }
    for name, code in pairs(waits) do
        it("ends " .. name, function()
            local took, output, exit = helper.timed(helper.child, ([[
                local nc = assert(nats.connect(url))
                local sub = assert(nc:subscribe("a"))
                interrupt_soon()
                %s
                print("not reached")
            ]]):format(code))
            assert.is_nil(output:find("not reached", 1, true))
            assert.truthy(output:find("interrupted!", 1, true), output)
            assert.is_true(took < 30, took)
            assert.are.equal(1, exit)
        end)
    end

    it("can be caught, and the objects work on", function()
        local output = helper.child([[
            local nc = assert(nats.connect(url))
            local sub = assert(nc:subscribe("a"))
            interrupt_soon()
            print(pcall(sub.next, sub))
            assert(nc:publish("a", "after"))
            print(assert(sub:next(5)).data)
        ]])
        assert.truthy(output:match("^false%s+.*interrupted!\nafter\n$"), output)
    end)
end)

describe("a server that is away", function()
    before_each(function()
        helper.start()
    end)
    after_each(function()
        helper.nothing_left()
        helper.stop()
    end)

    local function lose(options)
        options.reconnect_wait, options.reconnect_wait_max = 0.02, 0.1
        local tap = helper.testing.tap(helper.server)
        local nc = helper.connect(options, tap.url)
        assert(nc:flush())
        tap:command("refuse on")
        tap:command("cut")
        helper.eventually(function()
            return nc:info().state == "reconnecting"
        end)
        return nc, tap
    end

    it("gets what was published meanwhile, once and in order, and written tells when", function()
        local other <close> = helper.connect()
        local sub <close> = assert(other:subscribe("outage"))
        assert(other:flush())
        local nc, tap = lose({})
        for i = 1, 100 do
            assert.is_true(nc:publish("outage", tostring(i)))
        end
        helper.fails("timeout", nc:written(0.05))
        helper.fails("disconnected", nc:rtt())
        tap:command("refuse off")
        assert.is_true(nc:written(20))
        assert.is_true(nc:rtt(20) > 0)
        assert.are.equal(0, nc:stats().pending_out_bytes)
        for i = 1, 100 do
            assert.are.equal(tostring(i), assert(sub:next(10)).data)
        end
        helper.fails("would_block", sub:next(0))
        nc:close()
        tap:close()
    end)

    it("gets nothing of it without a buffer, since it was refused", function()
        local nc, tap = lose({ reconnect_buffer_bytes = 0 })
        helper.fails("disconnected", nc:publish("a", "x"))
        helper.fails("disconnected", nc:publish("a", "x", { timeout = 20 }))
        helper.fails("disconnected", nc:publish_batch { { "a", "x" } })
        helper.fails("disconnected", nc:request("a", "x"))
        tap:command("refuse off")
        helper.eventually(function()
            return nc:publish("a", "x")
        end)
        assert.is_true(nc:written(20))
        nc:close()
        tap:close()
    end)

    it("ends written and closed with the connection", function()
        local nc, tap = lose({ max_outage = 0.3 })
        assert.is_true(nc:publish("a", "x"))
        helper.fails("closed", nc:written(20))
        local result, message, code = nc:closed(20)
        assert.is_nil(result)
        assert.are.equal("timeout", code)
        assert.truthy(message:find("no connection for 300 ms", 1, true), message)
        assert.are.equal(1, nc:stats().unsent)
        nc:close()
        tap:close()
    end)
end)
