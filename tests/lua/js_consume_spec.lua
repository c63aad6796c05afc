-- Fetching and consuming from pull consumers of a real server, blocking and over luv.
local helper = require "helper"
local loop = require "natskit.loop.luv"
local nats = require "natskit"

-- A stream S with so many messages, each its number, and a consumer c.
local function make(nc, js, messages, more, storage)
    local config = { durable_name = "c", ack_wait = 60 }
    for name, value in pairs(more or {}) do
        config[name] = value
    end
    -- In memory: one of files may go on counting where the one that was deleted just before has ended.
    assert(js:add_stream { name = "S", subjects = { "s" }, storage = storage or "memory" })
    for i = 1, messages do
        assert(nc:publish("s", tostring(i)))
    end
    assert(nc:flush(10))
    assert(js:add_consumer("S", config))
    return assert(js:consumer("S", "c"))
end

-- What is done the same way by a program that blocks and in a task.
local cases = {}

cases["fetch brings what it is asked for"] = function(nc, js)
    local consumer = make(nc, js, 250)
    local msgs, text, code = consumer:fetch(10, { timeout = 10 })
    assert.are.equal(10, #msgs)
    assert.are.equal("max_reached", code) -- where a failure has its code
    assert.are.equal("string", type(text))
    assert.are.equal("s", msgs[1].subject)
    assert.truthy(msgs[1].reply:find("$JS.ACK.", 1, true))
    for i, msg in ipairs(msgs) do
        assert.are.equal(tostring(i), msg.data)
    end
    assert.are.equal(100, #assert(consumer:fetch()))
    msgs, text, code = consumer:fetch(1000, { timeout = 0 })
    assert.are.equal(140, #msgs)
    assert.are.equal("250", msgs[140].data)
    assert.are.equal("not_found", code)
    assert.are.equal("string", type(text))
end

cases["fetch that finds nothing is no failure"] = function(nc, js)
    local consumer = make(nc, js, 1)
    local took, msgs, _, code = helper.timed(consumer.fetch, consumer, 5, { timeout = 2 })
    assert.are.equal(1, #msgs)
    assert.are.equal("timeout", code)
    assert.is_true(took >= 1.9 and took < 20, took)
    msgs, _, code = consumer:fetch(5, { no_wait = true })
    assert.are.equal(0, #msgs)
    assert.are.equal("not_found", code)
    msgs, _, code = consumer:fetch(5, { timeout = 0.1 })
    assert.are.equal(0, #msgs)
    assert.are.equal("timeout", code)
end

cases["fetch by bytes"] = function(nc, js)
    local consumer = make(nc, js, 0)
    for _ = 1, 10 do
        assert(nc:publish("s", ("x"):rep(1000)))
    end
    assert(nc:flush(10))
    local msgs = assert(consumer:fetch(nil, { max_bytes = 3500, timeout = 20 }))
    assert.is_true(#msgs >= 1 and #msgs <= 3, #msgs)
end

cases["fetch fails where there is no consumer"] = function(nc, js)
    local consumer = make(nc, js, 0)
    assert.is_true(consumer:delete())
    helper.fails("consumer_not_found", consumer:fetch(5, { timeout = 5 }))
    helper.fails("consumer_not_found", consumer:next(5))
    local bound = assert(js:bind_consumer("S", "c"))
    assert.is_nil(bound.cached_info)
    assert.are.equal("c", bound.name)
    assert.are.equal("S", bound.stream_name)
    helper.fails("no_responders", bound:fetch(5, { timeout = 5 }))
    helper.fails("no_responders", bound:next { timeout = 5 })
    assert(js:add_consumer("S", { durable_name = "c", deliver_subject = "push.here" }))
    local _, _, code, err_code, server = bound:fetch(5, { timeout = 5 })
    assert.are.equal("pull_refused", code)
    assert.are.equal(0, err_code)
    assert.are.equal(409, server)
    helper.fails("no_responders", assert(js:bind_consumer("NO", "c")):next(5))
end

cases["next brings one message, or none"] = function(nc, js)
    local consumer = make(nc, js, 2)
    assert.are.equal("1", assert(consumer:next()).data)
    assert.are.equal("2", assert(consumer:next { timeout = 5 }).data)
    helper.fails("timeout", consumer:next(0))
    local took = helper.timed(function()
        helper.fails("timeout", consumer:next(0.2))
    end)
    assert.is_true(took >= 0.18 and took < 20, took)
    assert(nc:publish("s", "3"))
    assert.are.equal("3", assert(consumer:next(10)).data)
end

cases["consume brings all, and asks for more"] = function(nc, js)
    local consumer = make(nc, js, 500)
    local sub <close> = assert(consumer:consume { max_msgs = 50 })
    for i = 1, 500 do
        local msg = assert(sub:next(10))
        assert.are.equal(tostring(i), msg.data)
        assert(msg:ack())
    end
    local info = assert(sub:pull_info())
    assert.are.equal(500, info.msgs)
    assert.is_true(info.pulls >= 10)
    assert.is_true(sub:stats().high_msgs <= 50)
    assert.are.equal(0, sub:stats().dropped_msgs)
    helper.fails("timeout", sub:next(0.05))
    assert(nc:flush(10))
    helper.eventually(function()
        return assert(consumer:info()).ack_floor.stream_seq == 500
    end)
end

cases["messages is a loop"] = function(nc, js)
    local consumer = make(nc, js, 120)
    local count = 0
    for msg in consumer:messages { max_msgs = 40, timeout = 2 } do
        count = count + 1
        assert.are.equal(tostring(count), msg.data)
        assert(msg:ack())
    end
    assert.are.equal(120, count)
    assert(nc:publish("s", "121"))
    for msg in consumer:messages() do
        assert.are.equal("121", msg.data)
        assert(msg:ack())
        if msg then
            break
        end
    end
    assert.has_error(function()
        assert(nc:publish("s", "122"))
        for _ in consumer:messages() do
            error("in the loop")
        end
    end)
    assert.are.equal(0, nc:stats().subs) -- each loop has closed its own
end

cases["what happens is told between the messages"] = function(nc, js)
    local consumer = make(nc, js, 1)
    local sub <close> = assert(consumer:consume { status_events = true })
    local msg = assert(sub:next(10))
    assert.are.equal("message", msg.kind)
    assert.is_true(consumer:delete())
    local status = assert(sub:next(20))
    assert.are.equal("status", status.kind)
    assert.are.equal("consumer_deleted", status.type)
    assert.are.equal(409, status.status)
    assert.are.equal("Consumer Deleted", status.text)
    assert.is_nil(status.data)
    assert.is_nil(status.subject)
    assert.truthy(tostring(status):find("status consumer_deleted", 1, true))
    helper.raises("no payload", status.json, status)
    assert(js:add_consumer("S", { durable_name = "c" }))
    repeat
        status = assert(sub:next(30))
    until status.kind == "message" or status.type == "resumed"
    repeat
        status = status.kind == "message" and status or assert(sub:next(30))
    until status.kind == "message"
    assert.are.equal("1", status.data)
end

cases["consume ends with a missing consumer if it is to"] = function(nc, js)
    local consumer = make(nc, js, 1)
    local sub <close> = assert(consumer:consume { abort_on_missing = true })
    assert(sub:next(10))
    assert.is_true(consumer:delete())
    helper.fails("end", sub:next(20))
    assert.are.equal("consumer_deleted", sub:reason())
end

cases["a loop raises if it ends though nobody has ended it"] = function(nc, js)
    local consumer = make(nc, js, 1)
    local got = 0
    helper.raises("(consumer_deleted)", function()
        for msg in consumer:messages { abort_on_missing = true, timeout = 20 } do
            got = got + 1
            assert(msg:ack())
            assert.is_true(consumer:delete())
        end
    end)
    assert.are.equal(1, got)
    assert.are.equal(0, nc:stats().subs)

    assert(js:add_consumer("S", { durable_name = "c" }))
    local sub <close> = assert(consumer:consume { abort_on_missing = true })
    assert(sub:next(10))
    assert.is_true(consumer:delete())
    for _, way in ipairs { "messages", "strings" } do
        local message = helper.raises("the subscription has ended: ", function()
            for _ in sub[way](sub, 20) do
                error("a message came")
            end
        end)
        assert.truthy(message:find("(consumer_deleted)", 1, true), message)
    end
end

cases["no more is asked for than the limit, whatever was taken ahead"] = function(nc, js)
    local consumer = make(nc, js, 300)
    local sub <close> = assert(consumer:consume { max_msgs = 20 })
    local got = 0
    for _ in sub:messages(20) do
        got = got + 1
        if got % 7 == 0 then -- whenever it is asked
            local pending = assert(consumer:info()).num_ack_pending
            assert.is_true(pending <= got + 20, pending)
        end
        if got == 300 then
            break
        end
    end
    assert.are.equal(300, got)
end

cases["a drain leaves nothing"] = function(nc, js)
    local consumer = make(nc, js, 30)
    local sub <close> = assert(consumer:consume { max_msgs = 20 })
    assert(sub:next(10))
    helper.eventually(function() -- what the server sends meanwhile would come again later
        return sub:stats().pending_msgs == 19
    end)
    assert.is_true(sub:start_drain(20))
    local count = 1
    for _ in sub:messages() do
        count = count + 1
    end
    assert.are.equal("unsubscribed", sub:reason())
    assert.are.equal(count, assert(consumer:info()).num_ack_pending)
    helper.fails("invalid", assert(consumer:consume()):unsubscribe(5))
end

describe("JetStream consuming", function()
    setup(function()
        helper.start()
    end)
    teardown(function()
        nats.set_scheduler(nil)
        helper.stop()
    end)
    after_each(helper.nothing_left)

    helper.both_ways(it, cases)

    it("has handlers", function()
        helper.with_jetstream(function(nc, js)
            local consumer = make(nc, js, 100)
            local got, errors = {}, 0
            local sub = assert(consumer:consume {
                max_msgs = 30,
                handler = function(msg)
                    got[#got + 1] = msg.data
                    assert(msg:ack())
                    if #got == 7 then
                        error("no luck")
                    end
                end,
                on_error = function()
                    errors = errors + 1
                end,
            })
            assert.are.equal(100, nats.dispatch(20, 100))
            assert.are.equal("100", got[100])
            assert.are.equal(1, errors)
            sub:close()
        end)
    end)

    it("tells that there is nothing more to handle", function()
        helper.with_jetstream(function(nc, js)
            local consumer = make(nc, js, 1)
            local got, errors = 0, {}
            local options = {
                abort_on_missing = true,
                handler = function(msg)
                    got = got + 1
                    assert(msg:ack())
                    assert.is_true(consumer:delete())
                end,
                on_error = function(...)
                    errors[#errors + 1] = table.pack(...)
                end,
            }
            local sub = assert(consumer:consume(options))
            nats.dispatch(20)
            assert.are.equal(1, got)
            assert.are.equal(1, #errors)
            assert.truthy(errors[1][1]:find("^the subscription has ended: .*%(consumer_deleted%)$"), errors[1][1])
            assert.are.equal(sub, errors[1][2])
            assert.are.equal(0, sub:stats().handler_errors) -- the handler itself did well
            sub:close()
            assert.are.equal(1, #errors)

            options.on_error = nil
            assert(js:add_consumer("S", { durable_name = "c" }))
            local others = 0
            nats.on_handler_error(function(text)
                others = others + 1
                assert.truthy(text:find("(consumer_deleted)", 1, true), text)
            end)
            local other <close> = assert(consumer:consume(options))
            nats.dispatch(20)
            nats.on_handler_error(nil)
            assert.are.equal(1, others)
            assert.are.equal("consumer_deleted", other:reason())
        end)
    end)

    it("has nothing to tell of handlers that the program ends", function()
        loop.run(function()
            local nc = helper.connect()
            local js <close> = assert(nc:jetstream { timeout = 20 })
            local _ = js:delete_stream("S")
            local consumer = make(nc, js, 3)
            local got, errors = 0, 0
            local function begin()
                return assert(consumer:consume {
                    handler = function(msg)
                        assert(msg:ack())
                        got = got + 1
                    end,
                    on_error = function()
                        errors = errors + 1
                    end,
                })
            end
            local first = begin()
            helper.eventually(function()
                loop.sleep(0.005)
                return got == 3
            end)
            assert.is_true(first:drain(20))
            begin()
            assert.is_true(nc:drain(20))
            assert.are.equal(0, errors)
        end)
        nats.set_scheduler(nil)
    end)

    it("lets a drain of the connection wait for the body of a loop", function()
        loop.run(function()
            local nc = helper.connect()
            local js <close> = assert(nc:jetstream { timeout = 20 })
            local _ = js:delete_stream("S")
            local consumer = make(nc, js, 40)
            local done = 0
            loop.spawn(function()
                for msg in consumer:messages { max_msgs = 20 } do
                    loop.sleep(0.01)
                    assert(msg:ack())
                    done = done + 1
                end
                done = -done
            end)
            while done < 5 do
                loop.sleep(0.005)
            end
            assert.is_true(nc:drain(20))
            assert.is_true(done < 0)
            local other <close> = helper.connect()
            local info = assert(assert(other:jetstream()):consumer_info("S", "c"))
            assert.are.equal(-done, info.ack_floor.stream_seq)
            assert.are.equal(0, info.num_ack_pending)
        end)
        nats.set_scheduler(nil)
    end)

    it("lets other tasks run while it waits", function()
        loop.run(function()
            local nc <close> = helper.connect()
            local js <close> = assert(nc:jetstream { timeout = 20 })
            local _ = js:delete_stream("S")
            local consumer = make(nc, js, 0)
            local got = {}
            for i = 1, 10 do
                loop.spawn(function()
                    local msg = i % 2 == 0 and assert(consumer:next(20)) or consumer:fetch(1, { timeout = 20 })[1]
                    got[i] = msg.data
                end)
            end
            loop.sleep(0.1)
            assert.are.equal(0, #got)
            for i = 1, 10 do
                assert(nc:publish("s", tostring(i)))
            end
            helper.eventually(function()
                loop.sleep(0.01)
                return #got == 10
            end)
            table.sort(got, function(a, b)
                return tonumber(a) < tonumber(b)
            end)
            assert.are.equal("1 2 3 4 5 6 7 8 9 10", table.concat(got, " "))
        end)
        nats.set_scheduler(nil)
    end)

    it("goes on after a restart of the server", function()
        helper.with_jetstream(function(nc, js)
            local consumer = make(nc, js, 10, nil, "file")
            local sub <close> = assert(consumer:consume())
            for _ = 1, 10 do
                assert(assert(sub:next(10)):ack())
            end
            assert(nc:flush(10))
            helper.server:restart()
            helper.eventually(function()
                return nc:info().state == "connected"
            end, 20)
            helper.eventually(function()
                return nc:request("s", "again", { timeout = 1 })
            end, 20)
            assert.are.equal("again", assert(sub:next(30)).data)
        end)
    end)

    it("raises for misuse", function()
        local nc <close> = helper.connect()
        local js <close> = assert(nc:jetstream())
        local consumer = assert(js:bind_consumer("S", "c"))
        helper.raises("at least one message", consumer.fetch, consumer, 0)
        helper.raises("number expected", consumer.fetch, consumer, "all")
        helper.raises("timout", consumer.fetch, consumer, 5, { timout = 1 })
        helper.raises("seconds", consumer.fetch, consumer, 5, { timeout = -1 })
        helper.raises("expires_ms", consumer.fetch, consumer, 5, { timeout = math.huge })
        helper.raises("table expected", consumer.fetch, consumer, 5, 5)
        helper.raises("table expected", consumer.next, consumer, "5")
        helper.raises("table expected", consumer.consume, consumer, 5)
        helper.raises("function expected", consumer.consume, consumer, { handler = 5 })
        helper.raises("on_error needs a handler", consumer.consume, consumer, { on_error = print })
        helper.raises("timeout is for loops", consumer.consume, consumer, { timeout = 5 })
        helper.raises("a handler is for", consumer.messages, consumer, { handler = print })
        helper.raises("max_msgs", consumer.messages, consumer, { max_msgs = -1 })
        helper.raises("string expected", js.bind_consumer, js, "S")
        local bad = assert(js:bind_consumer("a b", "c"))
        helper.raises("blank", bad.fetch, bad, 5)
        helper.raises("natskit.consumer expected", consumer.next, js)
        local sub <close> = assert(nc:subscribe("x"))
        helper.fails("not_found", sub:pull_info())
    end)

    it("ends with its connection", function()
        local nc = helper.connect()
        local js = assert(nc:jetstream())
        local _ = js:delete_stream("S")
        local consumer = make(nc, js, 1)
        local sub <close> = assert(consumer:consume())
        js:close() -- what was opened with it lives on
        assert.are.equal("1", assert(sub:next(10)).data)
        helper.fails("closed", consumer:fetch(1))
        helper.fails("closed", consumer:info())
        nc:close()
        helper.fails("end", sub:next(5))
        assert.are.equal("closed", sub:reason())
    end)
end)
