-- What servers from 2.11 on brought to publishing: batches, counters, schedules and times to live, on a real server;
-- blocking and over luv.
local helper = require "helper"
local nats = require "natskit"

local function make(js, more)
    local config = { name = "S", subjects = { "s.>" }, storage = "memory" }
    for name, value in pairs(more or {}) do
        config[name] = value
    end
    assert(js:add_stream(config))
end

local function count(js)
    return assert(js:stream_info("S")).state.messages
end

local function failed(code, outcome, ...)
    helper.fails(code, ...)
    assert.are.equal(outcome, (select(6, ...)))
end

-- What is done the same way by a program that blocks and in a task.
local cases = {}

cases["a batch is stored together"] = function(_, js)
    make(js, { allow_atomic = true, allow_msg_ttl = true })
    local batch <close> = assert(js:batch())
    assert.is_true(batch:add("s.a", "1", { headers = { A = "b" }, ttl = 60 }))
    assert.is_true(batch:add("s.b", "2", { msg_id = "two" }))
    assert.is_true(batch:add("s.c"))
    assert.are.equal(3, batch:info().msgs)
    assert.is_false(batch:info().committed)
    assert.are.equal(0, count(js))
    local ack = assert(batch:commit(20))
    assert.are.same({ "S", 3, 3, false }, { ack.stream, ack.seq, ack.count, ack.duplicate })
    assert.are.equal(22, #ack.batch)
    assert.are.equal("2", assert(js:get_msg("S", { seq = 2 })).data)
    assert.are.equal("60", assert(js:get_msg("S", { seq = 1 })).headers["Nats-TTL"][1])
    helper.fails("closed", batch:add("s.a"))
    helper.fails("closed", batch:commit())
    assert.are.same({ stream = "S", seq = 4, duplicate = false }, js:publish("s.a"))
end

cases["a batch of as many as there may be"] = function(_, js)
    make(js, { allow_atomic = true })
    local batch = assert(js:batch())
    for i = 1, 1000 do
        assert(batch:add("s.a", tostring(i)))
    end
    helper.fails("limit", batch:add("s.a"))
    assert.are.equal(1000, assert(batch:commit()).seq)
    local small = assert(js:batch { max_bytes = 1024 })
    helper.fails("limit", small:add("s.a", ("x"):rep(2000)))
end

cases["a batch is refused as a whole"] = function(_, js)
    make(js, { allow_atomic = true })
    local batch = assert(js:batch())
    assert(batch:add("s.a", "1"))
    assert(batch:add("s.b", "2", { expected_last_subject_seq = 7 }))
    failed("wrong_last", "rejected", batch:commit())
    assert.are.equal(0, count(js))
    local gone = assert(js:batch())
    assert(gone:add("s.a", "1"))
    gone:discard()
    gone:discard()
    helper.fails("closed", gone:add("s.a"))
end

cases["a stream without batches says so"] = function(_, js)
    make(js)
    local batch = assert(js:batch())
    assert(batch:add("s.a", "1"))
    failed("batch_not_allowed", "rejected", batch:commit())
    assert.are.equal(0, count(js))
end

cases["counters of any size"] = function(_, js)
    make(js, { allow_msg_counter = true, allow_direct = true })
    assert.are.equal(5, assert(js:publish("s.hits", "", { increment = 5 })).value)
    assert.are.equal(-2, assert(js:publish("s.hits", "", { increment = -7 })).value)
    local huge = "1" .. ("0"):rep(40)
    assert.are.equal(("9"):rep(39) .. "8", assert(js:publish("s.hits", "", { increment = huge })).value)
    failed("counter_refused", "rejected", js:publish("s.hits", "no counter"))
    failed("counter_refused", "rejected", js:publish("s.hits", "", { increment = "many" }))
    assert.are.equal(1, assert(js:increment("s.more")))
    assert.are.equal(5, assert(js:increment("s.more", 4)))
    assert.are.equal(-5, assert(js:increment("s.more", "-10", { msg_id = "once" })))
    assert.are.equal(-4, assert(js:increment("s.more", 1, { timeout = 20 })))
    assert.are.equal(-4, assert(js:increment("s.more", "-10", { msg_id = "once" }))) -- counted before
    assert.are.equal(-4, assert(js:get_msg("S", { last_by_subj = "s.more" })).counter)
    assert.are.equal(-3, assert(js:increment("s.more", nil, { msg_id = "by one" })))
    assert.are.equal(-3, assert(js:increment("s.more", nil, { msg_id = "by one" })))
    helper.raises("integer or its digits", js.increment, js, "s.more", 1.5)
    helper.raises("whole number", js.increment, js, "s.more", "many")
    helper.raises("integer or its digits", js.publish, js, "s.hits", "", { increment = 1.5 })
end

cases["schedules make messages"] = function(_, js)
    make(js, { allow_msg_schedules = true, allow_msg_ttl = true })
    assert(js:publish("s.plan", "tick", { schedule = "@every 1s", schedule_target = "s.out", schedule_ttl = 300 }))
    local stream = assert(js:stream("S"))
    local consumer = assert(stream:add_consumer { durable_name = "C", filter_subject = "s.out" })
    local msg = assert(consumer:next(20))
    assert.are.same({ "s.out", "tick" }, { msg.subject, msg.data })
    assert(js:publish("s.stop", "", { unschedule = "s.plan" }))
    helper.fails("msg_not_found", js:get_msg("S", { last_by_subj = "s.plan" }))
    failed("schedule_refused", "rejected", js:publish("s.plan", "", { schedule = "@every 1s" }))
    failed("schedule_refused", "rejected", js:publish("s.plan", "", { unschedule = "s.plan" }))
    assert(js:publish("s.plan", "", {
        schedule = "0 0 5 * * *", schedule_target = "s.out", schedule_time_zone = "Europe/Paris",
        schedule_source = "s.last", schedule_rollup = true,
    }))
    assert(js:publish("s.plan", "", { schedule = "@daily", schedule_target = "s.out", schedule_rollup = false }))
end

cases["times to live"] = function(_, js)
    make(js, { allow_msg_ttl = true })
    assert(js:publish("s.a", "", { ttl = math.huge }))
    assert(js:publish("s.a", "", { ttl = 1.5 }))
    assert.are.equal("never", assert(js:get_msg("S", { seq = 1 })).headers["Nats-TTL"][1])
    failed("ttl_refused", "rejected", js:publish("s.a", "", { ttl = 0.1 }))
end

cases["messages tell where they come from"] = function(nc, js)
    make(js, { republish = { src = "s.>", dest = "again.>" } })
    local sub <close> = assert(nc:subscribe("again.>"))
    assert(js:publish("s.a", "1"))
    assert(js:publish("s.a", "2"))
    assert(sub:next(20))
    local msg = assert(sub:next(20))
    local origin = assert(msg:origin())
    assert.are.same({ "S", "s.a", 2, 1 }, { origin.stream, origin.subject, origin.seq, origin.last_seq })
    assert.is_true(origin.time_ns > 0)
    assert.is_nil(origin.size)
    helper.fails("not_found", msg:counter())
    local plain <close> = assert(nc:subscribe("plain"))
    assert(nc:publish("plain", '{"val":"12"}'))
    msg = assert(plain:next(20))
    helper.fails("not_found", msg:origin())
    assert.are.equal(12, msg:counter())
    assert(nc:publish("plain", '{"val":"-123456789012345678901234567890"}'))
    assert.are.equal("-123456789012345678901234567890", assert(plain:next(20)):counter())
end

cases["a counter is broken by what was no sum"] = function(_, js)
    make(js, { storage = "file" }) -- comes back as a stream of counters
    assert(js:publish("s.a", "word"))
    local sub, info = assert(js:snapshot("S"))
    local chunks = {}
    for msg in sub:messages() do
        chunks[#chunks + 1] = msg.data
    end
    sub:close()
    assert(js:delete_stream("S"))
    info.config.name, info.config.allow_msg_counter = "B" .. nats.nuid(), true -- what was deleted may be in the way
    assert(js:restore(info, chunks))
    local none, text, code, err_code, _, outcome = js:increment("s.a", 1)
    assert.are.same({ nil, "message counter is broken", "counter_refused", 10172, "rejected" },
        { none, text, code, err_code, outcome })
    assert.are.equal(2, assert(js:increment("s.b", 2)))
end

cases["acks by flow control have rules of their own"] = function(_, js)
    make(js)
    local config = { name = "c", ack_policy = "flow_control", deliver_subject = "d" }
    local none, text, code, err_code = js:call("consumer.create", { stream = "S", config = config, pedantic = true })
    assert.are.same({ nil, "flow control ack policy requires flow control", "js_refused", 10219 },
        { none, text, code, err_code })
    config.max_ack_pending = -1
    none, text, code, err_code = js:add_consumer("S", config)
    assert.are.same({ nil, "flow control ack policy requires max ack pending", "js_refused", 10220 },
        { none, text, code, err_code })
    config.max_ack_pending = nil
    assert.is_true(assert(js:add_consumer("S", config)).config.flow_control)
end

describe("batches, counters and schedules", function()
    setup(function()
        helper.start()
    end)
    teardown(function()
        nats.set_scheduler(nil)
        helper.stop()
    end)
    after_each(helper.nothing_left)

    helper.both_ways(it, cases)

    it("are refused by a stream whose queue is full", function()
        local server <close> = helper.testing.server {
            config = 'listen: "127.0.0.1:-1"\nhttp: "127.0.0.1:-1"\n'
                .. 'jetstream { store_dir: "@DIR@/store", max_buffered_msgs: 1 }\n',
        }
        local nc <close> = assert(nats.connect(server:url()))
        local js <close> = assert(nc:jetstream())
        make(js)
        local pub <close> = assert(js:publisher { acks = "failures", max_pending = 1000 })
        local good, text, code, failures
        local tries = 0
        repeat
            for _ = 1, 500 do
                assert(pub:publish("s.a", "x"))
            end
            good, text, code, failures = pub:done(20)
            tries = tries + 1
        until not good or tries == 100
        assert.truthy(text and text:find("too many requests", 1, true), text)
        local failure = failures[1]
        assert.are.same({ "js_limit", "js_limit", 10167, 429, "rejected" },
            { code, failure.code, failure.err_code, failure.server_code, failure.outcome })
    end)

    it("are called rightly, or raise", function()
        helper.with_jetstream(function(_, js)
            local batch = assert(js:batch())
            helper.raises("subject", batch.add, batch, "a..b")
            helper.raises("no timeout", batch.add, batch, "a", "", { timeout = 1 })
            helper.raises("unknown option 'msgid'", batch.add, batch, "a", "", { msgid = "x" })
            helper.raises("Nats-Batch", batch.add, batch, "a", "", { headers = { ["Nats-Batch-Id"] = "x" } })
            helper.raises("no message", batch.commit, batch)
            helper.raises("option", js.batch, js, { size = 5 })
            helper.raises("expected", js.publish, js, "a", "", { schedule = 5 })
        end)
    end)
end)
