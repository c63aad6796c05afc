-- Request and reply, blocking: the service is a Lua program of its own.
local helper = require "helper"

local service_code = [[
local nc = assert(nats.connect(url))
local sub = assert(nc:subscribe("svc.*", { queue = "q" }))
assert(nc:flush())
print("ready") io.stdout:flush()
for msg in sub:messages(30) do
    local what = msg.subject:match("%.(.*)$")
    if what == "echo" then
        msg:respond(msg.data, { headers = msg.headers })
    elseif what == "twice" then
        msg:respond("1")
        msg:respond("2")
    elseif what == "late" then
        nc:flush()
        os.execute("sleep 0.5")
        msg:respond("late")
    elseif what == "quit" then
        msg:respond("bye")
        break
    end
end
nc:close()
]]

describe("request", function()
    local nc, tap, service

    setup(function()
        helper.start()
        service = helper.service(service_code)
    end)
    teardown(function()
        local closing = helper.connect()
        assert.are.equal("bye", assert(closing:request("svc.quit", "")).data)
        closing:close()
        service:close()
        helper.stop()
    end)
    before_each(function()
        nc, tap = helper.tapped()
    end)
    after_each(function()
        nc:close()
        tap:close()
        helper.nothing_left()
    end)

    it("returns the reply as a message", function()
        local reply = assert(nc:request("svc.echo", "hello"))
        assert.are.equal("hello", reply.data)
        assert.truthy(reply.subject:match("^_INBOX%."))
        assert.is_nil(reply.headers)
        assert.are.equal("", assert(nc:request("svc.echo")).data)
        local big = ("x"):rep(1000000)
        assert.is_true(assert(nc:request("svc.echo", big)).data == big)
        for i = 1, 200 do
            assert.are.equal(tostring(i), assert(nc:request("svc.echo", tostring(i), { timeout = 5 })).data)
        end
    end)

    it("carries headers both ways", function()
        local reply = assert(nc:request("svc.echo", "x", { headers = { A = { "1", "2" }, b = "3" } }))
        assert.are.same({ A = { "1", "2" }, b = { "3" } }, reply.headers)
    end)

    it("fails at once when nobody listens", function()
        local took = helper.timed(function()
            helper.fails("no_responders", nc:request("nobody", "x", { timeout = 10 }))
        end)
        assert.is_true(took < 2, took)
    end)

    it("ends by its deadline; a late reply is counted", function()
        local took = helper.timed(function()
            helper.fails("timeout", nc:request("svc.late", "x", { timeout = 0.2 }))
        end)
        assert.is_true(took >= 0.19 and took < 0.45, took)
        assert.are.equal("next", assert(nc:request("svc.echo", "next", { timeout = 5 })).data)
        helper.eventually(function()
            return nc:stats().late_replies == 1
        end)
        assert.are.equal(0, nc:stats().requests)
    end)

    it("takes the first of several replies", function()
        assert.are.equal("1", assert(nc:request("svc.twice")).data)
        assert.are.equal("after", assert(nc:request("svc.echo", "after")).data)
        helper.eventually(function()
            return nc:stats().late_replies == 1
        end)
    end)

    it("uses one subscription for all its replies", function()
        for _ = 1, 10 do
            assert(nc:request("svc.echo", "x"))
        end
        local seen = tap:stats()
        assert.are.equal(seen.opaque > 0 and 0 or 1, seen.sub) -- what goes through TLS is seen by nobody
    end)

    it("works on replies by hand", function()
        local inbox = nc:new_inbox()
        local answers <close> = assert(nc:subscribe(inbox))
        assert(nc:publish("svc.twice", "", { reply = inbox }))
        assert.are.equal("1", assert(answers:next(5)).data)
        assert.are.equal("2", assert(answers:next(5)).data)
    end)

    it("survives the collection of the connection by its replies", function()
        local reply = assert(nc:request("svc.echo", "kept"))
        nc:close()
        assert.are.equal("kept", reply.data)
        helper.fails("no_reply", reply:respond("x"))
        reply:close()
    end)

    it("cannot respond after its connection was closed", function()
        local sub = assert(nc:subscribe("ask"))
        assert(nc:publish("ask", "", { reply = "r" }))
        local msg = assert(sub:next(5))
        nc:close()
        helper.fails("closed", msg:respond("x"))
        helper.fails("closed", msg:respond("x", { headers = { A = "b" }, timeout = 1 }))
        msg:close()
        sub:close()
    end)
end)
