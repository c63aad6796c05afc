-- Stored messages without a consumer: one, runs, and the last of each subject; blocking and over luv.
local helper = require "helper"
local nats = require "natskit"

-- A stream with messages of these tokens, which are their data, too.
local function make(js, tokens, allow)
    assert(js:add_stream { name = "S", subjects = { "s.*" }, storage = "memory", allow_direct = allow ~= false })
    for token in tokens:gmatch("%a+") do
        assert(js:publish("s." .. token, token))
    end
end

-- What comes until it ends, as text.
local function all(...)
    local found = {}
    for msg in ... do
        found[#found + 1] = msg.data .. msg.seq
    end
    return table.concat(found, " ")
end

-- What is done the same way by a program that blocks and in a task.
local cases = {}

cases["one message, each way"] = function(_, js)
    make(js, "a b")
    assert(js:publish("s.a", "third", { headers = { Key = { "v", "w" } } }))
    local stream = assert(js:stream("S"))
    for _, get in ipairs { js.direct_get, js.get_msg } do
        local msg = assert(get(js, "S", { seq = 3 }))
        assert.are.same({ "S", "s.a", "third", 3, 0 }, { msg.stream, msg.subject, msg.data, msg.seq, msg.pending })
        assert.are.same({ Key = { "v", "w" } }, msg.headers)
        assert.is_true(math.abs(msg.time - os.time()) < 100)
        assert.are.equal("integer", math.type(msg.time_ns))
        assert.is_nil(assert(get(js, "S", { seq = 1 })).headers)
        assert.are.equal(2, assert(get(js, "S", { last_by_subj = "s.b" })).seq)
        assert.are.equal(3, assert(get(js, "S", { last_by_subj = "s.*" })).seq)
        assert.are.equal(3, assert(get(js, "S", { next_by_subj = "s.a", seq = 2 })).seq)
        assert.are.equal(1, assert(get(js, "S", { next_by_subj = "s.a" })).seq)
        assert.are.equal(1, assert(get(js, "S", { start_time = "2020-01-02T03:04:05Z" })).seq)
        assert.are.equal(2, assert(get(js, "S", { start_time = 1.5, next_by_subj = "s.b" })).seq)
        helper.fails("msg_not_found", get(js, "S", { seq = 9 }))
        helper.fails("stream_not_found", get(js, "NO", { seq = 1, timeout = 20 }))
    end
    assert.are.equal("b", assert(stream:direct_get { seq = 2 }).data)
    assert.are.equal("b", assert(stream:get_msg { seq = 2 }).data)
    assert.are.equal("b", assert(js:get_msg("S", { seq = 2, direct = true })).data)
end

cases["where direct gets are not allowed"] = function(_, js)
    make(js, "a b", false)
    assert.are.equal("b", assert(js:direct_get("S", { seq = 2 })).data) -- by the leader
    helper.raises("the reading has ended: the stream allows no direct gets", all, js:get_batch("S"))
    helper.raises("no_direct", all, js:get_last_for("NO"))
    local sub <close> = assert(js:get_batch("S"))
    helper.fails("no_direct", sub:next(20))
end

cases["a run of a stream"] = function(_, js)
    make(js, "a b a c")
    assert.are.equal("a1 b2 a3 c4", all(js:get_batch("S")))
    assert.are.equal("b2 a3", all(js:get_batch("S", { batch = 2, seq = 2 })))
    assert.are.equal("a1 a3", all(js:get_batch("S", { next_by_subj = "s.a", page_msgs = 1 })))
    assert.are.equal("b2 a3", all(js:get_batch("S", { seq = 2, up_to_seq = 3 })))
    assert.are.equal("c4", all(js:get_batch("S", { start_time = "2020-01-02T03:04:05Z", next_by_subj = "s.c" })))
    assert.are.equal("a1", all(js:get_batch("S", { max_bytes = 1 })))
    assert.are.equal("", all(js:get_batch("S", { seq = 5 })))
    assert.are.equal("a1", all(assert(js:stream("S")):get_batch { batch = 1 }))
    local sub <close> = assert(js:get_batch("S"))
    assert.are.equal(3, assert(sub:next(20)).pending)
    assert.are.equal(2, assert(sub:next(20)).pending)
end

cases["the last of each subject"] = function(_, js)
    make(js, "a b a c")
    assert.are.equal("b2 a3 c4", all(js:get_last_for("S")))
    assert.are.equal("a3", all(js:get_last_for("S", "s.a")))
    assert.are.equal("b2 a3", all(js:get_last_for("S", { "s.b", "s.a", "s.none" }, { page_msgs = 1 })))
    assert.are.equal("a1", all(js:get_last_for("S", "s.a", { up_to_seq = 2 })))
    assert.are.equal("b2", all(assert(js:stream("S")):get_last_for(nil, { batch = 1 })))
    assert.are.equal("", all(js:get_last_for("S", "s.none")))
    local wide = {}
    for i = 1, 1100 do
        assert(js:publish("s.k" .. i, ""))
        wide[i] = "s.k" .. i
    end
    local count = 0
    for _ in js:get_last_for("S", wide) do
        count = count + 1
    end
    assert.are.equal(1100, count)
    helper.raises("more than 1024 subjects match", all, js:get_last_for("S"))
end

cases["it goes on when the connection is lost"] = function(_, js, tap)
    make(js, "")
    for i = 1, 600 do
        assert(js:publish("s.a", tostring(i)))
    end
    local seq = 0
    for msg in js:get_batch("S", { page_msgs = 50 }) do
        seq = seq + 1
        assert.are.equal(seq, msg.seq)
        if seq % 200 == 0 then
            tap:command("cut")
        end
    end
    assert.are.equal(600, seq)
end

describe("direct gets", function()
    setup(function()
        helper.start()
    end)
    teardown(function()
        nats.set_scheduler(nil)
        helper.stop()
    end)

    after_each(helper.nothing_left)

    helper.both_ways(it, cases)

    it("raise for misuse", function()
        local nc <close> = helper.connect()
        local js <close> = assert(nc:jetstream())
        helper.raises("no seq, subject or start_time_ns is given", js.get_msg, js, "S")
        helper.raises("only one may be given", js.direct_get, js, "S", { seq = 1, start_time = 5 })
        helper.raises("exclude each other", js.direct_get, js, "S", { last_by_subj = "a", next_by_subj = "b" })
        helper.raises("seq: whole number expected", js.get_msg, js, "S", { seq = "x" })
        helper.raises("start_time: seconds", js.get_msg, js, "S", { start_time = "soon" })
        helper.raises("unknown option 'sequence'", js.get_msg, js, "S", { sequence = 1 })
        helper.raises("table expected", js.get_msg, js, "S", 5)
        helper.raises("string expected", js.get_msg, js)
        helper.raises("options seq and start_time", js.get_batch, js, "S",
            { seq = 1, start_time = "2026-01-02T03:04:05Z" })
        helper.raises("has an empty token", js.get_last_for, js, "S", { "a..b" })
        helper.raises("string or list", js.get_last_for, js, "S", 5)
        helper.raises("blank", js.get_batch, js, "a b")
        helper.raises('no option "sequence"', js.get_batch, js, "S", { sequence = 1 })
    end)
end)
