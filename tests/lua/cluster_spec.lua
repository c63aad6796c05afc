-- The pool of servers, what a cluster tells of it, and moving away from a server that will leave.
local helper = require "helper"
local nats = require "natskit"

local testing = helper.testing
local grace = 'lame_duck_duration: "30s"\nlame_duck_grace_period: "10s"'

describe("a cluster", function()
    local cluster

    before_each(function()
        cluster = testing.cluster(2, { extra = grace, jetstream = false })
    end)
    after_each(function()
        helper.nothing_left()
        cluster:close()
    end)

    -- The next event of a type, and how many of each came up to it.
    local function await(events, kind)
        local counts = {}
        for event in events:messages(20) do
            counts[event.type] = (counts[event.type] or 0) + 1
            if event.type == kind then
                return event, counts
            end
        end
        error("no event " .. kind, 2)
    end

    local function urls(servers)
        local list = {}
        for _, server in ipairs(servers) do
            list[#list + 1] = server.url
        end
        table.sort(list)
        return list
    end

    it("tells of its servers", function()
        local first, second = cluster[1]:url(), cluster[2]:url()
        local nc = helper.connect(nil, first)
        assert(nc:flush())
        for _, server in ipairs(assert(nc:servers())) do
            assert.are.equal(server.url == second, server.discovered)
            assert.are.equal(server.url == first, server.current)
            assert.are.equal(0, server.failures)
        end
        assert.are.equal(2, #nc:servers())
        local events = assert(nc:events())
        cluster[2]:kill()
        await(events, "servers")
        assert.are.same({ first }, urls(nc:servers()))
        events:close()
        nc:close()
        helper.fails("closed", nc:servers())
    end)

    it("is left for the servers that the program sets", function()
        local first, second = testing.tap(cluster[1]), testing.tap(cluster[2])
        local nc = helper.connect({ use_discovered = false }, first.url)
        local events = assert(nc:events())
        local sub = assert(nc:subscribe("here"))
        assert.is_true(nc:set_servers({ second.url }))
        await(events, "servers")
        assert.are.same({ second.url }, urls(nc:servers()))
        assert.are.equal(first.url, nc:info().url) -- it stays
        assert(nc:publish("here", "still"))
        assert.are.equal("still", assert(sub:next(10)).data)
        assert(nc:reconnect())
        await(events, "reconnected")
        assert.are.equal(second.url, nc:info().url)
        assert.is_true(nc:set_servers(first.url .. "," .. second.url))
        assert.are.equal(2, #nc:servers())
        nc:close()
        sub:close()
        events:close()
        first:close()
        second:close()
    end)

    it("takes no pool that is not right", function()
        local nc = helper.connect({ use_discovered = false }, cluster[1]:url())
        for _, wrong in ipairs({ "", "a,,b", "a:0", "http://a" }) do
            helper.raises("set_servers", nc.set_servers, nc, wrong)
        end
        helper.raises("list of urls", nc.set_servers, nc, { 5 })
        helper.raises("string", nc.set_servers, nc)
        assert.are.same({ cluster[1]:url() }, urls(nc:servers()))
        nc:close()
        helper.fails("closed", nc:set_servers("a"))
    end)

    it("can be a port", function()
        local nc = assert(nats.connect({ port = cluster[1]:port() }))
        assert.are.equal("nats://127.0.0.1:" .. cluster[1]:port(), nc:info().url)
        nc:close()
        helper.raises("option port", nats.connect, "a", { port = 4222 })
    end)

    it("takes no more connections than it likes", function()
        local full = testing.server({ extra = "max_connections: 1", jetstream = false })
        local nc = helper.connect(nil, full:url())
        local other, message, code = nats.connect(full:url())
        assert.is_nil(other)
        assert.are.equal("server_limit", code)
        assert.truthy(message:find("maximum connections exceeded", 1, true))
        nc:close()
        full:close()
    end)

    it("is moved through when a server will leave, and nothing is lost", function()
        local first, second = testing.tap(cluster[1]), testing.tap(cluster[2])
        local nc = helper.connect({ use_discovered = false }, first.url)
        local other = helper.connect(nil, second.url)
        local events = assert(nc:events())
        local sub = assert(nc:subscribe("mine"))
        local seen = assert(other:subscribe("numbers"))
        assert(other:flush())
        assert(nc:set_servers({ first.url, second.url }))
        cluster[1]:lame_duck()
        await(events, "lame_duck")
        local count = 0
        while nc:info().url ~= second.url do
            assert(nc:publish("numbers", tostring(count)))
            count = count + 1
            helper.sleep(0.002)
        end
        local _, counts = await(events, "reconnected")
        assert.are.equal(1, counts.disconnected)
        assert.is_nil(counts.lame_duck)
        assert(nc:flush())
        for number = 0, count - 1 do
            assert.are.equal(tostring(number), assert(seen:next(10)).data)
        end
        assert.are.equal(0, nc:stats().unconfirmed)
        assert(nc:publish("mine", "found"))
        assert.are.equal("found", assert(sub:next(10)).data)
        cluster[1]:kill() -- by itself it takes its time
        for _, object in ipairs({ sub, seen, events, nc, other }) do
            object:close()
        end
        first:close()
        second:close()
    end)

    it("is not moved through if the program does not want it", function()
        local nc = helper.connect({ move_on_lame_duck = false }, cluster[1]:url())
        local events = assert(nc:events())
        cluster[1]:lame_duck()
        await(events, "lame_duck")
        assert(nc:flush())
        assert.are.equal(cluster[1]:url(), nc:info().url)
        cluster[1]:kill()
        await(events, "reconnected")
        assert.are.equal(cluster[2]:url(), nc:info().url)
        events:close()
        nc:close()
    end)
end)

describe("a cluster with JetStream", function()
    it("tells where else a stream is", function()
        local cluster <close> = testing.cluster(3)
        local nc <close> = helper.connect(nil, cluster[1]:url())
        local js <close> = assert(nc:jetstream())
        for _, config in ipairs { { name = "S", subjects = { "s" } }, { name = "COPY", mirror = { name = "S" } } } do
            helper.eventually(function() return js:add_stream(config) end)
        end
        local names = {}
        helper.eventually(function()
            local info = js:stream_info("S")
            for i, alternate in ipairs(info and info.alternates or {}) do
                names[i] = alternate.name
            end
            return #names == 2
        end)
        table.sort(names)
        assert.are.same({ "COPY", "S" }, names)
    end)
end)
