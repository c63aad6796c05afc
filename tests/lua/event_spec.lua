-- Events, and what a lost connection means: kill and restart of the server, refused subjects, lame duck.
local helper = require "helper"
local nats = require "natskit"

local quick = { reconnect_wait = 0.02, reconnect_wait_max = 0.1, reconnect_jitter = 0 }

describe("events", function()
    before_each(function()
        helper.start()
    end)
    after_each(function()
        helper.nothing_left()
        helper.stop()
    end)

    -- The next event of a type; others in between are allowed.
    local function await(events, kind, seconds)
        for event in events:messages(seconds or 10) do
            if event.type == kind then
                return event
            end
        end
        error("no event " .. kind, 2)
    end

    it("tell of a lost connection and of the new one; subscriptions go on", function()
        local nc = helper.connect(quick)
        local events = assert(nc:events())
        local sub = assert(nc:subscribe("still.there"))
        assert(nc:publish("still.there", "before"))
        assert.are.equal("before", assert(sub:next(5)).data)
        helper.server:kill()
        local lost = await(events, "disconnected")
        assert.are.equal("event", lost.kind)
        assert.truthy(lost.code)
        assert.are.equal(1, lost.epoch)
        assert.is_true(math.abs(lost.time - os.time()) < 60)
        assert.truthy(lost.server:find("127.0.0.1", 1, true))
        assert.is_nil(lost.headers)
        assert.is_nil(lost.status)
        assert.are.equal("reconnecting", nc:info().state)
        assert(nc:publish("still.there", "while it was away"))
        helper.server:restart()
        local back = await(events, "reconnected")
        assert.is_true(back.epoch >= 2)
        assert.is_nil(back.code)
        assert.are.equal("while it was away", assert(sub:next(5)).data)
        assert.are.equal("connected", nc:info().state)
        assert.are.equal(back.epoch, nc:info().epoch)
        assert.are.equal(1, nc:stats().reconnects)
        assert.is_true(nc:close())
        assert.are.equal("closed", await(events, "closed").type)
        helper.fails("end", events:next(1))
        sub:close()
        events:close()
    end)

    it("end a running flush and request with a code", function()
        local nc = helper.connect(quick)
        local sub = assert(nc:subscribe("silent"))
        helper.server:pause()
        local child = io.popen(("sleep 0.3; kill -KILL %d"):format(helper.server:pid()))
        local took, reply, _, code = helper.timed(nc.request, nc, "silent", "x", { timeout = 20 })
        assert.is_nil(reply)
        assert.are.equal("disconnected", code)
        assert.is_true(took < 10, took)
        child:close()
        sub:close()
        nc:close(0)
    end)

    it("tell why a connection is given up", function()
        local nc = helper.connect({ reconnect = false })
        local events = assert(nc:events())
        local sub = assert(nc:subscribe("a"))
        helper.server:kill()
        await(events, "closed")
        helper.fails("end", events:next(1))
        helper.fails("end", sub:next(1))
        helper.fails("closed", nc:publish("a", "b"))
        assert.are.equal("closed", nc:info().state)
        assert.truthy(nc:info().reason)
        nc:close()
        sub:close()
        events:close()
    end)

    it("name a subject that the server refuses", function()
        local server = helper.testing.server { config = [[
            port: -1
            authorization { users: [ { user: u, password: p,
                permissions: { publish: "ok.>", subscribe: [ "ok.>", "_INBOX.>" ] } } ] }
        ]] }
        local nc = helper.connect({ user = "u", password = "p" }, server:url())
        local events = assert(nc:events())
        assert(nc:publish("forbidden.one", "x"))
        local event = await(events, "async_error")
        assert.are.equal("permission", event.code)
        assert.are.equal("forbidden.one", event.subject)
        assert.truthy(event.text:find("Permissions Violation", 1, true))
        assert(nc:subscribe("forbidden.two"))
        event = await(events, "async_error")
        assert.are.equal("forbidden.two", event.subject)
        assert.is_true(nc:flush())
        nc:close()
        events:close()
        server:close()
    end)

    it("tell of a server that leaves", function()
        local nc = helper.connect(quick)
        local events = assert(nc:events())
        helper.server:lame_duck()
        await(events, "lame_duck")
        assert.is_true(nc:info().lame_duck)
        nc:close(0)
        events:close()
        helper.server:kill() -- by itself it takes its time
    end)

    it("tell of a server that answers no pings", function()
        local nc = helper.connect({
            ping_interval = 0.1, max_pings_out = 2, reconnect_wait = 0.05, attempt_timeout = 0.2,
        })
        local events = assert(nc:events())
        helper.server:pause()
        await(events, "stale")
        helper.server:resume()
        await(events, "reconnected")
        nc:close()
        events:close()
    end)

    it("tell of a reconnect that the program asked for", function()
        local nc, tap = helper.tapped(quick)
        local events = assert(nc:events())
        local sub = assert(nc:subscribe("again"))
        assert(nc:flush())
        local first = nc:info()
        assert.is_true(nc:reconnect())
        assert.are.equal("forced_reconnect", assert(events:next(10)).type)
        local lost = assert(events:next(10))
        assert.are.equal("disconnected", lost.type)
        assert.truthy(lost.text:find("asked to reconnect", 1, true), lost.text)
        await(events, "reconnected")
        assert(nc:publish("again", "x"))
        assert.are.equal("x", assert(sub:next(10)).data)
        assert.are_not.equal(first.client_id, nc:info().client_id)
        assert.are.equal(first.epoch + 1, nc:info().epoch)
        assert.are.equal(1, nc:stats().reconnects)
        assert.are.equal(2, tap:stats().connections)
        nc:close()
        sub:close()
        events:close()
        tap:close()
    end)

    it("end a pause when a reconnect is asked for", function()
        local nc = helper.connect({ reconnect_wait = 60, reconnect_wait_max = 60 })
        local events = assert(nc:events())
        helper.server:kill()
        await(events, "async_error") -- the first try failed: now there is a pause
        helper.server:restart()
        assert.is_true(nc:reconnect())
        await(events, "reconnected", 20)
        nc:close()
        events:close()
    end)

    it("tell of pings if asked to", function()
        local nc = helper.connect({ ping_interval = 0.05, max_pings_out = 1000 })
        local plain, debug = assert(nc:events()), assert(nc:events({ debug = true }))
        for _ = 1, 3 do
            local ping = await(debug, "ping")
            assert.are.equal("event", ping.kind)
            assert.is_true(ping.count >= 1)
            assert.is_nil(ping.request)
            assert.is_nil(ping.delay)
            assert.is_nil(ping.pending)
        end
        nc:close()
        for event in plain:messages(10) do
            assert.are_not.equal("ping", event.type)
        end
        plain:close()
        debug:close()
    end)

    it("tell of a slow consumer and its queue", function()
        local nc = helper.connect()
        local events = assert(nc:events())
        local sub = assert(nc:subscribe("fast", { pending_msgs_limit = 3 }))
        for _ = 1, 10 do
            assert(nc:publish("fast", "x"))
        end
        local event = await(events, "slow_consumer")
        assert.are.equal("fast", event.subject)
        assert.are.equal(3, event.pending)
        assert.are.equal("slow_consumer", event.code)
        assert.are.equal(sub:stats().sid, event.sid)
        nc:close()
        sub:close()
        events:close()
    end)

    it("ask how long a pause is to be, and take the answer", function()
        local nc = helper.connect({ reconnect_wait = 60, reconnect_wait_max = 60, answer_timeout = 60,
            reconnect_jitter = 0, reconnect_jitter_tls = 0 })
        local events, plain = assert(nc:events({ answers = true })), assert(nc:events())
        helper.fails("busy", nc:events({ answers = true }))
        helper.server:kill()
        local first = await(events, "delay_needed")
        assert.are.equal(60, first.delay)
        assert.are.equal("integer", math.type(first.request))
        assert.are.equal(1, first.count)
        assert.truthy(first.code)
        helper.raises("number of seconds", nc.answer_delay, nc, first, "soon")
        helper.raises("number of seconds", nc.answer_delay, nc, first, -1)
        helper.raises("out of bounds", nc.answer_delay, nc, first, 1e6)
        helper.raises("delay_needed", nc.answer_delay, nc, assert(plain:next(5)), 1)
        helper.raises("natskit.msg expected", nc.answer_delay, nc, first.request, 1)
        assert.is_true(nc:answer_delay(first, 0.01))
        helper.fails("not_found", nc:answer_delay(first, 0.01)) -- was answered
        local second = await(events, "delay_needed")
        assert.are.equal(first.request + 1, second.request)
        assert.are.equal(2, second.count)
        helper.server:restart()
        assert.is_true(nc:answer_delay(second, 0))
        await(events, "reconnected")
        nc:close()
        helper.fails("closed", nc:answer_delay(second, 0))
        for event in plain:messages(10) do
            assert.are_not.equal("delay_needed", event.type)
        end
        second:close()
        helper.raises("delay_needed", nc.answer_delay, nc, second, 0)
        events:close()
        plain:close()
    end)

    it("may be forgotten by the program: then the default is taken", function()
        local nc = helper.connect({ reconnect_wait = 0.01, reconnect_wait_max = 0.05, answer_timeout = 0.02 })
        local events = assert(nc:events({ answers = true }))
        helper.server:kill()
        for _ = 1, 3 do
            await(events, "delay_needed")
        end
        helper.server:restart()
        await(events, "reconnected")
        nc:close()
        events:close()
    end)

    it("are bounded and independent of each other", function()
        local nc = helper.connect(quick)
        local one = assert(nc:events({ pending_msgs_limit = 1 }))
        local many = assert(nc:events())
        nc:close()
        assert.are.equal("closed", await(many, "closed").type)
        assert.are.equal(1, one:stats().limit_msgs)
        assert.are.equal(0, one:stats().sid)
        assert.truthy(one:next(1))
        helper.raises("no payload", function()
            local other = helper.connect()
            local events = other:events()
            other:close()
            for _ in events:strings() do end
        end)
    end)
end)

describe("reconnect_delay", function()
    before_each(function()
        helper.start()
    end)
    after_each(function()
        helper.nothing_left()
        helper.stop()
    end)

    -- Without an answer the first pause would last a minute.
    local function options(delay)
        return { reconnect_wait = 60, reconnect_wait_max = 60, answer_timeout = 60, reconnect_delay = delay }
    end

    it("is asked by calls that block, and its answer taken", function()
        local asked = {}
        local nc = helper.connect(options(function(event)
            asked[#asked + 1] = event.count
            assert.are.equal(60, math.floor(event.delay))
            if event.count == 3 then
                helper.server:restart()
            end
            return 0.01
        end))
        local sub = assert(nc:subscribe("after.all"))
        helper.server:kill()
        helper.eventually(function()
            return nc:info().state == "reconnecting"
        end)
        assert(nc:publish("after.all", "kept"))
        assert.are.equal("kept", assert(sub:next(30)).data)
        assert.is_true(#asked >= 3)
        for i = 1, #asked do
            assert.are.equal(i, asked[i])
        end
        nc:close()
        sub:close()
    end)

    it("may wait itself, and use the connection", function()
        local depth, deepest, inner = 0, 0, nil
        local nc, sub
        nc = helper.connect(options(function(event)
            depth = depth + 1
            deepest = math.max(deepest, depth)
            inner = select(3, sub:next(0.15)) -- a wait in which events are not looked at again
            if event.count == 2 then
                helper.server:restart()
            end
            depth = depth - 1
            return 0
        end))
        sub = assert(nc:subscribe("waits"))
        helper.server:kill()
        helper.eventually(function()
            sub:next(0.11)
            return nc:stats().reconnects == 1
        end, 30)
        assert.are.equal(1, deepest)
        assert.are.equal("timeout", inner)
        nc:close()
        sub:close()
    end)

    it("raises its errors from the call that waits, and the default is taken", function()
        local fails, calls = true, 0
        local wait = { reconnect_wait = 0.05, reconnect_wait_max = 0.05, answer_timeout = 0.3 }
        wait.reconnect_delay = function()
            calls = calls + 1
            if fails == true then
                error("deliberate")
            end
            return fails
        end
        local nc = helper.connect(wait)
        local sub = assert(nc:subscribe("x"))
        helper.server:kill()
        helper.raises("deliberate", sub.next, sub, 30)
        fails = "no number"
        helper.raises("result of reconnect_delay: number of seconds expected", sub.next, sub, 30)
        fails = -1
        helper.raises("result of reconnect_delay", sub.next, sub, 30)
        fails = 1e7
        helper.raises("out of bounds", sub.next, sub, 30)
        fails = nil -- the default, without waiting until the time to answer is over
        local before = calls
        helper.eventually(function()
            sub:next(0.11)
            return calls >= before + 3
        end)
        helper.server:restart()
        helper.eventually(function()
            sub:next(0.11)
            return nc:info().state == "connected"
        end, 30)
        nc:close()
        sub:close()
    end)

    it("is asked in the first connect, too", function()
        local url, asked = helper.url, 0
        helper.server:kill()
        local nc = assert(nats.connect(url, {
            first_connect = "retry", reconnect_wait = 0.3, reconnect_jitter = 0, answer_timeout = 5,
            reconnect_delay = function()
                asked = asked + 1
                if asked == 2 then
                    helper.server:restart()
                end
                return 0.01
            end,
        }, 60))
        assert.is_true(asked >= 2)
        nc:close()
        local result, _, code = nats.connect("nats://127.0.0.1:1", options(print), 0.5)
        assert.is_nil(result)
        assert.are.equal("connect_refused", code)
    end)

    it("keeps neither connection nor function alive", function()
        if rawget(_G, "jit") then
            return pending("LuaJIT keeps what dead variables held")
        end
        local alive = setmetatable({}, { __mode = "v" })
        do
            local nc
            local function delay()
                return nc and 1
            end
            nc = helper.connect(options(delay))
            alive[1], alive[2] = nc, delay
        end
        helper.nothing_left()
        collectgarbage()
        assert.is_nil(alive[1])
        assert.is_nil(alive[2])
    end)
end)
