-- Publishing, the ways to take messages, queue groups, limits and ends of subscriptions. All of it through the
-- tap, whose oracle reads every byte that is sent.
local helper = require "helper"
local nats = require "natskit"

describe("publish and subscribe", function()
    local nc, tap

    setup(function()
        helper.start()
    end)
    teardown(helper.stop)
    before_each(function()
        nc, tap = helper.tapped()
    end)
    after_each(function()
        nc:close()
        tap:close()
        helper.nothing_left()
    end)

    local function publish(subject, first, last)
        for i = first, last do
            assert(nc:publish(subject, tostring(i)))
        end
        assert(nc:flush())
    end

    it("carries any bytes, the empty payload too", function()
        local sub <close> = assert(nc:subscribe("bytes"))
        local all = {}
        for i = 0, 255 do
            all[#all + 1] = string.char(i)
        end
        local payloads = { table.concat(all), "", "\0", "\r\n", ("x"):rep(100000), "end" }
        for _, payload in ipairs(payloads) do
            assert.is_true(nc:publish("bytes", payload))
        end
        assert.is_true(nc:publish("bytes"))
        assert.is_true(nc:publish("bytes", 42))
        for _, payload in ipairs(payloads) do
            assert.is_true(assert(sub:next(5)).data == payload)
        end
        assert.are.equal("", sub:next(5).data)
        assert.are.equal("42", sub:next(5).data)
    end)

    it("gives the fields of a message when they are read", function()
        local sub <close> = assert(nc:subscribe("fields.*"))
        assert(nc:publish("fields.a", "data", { reply = "answers" }))
        assert(nc:publish("fields.b"))
        local msg = assert(sub:next(5))
        assert.are.equal("message", msg.kind)
        assert.are.equal("fields.a", msg.subject)
        assert.are.equal("data", msg.data)
        assert.are.equal("answers", msg.reply)
        assert.are.equal(sub:stats().sid, msg.sid)
        assert.truthy(tostring(msg):find("fields.a, 4 bytes", 1, true))
        for _, absent in ipairs { "headers", "header_list", "status", "description", "type", "nonsense", 1 } do
            assert.is_nil(msg[absent])
        end
        assert.is_nil(msg:header("X"))
        assert.has_error(function()
            msg.data = "x"
        end)
        msg = assert(sub:next(5))
        assert.is_nil(msg.reply)
        assert.are.equal("", msg.data)
        assert.is_true(msg:close())
        assert.is_true(msg:close())
        helper.raises("the message was closed", function()
            return msg.data
        end)
        helper.raises("the message was closed", msg.respond, msg, "x")
        assert.truthy(tostring(msg):find("closed", 1, true))
    end)

    it("matches wildcards", function()
        local one <close> = assert(nc:subscribe("w.*.c"))
        local rest <close> = assert(nc:subscribe("w.>"))
        for _, subject in ipairs { "w.b.c", "w.b", "w.b.c.d", "w.x.c", "v.b.c" } do
            assert(nc:publish(subject, ""))
        end
        assert(nc:flush())
        local function subjects(sub)
            local list = {}
            for subject in sub:strings(0) do
                list[#list + 1] = subject
            end
            return table.concat(list, " ")
        end
        assert.are.equal("w.b.c w.x.c", subjects(one))
        assert.are.equal("w.b.c w.b w.b.c.d w.x.c", subjects(rest))
    end)

    it("loses nothing when a loop is left, whatever takes the rest", function()
        local sub <close> = assert(nc:subscribe("loop"))
        publish("loop", 1, 1000)
        local seen = 0
        local function take(data)
            seen = seen + 1
            assert.are.equal(tostring(seen), data)
        end
        for msg in sub:messages() do
            take(msg.data)
            if seen == 10 then
                break
            end
        end
        local stats = sub:stats()
        assert.are.equal(10, stats.taken)
        assert.are.equal(990, stats.pending_msgs)
        take(assert(sub:next()).data)
        for subject, data, reply in sub:strings() do
            assert.are.equal("loop", subject)
            assert.is_nil(reply)
            take(data)
            if seen == 100 then
                break
            end
        end
        for _, msg in ipairs(assert(sub:next_batch(200))) do
            take(msg.data)
        end
        assert.are.equal(300, seen)
        pcall(function()
            for msg in sub:messages() do
                take(msg.data)
                error("out")
            end
        end)
        for msg in sub:messages(0) do
            take(msg.data)
        end
        assert.are.equal(1000, seen)
        helper.fails("would_block", sub:next(0))
        assert.is_nil(sub:stats().reason)
        publish("loop", 1001, 1001)
        take(assert(sub:next()).data)
    end)

    it("gives strings with their reply subjects", function()
        local sub <close> = assert(nc:subscribe("s.>"))
        local big = ("b"):rep(200000)
        assert(nc:publish("s.one", "1", { reply = "r.1" }))
        assert(nc:publish("s.one", "2"))
        assert(nc:publish("s.two", big, { reply = "r.2", headers = { A = "b" } }))
        assert(nc:flush())
        local got = {}
        for subject, data, reply in sub:strings(0) do
            got[#got + 1] = { subject, #data, reply or "-" }
        end
        assert.are.same({ { "s.one", 1, "r.1" }, { "s.one", 1, "-" }, { "s.two", #big, "r.2" } }, got)
    end)

    it("takes batches", function()
        local sub <close> = assert(nc:subscribe("batch"))
        helper.fails("timeout", sub:next_batch(10, 0.05))
        helper.fails("would_block", sub:next_batch(10, 0))
        publish("batch", 1, 500)
        assert.are.equal(1, #assert(sub:next_batch(1)))
        assert.are.equal(200, #assert(sub:next_batch(200)))
        local rest = assert(sub:next_batch(100000, 1))
        assert.are.equal(299, #rest)
        assert.are.equal("500", rest[299].data)
        helper.raises("at least one message", sub.next_batch, sub, 0)
        helper.raises("number expected", sub.next_batch, sub)
    end)

    it("publishes batches in order", function()
        local sub <close> = assert(nc:subscribe("list.*"))
        local list = {}
        for i = 1, 1000 do
            if i % 100 == 0 then
                list[i] = { subject = "list.b", data = tostring(i), reply = "r", headers = { N = tostring(i) } }
            else
                list[i] = { "list.a", tostring(i) }
            end
        end
        list[1001] = { "list.c" }
        list[1002] = { subject = "list.d" }
        assert.are.equal(1002, nc:publish_batch(list))
        assert.are.equal(0, nc:publish_batch {})
        assert.are.equal(1, nc:publish_batch({ { "list.e", "" } }, { timeout = 1 }))
        assert(nc:flush())
        local msgs = assert(sub:next_batch(2000, 0))
        assert.are.equal(1003, #msgs)
        for i = 1, 1000 do
            assert.are.equal(tostring(i), msgs[i].data)
            assert.are.equal(i % 100 == 0 and "r" or nil, msgs[i].reply)
            assert.are.equal(i % 100 == 0 and tostring(i) or nil, msgs[i]:header("N"))
        end
    end)

    it("shares work in queue groups", function()
        local members, plain = {}, assert(nc:subscribe("job"))
        for i = 1, 3 do
            members[i] = assert(nc:subscribe("job", { queue = "workers" }))
        end
        local other = assert(nc:subscribe("job", { queue = "others" }))
        publish("job", 1, 300)
        local sum = 0
        for _, member in ipairs(members) do
            local received = member:stats().received
            assert.is_true(received > 0)
            sum = sum + received
        end
        assert.are.equal(300, sum)
        assert.are.equal(300, plain:stats().received)
        assert.are.equal(300, other:stats().received)
    end)

    it("ends after a number of messages, and tells why", function()
        local by_option = assert(nc:subscribe("max", { max_msgs = 5 }))
        local by_call = assert(nc:subscribe("max"))
        local at_once = assert(nc:subscribe("max"))
        assert.is_true(by_call:unsubscribe(7))
        assert.are.equal(7, by_call:stats().max)
        publish("max", 1, 3)
        assert.is_true(at_once:unsubscribe())
        publish("max", 4, 10)
        for sub, wanted in pairs { [by_option] = 5, [by_call] = 7, [at_once] = 3 } do
            local count = 0
            for _ in sub:messages() do
                count = count + 1
            end
            assert.are.equal(wanted, count)
            helper.fails("end", sub:next())
            helper.fails("end", sub:next_batch(1))
        end
        assert.are.equal("max_reached", by_option:stats().reason)
        assert.are.equal("max_reached", by_call:stats().reason)
        assert.are.equal("unsubscribed", at_once:stats().reason)
    end)

    it("drops the newest over a limit, and counts them", function()
        local events = assert(nc:events())
        local sub = assert(nc:subscribe("flood", { pending_msgs_limit = 10 }))
        publish("flood", 1, 25)
        local stats = sub:stats()
        assert.are.equal(25, stats.received)
        assert.are.equal(10, stats.pending_msgs)
        assert.are.equal(15, stats.dropped_msgs)
        assert.are.equal(10, stats.limit_msgs)
        assert.are.equal(15, nc:stats().dropped_msgs)
        local event = assert(events:next(5))
        assert.are.equal("event", event.kind)
        assert.are.equal("slow_consumer", event.type)
        assert.are.equal("flood", event.subject)
        assert.are.equal(stats.sid, event.sid)
        assert.are.equal("slow_consumer", event.code)
        for i = 1, 10 do
            assert.are.equal(tostring(i), sub:next(0).data)
        end
        sub:close()
        local bytes = assert(nc:subscribe("flood", { pending_bytes_limit = 4096 }))
        publish("flood", 1, 1000)
        assert.is_true(bytes:stats().dropped_msgs > 0)
        assert.is_true(bytes:stats().pending_bytes <= 4096)
        assert.are.equal(bytes:stats().sid, assert(events:next(5)).sid)
        bytes:close()
        helper.fails("would_block", events:next(0)) -- one event for each episode, not for each message
    end)

    it("waits for messages that come later, and no longer than asked", function()
        local sub <close> = assert(nc:subscribe("later"))
        local took, msg, _, code = helper.timed(sub.next, sub, 0.25)
        assert.is_nil(msg)
        assert.are.equal("timeout", code)
        assert.is_true(took >= 0.24 and took < 1.5, took)
        local count
        took = helper.timed(function()
            count = 0
            for _ in sub:messages(0.2) do
                count = count + 1
            end
        end)
        assert.are.equal(0, count)
        assert.is_true(took >= 0.19 and took < 1.5, took)
        local child = io.popen(("sleep 0.3; exec lua5.4 -e 'package.cpath=%q local nc = " ..
            "require([[natskit]]).connect([[%s]]) nc:publish([[later]], [[now]]) nc:close()'"):format(
            package.cpath, helper.url))
        assert.are.equal("now", assert(sub:next(10)).data)
        child:close()
    end)

    it("does not echo if asked", function()
        local quiet <close> = helper.connect({ no_echo = true })
        local own <close> = assert(quiet:subscribe("echo"))
        local others <close> = assert(nc:subscribe("echo"))
        assert(nc:flush())
        assert(quiet:publish("echo", "x"))
        assert(quiet:flush())
        assert.are.equal("x", assert(others:next(5)).data)
        helper.fails("would_block", own:next(0))
    end)

    it("counts what it carried", function()
        local sub <close> = assert(nc:subscribe("count"))
        publish("count", 1, 10)
        assert.are.equal(10, #sub:next_batch(20))
        local stats = nc:stats()
        assert.are.equal(10, stats.out_msgs)
        assert.are.equal(10, stats.in_msgs)
        assert.are.equal(1, stats.subs)
        if helper.scheme ~= "wss" then -- the tap does not see what TLS hides
            assert.are.equal(10, tap:stats().pub)
        end
    end)

    it("keeps the memory of messages that nobody holds low", function()
        if helper.before(5.3) then
            return pending("needs Lua 5.3")
        end
        local sub <close> = assert(nc:subscribe("large"))
        local payload = ("x"):rep(500000)
        local worst = 0
        for _ = 1, 200 do
            assert(nc:publish("large", payload))
            assert.are.equal(#payload, #assert(sub:next(5)).data)
            worst = math.max(worst, nats.counters().msgs)
        end
        assert.is_true(worst < 60, worst)
    end)
end)
