-- Acks of messages of JetStream consumers, known by what the server says of the consumer; blocking, and over luv.
local helper = require "helper"
local loop = require "natskit.loop.luv"
local nats = require "natskit"

local LONG = 600000000000 -- ack wait in ns: what comes again comes because of an ack

local function call(nc, name, body)
    local reply = assert(nc:request("$JS.API." .. name, body and nats.json.encode(body) or "", { timeout = 10 }))
    return assert(reply:json())
end

-- A new stream S of subject s with these numbers, and a consumer c of it. In memory: the files of a stream that
-- was deleted may still be there when the next one of that name is made.
local function make(nc, messages, more, storage)
    call(nc, "STREAM.DELETE.S")
    local stream = { name = "S", subjects = { "s" }, storage = storage or "memory" }
    assert.is_nil(call(nc, "STREAM.CREATE.S", stream).error)
    local config = { durable_name = "c", ack_policy = "explicit", ack_wait = LONG }
    for name, value in pairs(more or {}) do
        config[name] = value
    end
    local answer = call(nc, "CONSUMER.DURABLE.CREATE.S.c", { stream_name = "S", config = config })
    assert.is_nil(answer.error)
    for i = 1, messages do
        assert(nc:request("s", tostring(i), { timeout = 10 }))
    end
    if not config.deliver_subject then -- the consumer learns of them a little later
        helper.eventually(function()
            return call(nc, "CONSUMER.INFO.S.c").num_pending == messages
        end, 20)
    end
end

local function fetch(nc, expires)
    local body = nats.json.encode({ batch = 1, expires = expires or 20000000000 })
    return assert(nc:request("$JS.API.CONSUMER.MSG.NEXT.S.c", body, { timeout = 20, own_sub = true }))
end

-- Waits until the consumer has so many messages to be acked, and has acks of all up to this one.
local function until_info(nc, pending, floor)
    helper.eventually(function()
        local info = call(nc, "CONSUMER.INFO.S.c")
        return info.num_ack_pending == pending and info.ack_floor.stream_seq == floor
    end, 20)
end

-- Publishes until the outbox has no room at all, as the buffers of the system.
local function fill(nc)
    for _, size in ipairs { 60000, 1000, 1 } do
        local payload = ("x"):rep(size)
        local full = 0 -- a second long without a break: the engine may have had no turn in a part of it
        while full < 4 do
            full = nc:publish("full", payload, { timeout = 0.3 }) and 0 or full + 1
        end
    end
end

describe("acks", function()
    local nc, tap

    setup(function()
        helper.start()
    end)
    teardown(helper.stop)
    before_each(function()
        nc, tap = helper.tapped()
    end)
    after_each(function()
        nc:close()
        tap:close()
        helper.nothing_left()
    end)

    it("are told where a message comes from", function()
        make(nc, 2)
        local msg = fetch(nc)
        local told = assert(msg:delivery())
        local time = told.time
        assert.is_true(math.abs(time - os.time()) < 100)
        assert.are.equal("integer", math.type(told.time_ns))
        assert.is_true(math.abs(told.time_ns // 1000000 - time * 1000) < 2)
        told.time, told.time_ns = nil, nil
        assert.are.same({
            stream = "S", consumer = "c", delivered = 1, redelivered = false, stream_seq = 1, consumer_seq = 1,
            pending = 1, acked = false,
        }, told)
        assert.is_true(msg:ack())
        assert.is_true(msg:delivery().acked)
    end)

    it("take the first alone", function()
        make(nc, 2)
        local msg = fetch(nc)
        assert.is_true(msg:ack())
        until_info(nc, 0, 1)
        for _, name in ipairs { "ack", "nak", "in_progress", "term", "ack_sync" } do
            helper.fails("already_acked", msg[name](msg))
        end
        assert.are.equal("2", fetch(nc).data)
        assert.are.equal("jetstream", nats.status("already_acked").class)
    end)

    it("bring a message back with nak, after a while if asked", function()
        make(nc, 1)
        assert.is_true(fetch(nc):nak())
        local msg = fetch(nc)
        assert.are.equal(2, msg:delivery().delivered)
        assert.is_true(msg:delivery().redelivered)
        local took = helper.timed(function()
            assert.is_true(msg:nak(0.4))
            msg = fetch(nc)
        end)
        assert.is_true(took >= 0.38, took)
        assert.are.equal(3, msg:delivery().delivered)
        assert.is_true(msg:ack())
        until_info(nc, 0, 1)
    end)

    it("keep a message that is in progress", function()
        loop.run(function()
            local own <close> = helper.connect()
            make(own, 2, { ack_wait = 5000000000 })
            local first = fetch(own)
            fetch(own)
            local again
            loop.spawn(function()
                again = fetch(own)
            end)
            while not again do
                assert.is_true(first:in_progress())
                loop.sleep(0.05)
            end
            assert.are.equal("2", again.data) -- although the first was delivered before it
            assert.is_true(first:ack())
            assert.is_true(again:ack())
            until_info(own, 0, 2)
        end)
        nats.set_scheduler(nil)
    end)

    it("end a message with term, and a reason", function()
        local advisories <close> = assert(nc:subscribe("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.c"))
        make(nc, 2)
        local msg = fetch(nc)
        helper.raises("reason: not one line", msg.term, msg, "two\nlines")
        helper.raises("reason: not one line", msg.term, msg, "\xff")
        helper.raises("string expected", msg.term, msg, {})
        helper.fails("too_large", msg:term(("x"):rep(2000000)))
        assert.is_false(msg:delivery().acked)
        assert.is_true(msg:term("no such ärticle"))
        assert.are.equal("no such ärticle", assert(advisories:next(20)):json().reason)
        assert.is_true(fetch(nc):term())
        assert.is_nil(assert(advisories:next(20)):json().reason)
        until_info(nc, 0, 2)
        assert.are.equal(408, fetch(nc, 100000000).status)
    end)

    it("are confirmed by ack_sync", function()
        make(nc, 2)
        for i = 1, 2 do
            local msg = fetch(nc)
            assert.is_true(msg:ack_sync(i == 2 and 20 or nil))
            assert.are.equal(i, call(nc, "CONSUMER.INFO.S.c").ack_floor.stream_seq)
            helper.fails("already_acked", msg:ack_sync())
        end
    end)

    it("can be sent again if they were not confirmed", function()
        make(nc, 1)
        local msg = fetch(nc)
        helper.server:pause()
        helper.fails("timeout", msg:ack_sync(0.2))
        helper.server:resume()
        assert.is_false(msg:delivery().acked)
        assert.is_true(msg:ack_sync(20))
        until_info(nc, 0, 1)
    end)

    it("go in batches", function()
        local sub <close> = assert(nc:subscribe("delivered"))
        make(nc, 100, { deliver_subject = "delivered" })
        local msgs = {}
        while #msgs < 100 do
            table.move(assert(sub:next_batch(100, 20)), 1, 100, #msgs + 1, msgs)
        end
        until_info(nc, 100, 0)
        assert.are.equal(0, nc:ack_batch({}))
        assert.are.equal(80, nc:ack_batch(table.move(msgs, 1, 80, 1, {})))
        until_info(nc, 20, 80)
        local list = table.move(msgs, 91, 100, 12, table.move(msgs, 81, 90, 1, {}))
        list[11] = msgs[1]
        local _, _, code, acked = nc:ack_batch(list)
        assert.are.equal("already_acked", code)
        assert.are.equal(10, acked)
        until_info(nc, 10, 90)
        assert.are.equal(10, nc:ack_batch(table.move(msgs, 91, 100, 1, {}), { timeout = 1 }))
        until_info(nc, 0, 100)
        helper.raises("message 2: natskit.msg expected", nc.ack_batch, nc, { msgs[1], 5 })
        helper.raises("unknown option", nc.ack_batch, nc, {}, { delay = 1 })
        msgs[2]:close()
        helper.raises("message 2: the message was closed", nc.ack_batch, nc, msgs)
    end)

    it("are refused for other messages, and for wrong arguments", function()
        local sub <close> = assert(nc:subscribe("plain"))
        for _, reply in ipairs { "inbox", "$JS.FC.s.c.1" } do
            assert(nc:publish("plain", "", { reply = reply }))
            local msg = assert(sub:next(10))
            for _, name in ipairs { "ack", "nak", "in_progress", "term", "ack_sync", "delivery" } do
                helper.fails("not_js_message", msg[name](msg))
            end
            assert.are.equal(0, select(4, nc:ack_batch({ msg })))
        end
        make(nc, 1)
        local msg = fetch(nc)
        helper.raises("delay", msg.nak, msg, -1)
        helper.raises("delay", msg.nak, msg, math.huge)
        helper.raises("delay", msg.nak, msg, "soon")
        helper.raises("delay", msg.nak, msg, 1e10)
        helper.raises("timeout", msg.ack_sync, msg, -1)
        assert.is_false(msg:delivery().acked)
        msg:close()
        for _, name in ipairs { "ack", "nak", "in_progress", "term", "ack_sync", "delivery" } do
            helper.raises("the message was closed", msg[name], msg)
        end
    end)

    it("wait for room in the outbox", function()
        local own <close> = helper.connect({ outbox_bytes = 262144 })
        make(own, 6)
        local msgs = {}
        for i = 1, 6 do
            msgs[i] = fetch(own)
        end
        helper.server:pause()
        fill(own)
        helper.fails("timeout", msgs[1]:ack_sync(0.1))
        helper.fails("timeout", own:ack_batch(msgs, { timeout = 0.1 }))
        local child = io.popen(("sleep 0.3; kill -CONT %d"):format(helper.server:pid()))
        assert.is_true(msgs[1]:ack()) -- each waits until the server takes something
        assert.is_true(msgs[2]:term("why"))
        assert.is_true(msgs[3]:nak(600))
        assert.are.equal(3, own:ack_batch({ msgs[4], msgs[5], msgs[6] }))
        child:close()
        until_info(own, 1, 2)
    end)

    it("suspend their coroutine until there is room", function()
        loop.run(function()
            local own <close> = helper.connect({ outbox_bytes = 262144 })
            make(own, 5)
            local msgs = {}
            for i = 1, 5 do
                msgs[i] = fetch(own)
            end
            helper.server:pause()
            fill(own)
            local done = 0
            local function task(fn)
                loop.spawn(function()
                    assert(fn())
                    done = done + 1
                end)
            end
            task(function() return msgs[1]:ack() end)
            task(function() return msgs[2]:ack_sync(30) end)
            task(function() return msgs[3]:term() end)
            task(function() return msgs[4]:in_progress() end)
            task(function() return own:ack_batch({ msgs[5] }, { timeout = 30 }) end)
            loop.sleep(0.05)
            assert.are.equal(0, done)
            helper.server:resume()
            local deadline = helper.now() + 20
            while done < 5 do
                assert(helper.now() < deadline, "waited in vain")
                loop.sleep(0.005)
            end
            until_info(own, 1, 3)
        end)
        nats.set_scheduler(nil)
    end)

    it("fail at once without room if the connection is told so", function()
        local own <close> = helper.connect({ outbox_bytes = 262144, outbox_full = "fail" })
        make(own, 1)
        local msg = fetch(own)
        helper.server:pause()
        for _, size in ipairs { 60000, 1000, 1 } do
            local full, payload = 0, ("x"):rep(size)
            helper.eventually(function()
                full = own:publish("full", payload) and 0 or full + 1
                return full > 50
            end)
        end
        for _, name in ipairs { "ack", "nak", "in_progress", "term", "ack_sync" } do
            helper.fails("would_block", msg[name](msg))
        end
        helper.fails("would_block", own:ack_batch({ msg }))
        helper.server:resume()
        assert.is_true(own:flush(20))
        assert.is_true(msg:ack())
        until_info(own, 0, 1)
    end)
end)

describe("acks without a connection", function()
    setup(function()
        helper.start()
    end)
    teardown(helper.stop)
    after_each(helper.nothing_left)

    it("wait for a reconnect in the outbox, and end with the connection", function()
        local own = helper.connect() -- to a server on which no stream was deleted
        make(own, 2, nil, "file")
        local kept, late = fetch(own), fetch(own)
        helper.server:stop()
        helper.eventually(function()
            return own:info().state == "reconnecting"
        end)
        assert.is_true(kept:ack())
        helper.server:restart()
        helper.eventually(function()
            return own:info().state == "connected"
        end)
        helper.eventually(function()
            local reply = own:request("$JS.API.CONSUMER.INFO.S.c", "", { timeout = 1 })
            return reply and not reply:json().error
        end, 20)
        until_info(own, 1, 1)
        own:close()
        helper.fails("closed", late:ack())
        helper.fails("closed", late:ack_sync())
        assert.is_false(late:delivery().acked)
    end)
end)

describe("acks of a server whose subjects tell more", function()
    setup(function()
        helper.start({ extra = "feature_flags { js_ack_fc_v2: true }\n" })
    end)
    teardown(helper.stop)
    after_each(helper.nothing_left)

    it("are the same", function()
        local nc <close> = helper.connect()
        make(nc, 2)
        local msg = fetch(nc)
        local told = msg:delivery()
        assert.are.equal("S", told.stream)
        assert.are.equal("c", told.consumer)
        assert.is_nil(told.domain)
        assert.is_true(#told.account > 0)
        assert.are.equal(1, told.pending)
        assert.is_true(msg:ack())
        assert.is_true(fetch(nc):ack_sync(20))
        until_info(nc, 0, 2)
    end)
end)
