-- Bad arguments: each gives a clear error, and not one byte of it goes to the server (the tap counts).
local helper = require "helper"

-- Subjects that nobody may publish to, and those that cannot be subscribed to.
local never = {
    "", " ", "a b", "a\tb", "a\r\nPUB evil 0\r\n", "a\n", "a\0b", ".", ".a", "a.", "a..b", "a\127",
}
local only_to_subscribe = { "*", ">", "a.*", "a.>", "a.*.b" }
local never_to_subscribe = { "a.>.b", ">.a" }

describe("bad input", function()
    local nc, tap, before

    setup(function()
        helper.start()
    end)
    teardown(helper.stop)
    before_each(function()
        nc, tap = helper.tapped({ ping_interval = 3600 })
        assert(nc:flush())
        before = tap:stats().bytes_up
        assert(before, "the tap does not count bytes_up")
    end)
    after_each(function()
        -- What the bad input had sent would stand before the PING of this flush.
        assert.is_true(nc:flush())
        if helper.scheme ~= "wss" then -- what TLS makes of it is no fixed number of bytes
            local frame = helper.scheme == "ws" and 6 or 0
            assert.are.equal(before + frame + #"PING\r\n", tap:stats().bytes_up)
        end
        nc:close()
        tap:close()
        helper.nothing_left()
    end)

    -- A text of one line that says what is wrong.
    local function refused(fn, ...)
        local good, message = pcall(fn, ...)
        assert.is_false(good)
        assert.are.equal("string", type(message))
        assert.is_true(#message > 10 and #message < 400, message)
        assert.is_nil(message:find("%c"), message)
        return message
    end

    it("in subjects of publish and request", function()
        for _, list in ipairs { never, only_to_subscribe } do
            for _, subject in ipairs(list) do
                assert.truthy(refused(nc.publish, nc, subject, "x"):find("subject", 1, true))
                refused(nc.publish, nc, subject, "x", { headers = { A = "b" } })
                refused(nc.request, nc, subject, "x")
                refused(nc.publish_batch, nc, { { subject, "x" } })
            end
        end
        refused(nc.publish, nc, ("x"):rep(100000), "x")
    end)

    it("in reply subjects", function()
        for _, list in ipairs { never, only_to_subscribe } do
            for _, reply in ipairs(list) do
                if reply ~= "" then
                    assert.truthy(refused(nc.publish, nc, "a", "x", { reply = reply }):find("reply", 1, true))
                    local message = refused(nc.publish_batch, nc, { { subject = "a", reply = reply } })
                    assert.truthy(message:find("message 1: reply", 1, true), message)
                end
            end
        end
    end)

    it("in subjects and queue names of subscribe", function()
        for _, list in ipairs { never, never_to_subscribe } do
            for _, subject in ipairs(list) do
                refused(nc.subscribe, nc, subject)
            end
        end
        for _, queue in ipairs { "", " ", "a b", "a\r\nPING\r\n", "a\tb" } do
            refused(nc.subscribe, nc, "a", { queue = queue })
        end
    end)

    it("in headers", function()
        local cases = {
            { "string expected as value, got boolean", { A = true } },
            { "string expected as value, got table", { A = { {} } } },
            { "string expected as name, got boolean", { [true] = "x" } },
            { "string expected as name, got number", { [2.5] = "x" } },
            { "{name, value} expected, got string", { "A: b" } },
            { "string expected as name, got number", { { 1, "x" } } },
            { "string expected as value, got nil", { { "A" } } },
            { "header 'A b'", { ["A b"] = "x" } },
            { "header 'A:'", { ["A:"] = "x" } },
            { "header ''", { [""] = "x" } },
            { "header 'ä'", { ["ä"] = "x" } },
            { "header 'A'", { A = "x\r\nB: y" } },
            { "header 'A'", { A = "x\0y" } },
            { "header 'A'", { A = "\255\254" } },
            { "header 'A'", { A = { "fine", "not\nfine" } } },
            { "header 'A'", { A = ("x"):rep(70000) } },
            { "table expected, got string", "A: b" },
        }
        for i, case in ipairs(cases) do
            local text = "case " .. i
            for _, message in ipairs {
                refused(nc.publish, nc, "a", "x", { headers = case[2] }),
                refused(nc.request, nc, "a", "x", { headers = case[2] }),
                refused(nc.publish_batch, nc, { { "fine", "x" }, { subject = "a", headers = case[2] } }),
            } do
                assert.truthy(message:find(case[1], 1, true), text .. ": " .. message)
            end
        end
    end)

    it("in types and options", function()
        local cases = {
            { "bad argument #1 to 'publish' (string expected, got no value)", function() nc:publish() end },
            { "natskit.conn expected, got no value", nc.publish },
            { "natskit.conn expected, got table", nc.publish, {}, "a", "x" },
            { "string expected, got table", nc.publish, nc, {}, "x" },
            { "string expected, got table", nc.publish, nc, "a", {} },
            { "string expected, got boolean", nc.publish, nc, "a", true },
            { "table expected, got string", nc.publish, nc, "a", "x", "reply" },
            { "unknown option 'replay'", nc.publish, nc, "a", "x", { replay = "b" } },
            { "unknown option '1'", nc.publish, nc, "a", "x", { "b" } },
            { "reply: string expected, got number", nc.publish, nc, "a", "x", { reply = 1 } },
            { "timeout: number of seconds expected, got string", nc.publish, nc, "a", "x", { timeout = "1" } },
            { "timeout: ", nc.publish, nc, "a", "x", { timeout = -1 } },
            { "reply", nc.request, nc, "a", "x", { reply = "b c" } },
            { 'no option "replay"', nc.request, nc, "a", "x", { replay = "b" } },
            { "option 'own_sub': boolean expected", nc.request, nc, "a", "x", { own_sub = 1 } },
            { 'no option "stal"', nc.request_many, nc, "a", "x", { stal = 1 } },
            { "max_wait", nc.request_many, nc, "a", "x", { max_wait = 0 } },
            { "string expected, got nil", nc.request_many, nc, nil, "x" },
            { "timeout: ", nc.request, nc, "a", "x", { timeout = 0 / 0 } },
            { "string expected, got nil", nc.request, nc, nil, "x" },
            { "timeout: number of seconds expected, got table", nc.flush, nc, {} },
            { "linger: ", nc.close, nc, -5 },
            { "table expected, got string", nc.publish_batch, nc, "a" },
            { "message 2: table expected, got string", nc.publish_batch, nc, { { "a", "x" }, "b" } },
            { "message 1: subject: string expected, got nil", nc.publish_batch, nc, { {} } },
            { "message 1: data: string expected, got number", nc.publish_batch, nc, { { "a", 5 } } },
            { "message 1: reply: string expected", nc.publish_batch, nc, { { subject = "a", reply = {} } } },
            { "unknown option 'headers'", nc.publish_batch, nc, { { "a" } }, { headers = {} } },
            { "string expected, got no value", nc.subscribe, nc },
            { "table expected, got string", nc.subscribe, nc, "a", "queue" },
            { 'no option "que"', nc.subscribe, nc, "a", { que = "b" } },
            { "option 'queue': string expected", nc.subscribe, nc, "a", { queue = 1 } },
            { "max_msgs", nc.subscribe, nc, "a", { max_msgs = -1 } },
            { "whole number expected", nc.subscribe, nc, "a", { pending_msgs_limit = 0.5 } },
            { "no option", nc.events, nc, { queue = "a" } },
        }
        for i, case in ipairs(cases) do
            local message = refused(table.unpack(case, 2, #case))
            assert.truthy(message:find(case[1], 1, true), ("case %d: %s"):format(i, message))
        end
    end)

    it("in what is larger than the server takes", function()
        local large = ("x"):rep(nc:info().max_payload + 1)
        helper.fails("too_large", nc:publish("a", large))
        helper.fails("too_large", nc:publish("a", large, { timeout = 1 }))
        helper.fails("too_large", nc:publish("a", large:sub(1, -3), { headers = { A = "b" } }))
        helper.fails("too_large", nc:request("a", large))
        helper.fails("too_large", nc:publish_batch { { "a", large } })
    end)
end)

describe("bad input of subscriptions", function()
    it("is refused", function()
        helper.start()
        local nc = helper.connect()
        local sub = assert(nc:subscribe("a"))
        local cases = {
            { "natskit.sub expected, got natskit.conn", sub.next, nc },
            { "natskit.sub expected, got no value", sub.next },
            { "natskit.conn expected, got natskit.sub", nc.publish, sub, "a", "b" },
            { "timeout: ", sub.next, sub, "1" },
            { "timeout: ", sub.next, sub, -0.5 },
            { "timeout: ", sub.messages, sub, {} },
            { "timeout: ", sub.strings, sub, -1 },
            { "timeout: ", sub.next_batch, sub, 5, -1 },
            { "number expected, got string", sub.next_batch, sub, "many" },
            { "no integer representation", sub.next_batch, sub, 1.5 },
            { "is not negative", sub.unsubscribe, sub, -1 },
        }
        for i, case in ipairs(cases) do
            local good, message = pcall(table.unpack(case, 2, #case))
            assert.is_false(good, "case " .. i)
            assert.truthy(message:find(case[1], 1, true), ("case %d: %s"):format(i, message))
        end
        assert(nc:publish("a", "fine"))
        assert.are.equal("fine", assert(sub:next(5)).data)
        sub:close()
        nc:close()
        helper.nothing_left()
        helper.stop()
    end)
end)
