-- Headers: repeated names, case, order, and the status line.
local helper = require "helper"
local nats = require "natskit"

describe("headers", function()
    local nc, tap, sub

    setup(function()
        helper.start()
    end)
    teardown(helper.stop)
    before_each(function()
        nc, tap = helper.tapped()
        sub = assert(nc:subscribe("h"))
    end)
    after_each(function()
        sub:close()
        nc:close()
        tap:close()
        helper.nothing_left()
    end)

    local function through(headers)
        assert(nc:publish("h", "data", { headers = headers }))
        local msg = assert(sub:next(5))
        assert.are.equal("data", msg.data)
        return msg
    end

    it("are a table of lists", function()
        local msg = through { One = "1", Two = { "a", "b", "" }, Number = 42, ["x-Case"] = "kept" }
        assert.are.same({ One = { "1" }, Two = { "a", "b", "" }, Number = { "42" }, ["x-Case"] = { "kept" } },
            msg.headers)
        assert.are.equal("1", msg:header("One"))
        assert.are.equal("1", msg:header("One", 1))
        assert.is_nil(msg:header("One", 2))
        assert.are.equal("b", msg:header("Two", 2))
        assert.are.equal("", msg:header("Two", 3))
        assert.is_nil(msg:header("X-Case"))
        assert.are.equal("kept", msg:header_ignore_case("X-CASE"))
        assert.is_nil(msg:header_ignore_case("X-CASE", 2))
        helper.raises("counted from 1", msg.header, msg, "One", 0)
        helper.raises("string expected", msg.header, msg)
    end)

    it("keep their order, case and repeats as a list", function()
        local pairs_in_order = {
            { "b", "1" }, { "A", "2" }, { "b", "3" }, { "B", "4" }, { "a", "with : colon and  blanks" }, { "b", "5" },
        }
        local msg = through(pairs_in_order)
        assert.are.same(pairs_in_order, msg.header_list)
        assert.are.same({ "1", "3", "5" }, msg.headers.b)
        assert.are.same({ "4" }, msg.headers.B)
        assert.are.equal("3", msg:header("b", 2))
        assert.are.equal("4", msg:header_ignore_case("b", 3))
        assert.are.equal("5", msg:header_ignore_case("b", 4))
    end)

    it("go out from a batch, a request and a response", function()
        assert(nc:publish_batch {
            { "h", "1", headers = { N = "1" } }, { "h", "2" }, { "h", "3", headers = { { "N", "3" } } },
        })
        assert(nc:flush())
        assert.are.equal("1", sub:next():header("N"))
        assert.is_nil(sub:next().headers)
        assert.are.equal("3", sub:next():header("N"))
        local inbox = assert(nc:subscribe("answers"))
        assert(nc:publish("h", "question", { reply = "answers", headers = { Q = "q" } }))
        local question = assert(sub:next(5))
        assert.are.equal("q", question:header("Q"))
        assert.is_true(question:respond("answer", { headers = { A = { "a", "b" } } }))
        assert.are.same({ A = { "a", "b" } }, assert(inbox:next(5)).headers)
    end)

    it("hold any text but line ends", function()
        local value = {}
        for i = 1, 126 do
            if i ~= 10 and i ~= 13 then
                value[#value + 1] = string.char(i)
            end
        end
        value = "(" .. table.concat(value) .. " grüße 🙂)"
        assert.are.equal(value, through({ Text = value }):header("Text"))
    end)

    it("may be empty", function()
        assert.is_nil(through({}).headers)
    end)

    it("are gone with the next message", function()
        through { A = "1" }
        assert.are.same({ { "B", "2" } }, through({ B = "2" }).header_list)
    end)

    it("tell the status of the server's answer", function()
        local inbox = assert(nc:subscribe("status"))
        assert(nc:publish("nobody.listens", "", { reply = "status" }))
        local msg = assert(inbox:next(5))
        assert.are.equal(503, msg.status)
        assert.are.equal("table", type(msg.headers)) -- newer servers name the subject in it
        assert.are.equal("", msg.data)
        helper.fails("no_reply", msg:respond("x"))
    end)

    it("are a set that is kept, changed, and sent again", function()
        if helper.before(5.3) then
            return pending("needs Lua 5.3")
        end
        local h = nats.headers { { "A", "1" }, { "b", "2" }, { "a", "3" }, { "A", "4" } }
        assert.are.equal(4, #h)
        assert.are.equal("1", h:get("A"))
        assert.are.equal("4", h:last("A"))
        assert.are.same({ "1", "4" }, h:values("A"))
        assert.are.same({ "1", "3", "4" }, h:values("A", "ignore_case"))
        assert.are.same({ "1", "4" }, h:values("a", "canonical"))
        assert.are.same({}, h:values("none"))
        assert.is_nil(h:get("B"))
        assert.is_nil(h:last("B"))
        assert.are.equal("2", h:get("B", "ignore_case"))
        assert.is_true(h:has("b"))
        assert.is_false(h:has("B"))
        assert.are.same({ "A", "b", "a" }, h:keys())
        local list = {}
        for name, value in h:pairs() do
            list[#list + 1] = { name, value }
        end
        assert.are.same({ { "A", "1" }, { "b", "2" }, { "a", "3" }, { "A", "4" } }, list)
        local names = {}
        for name in pairs(h) do
            names[#names + 1] = name
        end
        assert.are.equal("A b a A", table.concat(names, " "))
        for _ = 1, 3 do
            assert.are.same(list, through(h).header_list)
        end
        assert.are.equal(h, h:set("A", "5"):append("Long", ("x"):rep(5000)))
        assert.are.same({ { "b", "2" }, { "a", "3" }, { "A", "5" }, { "Long", ("x"):rep(5000) } },
            through(h).header_list)
        assert.are.equal(5000, #h:get("Long"))
        assert.is_true(h:delete("a"))
        assert.is_false(h:delete("a"))
        h:set("B", 7, "ignore_case")
        assert.are.same({ "A", "Long", "B" }, h:keys())
        assert.are.equal(0, #h:clear())
        assert.is_nil(through(h).headers)
        h:close()
        helper.raises("closed", h.get, h, "A")
        helper.raises("closed", nc.publish, nc, "h", "", { headers = h })
        assert.truthy(tostring(h):find("closed", 1, true))
        helper.raises("header 'a b'", nats.headers().set, nats.headers(), "a b", "")
        helper.raises("invalid option 'some'", nats.headers().get, nats.headers(), "a", "some")
        helper.raises("table", nats.headers, 1)
    end)

    it("are made of others, and compared", function()
        local a, b = nats.headers { { "A", "1" }, { "B", "2" } }, nats.headers { { "B", "2" }, { "A", "1" } }
        assert.is_false(a == b)
        b:delete("A")
        assert.is_false(a == b)
        b:clear():append("A", "1"):append("B", "2")
        assert.is_true(a == b)
        assert.is_true(nats.headers(a) == b)
        local msg = through(a)
        local copy = nats.headers(msg)
        assert.is_true(copy == a)
        copy:append("C", "3")
        assert.are.equal("3", through(copy):header("C"))
        assert.is_nil(msg:header("C"))
        assert.are.equal(0, #nats.headers(through {}))
        assert(nc:publish_batch { { "h", "data", headers = a }, { "h", "data", headers = copy }, { "h", "data" } })
        assert.are.same({ "A", "B" }, assert(sub:next(5)):header_keys())
        assert.are.same({ "A", "B", "C" }, assert(sub:next(5)):header_keys())
        assert.are.same({}, assert(sub:next(5)):header_keys())
    end)

    it("are read in all ways from a message", function()
        local msg = through { { "x-request-ID", "1" }, { "X-Request-Id", "2" }, { "X-REQUEST-ID", "3" },
            { "X-Request-Id", "4" } }
        assert.are.equal("2", msg:header("X-Request-Id"))
        assert.are.equal("4", msg:header("X-Request-Id", "exact", 2))
        assert.are.equal("1", msg:header("x-REQUEST-id", "ignore_case"))
        assert.are.equal("2", msg:header("x-request-id", "canonical"))
        assert.are.equal("4", msg:header_last("x-request-id", "canonical"))
        assert.are.equal("4", msg:header_last("x-request-id", "ignore_case"))
        assert.is_nil(msg:header_last("none"))
        assert.are.same({ "2", "4" }, msg:header_values("X-Request-Id"))
        assert.are.same({ "1", "2", "3", "4" }, msg:header_values("X-Request-Id", "ignore_case"))
        local list = {}
        for name, value in msg:header_pairs() do
            list[#list + 1] = name .. "=" .. value
        end
        assert.are.equal("x-request-ID=1 X-Request-Id=2 X-REQUEST-ID=3 X-Request-Id=4", table.concat(list, " "))
        assert.are.same({ "x-request-ID", "X-Request-Id", "X-REQUEST-ID" }, msg:header_keys())
        local plain = through()
        assert.are.equal(#"h" + #"data", plain.size)
        assert.is_true(msg.size > plain.size + 60)
        helper.raises("invalid option", msg.header, msg, "a", "some")
    end)

    it("ask for a trace", function()
        assert(nc:publish("h", "data", { trace_destination = "traces" }))
        assert.are.same({ { "Nats-Trace-Dest", "traces" } }, assert(sub:next(5)).header_list)
        local h = nats.headers { A = "1" }
        local traces = assert(nc:subscribe("traces"))
        assert(nc:publish("h", "data", { trace_destination = "traces", trace_only = true, headers = h }))
        assert.are.same({ "A" }, h:keys())
        if nc:server_at_least(2, 11) then
            assert.truthy(assert(traces:next(5)).data:find("{", 1, true))
            helper.fails("timeout", sub:next(0.1))
        end
        traces:close()
        helper.raises("trace_only needs", nc.publish, nc, "h", "", { trace_only = true })
        helper.raises("trace_destination: ", nc.publish, nc, "h", "", { trace_destination = "a b" })
        helper.raises("trace_only: boolean", nc.publish, nc, "h", "", { trace_destination = "a", trace_only = 1 })
    end)

    it("go along when a message is published again", function()
        local other = assert(nc:subscribe("other"))
        assert(nc:publish("h", "data", { headers = { A = "1" }, reply = "back" }))
        local msg = assert(sub:next(5))
        assert(msg:republish("other"))
        local again = assert(other:next(5))
        assert.are.same({ "data", "back", "1" }, { again.data, again.reply, again:header("A") })
        assert(msg:republish("other", { reply = "elsewhere" }))
        assert.are.equal("elsewhere", assert(other:next(5)).reply)
        assert(msg:republish("other", { reply = "", timeout = 1 }))
        assert.is_nil(assert(other:next(5)).reply)
        assert(msg:republish())
        assert.are.equal("data", assert(sub:next(5)).data)
        helper.raises("republish", msg.republish, msg, "a b")
        helper.raises("republish: reply", msg.republish, msg, "a", { reply = "a b" })
        helper.raises("unknown option 'headers'", msg.republish, msg, "a", { headers = {} })
        other:close()
        local events = assert(nc:events())
        nc:close()
        helper.fails("closed", msg:republish())
        local event = assert(events:next(5))
        helper.raises("an event", event.republish, event)
        events:close()
    end)
end)
