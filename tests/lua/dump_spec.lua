-- nats.dump: the live objects of the process.
local helper = require "helper"
local nats = require "natskit"

describe("conn:trace", function()
    setup(function()
        helper.start({ jetstream = false })
    end)
    teardown(helper.stop)

    it("gives the last lines of the protocol", function()
        local nc <close> = helper.connect({ trace_lines = 100, name = "traced", token = "never seen" })
        assert(nc:publish("trace.a", "x"))
        assert(nc:flush())
        local lines = {}
        for _, line in ipairs(assert(nc:trace())) do
            assert.are.equal("integer", math.type(line.time_ns))
            assert.is_false(line.cut and not line.line:find("^INFO") and not line.line:find("^CONNECT"))
            local told = (line.out and ">" or "<") .. line.line
            if told ~= "<PING" and told ~= ">PONG" then -- a server may ask at any time
                lines[#lines + 1] = told
            end
        end
        local text = table.concat(lines, "\n") .. "\n"
        assert.truthy(text:find("^<INFO {"), text)
        assert.truthy(text:find('>CONNECT {.-"name":"traced"'), text)
        assert.truthy(text:find(">PUB trace.a 1\n>PING\n<PONG\n", 1, true), text)
        assert.is_nil(text:find("never seen", 1, true), text)
        local other <close> = helper.connect()
        assert.are.same({}, other:trace())
    end)
end)

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
        for _, object in ipairs(nats.dump().objects) do -- other specs may have left headers, say
            assert.are_not.equal("connection", object.kind)
            assert.are_not.equal("subscription", object.kind)
        end
    end)
end)
