-- nats.connect in all its forms, what it refuses, and what a connection tells of itself.
local helper = require "helper"
local nats = require "natskit"

describe("connect", function()
    setup(function()
        helper.start()
    end)
    teardown(helper.stop)
    after_each(helper.nothing_left)

    local function port()
        return helper.url:match(":(%d+)$")
    end

    it("takes a url, a list of urls, or options", function()
        local nobody = helper.scheme .. "://127.0.0.1:1"
        local forms = {
            { helper.url },
            { helper.scheme == "nats" and "127.0.0.1:" .. port() or helper.url },
            { nobody .. ", " .. helper.url, nil, 5 },
            { { nobody, helper.url } },
            { { servers = helper.url } },
            { { servers = { nobody, helper.url }, randomize = false, timeout = 5 } },
            { nil, { servers = { helper.url } }, 5 },
            { helper.url, { name = "a \"name\" with \\ in it" } },
            { helper.url, {} },
        }
        for i, form in ipairs(forms) do
            local nc <close> = assert(nats.connect(table.unpack(form, 1, 3)), i)
            assert.are.equal("connected", nc:info().state)
            assert.is_true(nc:flush())
        end
    end)

    it("sends the name", function()
        local nc <close> = helper.connect({ name = "lua \"spec\" ü" })
        assert.truthy(helper.server:monitor("/connz"):find('lua \\"spec\\" ü', 1, true))
        assert.is_true(nc:flush())
    end)

    it("takes durations as milliseconds and as seconds", function()
        if helper.scheme == "wss" then
            return pending("the tap does not see what TLS hides")
        end
        local tap = helper.testing.tap(helper.server)
        for _, options in ipairs { { ping_interval = 0.05, max_pings_out = 1000 },
            { ping_interval_ms = 50, max_pings_out = 1000 } } do
            local nc <close> = helper.connect(options, tap.url)
            local before = tap:stats().ping
            helper.eventually(function()
                return tap:stats().ping - before >= 3
            end, 20) -- at the default of 10 s they would take longer
            assert.are.equal("connected", nc:info().state)
        end
        tap:close()
    end)

    it("tells what it knows of the server", function()
        local nc <close> = helper.connect()
        local info = nc:info()
        assert.are.equal("connected", info.state)
        assert.are.equal(1, info.epoch)
        assert.are.equal(1048576, info.max_payload)
        assert.is_true(info.headers)
        assert.is_false(info.lame_duck)
        assert.is_nil(info.reason)
        assert.truthy(info.url:find(port(), 1, true))
        assert.truthy(info.version:match("^%d+%.%d+"))
        local json = nc:server_info()
        assert.truthy(json:find('"server_id":"' .. info.server_id, 1, true))
        assert.truthy(json:match("^{.*}%s*$"))
        local stats = nc:stats()
        assert.are.equal(0, stats.in_msgs)
        assert.are.equal(0, stats.reconnects)
        local inbox = nc:new_inbox()
        assert.truthy(inbox:match("^_INBOX%.%w+"))
        assert.are_not.equal(inbox, nc:new_inbox())
        assert.truthy(tostring(nc):find("connected", 1, true))
    end)

    it("uses the inbox prefix", function()
        local nc <close> = helper.connect({ inbox_prefix = "my.inbox" })
        assert.truthy(nc:new_inbox():match("^my%.inbox%."))
    end)

    it("fails when nobody listens", function()
        local took = helper.timed(function()
            local nc, message, code = nats.connect("nats://127.0.0.1:1", { reconnect = false }, 60)
            assert.is_nil(nc)
            assert.truthy(message:find("127.0.0.1", 1, true))
            assert.truthy(code == "connect_refused" or code == "no_servers", code)
        end)
        assert.is_true(took < 20, took)
    end)

    it("tries again until the deadline with first_connect retry", function()
        local took, nc, message, code = helper.timed(nats.connect, "nats://127.0.0.1:1",
            { first_connect = "retry", reconnect_wait = 0.02, reconnect_jitter = 0 }, 0.4)
        assert.is_nil(nc)
        assert.are.equal("timeout", code)
        assert.truthy(message:find("before that: ", 1, true), message) -- what went wrong, too
        assert.is_true(took >= 0.35 and took < 10, took)
        -- The server comes while it is tried.
        local server = helper.testing.server()
        local url = server:url()
        server:kill()
        local pid = io.popen(("exec lua5.4 -e '%s' 2>&1"):format(([[
            package.path, package.cpath = %q, %q
            local nc = assert(require("natskit").connect(%q,
                { first_connect = "retry", reconnect_wait = 0.02, reconnect_wait_max = 0.1 }, 30))
            assert(nc:flush())
            io.write(nc:info().state)
        ]]):format(package.path, package.cpath, url)), "r")
        server:restart()
        assert.are.equal("connected", pid:read("a"))
        pid:close()
        server:close()
    end)

    it("returns at once with first_connect background, and connects when the server comes", function()
        local server = helper.testing.server()
        local url = server:url()
        server:kill()
        local took, nc = helper.timed(nats.connect, url,
            { first_connect = "background", reconnect_wait = 0.02, reconnect_wait_max = 0.1 }, 30)
        assert.truthy(nc)
        assert.is_true(took < 10, took)
        assert.are.equal("connecting", nc:info().state)
        local sub = assert(nc:subscribe("kept"))
        assert.is_true(nc:publish("kept", "for later"))
        helper.fails("timeout", nc:written(0.05))
        helper.fails("pending", nc:closed(0.05))
        server:restart()
        assert.are.equal("for later", assert(sub:next(20)).data)
        assert.is_true(nc:written(20))
        assert.are.equal("connected", nc:info().state)
        assert.is_true(nc:close())
        sub:close()
        server:close()
    end)

    it("ends after max_outage in the background, and closed tells why", function()
        local nc = assert(nats.connect("nats://127.0.0.1:1",
            { first_connect = "background", reconnect_wait = 0.02, max_outage = 0.2 }))
        local result, message, code = nc:closed(20)
        assert.is_nil(result)
        assert.are.equal("timeout", code)
        assert.truthy(message:find("no connection for 200 ms", 1, true), message)
        assert.are.equal("closed", nc:info().state)
        helper.fails("closed", nc:publish("a", "b"))
        assert.is_true(nc:close())
        assert.is_true(nc:closed()) -- from now on it is the program that has closed it
    end)

    it("gives up after max_auth_failures", function()
        local server = helper.testing.server { config = [[
            port: -1
            authorization { user: "joe", password: "right" }
        ]] }
        local nc = assert(nats.connect(server:url(), { user = "joe", password = "wrong",
            first_connect = "background", max_auth_failures = 2, reconnect_wait_max = 0.02, reconnect_wait = 0.01 }))
        helper.fails("auth", nc:closed(20))
        nc:close()
        server:close()
    end)

    it("ends by its deadline when the server says nothing", function()
        helper.server:pause()
        for _, args in ipairs { { helper.url, nil, 0.3 }, { helper.url, { timeout = 0.3 } } } do
            local took, nc, _, code = helper.timed(nats.connect, table.unpack(args, 1, 3))
            assert.is_nil(nc)
            assert.are.equal("timeout", code)
            assert.is_true(took >= 0.25 and took < 10, took)
        end
        helper.server:resume()
    end)

    it("reports refused credentials, without showing them", function()
        local server = helper.testing.server { config = [[
            port: -1
            authorization { user: "joe", password: "right" }
        ]] }
        local nc, message, code = nats.connect(server:url(), { user = "joe", password = "wr0ng-secret" })
        assert.is_nil(nc)
        assert.are.equal("auth", code)
        assert.is_nil(message:find("wr0ng-secret", 1, true))
        assert(nats.connect(server:url(), { user = "joe", password = "right" })):close()
        server:close()
    end)

    it("refuses bad arguments with a text that names them", function()
        local cases = {
            { "url, list of urls or table of options", 42 },
            { "url, list of urls or table of options", true },
            { "table expected", helper.url, "options" },
            { "servers are given twice", helper.url, { servers = "a" } },
            { "first argument already", { name = "x" }, { name = "y" } },
            { 'no option "pedantical"', helper.url, { pedantical = true } },
            { 'did you mean "ping_interval_ms"', helper.url, { ping_intervall = 1 } },
            { 'did you mean "name"', helper.url, { nam = "x" } },
            { "mixed in one table", { servers = helper.url, "stray" } },
            { "name expected as key, got boolean", { [true] = helper.url } },
            { "boolean expected, got number", helper.url, { verbose = 1 } },
            { "string expected, got number", helper.url, { name = 1 } },
            { "number expected, got string", helper.url, { max_pings_out = "2" } },
            { "whole number expected", helper.url, { max_pings_out = 2.5 } },
            { "max_pings_out: 0 is out of bounds", helper.url, { max_pings_out = 0 } },
            { "ping_interval_ms: 0 is out of bounds", helper.url, { ping_interval = 0 } },
            { "ping_interval: number of seconds expected", helper.url, { ping_interval = "1" } },
            { "list of strings expected", { servers = { 1, 2 } } },
            { "first_connect: ", helper.url, { first_connect = "never" } },
            { "option 'first_connect': string expected, got boolean", helper.url, { first_connect = true } },
            { "outbox_full: ", helper.url, { outbox_full = "drop" } },
            { "option 'reconnect_delay': function expected, got number", helper.url, { reconnect_delay = 5 } },
            { "timeout", helper.url, nil, -1 },
            { "timeout", helper.url, nil, 0 / 0 },
            { "timeout", helper.url, { timeout = "soon" } },
            { "name: ", helper.url, { name = ("x"):rep(300) } },
            { "connect: ", "nats://" },
            { "connect: ", "nats://127.0.0.1:99999" },
            { "connect: ", "http://127.0.0.1:4222" },
            { "connect: ", "nats://127.0.0.1:4222\r\nPUB a 0\r\n" },
        }
        for i, case in ipairs(cases) do
            local good, message = pcall(nats.connect, table.unpack(case, 2, 4))
            assert.is_false(good, "case " .. i .. " was taken")
            assert.truthy(message:find(case[1], 1, true), ("case %d: %s"):format(i, message))
        end
    end)

    it("closes twice, and what is called later fails with a code", function()
        local nc = helper.connect()
        local sub = assert(nc:subscribe("a"))
        local events = assert(nc:events())
        assert.is_true(nc:close())
        assert.is_true(nc:close())
        helper.fails("closed", nc:publish("a", "b"))
        helper.fails("closed", nc:publish("a", "b", { timeout = 1 }))
        helper.fails("closed", nc:publish_batch { { "a", "b" } })
        helper.fails("closed", nc:request("a", "b"))
        helper.fails("closed", nc:flush())
        helper.fails("closed", nc:subscribe("a"))
        helper.fails("closed", nc:events())
        helper.fails("closed", nc:info())
        helper.fails("closed", nc:stats())
        helper.fails("closed", nc:server_info())
        helper.fails("closed", nc:new_inbox())
        helper.fails("closed", nc:written())
        helper.fails("closed", nc:rtt())
        helper.fails("closed", nc:reconnect())
        assert.is_true(nc:closed())
        helper.fails("end", sub:next(1))
        assert.truthy(tostring(nc):find("closed", 1, true))
        sub:close()
        events:close()
        helper.fails("closed", sub:next())
        helper.fails("closed", sub:stats())
        helper.fails("closed", sub:unsubscribe())
        assert.is_true(sub:close())
        assert.truthy(tostring(sub):find("closed", 1, true))
    end)

    it("sends what was published before it closes", function()
        if helper.before(5.4) then
            return pending("needs Lua 5.4")
        end
        local other <close> = helper.connect()
        local sub <close> = assert(other:subscribe("last.words"))
        assert(other:flush())
        do
            local nc <close> = helper.connect()
            for i = 1, 1000 do
                assert(nc:publish("last.words", tostring(i)))
            end
        end
        assert(other:flush())
        assert.are.equal(1000, sub:stats().received)
    end)
end)

describe("the library", function()
    it("tells version, statuses and counters", function()
        local text, major, minor = nats.version()
        assert.truthy(text:match("^%d+%.%d+%.%d+"))
        assert.are.equal(0, major)
        assert.is_true(minor >= 1)
        local status = nats.status("timeout")
        assert.are.same({ number = -20, code = "timeout", class = "outcome", text = status.text }, status)
        assert.are.same(status, nats.status(-20))
        helper.fails("not_found", nats.status("nonsense"))
        helper.fails("not_found", nats.status(4711))
        helper.raises("string expected", nats.status, {})
        assert.are.equal(0, nats.counters().conns)
    end)
end)
