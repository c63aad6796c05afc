-- nats.dump: the live objects of the process.
local helper = require "helper"
local nats = require "natskit"

describe("nats.dump", function()
    setup(function()
        helper.start({ jetstream = false })
    end)
    teardown(helper.stop)

    it("tells of connections and subscriptions", function()
        local nc = helper.connect()
        local sub = assert(nc:subscribe("dump.a"))
        assert(nc:publish("dump.a", "x"))
        assert(nc:flush())
        local now = nats.dump()
        assert.are.equal(nats.version(), now.version)
        local conn, seen
        for _, object in ipairs(now.objects) do
            conn = object.kind == "connection" and object or conn
            seen = object.kind == "subscription" and object.subject == "dump.a" and object or seen
        end
        assert.are.equal("connected", conn.state)
        assert.are.equal(helper.url, conn.url)
        assert.are.equal(conn.handle, seen.connection)
        assert.are.equal(1, seen.received)
        sub:close()
        nc:close()
        helper.nothing_left()
        assert.are.equal(0, #nats.dump().objects)
    end)
end)
