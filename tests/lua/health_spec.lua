-- health() of connections, subscriptions, consumers and watches.
local helper = require "helper"

local function until_state(thing, state)
    local now
    assert(helper.eventually(function()
        now = thing:health()
        return now.state == state
    end, 40), "it is " .. now.state .. ": " .. now.text)
    return now
end

describe("health", function()
    setup(function()
        helper.start()
    end)
    teardown(helper.stop)

    it("tells of connections and subscriptions", function()
        local nc = helper.connect()
        local sub = assert(nc:subscribe("health.a"))
        local now = nc:health()
        assert.are.equal("ok", now.state)
        assert.is_true(now.works)
        assert.is_nil(now.reason)
        assert.are.equal("", now.text)
        for _, name in ipairs({ "since_ms", "activity_ms", "beat_ms" }) do
            assert.are.equal("integer", math.type(now[name]), name)
        end
        assert.are.equal("ok", sub:health().state)
        assert.is_nil(sub:health().activity_ms)
        assert.is_nil(sub:health().beat_ms)
        sub:unsubscribe()
        now = sub:health()
        assert.are.equal("ended", now.state)
        assert.are.equal("unsubscribed", now.reason)
        assert.is_false(now.works)
        sub:close()
        nc:close()
        for _, closed in ipairs({ nc, sub }) do
            now = closed:health()
            assert.are.equal("ended", now.state)
            assert.are.equal("closed", now.reason)
            assert.is_nil(now.since_ms)
        end
    end)

    it("tells of a full queue", function()
        local nc <close> = helper.connect()
        local sub = assert(nc:subscribe("health.b", { pending_msgs_limit = 2 }))
        for _ = 1, 5 do
            assert(nc:publish("health.b", "x"))
        end
        assert(nc:flush())
        local now = sub:health()
        assert.are.equal("degraded", now.state)
        assert.are.equal("slow_consumer", now.reason)
        assert.is_true(now.works)
    end)

    it("finds silence of a server", function()
        local nc <close> = helper.connect({ ping_interval = 1 })
        local sub = assert(nc:subscribe("health.c"))
        helper.server:pause()
        local now = until_state(nc, "silent")
        assert.are.equal("stale", now.reason)
        assert.is_false(now.works)
        until_state(nc, "down")
        until_state(sub, "down")
        helper.server:resume()
        until_state(nc, "ok")
        until_state(sub, "ok")
    end)

    it("finds silence of a consumer", function()
        local nc <close> = helper.connect()
        local js = assert(nc:jetstream())
        assert(js:add_stream({ name = "H", subjects = { "h" }, storage = "memory" }))
        local sub = assert(js:ordered("H", { heartbeat = 0.5 }))
        until_state(sub, "ok")
        assert(helper.eventually(function()
            return sub:health().beat_ms
        end))
        local names = assert(js:consumer_names("H"))
        assert.are.equal(1, #names)
        assert(js:delete_consumer("H", names[1]))
        local now = until_state(sub, "silent")
        assert.are.equal("heartbeats_missed", now.reason)
        assert.is_true(nc:health().works)
        until_state(sub, "ok")
        sub:close()
        assert(js:delete_stream("H"))
    end)
end)
