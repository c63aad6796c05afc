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
        local _, _, _, accepted = nc:publish_batch(list, { timeout = 0 })
        assert.are.equal(0, accepted)
        local child = io.popen(("sleep 0.3; kill -CONT %d"):format(helper.server:pid()))
        assert.is_true(nc:publish("a", payload)) -- waits until the server takes something
        assert.are.equal(20, nc:publish_batch(list))
        assert.is_true(nc:flush(10))
        child:close()
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
        ["request"] = "nc:request('a', 'x', { timeout = math.huge })",
        ["a coroutine"] = "assert(coroutine.resume(coroutine.create(function() sub:next() end)))",
    }
    for name, code in pairs(waits) do
        it("ends " .. name, function()
            local took, output, exit = helper.timed(helper.child, ([[
                local nc = assert(nats.connect(url))
                local sub = assert(nc:subscribe("a"))
                %s
                print("not reached")
            ]]):format(code), "timeout --foreground -k 10 -s INT 0.7")
            assert.is_nil(output:find("not reached", 1, true))
            assert.truthy(output:find("interrupted!", 1, true), output)
            assert.is_true(took < 3, took)
            assert.is_true(exit == 1 or exit == 124, exit)
        end)
    end

    it("can be caught, and the objects work on", function()
        local output = helper.child([[
            local nc = assert(nats.connect(url))
            local sub = assert(nc:subscribe("a"))
            print(pcall(sub.next, sub))
            assert(nc:publish("a", "after"))
            print(assert(sub:next(5)).data)
        ]], "timeout --foreground -k 10 -s INT 0.7")
        assert.truthy(output:match("^false%s+.*interrupted!\nafter\n$"), output)
    end)
end)
