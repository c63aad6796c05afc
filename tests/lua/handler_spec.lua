-- Handlers: run inside nats.dispatch, or as tasks under a scheduler; in order, with errors that end nothing.
local helper = require "helper"
local loop = require "natskit.loop.luv"
local nats = require "natskit"

describe("a handler", function()
    local nc

    setup(function()
        helper.start()
    end)
    teardown(helper.stop)
    before_each(function()
        nc = helper.connect()
    end)
    after_each(function()
        nats.on_handler_error(nil)
        nc:close()
        nc = nil
        helper.nothing_left()
    end)

    local function publish(count, subject)
        local list = {}
        for i = 1, count do
            list[i] = { subject or "h", tostring(i) }
        end
        assert(nc:publish_batch(list))
        assert(nc:flush())
    end

    it("gets the messages in order, and the subscription", function()
        local got, with = {}, nil
        local sub = assert(nc:subscribe("h", { handler = function(msg, of)
            got[#got + 1] = msg.data
            with = of
        end }))
        publish(1000)
        assert.are.equal(0, #got)
        assert.are.equal(1000, nats.dispatch(5, 1000))
        assert.are.equal(1000, #got)
        for i = 1, 1000 do
            assert.are.equal(tostring(i), got[i])
        end
        assert.are.equal(sub, with)
        assert.are.equal(0, nats.dispatch(0))
        publish(3)
        assert.are.equal(3, nats.dispatch(0))
        assert.are.equal(0, sub:stats().handler_errors)
        assert.are.equal(1003, sub:stats().taken)
        sub:close()
        assert.are.equal(0, nats.dispatch())
    end)

    it("is left in its midst when the time or the number is reached", function()
        local got = 0
        local sub = assert(nc:subscribe("h", { handler = function()
            got = got + 1
            if got > 10 then
                helper.sleep(0.02)
            end
        end }))
        publish(100)
        assert.are.equal(10, nats.dispatch(5, 10))
        assert.are.equal(10, got)
        local took, count = helper.timed(nats.dispatch, 0.1)
        assert.is_true(count >= 1 and count <= 10, count)
        assert.is_true(took < 10, took)
        while got < 100 do
            assert.is_true(nats.dispatch(5, 100 - got) > 0)
        end
        sub:close()
        took, count = helper.timed(nats.dispatch, 60)
        assert.are.equal(0, count)
        assert.is_true(took < 20, took)
    end)

    it("waits for as long as it was told", function()
        local sub = assert(nc:subscribe("h", { handler = function() end }))
        local took, count = helper.timed(nats.dispatch, 0.2)
        assert.is_true(took >= 0.19 and took < 20, took)
        assert.are.equal(0, count)
        sub:close()
    end)

    it("may fail without harm", function()
        local errors = {}
        local function failing(msg)
            if msg.data == "2" then
                error("two")
            elseif msg.data == "3" then
                error({ three = true })
            end
        end
        local sub = assert(nc:subscribe("h", { handler = failing, on_error = function(err, of)
            errors[#errors + 1] = { err, of }
        end }))
        publish(4)
        assert.are.equal(4, nats.dispatch(5, 4))
        assert.are.equal(2, #errors)
        assert.truthy(errors[1][1]:find("two\nstack traceback", 1, true), errors[1][1])
        assert.truthy(errors[1][1]:find("handler_spec", 1, true))
        assert.are.same({ three = true }, errors[2][1])
        assert.are.equal(sub, errors[1][2])
        assert.are.equal(2, sub:stats().handler_errors)
        sub:close()

        local got = {}
        nats.on_handler_error(function(err)
            got[#got + 1] = err
            error("again") -- goes to stderr
        end)
        sub = assert(nc:subscribe("h", { handler = failing }))
        publish(4)
        assert.are.equal(4, nats.dispatch(5, 4))
        assert.are.equal(2, #got)
        sub:close()
        helper.raises("function expected", nats.on_handler_error, 1)
    end)

    it("writes its errors to stderr", function()
        local output, exit = helper.child([[
            local nc = assert(nats.connect(url))
            local sub = assert(nc:subscribe("e", { handler = function(msg)
                if msg.data == "1" then error("one") end
                error(setmetatable({}, { __tostring = function() error("no text") end }))
            end }))
            nc:publish("e", "1")
            nc:publish("e", "2")
            print(nats.dispatch(5, 2), sub:stats().handler_errors)
            nc:close()
        ]])
        assert.are.equal(0, exit)
        assert.truthy(output:find("natskit: error in a handler: .-one\nstack traceback"), output)
        assert.truthy(output:find("no text", 1, true), output)
        assert.truthy(output:find("2\t2", 1, true), output)
    end)

    it("runs in a drain after an error has left nats.dispatch", function()
        local own = helper.connect()
        local armed = 0
        local got = 0
        assert(own:subscribe("left", { handler = function()
            got = got + 1
            armed = got
        end }))
        assert(own:publish("left", ""))
        assert(own:flush())
        debug.sethook(function()
            if armed == 1 then
                debug.sethook()
                error("left", 0)
            end
        end, "c")
        helper.raises("left", nats.dispatch, nil, 2)
        assert(own:publish("left", ""))
        assert(own:publish("left", ""))
        assert(own:drain(5))
        assert.are.equal(3, got)
    end)

    it("ends a dispatch by Ctrl-C", function()
        for _, body in ipairs { "while true do end", "nc:request('nobody.answers', '')" } do
            local output, exit = helper.child([[
                local nc = assert(nats.connect(url))
                assert(nc:subscribe("nobody.answers"))
                assert(nc:subscribe("e", { handler = function(msg)
                    io.popen("kill -INT $PPID"):close() -- the shell's parent is this process
                    while true do ]] .. body .. [[ end
                end }))
                nc:publish("e", "1")
                nats.dispatch()
            ]], "timeout -s KILL 30")
            assert.truthy(output:find("interrupted!", 1, true), output)
            assert.are_not.equal(137, exit)
        end
    end)

    it("may block, publish, close and unsubscribe, but not dispatch", function()
        local order, message = {}, nil
        local echo = assert(nc:subscribe("echo"))
        local sub
        sub = assert(nc:subscribe("h", { handler = function(msg)
            order[#order + 1] = msg.data
            assert(nc:publish("echo", msg.data))
            assert.are.equal(msg.data, assert(echo:next(5)).data)
            if msg.data == "3" then
                message = select(2, pcall(nats.dispatch, 1))
                sub:close()
            end
        end }))
        publish(5)
        assert.are.equal(3, nats.dispatch())
        assert.are.same({ "1", "2", "3" }, order)
        assert.truthy(message:find("it runs already", 1, true), message)

        local seen = 0
        assert(nc:subscribe("h", { handler = function(msg, of)
            seen = seen + 1
            if msg.data == "2" then
                assert(of:unsubscribe())
            end
        end }))
        publish(5)
        assert.are.equal(5, nats.dispatch()) -- what had come is handled
        assert.are.equal(5, seen)
        echo:close()
    end)

    it("may close its connection, and begin another handler", function()
        local other = helper.connect()
        local got = {}
        assert(other:subscribe("h", { handler = function(msg)
            got[#got + 1] = msg.data
            if msg.data == "1" then
                assert(other:subscribe("more", { max_msgs = 1, handler = function(more)
                    got[#got + 1] = more.data
                    other:close()
                end }))
                assert(other:publish("more", "more"))
            end
        end }))
        assert(other:flush())
        assert(nc:publish("h", "1"))
        assert.are.equal(2, nats.dispatch())
        assert.are.same({ "1", "more" }, got)
    end)

    it("is waited for by drains", function()
        local done = 0
        local sub = assert(nc:subscribe("h", { handler = function()
            done = done + 1
        end }))
        publish(300)
        assert.are.equal(1, sub:stats().holds)
        assert(sub:start_drain(5))
        assert.are.equal(300, nats.dispatch())
        assert.are.equal(300, done)
        assert.are.equal("unsubscribed", (sub:reason()))
        assert.are.equal(0, sub:stats().holds)

        local other, replies = helper.connect(), assert(nc:subscribe("replies"))
        assert(other:subscribe("h", { handler = function(msg)
            assert(msg:respond("done " .. msg.data))
        end }))
        assert(other:flush())
        assert(nc:publish("h", "1", { reply = "replies" }))
        assert(nc:flush())
        assert(other:start_drain(5))
        assert.are.equal(1, nats.dispatch())
        assert.is_true(other:closed(5))
        assert.are.equal("done 1", assert(replies:next(5)).data)
        replies:close()
    end)

    it("runs while a blocking drain waits for it", function()
        local done, other = 0, helper.connect()
        local function count()
            done = done + 1
            if done == 5 then
                error("five")
            end
        end
        nats.on_handler_error(function() end)
        local sub = assert(nc:subscribe("h", { handler = count }))
        publish(3000)
        local took, good = helper.timed(sub.drain, sub, 20)
        assert.is_true(good)
        assert.are.equal(3000, done)
        assert.is_true(took < 10, took)
        done = 0
        assert(other:subscribe("h", { handler = count }))
        assert(other:flush())
        publish(3000)
        assert.are.equal(10, nats.dispatch(5, 10))
        assert.is_true(other:drain(20))
        assert.are.equal(3000, done)
        other = helper.connect()
        assert(other:subscribe("h", { handler = function(_, of)
            assert(of:start_drain(5))
            helper.fails("timeout", other:drain(0.05)) -- it cannot wait for itself
        end }))
        assert(other:flush())
        publish(1)
        assert.are.equal(1, nats.dispatch(5, 1))
        other:close()
    end)

    it("ends with max_msgs, first_msg_timeout, the connection", function()
        local got = 0
        local function count()
            got = got + 1
        end
        local sub = assert(nc:subscribe("h", { max_msgs = 2, handler = count }))
        publish(5)
        assert.are.equal(2, nats.dispatch())
        assert.are.equal("max_reached", (sub:reason()))
        sub = assert(nc:subscribe("nothing", { first_msg_timeout = 0.1, handler = count }))
        assert.are.equal(0, nats.dispatch())
        assert.are.equal("timeout", (sub:reason()))
        assert.are.equal("timeout", sub:stats().reason)
        local other = helper.connect()
        sub = assert(other:subscribe("h", { handler = count }))
        other:close()
        assert.are.equal(0, nats.dispatch())
        assert.are.equal(2, got)
        assert.is_string((sub:reason()))
    end)

    it("ends with a shutdown, from outside and from within", function()
        local got, h = 0, nats.headers { A = "1" }
        local sub = assert(nc:subscribe("h", { handler = function()
            got = got + 1
        end }))
        publish(3)
        assert.are.equal(1, nats.dispatch(5, 1))
        assert(nats.shutdown(10))
        assert.are.equal(0, nats.dispatch())
        helper.raises("headers: ", h.get, h, "A")
        helper.raises("headers: ", h.keys, h)
        sub:close()
        nc:close()
        nc = helper.connect()
        assert(nc:subscribe("h", { handler = function()
            got = got + 100
            assert(nats.shutdown(10))
        end }))
        assert(nc:publish("h", "1"))
        assert(nc:flush())
        assert.are.equal(1, nats.dispatch())
        assert.is_true(got >= 101 and got <= 103, got)
    end)

    it("is the only one that takes", function()
        local sub = assert(nc:subscribe("h", { handler = function() end }))
        for _, call in ipairs { "next", "messages", "strings" } do
            helper.raises("has a handler", sub[call], sub)
        end
        helper.raises("has a handler", sub.next_batch, sub, 1)
        sub:close()
        helper.raises("option 'handler': function expected", nc.subscribe, nc, "h", { handler = 1 })
        helper.raises("option 'on_error': function expected", nc.subscribe, nc, "h", { on_error = {} })
        helper.raises("on_error needs a handler", nc.subscribe, nc, "h", { on_error = print })
        helper.raises("at least 1", nats.dispatch, 1, 0)
    end)

    it("lives as long as its connection", function()
        local got = 0
        do
            local other = helper.connect()
            assert(other:subscribe("h", { handler = function()
                got = got + 1
            end }))
            assert(other:flush())
            collectgarbage()
            collectgarbage()
            publish(1)
            assert.are.equal(1, nats.dispatch(5, 1))
            assert.are.equal(1, nats.counters().waitsets)
            other = nil -- luacheck: ignore
        end
        collectgarbage()
        collectgarbage()
        assert.are.equal(0, nats.dispatch())
        assert.are.equal(1, got)
    end)

    it("is one of a thousand without a thread of its own", function()
        local threads, got = nats.counters().threads, 0
        for i = 1, 1000 do
            assert(nc:subscribe("many." .. i, { handler = function(msg, sub)
                got = got + 1
                assert.are.equal(msg.subject, sub.subject)
            end }))
        end
        for i = 1, 1000 do
            assert(nc:publish("many." .. i, "x"))
        end
        assert(nc:flush())
        assert.are.equal(1000, nats.dispatch(20, 1000))
        assert.are.equal(1000, got)
        local counters = nats.counters()
        assert.are.equal(threads, counters.threads)
        assert.are.equal(1, counters.waitsets)
        assert(nc:start_drain(10))
        nats.dispatch()
        assert.is_true(nc:closed(5))
    end)

    it("leaves turns to the others", function()
        local busy, calm = 0, nil
        local first = assert(nc:subscribe("h", { handler = function()
            busy = busy + 1
        end }))
        local second = assert(nc:subscribe("calm", { handler = function()
            calm = calm or busy
        end }))
        publish(5000)
        assert(nc:publish("calm", ""))
        assert(nc:flush())
        assert.are.equal(5001, nats.dispatch(20, 5001))
        assert.is_true(calm < 5000, calm)
        first:close()
        second:close()
    end)
end)

describe("a handler over luv", function()
    setup(function()
        helper.start()
    end)
    teardown(helper.stop)
    after_each(function()
        loop.on_error = nil
        nats.on_handler_error(nil)
        helper.nothing_left()
    end)

    it("is a task, which may wait while others go on", function()
        local log = {}
        loop.run(function()
            local nc <close> = helper.connect()
            assert(nc:subscribe("slow", { handler = function(msg)
                log[#log + 1] = "slow " .. msg.data
                loop.sleep(0.1)
                assert(nc:request("echo", msg.data)) -- of another handler
                log[#log + 1] = "slow end " .. msg.data
            end }))
            assert(nc:subscribe("echo", { handler = function(msg)
                assert(msg:respond(msg.data))
            end }))
            assert(nc:subscribe("quick", { handler = function()
                log[#log + 1] = "quick"
            end }))
            assert(nc:publish("slow", "1"))
            assert(nc:publish("slow", "2"))
            assert(nc:flush())
            loop.sleep(0.02)
            assert(nc:publish("quick", ""))
            assert.are.equal(5, nats.dispatch(20, 5)) -- the first has begun, and not ended
            assert(nc:drain(5))
        end)
        assert.are.same({ "slow 1", "quick", "slow end 1", "slow 2", "slow end 2" }, log)
    end)

    it("goes on in the next run, and when it blocks again", function()
        local got = {}
        local nc = helper.connect()
        local sub = assert(nc:subscribe("h", { handler = function(msg)
            got[#got + 1] = msg.data
            if msg.data == "2" then
                loop.sleep(10) -- the run ends before it
            end
        end }))
        assert(nc:publish_batch { { "h", "1" }, { "h", "2" }, { "h", "3" } })
        assert(nc:flush())
        assert.are.equal(1, nats.dispatch(5, 1))
        loop.run(function()
            while #got < 2 do
                loop.sleep(0.01)
            end
        end)
        assert(nc:publish("h", "4"))
        assert(nc:flush())
        loop.run(function()
            while #got < 4 do
                loop.sleep(0.01)
            end
            assert(nc:publish("h", "5"))
            assert(nc:flush())
        end)
        helper.eventually(function()
            return #got == 5 or nats.dispatch(1, 1) == 1 and #got == 5
        end)
        assert.are.same({ "1", "2", "3", "4", "5" }, got)
        sub:close()
        nc:close()
    end)

    it("fails without harm, and is counted", function()
        local errors = {}
        loop.run(function()
            local nc <close> = helper.connect()
            nats.on_handler_error(function(err)
                errors[#errors + 1] = err
            end)
            local sub = assert(nc:subscribe("h", { handler = function(msg)
                loop.sleep(0.001)
                error("failed " .. msg.data)
            end }))
            for i = 1, 3 do
                assert(nc:publish("h", tostring(i)))
            end
            assert(nc:flush())
            assert(sub:drain(5))
            assert.are.equal(3, sub:stats().handler_errors)
        end)
        assert.are.equal(3, #errors)
        assert.truthy(errors[3]:find("failed 3", 1, true))
    end)

    it("gets many messages of many subscriptions", function()
        local got = 0
        loop.run(function()
            local nc <close> = helper.connect()
            for i = 1, 100 do
                assert(nc:subscribe("m." .. i, { handler = function()
                    got = got + 1
                    if got % 97 == 0 then
                        loop.sleep(0)
                    end
                end }))
            end
            assert(nc:flush())
            for round = 1, 100 do
                for i = 1, 100 do
                    assert(nc:publish("m." .. i, tostring(round)))
                end
            end
            assert(nc:drain(20))
        end)
        assert.are.equal(10000, got)
    end)

    it("runs without spawn, too, and blocks then", function()
        local got = {}
        local nc = helper.connect()
        assert(nats.set_scheduler { wait_fd = function() end, suspend = function()
            return false
        end, resume = function() end })
        local sub = assert(nc:subscribe("h", { handler = function(msg)
            assert(nc:flush())
            got[#got + 1] = msg.data
        end }))
        assert(nc:publish("h", "1"))
        assert(nc:flush())
        helper.eventually(function()
            nats.pump()
            return #got == 1
        end)
        assert(nc:publish("h", "2"))
        assert.are.equal(1, nats.dispatch(5, 1))
        helper.raises("spawn: function expected", nats.set_scheduler, {
            wait_fd = print, suspend = print, resume = print, spawn = 1,
        })
        nats.set_scheduler(nil)
        assert(nc:publish("h", "3"))
        assert.are.equal(1, nats.dispatch(5, 1))
        assert.are.same({ "1", "2", "3" }, got)
        sub:close()
        nc:close()
    end)
end)
