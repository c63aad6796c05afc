-- Life and death of JetStream objects: collected in any order, waits that are dropped, Lua states that end with
-- everything open. Nothing is left.
local helper = require "helper"
local loop = require "natskit.loop.luv"
local nats = require "natskit"

describe("the collector and JetStream", function()
    setup(function()
        helper.start()
        local nc <close> = helper.connect()
        local js <close> = assert(nc:jetstream())
        assert(js:add_stream { name = "S", subjects = { "s" }, storage = "memory" })
        assert(js:add_consumer("S", { durable_name = "c", ack_wait = 1 }))
    end)
    teardown(helper.stop)
    after_each(helper.nothing_left)

    it("may take objects in any order at any time", function()
        for round = 1, 20 do
            math.randomseed(round)
            local nc = helper.connect()
            local js = assert(nc:jetstream())
            local kept = { nc, js, assert(js:stream("S")), assert(js:consumer("S", "c")) }
            local consumer = kept[4]
            kept[5] = assert(consumer:consume())
            kept[6] = consumer:messages()
            kept[7] = select(4, consumer:messages())
            kept[8] = consumer:fetch(1, { timeout = 0 })
            kept[9] = assert(js:publisher())
            assert(kept[9]:publish("s", "x"))
            kept[10] = kept[9]:acks()
            nc, js, consumer = nil, nil, nil -- luacheck: ignore
            while #kept > 0 do
                table.remove(kept, math.random(#kept))
                collectgarbage(math.random(2) == 1 and "collect" or "step")
            end
        end
    end)

    it("take what a loop that was dropped has left", function()
        local nc <close> = helper.connect()
        local js <close> = assert(nc:jetstream())
        local consumer = assert(js:consumer("S", "c"))
        assert(nc:publish("s", "1"))
        do
            local next_msg = consumer:messages()
            assert(next_msg())
        end
        helper.eventually(function()
            collectgarbage()
            return nc:stats().subs == 0
        end)
    end)

    it("take calls whose tasks are gone", function()
        loop.run(function()
            local nc <close> = helper.connect()
            local js <close> = assert(nc:jetstream { domain = "nobody", timeout = 60 })
            local server <close> = assert(nc:subscribe("$JS.nobody.API.>"))
            for _ = 1, 10 do
                loop.spawn(function()
                    js:stream_info("S") -- nobody answers
                end)
                assert(server:next(10))
            end
            local real <close> = assert(nc:jetstream())
            local consumer = assert(real:consumer("S", "c"))
            loop.spawn(function()
                consumer:fetch(100, { timeout = 60 })
            end)
            loop.sleep(0.05)
        end)
        nats.set_scheduler(nil)
    end)

    it("ends with the Lua state", function()
        local output, code = helper.child([[
            local nc = assert(nats.connect(url))
            local js = assert(nc:jetstream())
            local stream, consumer = assert(js:stream("S")), assert(js:consumer("S", "c"))
            local sub = assert(consumer:consume())
            local next_msg = consumer:messages()
            nc:publish("s", "x")
            pub = assert(js:publisher())
            pub:publish("s", "x")
            kept = { next_msg, sub, stream, consumer, js, nc, next_msg() or sub:next(5) }
            print "bye"
        ]])
        assert.are.equal("bye\n", output)
        assert.are.equal(0, code)
    end)

    it("does not keep a call from being ended by Ctrl-C", function()
        local took, output = helper.timed(helper.child, [[
            local nc = assert(nats.connect(url))
            local consumer = assert(assert(nc:jetstream()):consumer("S", "c"))
            interrupt_soon()
            consumer:fetch(1000000, { timeout = 60 })
            print "not ended"
        ]])
        assert.is_true(took < 30, took)
        assert.truthy(output:find("interrupted!", 1, true), output)
    end)

    it("keeps no call from that to which messages come all the time", function()
        local service = helper.service([[
            local nc = assert(nats.connect(url))
            local quit = assert(nc:subscribe("quit"))
            assert(assert(nc:jetstream()):add_stream { name = "T", subjects = { "t" }, storage = "memory" })
            print "ready"
            io.stdout:flush()
            while not quit:next(0.01) do -- more often than a wait looks after hooks
                nc:publish("t", "x")
            end
            assert(nc:jetstream()):delete_stream("T")
        ]])
        local took, output = helper.timed(helper.child, [[
            local nc = assert(nats.connect(url))
            local js = assert(nc:jetstream())
            assert(js:add_consumer("T", { durable_name = "t", max_ack_pending = -1 }))
            local consumer = assert(js:consumer("T", "t"))
            interrupt_soon()
            consumer:fetch(1000000, { timeout = 40 })
            print "not ended"
        ]])
        local nc <close> = helper.connect()
        assert(nc:publish("quit", ""))
        assert(nc:flush())
        service:close()
        assert.truthy(output:find("interrupted!", 1, true), output)
        assert.is_true(took < 30, took)
    end)

    it("leaves no memory behind after many calls", function()
        local nc <close> = helper.connect()
        local js <close> = assert(nc:jetstream())
        local consumer = assert(js:consumer("S", "c"))
        local function work(count)
            for _ = 1, count do
                assert(js:stream_info("S"))
                helper.fails("stream_not_found", js:stream_info("NO"))
                pcall(js.add_stream, js, { name = "X", max_age = "x" })
                consumer:fetch(1, { timeout = 0 })
            end
            collectgarbage()
            collectgarbage()
        end
        work(200)
        local before, heap = nats.counters().allocated_bytes, collectgarbage("count")
        work(500)
        assert.is_true(nats.counters().allocated_bytes < before + 65536)
        assert.is_true(collectgarbage("count") < heap + 64)
    end)
end)
