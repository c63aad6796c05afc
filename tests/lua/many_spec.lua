-- Requests for many replies, and the options of requests: blocking and over luv.
local helper = require "helper"
local loop = require "natskit.loop.luv"
local nats = require "natskit"

-- Answers "n text": with n messages, then one without data; "slow" pauses before the last.
local service_code = [[
local nc = assert(nats.connect(url))
local sub = assert(nc:subscribe("many"))
assert(nc:flush())
print("ready") io.stdout:flush()
for msg in sub:messages(60) do
    if msg.data == "quit" then break end
    local count, what = msg.data:match("(%d+) ?(.*)")
    for i = 1, tonumber(count) do
        msg:respond(tostring(i), { headers = msg.headers })
    end
    if what == "end" then
        msg:respond("")
    elseif what == "slow" then
        nc:flush()
        os.execute("sleep 0.6")
        msg:respond("late")
    end
end
nc:close()
]]

describe("request_many", function()
    local nc, service

    setup(function()
        helper.start()
        service = helper.service(service_code)
    end)
    teardown(function()
        local closing = helper.connect()
        assert(closing:publish("many", "quit"))
        closing:close()
        service:close()
        helper.stop()
    end)
    before_each(function()
        nc = helper.connect()
    end)
    after_each(function()
        nc:close()
        nc = nil
        helper.nothing_left()
    end)

    local function gather(subject, data, options)
        local list = {}
        local replies <close> = assert(nc:request_many(subject, data, options))
        for msg in replies do
            list[#list + 1] = msg.data
        end
        return list, replies:reason()
    end

    -- How each end is told.
    local function ends()
        local took, list, reason, text = helper.timed(gather, "many", "3", { max_wait = 0.3 })
        assert.are.same({ "1", "2", "3" }, list)
        assert.are.equal("timeout", reason)
        assert.is_string(text)
        assert.is_true(took >= 0.29 and took < 3, took)
        list, reason = gather("many", "5", { max_msgs = 2, max_wait = 10 })
        assert.are.same({ "1", "2" }, list)
        assert.are.equal("max_reached", reason)
        took, list, reason = helper.timed(gather, "many", "3 slow", { stall = 0.1, max_wait = 10 })
        assert.are.same({ "1", "2", "3" }, list)
        assert.are.equal("stalled", reason)
        assert.is_true(took < 5, took)
        list, reason = gather("many", "100 end", { sentinel = true, max_wait_ms = 10000 })
        assert.are.equal(100, #list)
        assert.are.equal("sentinel", reason)
        list, reason, text = gather("nobody", "", { max_wait = 10 })
        assert.are.same({}, list)
        assert.are.equal("no_responders", reason)
        assert.is_string(text)
    end

    it("ends for its reasons, blocking", function()
        ends()
    end)

    it("ends for its reasons, over luv, while others go on", function()
        local ticks = 0
        loop.run(function()
            nc:close()
            nc = helper.connect()
            local over = false
            loop.spawn(function()
                while not over do
                    loop.sleep(0.01)
                    ticks = ticks + 1
                end
            end)
            ends()
            over = true
            nc:close()
        end)
        assert.is_true(ticks > 20, ticks)
    end)

    it("tells failures to who takes one by one", function()
        local replies = assert(nc:request_many("nobody", "", { max_wait = 10 }))
        helper.fails("no_responders", replies())
        helper.fails("no_responders", replies:next(1))
        helper.fails("no_responders", replies:next_batch(5, 1))
        replies:close()
        assert.are.equal("no_responders", (replies:reason()))
        replies = assert(nc:request_many("many", "1", { max_wait = 0.2 }))
        assert.is_nil(replies:reason())
        assert.are.equal("1", replies().data)
        helper.fails("end", replies())
        replies:close()
        nc:close()
        helper.fails("closed", nc:request_many("many", "1"))
    end)

    it("unsubscribes when the loop is left", function()
        local function subs()
            return nc:stats().requests
        end
        local before = subs()
        local kept
        for msg in nc:request_many("many", "5", { max_wait = 10 }) do
            assert.are.equal(before + 1, subs())
            if msg.data == "2" then
                break
            end
        end
        assert.are.equal(before, subs())
        pcall(function()
            for _ in nc:request_many("many", "5", { max_wait = 10 }) do
                error("left")
            end
        end)
        assert.are.equal(before, subs())
        do
            local replies <close> = assert(nc:request_many("many", "5", { max_wait = 10 }))
            kept = replies
            for msg in replies do
                if msg.data == "2" then
                    break
                end
            end
            assert.is_nil(replies:reason())
        end
        assert.are.equal(before, subs())
        assert.are.equal("unsubscribed", (kept:reason()))
        assert(nc:request_many("many", "5", { max_wait = 60 }))
        collectgarbage()
        collectgarbage()
        assert.are.equal(before, subs())
    end)

    it("sends headers, asks at a reply subject, traces", function()
        local seen = assert(nc:subscribe("seen"))
        local replies <close> = assert(nc:request_many("seen", "x", {
            headers = { A = "1" }, reply = "answers.here", trace_destination = "traces", max_wait = 5, max_msgs = 1,
        }))
        local asked = assert(seen:next(5))
        assert.are.equal("answers.here", asked.reply)
        assert.are.equal("1", asked:header("A"))
        assert.are.equal("traces", asked:header("Nats-Trace-Dest"))
        assert(asked:respond("yes"))
        assert.are.equal("yes", replies().data)
        assert.are.equal("answers.here", replies.subject)
        assert.is_true(replies.sid > 0)
        seen:close()
    end)

    it("ends when the connection is lost", function()
        local replies <close> = assert(nc:request_many("many", "1", { max_wait = 20 }))
        local list = {}
        for msg in replies do
            list[#list + 1] = msg.data
            assert(nc:reconnect())
        end
        assert.are.same({ "1" }, list)
        assert.are.equal("disconnected", (replies:reason()))
    end)

    it("raises for what is wrong", function()
        helper.raises("max_wai", nc.request_many, nc, "many", "", { max_wai = 1 })
        helper.raises("request_many: ", nc.request_many, nc, "a b", "")
        helper.raises("request_many: ", nc.request_many, nc, "a", "", { reply = "a.*" })
        helper.raises("request: ", nc.request, nc, "a", "", { reply = "a.*" })
        helper.raises("own_su", nc.request, nc, "a", "", { own_su = true })
        local sub = assert(nc:subscribe("a"))
        helper.raises("request_many", sub)
        sub:close()
    end)
end)

describe("a request_many that the server denies", function()
    it("ends with its reason", function()
        helper.start({ config = [[
            port: -1
            authorization { users: [ { user: "u", password: "p",
                permissions: { publish: "ok.>", subscribe: [ "ok.>", "_INBOX.>" ] } } ] }
        ]] })
        local nc = helper.connect({ user = "u", password = "p" })
        local replies = assert(nc:request_many("denied", "", { max_wait = 10 }))
        helper.fails("permission", replies())
        local code, text = replies:reason()
        assert.are.equal("permission", code)
        assert.truthy(text:find('Publish to "denied"', 1, true), text)
        helper.fails("permission", nc:request("denied", "", { own_sub = true }))
        replies:close()
        nc:close()
        helper.nothing_left()
        helper.stop()
    end)
end)

describe("requests", function()
    setup(function()
        helper.start()
    end)
    teardown(helper.stop)
    after_each(helper.nothing_left)

    local function ask(nc)
        local seen = {}
        local service = assert(nc:subscribe("ask", { handler = function(msg)
            seen[#seen + 1] = msg.reply
            assert(msg:respond(msg.data:upper()))
        end }))
        assert.are.equal("A", assert(nc:request("ask", "a", { own_sub = true })).data)
        assert.are.equal("B", assert(nc:request("ask", "b", { reply = "to.me" })).data)
        assert.are.equal("C", assert(nc:request("ask", "c", { wait_reconnect = true, timeout = 5 })).data)
        assert.are.equal("to.me", seen[2])
        service:close()
    end

    it("have a subscription of their own if asked", function()
        loop.run(function()
            local nc <close> = helper.connect()
            ask(nc)
        end)
    end)

    it("survive a reconnect if asked", function()
        loop.run(function()
            local nc <close> = helper.connect()
            local other <close> = helper.connect()
            assert(other:subscribe("ask", { handler = function(msg)
                loop.sleep(0.3)
                assert(msg:respond("late"))
            end }))
            assert(other:flush())
            local failed, reply
            loop.spawn(function()
                failed = table.pack(nc:request("ask", "", { timeout = 5 }))
            end)
            loop.spawn(function()
                reply = assert(nc:request("ask", "", { timeout = 5, wait_reconnect = true }))
            end)
            loop.sleep(0.1)
            assert(nc:reconnect())
            while not (failed and reply) do
                loop.sleep(0.01)
            end
            helper.fails("disconnected", table.unpack(failed, 1, 3))
            assert.are.equal("late", reply.data)
        end)
    end)

    it("ask the server for the context", function()
        local nc = helper.connect()
        local context = assert(nc:context())
        assert.is_string(context.user)
        assert.is_string(context.account)
        helper.raises("timeout: ", nc.context, nc, -1)
        loop.run(function()
            local other <close> = helper.connect()
            assert.same(context, assert(other:context(5)))
        end)
        nc:close()
    end)
end)

describe("what is asked of the connection", function()
    setup(function()
        helper.start()
    end)
    teardown(helper.stop)

    it("is its address, the server's version, unique names", function()
        local nc = helper.connect()
        assert.are.equal("127.0.0.1", nc:info().client_ip)
        assert.is_true(nc:server_at_least(2, 2))
        assert.is_true(nc:server_at_least(0, 0, 1))
        assert.is_false(nc:server_at_least(999, 0, 0))
        helper.raises("version", nc.server_at_least, nc, -1, 0)
        assert.are.equal(22, #nats.nuid())
        assert.are_not.equal(nats.nuid(), nats.nuid())
        assert.truthy(nc:new_inbox():match("^_INBOX%."))
        for _, code in ipairs { "stalled", "sentinel" } do
            assert.are.equal("outcome", nats.status(code).class)
        end
        local before = nc:stats()
        assert(nc:publish("some.subject", ("x"):rep(1000)))
        assert(nc:flush())
        local after = nc:stats()
        assert.is_true(after.out_bytes >= before.out_bytes + 1000)
        assert.is_true(after.in_bytes > 0)
        nc:close()
        helper.fails("closed", nc:server_at_least(2, 2))
        helper.fails("closed", nc:context())
    end)

    it("is what a subscription is", function()
        local nc = helper.connect()
        local sub = assert(nc:subscribe("a.*", { queue = "q" }))
        assert.are.equal("a.*", sub.subject)
        assert.are.equal("q", sub.queue)
        assert.are.equal(sub:stats().sid, sub.sid)
        assert.is_nil(sub.nothing)
        local events = assert(nc:events())
        assert.is_nil(events.subject)
        assert.is_nil(events.queue)
        assert.are.equal(0, events.sid)
        events:close()
        assert.are.equal(0, events.sid)
        local sid = sub.sid
        sub:close()
        assert.are.equal("a.*", sub.subject)
        assert.are.equal("q", sub.queue)
        assert.are.equal(sid, sub.sid)
        local long = ("token."):rep(100) .. "end"
        local other = assert(nc:subscribe(long))
        local known = other:stats().sid
        assert.are.equal(long, other.subject)
        other:close()
        assert.are.equal(known, other.sid) -- not asked for before
        other:close()
        assert.are.equal(long, other.subject)
        assert.is_nil(other.queue)
        assert.are.equal("unsubscribed", (sub:reason()))
        assert.is_nil(assert(nc:subscribe("b")).queue)
        nc:close()
        helper.nothing_left()
    end)
end)
