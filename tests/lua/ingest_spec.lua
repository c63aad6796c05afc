-- Fast ingest on a real server; blocking and over luv.
local helper = require "helper"
local nats = require "natskit"

local function make(js, more)
    local config = { name = "S", subjects = { "s.>" }, storage = "memory", allow_batched = true }
    for name, value in pairs(more or {}) do
        config[name] = value
    end
    assert(js:add_stream(config))
end

local function count(js)
    return assert(js:stream_info("S")).state.messages
end

-- What is done the same way by a program that blocks and in a task.
local cases = {}

cases["many messages are stored in their order"] = function(_, js)
    make(js)
    local fast <close> = assert(js:ingest())
    for i = 1, 1500 do
        assert.are.equal(i, fast:publish("s.a", tostring(i)))
    end
    local ack = assert(fast:commit(20))
    assert.are.same({ "S", 1500, 1500 }, { ack.stream, ack.seq, ack.count })
    assert.are.equal("1000", assert(js:get_msg("S", { seq = 1000 })).data)
    local info = fast:info()
    assert.are.same({ 1500, 1500, 0, 0, true },
        { info.published, info.acked, info.refused, info.lost, info.committed })
    assert.is_nil(info.reason)
    helper.fails("closed", fast:publish("s.a", "late"))
    assert.are.equal(1500, assert(fast:commit()).count)
end

cases["the end of its scope commits"] = function(_, js)
    make(js)
    do
        local fast <close> = assert(js:ingest { flow = 10 })
        assert(fast:publish("s.a", "1", { headers = { A = "b" } }))
        assert(fast:publish("s.a", "2"))
    end
    assert.are.equal(2, count(js))
    do
        local none <close> = assert(js:ingest())
        assert.are.equal(0, none:info().published)
    end
    assert.has_error(function()
        local fast <close> = assert(js:ingest())
        assert(fast:publish("s.a", "3"))
        assert(fast:publish("s.a", "4", { expected_last_seq = 77 }))
    end)
    assert.are.equal(3, count(js))
end

cases["a refused message ends it"] = function(_, js)
    make(js)
    local fast = assert(js:ingest { on_gap = "fail" })
    assert(fast:publish("s.a", "1"))
    assert(fast:publish("s.a", "2", { expected_last_seq = 77 }))
    local function failed(...)
        helper.fails("wrong_last", ...)
        assert.are.equal("rejected", (select(6, ...)))
    end
    failed(fast:commit(20))
    assert.are.equal(1, fast:info().acked)
    assert.are.equal("wrong_last", fast:info().reason)
    local failure = assert(fast:next_failure(20))
    assert.are.same({ 2, "wrong_last", 10071 }, { failure.id, failure.code, failure.err_code })
    helper.fails("wrong_last", fast:publish("s.a", "3"))
    assert.is_true(fast:close())
    assert.are.equal(1, fast:info().acked)
    helper.fails("closed", fast:publish("s.a", "3"))
end

cases["it goes on without what is refused"] = function(_, js)
    make(js)
    local fast = assert(js:ingest { on_gap = "go_on" })
    for i = 1, 50 do
        assert(fast:publish("s.a", "x", { expected_last_seq = i % 25 == 0 and 7777 or nil }))
    end
    local ack = assert(fast:commit(20))
    assert.are.same({ 48, 50 }, { ack.seq, ack.count })
    local ids = {}
    for id, seq, code in fast:failures() do
        assert.is_nil(seq)
        assert.are.equal("wrong_last", code)
        ids[#ids + 1] = id
    end
    assert.are.same({ 25, 50 }, ids)
    assert.are.equal(2, fast:info().refused)
    fast:close()
end

cases["a stream without it says so"] = function(_, js)
    make(js, { allow_batched = false })
    local fast = assert(js:ingest())
    assert(fast:publish("s.a", "1"))
    helper.fails("batch_not_allowed", fast:commit(20))
    fast:close()
    assert.are.equal(0, count(js))
end

describe("fast ingest", function()
    setup(function()
        helper.start()
    end)
    teardown(function()
        nats.set_scheduler(nil)
        helper.stop()
    end)
    after_each(helper.nothing_left)

    helper.both_ways(it, cases)

    it("is called rightly, or raises", function()
        helper.with_jetstream(function(_, js)
            local fast = assert(js:ingest())
            helper.raises("subject", fast.publish, fast, "a..b")
            helper.raises("nothing was published", fast.commit, fast)
            helper.raises("option", js.ingest, js, { size = 5 })
            helper.raises("on_gap", js.ingest, js, { on_gap = "stop" })
            fast:close()
        end)
    end)
end)
