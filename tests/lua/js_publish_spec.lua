-- Publishing to streams of a real server: one message with its ack, and publishers; blocking and over luv.
local helper = require "helper"
local loop = require "natskit.loop.luv"
local nats = require "natskit"

local function make(js, more)
    local config = { name = "S", subjects = { "s.*" }, storage = "memory", allow_msg_ttl = true }
    for name, value in pairs(more or {}) do
        config[name] = value
    end
    assert(js:add_stream(config))
end

local function failed(code, outcome, err_code, ...)
    helper.fails(code, ...)
    local _, _, _, got, _, told = ...
    assert.are.equal(err_code, got)
    assert.are.equal(outcome, told)
end

-- What is done the same way by a program that blocks and in a task.
local cases = {}

cases["a message has its ack"] = function(_, js)
    make(js)
    assert.are.same({ stream = "S", seq = 1, duplicate = false }, js:publish("s.a", "hello"))
    assert.are.same({ stream = "S", seq = 2, duplicate = false }, js:publish("s.a"))
    local set = nats.headers { Set = "x" }
    for i, headers in ipairs { { A = "b", C = { "d", "e" } }, { { "A", "b" } }, set, {} } do
        assert.are.equal(2 + i, assert(js:publish("s.b", "data", { headers = headers, timeout = 10 })).seq)
    end
    assert.are.same({ A = { "b" }, C = { "d", "e" } }, assert(js:get_msg("S", { seq = 3 })).headers)
    assert.are.same({ Set = { "x" } }, assert(js:get_msg("S", { seq = 5 })).headers)
    assert.is_nil(assert(js:get_msg("S", { seq = 6 })).headers)
    assert.are.equal("hello", assert(js:get_msg("S", { seq = 1 })).data)
end

cases["an id counts once"] = function(_, js)
    make(js)
    local set = nats.headers { Set = "x" }
    local first = { stream = "S", seq = 1, duplicate = false }
    assert.are.same(first, js:publish("s.a", "1", { msg_id = "a", headers = set }))
    assert.are.same({ stream = "S", seq = 1, duplicate = true }, js:publish("s.a", "2", { msg_id = "a" }))
    assert.are.equal(1, #set) -- the caller's set is as it was
    assert.are.same({ Set = { "x" }, ["Nats-Msg-Id"] = { "a" } }, assert(js:get_msg("S", { seq = 1 })).headers)
end

cases["what is expected holds, or nothing is stored"] = function(_, js)
    make(js)
    local function refused(options)
        failed("wrong_last", "rejected", options.code, js:publish("s.a", "", options.options))
    end
    assert(js:publish("s.a", "1", { expected_last_seq = 0, msg_id = "one", expected_stream = "S" }))
    refused { code = 10071, options = { expected_last_seq = 0 } }
    assert(js:publish("s.b", "2", { expected_last_subject_seq = 0, expected_last_msg_id = "one" }))
    refused { code = 10071, options = { expected_last_subject_seq = 0 } }
    refused { code = 10070, options = { expected_last_msg_id = "two" } }
    failed("js_refused", "rejected", 10060, js:publish("s.a", "", { expected_stream = "OTHER" }))
    assert(js:publish("s.c", "3", { expected_last_subject_seq = 2, expected_last_subject = "s.b" }))
    refused { code = 10071, options = { expected_last_subject_seq = 9, expected_last_subject = "s.b" } }
    assert.are.equal(3, assert(js:stream_info("S")).state.messages)
end

cases["a time to live is kept"] = function(_, js)
    make(js)
    assert(js:publish("s.a", "", { ttl = 3600 }))
    assert(js:publish("s.a", "", { ttl = 1.5 }))
    assert(js:publish("s.a", "", { ttl = math.huge }))
    local kept = {}
    for i = 1, 3 do
        kept[i] = assert(js:get_msg("S", { seq = i })).headers["Nats-TTL"][1]
    end
    assert.are.same({ "3600", "1500ms", "never" }, kept)
end

cases["failures tell whether it may be stored"] = function(_, js)
    make(js, { max_msgs = 1, discard = "new", max_msg_size = 100 })
    failed("js_limit", "rejected", 10054, js:publish("s.a", ("x"):rep(200)))
    assert(js:publish("s.a", "1"))
    failed("js_limit", "rejected", 10077, js:publish("s.a", "2"))
    failed("no_stream", "rejected", nil, js:publish("nobody", ""))
end

cases["a publisher has many under way"] = function(_, js)
    make(js)
    local pub <close> = assert(js:publisher { max_pending = 64, acks = "all" })
    for i = 1, 1000 do
        assert.are.equal(i, pub:publish("s.a", tostring(i)))
    end
    assert.is_true(pub:done(20))
    local count = 0
    for id, seq, code in pub:acks(0) do
        count = count + 1
        assert.are.equal(count, id)
        assert.are.equal(count, seq)
        assert.is_nil(code)
    end
    assert.are.equal(1000, count)
    local info = assert(pub:info())
    assert.are.equal(1000, info.published)
    assert.are.equal(1000, info.acked)
    assert.are.equal(0, info.pending)
    assert.are.equal(0, info.untaken)
    assert.is_nil(info.reason)
    assert.are.equal("1000", assert(js:get_msg("S", { seq = 1000 })).data)
    helper.fails("would_block", pub:next_ack(0))
    helper.fails("timeout", pub:next_ack(0.05))
end

cases["a publisher tells of each failure"] = function(_, js)
    make(js)
    local pub = assert(js:publisher { retries = 0, acks = "all" })
    assert.are.equal(1, pub:publish("s.a", "1", { msg_id = "x", headers = { A = "b" } }))
    assert.are.equal(2, pub:publish("s.a", "2", { msg_id = "x" }))
    assert.are.equal(3, pub:publish("s.a", "3", { expected_last_seq = 77 }))
    assert.are.equal(4, pub:publish("nobody", "4"))
    assert.are.equal(5, pub:publish("s.a", "5"))
    local _, message, why = pub:done(20) -- takes nothing that the program takes
    assert.are.same({ "messages not known to be stored: 2; pub:acks() tells why", "js_refused" }, { message, why })
    local told = {}
    for _ = 1, 5 do
        local ack = assert(pub:next_ack(10))
        told[ack.id] = ack
    end
    assert.are.same({ id = 1, stream = "S", seq = 1, duplicate = false, outcome = "done" }, told[1])
    assert.are.same({ id = 2, stream = "S", seq = 1, duplicate = true, outcome = "done" }, told[2])
    assert.are.equal("wrong_last", told[3].code)
    assert.are.equal(10071, told[3].err_code)
    assert.are.equal(400, told[3].server_code)
    assert.are.equal("rejected", told[3].outcome)
    assert.is_nil(told[3].seq)
    assert.truthy(told[3].text:find("77", 1, true) or told[3].text:find("wrong last", 1, true))
    assert.are.equal("no_stream", told[4].code)
    assert.are.equal(2, told[5].seq)
    assert.is_true(pub:done())
    assert(pub:publish("s.a", "", { expected_last_seq = 77 }))
    helper.fails("js_refused", pub:done())
    for id, seq, code, text in pub:acks(0) do
        assert.are.equal(6, id)
        assert.is_nil(seq)
        assert.are.equal("wrong_last", code)
        assert.are.equal("string", type(text))
    end
    assert.is_true(pub:done())
    assert.is_true(pub:close())
    assert.is_true(pub:close())
    helper.fails("closed", pub:publish("s.a"))
    helper.fails("closed", pub:done())
    local last = assert(pub:info())
    assert.are.same({ 6, 3, 3, 0, 0 }, { last.published, last.acked, last.failed, last.pending, last.untaken })
    assert.are.equal("unsubscribed", last.reason)
    helper.fails("end", pub:next_ack(1))
    for _ in pub:acks() do
        error("nothing is left")
    end
    assert.truthy(tostring(pub):find("closed", 1, true))
end

cases["done tells of the failures since the last one"] = function(_, js)
    make(js)
    local pub = assert(js:publisher { retries = 0, max_untaken = 10 })
    for i = 1, 100 do -- nobody takes anything
        assert.are.equal(i, pub:publish("s.a", "", { timeout = 20 }))
    end
    assert.is_true(pub:done(20))
    assert.are.equal(101, pub:publish("s.a", "", { expected_last_seq = 77 }))
    assert.are.equal(102, pub:publish("s.a", ""))
    assert.are.equal(103, pub:publish("nobody", ""))
    local stored, message, code, failures = pub:done(20)
    assert.is_nil(stored)
    assert.are.equal(2, #failures)
    table.sort(failures, function(a, b)
        return a.id < b.id
    end)
    assert.are.equal(101, failures[1].id)
    assert.are.equal(10071, failures[1].err_code)
    assert.are.equal(103, failures[2].id)
    assert.are.equal("no_stream", failures[2].code)
    assert.is_true(code == "wrong_last" or code == "no_stream")
    assert.truthy(message:find("^messages not known to be stored: 2; number 10[13]: ."), message)
    assert.is_true(pub:done(20))
    assert(pub:publish("nobody", ""))
    assert.are.equal("no_stream", assert(pub:next_ack(20)).code)
    assert.is_true(pub:done(20)) -- it was told of
    pub:close()
end

cases["the end of a scope raises for what failed"] = function(_, js)
    make(js)
    local function scope(options, body)
        local pub <close> = assert(js:publisher(options))
        assert(pub:publish("s.a", ""))
        assert(pub:publish("s.a", "", { expected_last_seq = 77 }))
        body(pub)
    end
    local function ignored() end
    local text = helper.raises("(wrong_last)", scope, nil, ignored)
    assert.truthy(text:find("publisher: messages not known to be stored: 1; number 2: ", 1, true), text)
    helper.raises("pub:acks() tells why", scope, { acks = "all" }, ignored)
    scope(nil, function(pub)
        helper.fails("wrong_last", pub:done(20))
    end)
    scope({ acks = "all" }, function(pub)
        assert(pub:next_ack(20))
        assert(pub:next_ack(20))
    end)
    scope(nil, function(pub)
        pub:close()
    end)
    local message = helper.raises("of its own", scope, nil, function()
        error("an error of its own")
    end)
    assert.is_nil(message:find("stored", 1, true), message)
end

cases["a full window makes it wait"] = function(nc, js)
    make(js)
    assert(nc:flush(10))
    local pub = assert(js:publisher { max_pending = 10, ack_wait = 30, acks = "all" })
    helper.server:pause()
    for i = 1, 10 do
        assert.are.equal(i, pub:publish("s.a", ""))
    end
    helper.fails("would_block", pub:publish("s.a", "", { timeout = 0 }))
    local took = helper.timed(function()
        helper.fails("timeout", pub:publish("s.a", "", { timeout = 0.2 }))
    end)
    assert.is_true(took >= 0.18 and took < 5, took)
    local child = io.popen(("sleep 0.3; kill -CONT %d"):format(helper.server:pid()))
    assert.are.equal(11, pub:publish("s.a", "", { timeout = 20 }))
    child:close()
    assert.is_true(pub:done(20))
    pub:close()
    local count = 0
    for _, seq in pub:acks() do -- what is left can be taken
        count = count + 1
        assert.are.equal(count, seq)
    end
    assert.are.equal(11, count)
end

cases["a batch is handed over in one step"] = function(_, js)
    make(js)
    local pub = assert(js:publisher { max_pending = 100, acks = "all" })
    local list = {}
    for i = 1, 500 do -- more than the window has room for
        list[i] = { "s.a", tostring(i), headers = i % 50 == 0 and { Number = tostring(i) } or nil }
    end
    list[7] = { subject = "s.b", data = "7", headers = nats.headers { Set = "x" } }
    assert.are.equal(1, pub:publish("s.a", "before"))
    local count, ids = assert(pub:publish_batch(list, { timeout = 20 }))
    assert.are.equal(500, count)
    assert.are.equal(500, #ids)
    for i, id in ipairs(ids) do
        assert.are.equal(i + 1, id)
    end
    assert.are.same({ 0, {} }, { pub:publish_batch {} })
    assert.is_true(pub:done(20))
    local stored = 0
    for _, seq in pub:acks(0) do
        stored = stored + (seq and 1 or 0)
    end
    assert.are.equal(501, stored)
    assert.are.same({ Number = { "450" } }, assert(js:get_msg("S", { seq = 451 })).headers)
    assert.are.same({ Set = { "x" } }, assert(js:get_msg("S", { seq = 8 })).headers)
    assert.are.equal("500", assert(js:get_msg("S", { seq = 501 })).data)
    pub:close()
    local _, _, code, accepted, none = pub:publish_batch(list)
    assert.are.same({ "closed", 0, {} }, { code, accepted, none })
end

cases["what of a batch has no room is told"] = function(nc, js)
    make(js)
    assert(nc:flush(10))
    local pub = assert(js:publisher { max_pending = 10, ack_wait = 30 })
    local list = {}
    for i = 1, 15 do
        list[i] = { "s.a", tostring(i) }
    end
    helper.server:pause()
    local _, _, code, accepted, ids = pub:publish_batch(list, { timeout = 0 })
    assert.are.equal("would_block", code)
    assert.are.equal(10, accepted)
    assert.are.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, ids)
    _, _, code, accepted, ids = pub:publish_batch(list, { timeout = 0.2 })
    assert.are.same({ "timeout", 0, {} }, { code, accepted, ids })
    helper.server:resume()
    assert.are.equal(15, pub:publish_batch(list, { timeout = 20 }))
    assert.is_true(pub:done(20))
    assert.are.equal(25, assert(js:stream_info("S")).state.messages)
    pub:close()
end

cases["without room it fails at once, if the connection is told so"] = function(_, js)
    make(js)
    local nc = helper.connect({ outbox_bytes = 65536, outbox_full = "fail" })
    local pub = assert(assert(nc:jetstream()):publisher { max_pending = 65536, max_pending_bytes = 2 ^ 30 // 1 })
    helper.server:pause()
    local payload = ("x"):rep(10000)
    local function refused(first, _, code) -- the system may have taken some, so that there is room again
        assert.is_true(first ~= nil or code == "would_block", code)
        return first == nil and 1 or 0
    end
    local took = helper.timed(function()
        local one, batch = 0, 0
        while one < 20 or batch < 20 do
            one = one + refused(pub:publish("s.a", payload, { timeout = 30 }))
            batch = batch + refused(pub:publish_batch({ { "s.a", payload } }, { timeout = 30 }))
        end
    end)
    assert.is_true(took < 10, took)
    helper.server:resume()
    pub:close()
    nc:close(0)
end

cases["it waits for its window, also where the outbox is to fail"] = function(_, js)
    make(js)
    local nc <close> = helper.connect({ outbox_full = "fail" })
    local pub = assert(assert(nc:jetstream()):publisher { max_pending = 1, ack_wait = 30 })
    helper.server:pause()
    assert(pub:publish("s.a", "1"))
    local took = helper.timed(function()
        helper.fails("timeout", pub:publish("s.a", "2", { timeout = 0.2 }))
        helper.fails("timeout", pub:publish_batch({ { "s.a", "2" } }, { timeout = 0.2 }))
    end)
    assert.is_true(took >= 0.36 and took < 10, took)
    helper.server:resume()
    assert.are.equal(2, pub:publish("s.a", "2", { timeout = 20 }))
    assert.is_true(pub:done(20))
    pub:close()
end

describe("JetStream publishing", function()
    setup(function()
        helper.start()
    end)
    teardown(function()
        nats.set_scheduler(nil)
        helper.stop()
    end)
    after_each(helper.nothing_left)

    helper.both_ways(it, cases)

    it("is by what is given alone, or raises", function()
        helper.with_jetstream(function(nc, js)
            local pub <close> = assert(js:publisher())
            local sent = nc:stats().out_msgs
            for _, object in ipairs { js, pub } do
                helper.raises("string expected", object.publish, object)
                helper.raises("string expected", object.publish, object, "s.a", {})
                helper.raises("blank", object.publish, object, "s. a")
                helper.raises("table expected", object.publish, object, "s.a", "", 5)
                helper.raises("unknown option 'msgid'", object.publish, object, "s.a", "", { msgid = "x" })
                helper.raises("msg_id: string expected", object.publish, object, "s.a", "", { msg_id = 5 })
                helper.raises("msg_id", object.publish, object, "s.a", "", { msg_id = "a\nb" })
                for _, seq in ipairs { -1, "1", 0.5, true } do
                    local options = { expected_last_seq = seq }
                    helper.raises("expected_last_seq: sequence", object.publish, object, "s.a", "", options)
                end
                helper.raises("ttl: number of seconds", object.publish, object, "s.a", "", { ttl = "1h" })
                helper.raises("headers:", object.publish, object, "s.a", "", { headers = 5 })
                helper.raises("timeout:", object.publish, object, "s.a", "", { timeout = "5" })
            end
            helper.raises("table expected, got string", pub.publish_batch, pub, "s.a")
            helper.raises("message 2: table expected", pub.publish_batch, pub, { { "s.a" }, "s.a" })
            helper.raises("message 1: data: string expected", pub.publish_batch, pub, { { "s.a", 5 } })
            helper.raises("message 2: a publisher has replies of its own", pub.publish_batch, pub,
                { { "s.a" }, { "s.a", reply = "b" } })
            helper.raises("unknown option 'msg_id'", pub.publish_batch, pub, { { "s.a" } }, { msg_id = "x" })
            helper.raises("natskit.publisher expected", pub.publish_batch, js, {})
            helper.raises("max_pending", js.publisher, js, { max_pending = 0 })
            helper.raises("no option", js.publisher, js, { window = 5 })
            helper.raises("natskit.publisher expected", pub.publish, js, "s.a")
            assert.are.equal(sent, nc:stats().out_msgs)
            helper.raises("message 2: ", pub.publish_batch, pub, { { "s.a" }, { "s. a" } })
            assert.are.equal(1, pub:info().published) -- those before it were accepted
            pub:close() -- no stream takes them
        end)
    end)

    it("goes on after a lost connection, each message once", function()
        helper.with_jetstream(function(nc, js)
            make(js, { storage = "file" })
            local pub = assert(js:publisher { ack_wait = 30, acks = "all" })
            for i = 1, 500 do
                assert(pub:publish("s.a", tostring(i), { msg_id = tostring(i), timeout = 20 }))
                if i == 100 or i == 300 then
                    assert(nc:reconnect())
                end
            end
            assert.is_true(pub:done(30))
            local count = 0
            for _, seq, code in pub:acks(0) do
                assert.is_not_nil(seq, code)
                count = count + 1
            end
            assert.are.equal(500, count)
            assert.are.equal(500, assert(js:stream_info("S")).state.messages)
            pub:close()
        end)
    end)

    it("lets other tasks publish and take", function()
        loop.run(helper.with_jetstream, function(_, js)
            make(js)
            local pub = assert(js:publisher { max_pending = 16, acks = "all" })
            local taken = 0
            loop.spawn(function()
                for _, seq in pub:acks() do
                    taken = taken + 1
                    assert.are.equal(taken, seq)
                end
                taken = -taken
            end)
            for i = 1, 2000 do
                assert(pub:publish("s.a", tostring(i)))
            end
            assert.is_true(pub:done(20))
            pub:close()
            while taken >= 0 do
                loop.sleep(0.01)
            end
            assert.are.equal(-2000, taken)
        end)
        nats.set_scheduler(nil)
    end)

    it("makes no garbage for each message of a publisher", function()
        helper.with_jetstream(function(_, js)
            make(js)
            local pub <close> = assert(js:publisher { acks = "all" })
            local data = ("x"):rep(100)
            local function work(count)
                for _ = 1, count do
                    pub:publish("s.a", data)
                end
                pub:done()
                for _ in pub:acks(0) do end
            end
            work(500)
            collectgarbage()
            collectgarbage("stop")
            local before = collectgarbage("count")
            work(2000)
            local grown = collectgarbage("count") - before
            collectgarbage("restart")
            assert.is_true(grown < 8, grown)
        end)
    end)

    it("waits for the acks at the end of a scope", function()
        helper.with_jetstream(function(_, js)
            make(js)
            local kept
            do
                local pub <close> = assert(js:publisher { acks = "all" })
                for _ = 1, 100 do
                    assert(pub:publish("s.a", ""))
                end
                kept = pub
            end
            local count = 0
            for _, seq in kept:acks() do
                count = count + 1
                assert.are.equal(count, seq)
            end
            assert.are.equal(100, count)
        end)
    end)
end)
