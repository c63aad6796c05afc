-- Streams of a real server that are read in their order, blocking and over luv.
local helper = require "helper"
local nats = require "natskit"

-- A stream with five messages of three subjects.
local function make(js)
    assert(js:add_stream { name = "S", subjects = { "s.*" }, storage = "memory" })
    for _, token in ipairs { "a", "b", "a", "c", "b" } do
        assert(js:publish("s." .. token, token))
    end
end

-- What comes until it ends, as text.
local function all(js, options)
    local found = {}
    options.ends = true
    for msg in js:ordered("S", options) do
        found[#found + 1] = msg.data
    end
    return table.concat(found, " ")
end

-- What is done the same way by a program that blocks and in a task.
local cases = {}

cases["policies and subjects say what comes"] = function(_, js)
    make(js)
    assert.are.equal("a b a c b", all(js, {}))
    assert.are.equal("", all(js, { deliver_policy = "new" }))
    assert.are.equal("b", all(js, { deliver_policy = "last" }))
    assert.are.equal("a c b", all(js, { deliver_policy = "last_per_subject" }))
    assert.are.equal("c b", all(js, { deliver_policy = "by_start_sequence", opt_start_seq = 4 }))
    local begin = { deliver_policy = "by_start_time", opt_start_time = "2020-01-02T03:04:05Z" }
    assert.are.equal("a b a c b", all(js, begin))
    assert.are.equal("b b", all(js, { subjects = "s.b" }))
    assert.are.equal("a a c", all(js, { subjects = { "s.a", "s.c" } }))
end

cases["it goes on when its consumer is deleted"] = function(_, js)
    make(js)
    local sub <close> = assert(js:ordered("S", { marker = true, headers_only = true, heartbeat = 1 }))
    for _ = 1, 5 do
        local msg = assert(sub:next(10))
        assert.are.equal("", msg.data)
        assert.are.same({ "1" }, msg.headers["Nats-Msg-Size"])
    end
    local marker = assert(sub:next(10))
    assert.are.equal("status", marker.kind)
    assert.are.equal("initial_done", marker.type)
    local info = helper.eventually(function() -- its messages can overtake the answer that says so
        local now = assert(sub:watch_info())
        return now.live and now
    end)
    assert.are.same({ 5, 0, true, true }, { info.last_seq, info.resets, info.live, info.initial_done })
    assert.is_nil(info.last_revision)
    for _, name in ipairs(assert(js:consumer_names("S"))) do
        assert(js:delete_consumer("S", name))
    end
    assert(js:publish("s.d", "d"))
    assert.are.equal("s.d", assert(sub:next(10)).subject)
    assert.are.equal(1, assert(sub:watch_info()).resets)
end

cases["a stream that is deleted ends it"] = function(_, js)
    make(js)
    local sub <close> = assert(js:ordered("S", { heartbeat = 0.2, deliver_policy = "new", marker = true }))
    assert.are.equal("initial_done", assert(sub:next(10)).type)
    assert(js:delete_stream("S"))
    helper.fails("stream_not_found", sub:next(20))
    helper.raises("the reading has ended: ", function()
        for _ in js:ordered("S") do
            error("there is nothing")
        end
    end)
end

cases["leaving a loop closes it"] = function(_, js)
    make(js)
    local count = 0
    for _ in js:ordered("S") do
        count = count + 1
        if count == 2 then
            break
        end
    end
    assert.are.equal(2, count)
    helper.eventually(function()
        return #assert(js:consumer_names("S")) == 0
    end)
end

describe("a stream in order", function()
    setup(function()
        helper.start()
    end)
    teardown(function()
        nats.set_scheduler(nil)
        helper.stop()
    end)

    after_each(helper.nothing_left)

    helper.both_ways(it, cases)

    it("raises for misuse", function()
        local nc <close> = helper.connect()
        local js <close> = assert(nc:jetstream())
        helper.raises("opt_start_seq: it needs deliver_policy by_start_sequence", js.ordered, js, "S",
            { opt_start_seq = 3 })
        helper.raises("by_start_time needs option opt_start_time", js.ordered, js, "S",
            { deliver_policy = "by_start_time" })
        helper.raises("has an empty token", js.ordered, js, "S", { subjects = { "a..b" } })
        helper.raises("table expected", js.ordered, js, "S", 5)
        helper.raises("string expected", js.ordered, js)
        helper.raises("blank", js.ordered, js, "a b")
        helper.raises("heartbeat_ms", js.ordered, js, "S", { heartbeat = 0.01 })
    end)
end)
