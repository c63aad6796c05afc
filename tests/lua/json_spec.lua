-- nats.json: exact numbers, arrays and objects, what is refused, and messages.
local helper = require "helper"
local nats = require "natskit"

local json = nats.json

describe("nats.json", function()
    after_each(helper.nothing_left)

    local function round(text, wanted)
        local value, message = json.decode(text) -- false is a value, too
        assert.is_nil(message)
        assert.are.equal(wanted or text, json.encode(value))
    end

    it("reads and writes the same", function()
        if helper.before(5.3) then
            return pending("needs Lua 5.3")
        end
        for _, text in ipairs {
            "null", "true", "false", "0", '""', "[]", "{}", "[[[]],{},[1,2]]", '{"a":{"b":[null,true,"x"]}}',
            '"\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f"', '["ä","🙂"]', "9007199254740993", "-9223372036854775808",
            "9223372036854775807", "0.1", "1e300", "5e-324",
        } do
            round(text)
        end
        round(' [ 1 , { "a" : "\\u00e4\\ud83d\\ude00\\/" } ] ', '[1,{"a":"ä😀/"}]')
        round('{"a":1,"a":2}', '{"a":2}')
        round("1e2", "100")
        round("2.592e15", "2592000000000000")
    end)

    it("keeps integers exact and tells them from floats", function()
        if helper.before(5.3) then
            return pending("needs Lua 5.3")
        end
        local function typed(text)
            local value = assert(json.decode(text))
            return value, math.type(value)
        end
        assert.are.same({ math.maxinteger, "integer" }, { typed("9223372036854775807") })
        assert.are.same({ math.mininteger, "integer" }, { typed("-9223372036854775808") })
        assert.are.same({ 0, "integer" }, { typed("0") })
        assert.are.same({ 1.0, "float" }, { typed("1.0") })
        assert.are.same({ 1000.0, "float" }, { typed("1e3") })
        -- As Lua reads such numerals.
        local beyond = {
            "9223372036854775808", "18446744073709551615", "-9223372036854775809", "1" .. ("0"):rep(60),
        }
        for _, text in ipairs(beyond) do
            assert.are.same({ tonumber(text), "float" }, { typed(text) })
        end
        assert.are.equal("-0", json.encode(-0.0))
        assert.are.equal("-inf", tostring(1 / json.decode("-0")))
        assert.are.equal("[3,3,0.3333333333333333]", json.encode { 3, 3.0, 1 / 3 })
        assert.are.equal("2592000000000000", json.encode(30 * 86400 * 1e9))
    end)

    it("writes floats so that they are read as the same", function()
        for i = 1, 500 do
            local float = (math.random() - 0.5) * 10.0 ^ math.random(-300, 300)
            assert.are.equal(float, json.decode(json.encode(float)) + 0.0, i)
        end
    end)

    it("knows arrays from objects", function()
        assert.are.equal("{}", json.encode {})
        assert.are.equal("[]", json.encode(json.array {}))
        assert.are.equal("[]", json.encode(json.array()))
        assert.are.equal("{}", json.encode(json.object()))
        assert.are.equal("[1,null,false]", json.encode { 1, json.null, false })
        assert.are.equal('{"1":2}', json.encode { ["1"] = 2 })
        local list = assert(json.decode("[1]"))
        list[1] = nil
        assert.are.equal("[]", json.encode(list))
        assert.are.equal("{}", json.encode(json.object(list)))
        assert.are.equal('{"a":1}', json.encode(setmetatable({ a = 1 }, { __index = { b = 2 } })))
        assert.are.same({ 1, { a = json.null } }, json.decode('[1,{"a":null}]'))
        assert.is_true(json.decode("null") == json.null)
        helper.raises("metatable of its own", json.array, setmetatable({}, {}))
        helper.raises("table expected", json.object, 1)
    end)

    it("tells where a text is wrong", function()
        if helper.before(5.3) then
            return pending("needs Lua 5.3")
        end
        local wrong = {
            "", "[1,]", "{a:1}", "01", "1e999", "nul", '"\xff"', '"\\ud800"', "[1] x", "'a'", "NaN",
        }
        for _, text in ipairs(wrong) do
            helper.fails("invalid", json.decode(text))
        end
        local _, message = json.decode('{"a":tru}')
        assert.is_truthy(message:find("byte 5", 1, true))
        helper.fails("limit", json.decode(("["):rep(65) .. ("]"):rep(65)))
        round(("["):rep(64) .. ("]"):rep(64))
        helper.raises("string expected", json.decode)
    end)

    it("refuses what JSON cannot hold, and says where it is", function()
        if helper.before(5.3) then
            return pending("needs Lua 5.3")
        end
        local function refused(text, value)
            helper.raises(text, json.encode, value)
        end
        refused("NaN, but there is one at /a/2", { a = { 1, 0 / 0 } })
        refused("infinity", math.huge)
        refused("infinity", -math.huge)
        refused("function", print)
        refused("userdata, but there is one at /1", { io.stdout })
        refused("thread", coroutine.create(print))
        refused("neither 1 to n nor all strings", { 1, a = 2 })
        refused("at /a/b", { a = { b = { [true] = 1 } } })
        refused("neither", { [0] = 1 })
        refused("neither", { [1.5] = 1 })
        refused("neither", { [-1] = 1 })
        refused("neither", json.array { a = 1 })
        refused("neither", json.object { 1 })
        refused("holes", { 1, nil, 3 })
        refused("holes", json.array { [2] = 1 })
        refused("UTF-8", { "\xff" })
        refused("UTF-8", { ["\xc3"] = 1 })
        helper.raises("value expected", json.encode)
        refused("JSON has no nil", nil)
        local cycle = {}
        cycle.x = { cycle }
        refused("contains itself at /x/1", cycle)
        local deep = {}
        local inner = deep
        for _ = 1, 63 do
            inner[1] = {}
            inner = inner[1]
        end
        assert.are.equal(("["):rep(63) .. "{}" .. ("]"):rep(63), json.encode(deep))
        inner[1] = {}
        refused("64 levels", deep)
        local twice = { 1 }
        assert.are.equal("[[1],[1]]", json.encode { twice, twice })
    end)

    it("takes large documents", function()
        local list = {}
        for i = 1, 20000 do
            list[i] = { id = i, name = "n" .. i, tags = { "a\n", "ä" } }
        end
        local text = json.encode(list)
        local again = assert(json.decode(text))
        assert.are.equal(20000, #again)
        assert.are.same(list[777], again[777])
        local control = ("\1"):rep(10000)
        assert.are.equal(control, json.decode(json.encode(control)))
    end)

    it("leaves nothing behind when memory or a finalizer interferes", function()
        if helper.before(5.3) then
            return pending("needs Lua 5.3")
        end
        local calls = 0
        for _ = 1, 200 do
            setmetatable({}, { __gc = function()
                calls = calls + 1
                json.encode(assert(json.decode('{"a":[1,2,{"b":"c"}]}')))
            end })
            local text = json.encode { a = { 1, 2, { b = ("x"):rep(3000) } } }
            assert.are.equal(3000, #json.decode(text).a[3].b)
        end
        collectgarbage()
        assert.are.equal(200, calls)
    end)
end)

describe("messages", function()
    setup(helper.start)
    teardown(helper.stop)

    it("carry JSON", function()
        local nc = helper.connect()
        local sub = assert(nc:subscribe("j"))
        assert(nc:publish("j", nats.json.encode { id = 9007199254740993, items = { "tea" } }))
        local msg = assert(sub:next(5))
        assert.are.same({ id = 9007199254740993, items = { "tea" } }, msg:json())
        assert(nc:publish("j", "no"))
        helper.fails("invalid", assert(sub:next(5)):json())
        msg:close()
        helper.raises("closed", msg.json, msg)
        local events = assert(nc:events())
        assert(nc:reconnect())
        helper.raises("an event has no payload", function()
            return assert(events:next(5)):json()
        end)
        events:close()
        sub:close()
        nc:close()
        msg, sub, events = nil, nil, nil -- luacheck: ignore
        helper.nothing_left()
    end)
end)
