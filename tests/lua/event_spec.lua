-- Events, and what a lost connection means: kill and restart of the server, refused subjects, lame duck.
local helper = require "helper"

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
