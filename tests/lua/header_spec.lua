-- Headers: repeated names, case, order, and the status line.
local helper = require "helper"

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
end)
